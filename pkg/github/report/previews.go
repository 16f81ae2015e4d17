package report

import (
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Previews tells what is rendered differently, in short and then resource by resource,
// within a number of bytes; empty when nothing was looked at.
func Previews(r approval.PullReport, limit int) string {
	var b strings.Builder
	for _, g := range r.Gates {
		for _, section := range rendered(g) {
			b.WriteString(section + "\n")
		}
	}
	if b.Len() > 0 {
		b.WriteString(unfolded(r, r.Gates, limit-b.Len(), ""))
	}
	return b.String()
}
