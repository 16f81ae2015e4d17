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

const (
	groupExternalIDPrefix = "gatekeeper/group/"
	queueBranches         = "gh-readonly-queue/"
	// externalIDLimit is ours: GitHub's docs and description say none.
	externalIDLimit = 255
)

// GroupExternalID is what Gatekeeper gives its check runs of a merge group, so that
// "Re-run" there leads back to the group: no event tells of it again. The head is that of
// the check run. False for a group whose branch is not named as GitHub names them, or
// too long for it.
func GroupExternalID(g approval.MergeGroup) (string, bool) {
	id := groupExternalIDPrefix + string(g.Base) + "/" + g.Ref
	read, err := groupOf(id, string(g.Head))
	if err != nil || read == nil || *read != g || len(id) > externalIDLimit {
		return "", false
	}
	return id, true
}

// groupOf is the merge group of a check run; nil when it is of none. The branch is in the
// middle of "gh-readonly-queue/main/pr-12-<commit>".
func groupOf(externalID, head string) (*approval.MergeGroup, error) {
	rest, ours := strings.CutPrefix(externalID, groupExternalIDPrefix)
	if !ours {
		return nil, nil //nolint:nilnil // it is none of a group
	}
	base, ref, _ := strings.Cut(rest, "/")
	name, queued := strings.CutPrefix(ref, queueBranches)
	at := strings.LastIndex(name, "/")
	if !queued || at <= 0 || at == len(name)-1 {
		return nil, fmt.Errorf("the external ID %q names no merge group", externalID)
	}
	g := approval.MergeGroup{Branch: name[:at], Ref: ref}
	var err error
	if g.Base, err = approval.ParseSHA(base); err != nil {
		return nil, fmt.Errorf("the base in the external ID: %w", err)
	}
	if g.Head, err = approval.ParseSHA(head); err != nil {
		return nil, fmt.Errorf("the head of the check run: %w", err)
	}
	return &g, nil
}
