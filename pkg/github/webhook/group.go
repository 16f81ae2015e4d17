package webhook

import (
	"errors"
	"fmt"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// mergeGroup is what the event of a merge queue tells of a group. The heads and the base
// are full names ("refs/heads/main").
type mergeGroup struct {
	HeadSHA string `json:"head_sha"`
	HeadRef string `json:"head_ref"`
	BaseSHA string `json:"base_sha"`
	BaseRef string `json:"base_ref"`
}

// readMergeGroup reads that a merge queue waits for checks of a group ("merge_group",
// GitHub docs). Groups that were destroyed need none.
func readMergeGroup(d delivery) (approval.Hint, error) {
	h, err := d.about()
	if err != nil || d.Action != "checks_requested" {
		return h, err
	}
	g := d.MergeGroup
	if g == nil {
		return approval.Hint{}, errors.New("it names no merge group")
	}
	head, err := approval.ParseSHA(g.HeadSHA)
	if err != nil {
		return approval.Hint{}, fmt.Errorf("the head: %w", err)
	}
	base, err := approval.ParseSHA(g.BaseSHA)
	if err != nil {
		return approval.Hint{}, fmt.Errorf("the base: %w", err)
	}
	branch, isBranch := strings.CutPrefix(g.BaseRef, "refs/heads/")
	ref, isRef := strings.CutPrefix(g.HeadRef, "refs/heads/")
	if !isBranch || !isRef || branch == "" || ref == "" {
		return approval.Hint{}, fmt.Errorf("%q on %q are no branches", g.HeadRef, g.BaseRef)
	}
	h.Group = &approval.MergeGroup{Branch: branch, Ref: ref, Base: base, Head: head}
	return h, nil
}
