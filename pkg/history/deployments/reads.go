package deployments

import (
	"context"
	"slices"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Reads are the files and folders that a deployment was rendered from, by the decision that
// it rests on; none when there is no decision, or it does not say.
func (m *Model) Reads(ctx context.Context, d Deployment) ([]approval.Read, error) {
	if d.Decision == 0 {
		return nil, nil
	}
	p, err := m.decision(ctx, d.Decision)
	if err != nil {
		return nil, err
	}
	var all []approval.Read
	for _, c := range []*approval.Closure{p.Facts.Closure, p.Facts.BaselineClosure} {
		if c == nil {
			continue
		}
		for _, r := range c.Reads {
			if !slices.Contains(all, r) {
				all = append(all, r)
			}
		}
	}
	return all, nil
}
