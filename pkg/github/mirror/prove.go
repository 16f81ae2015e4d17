package mirror

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Landing is how a pull request landed and whether that is proven.
type Landing struct {
	// Kind is how it landed. For a mismatch it is what the shape of the commits
	// suggests.
	Kind approval.LandingKind
	// Parent is the commit of the line before the landing; empty when the line
	// begins with it.
	Parent approval.SHA
	// Commits is how many commits of the line the landing is: 1 for all but a
	// rebased run, or what looks like one.
	Commits int
	Proof   approval.Proof
}

type proofKey struct{ at, head, boundary approval.SHA }

// Prove computes a landing again from the reviewed head and compares the trees;
// the package comment has the rules. At is the commit of the first-parent line
// that GitHub names as the merge commit of the pull request, for a rebase the
// last one of the run. Head is the final head of the pull request; whether the
// fetched refs and the API agree on it is for the caller to check.
//
// Landed are commits of the line at which other pull requests are known to have
// landed. A rebased run never reaches back over one of them. They matter when
// stacked pull requests are rebased one after the other: their commits form one
// run as well.
//
// A commit that is not in the mirror is approval.ErrNotFound.
func (m *Mirror) Prove(ctx context.Context, at Commit, head approval.SHA, landed ...approval.SHA) (Landing, error) {
	l, err := m.prove(ctx, at.SHA, head, landed)
	if err != nil {
		return Landing{}, fmt.Errorf("prove the landing of %s at %s: %w", head.Short(), at.SHA.Short(), err)
	}
	return l, nil
}

func (m *Mirror) prove(ctx context.Context, sha, head approval.SHA, landed []approval.SHA) (Landing, error) {
	// Both are read here: what a caller holds may be anything.
	at, err := m.commit(ctx, sha)
	if err != nil {
		return Landing{}, err
	}
	if _, err := m.commit(ctx, head); err != nil {
		return Landing{}, err
	}
	boundary, err := m.boundary(ctx, at, landed)
	if err != nil {
		return Landing{}, err
	}
	key := proofKey{sha, head, boundary}
	if l, ok := m.proofs.get(key); ok {
		return l, nil
	}
	l, err := m.computeProof(ctx, at, head, boundary)
	if err != nil {
		return Landing{}, err
	}
	m.proofs.put(key, l)
	return l, nil
}

func (m *Mirror) computeProof(ctx context.Context, at Commit, head approval.SHA, boundary approval.SHA) (Landing, error) {
	l := Landing{Kind: approval.KindDirect, Commits: 1}
	if len(at.Parents) > 0 {
		l.Parent = at.Parents[0]
	}
	mismatch := func(format string, args ...any) (Landing, error) {
		l.Proof = approval.Proof{Result: approval.Mismatch, Detail: fmt.Sprintf(format, args...)}
		return l, nil
	}
	switch {
	case at.SHA == head:
		return mismatch("%s is the head of the pull request itself: it was pushed to the branch, and GitHub only marked the pull request as merged", head.Short())
	case len(at.Parents) == 0:
		return mismatch("%s has no parent, so nothing was merged", at.SHA.Short())
	case len(at.Parents) > 2:
		l.Kind = approval.KindMerge
		return mismatch("%s has %d parents; GitHub makes merge commits with two", at.SHA.Short(), len(at.Parents))
	case len(at.Parents) == 2:
		l.Kind = approval.KindMerge
		if at.Parents[1] != head {
			return mismatch("the second parent of the merge commit %s is %s, not the reviewed head %s", at.SHA.Short(), at.Parents[1].Short(), head.Short())
		}
	default:
		return m.proveLinear(ctx, at, head, boundary)
	}
	var err error
	l.Proof, err = m.compareMerge(ctx, at, l.Parent, head)
	return l, err
}

// proveLinear proves a landing at a commit with one parent: the rebased run that
// ends there, or else the squash that it is.
func (m *Mirror) proveLinear(ctx context.Context, at Commit, head, boundary approval.SHA) (Landing, error) {
	run, err := m.candidateRun(ctx, at, head, boundary)
	if err != nil {
		return Landing{}, err
	}
	length, err := m.rebasedRun(ctx, run, head)
	if err != nil {
		return Landing{}, err
	}
	if length > 1 {
		return Landing{Kind: approval.KindRebase, Parent: run[length-1].Parents[0], Commits: length,
			Proof: approval.Proof{Result: approval.Proven}}, nil
	}
	l := Landing{Kind: approval.KindSquash, Parent: at.Parents[0], Commits: 1}
	l.Proof, err = m.compareMerge(ctx, at, l.Parent, head)
	if err != nil || l.Proof.Result == approval.Proven || len(run) < 2 {
		return l, err
	}
	// It looks like a rebase and is neither, so it is explained as one.
	oldest := run[len(run)-1]
	l = Landing{Kind: approval.KindRebase, Parent: oldest.Parents[0], Commits: len(run)}
	l.Proof, err = m.compareMerge(ctx, at, l.Parent, head)
	if err == nil && l.Proof.Result == approval.Proven {
		l.Proof = approval.Proof{Result: approval.Mismatch, Detail: fmt.Sprintf(
			"the commits from %s to %s are not those of the pull request replayed on %s, although the last one has the right content",
			oldest.SHA.Short(), at.SHA.Short(), l.Parent.Short())}
	}
	return l, err
}

// compareMerge compares the landed tree with the merge of head into parent.
func (m *Mirror) compareMerge(ctx context.Context, at Commit, parent, head approval.SHA) (approval.Proof, error) {
	r, err := m.merge(ctx, parent, head)
	if err != nil {
		return approval.Proof{}, err
	}
	what := fmt.Sprintf("the merge of %s and %s", parent.Short(), head.Short())
	detail := ""
	switch {
	case r.outcome == mergeClean && r.tree == at.Tree:
		return approval.Proof{Result: approval.Proven}, nil
	case r.outcome == mergeConflict:
		detail = what + " has conflicts, so what landed was made by hand: " + describePaths(r.conflicts)
	case r.outcome == mergeUnrelated:
		detail = fmt.Sprintf("%s and %s have no common history, so GitHub did not merge them", parent.Short(), head.Short())
	default:
		changes, err := m.treeChanges(ctx, r.tree, at.Tree)
		if err != nil {
			return approval.Proof{}, err
		}
		paths := make([]string, len(changes))
		for i, c := range changes {
			paths[i] = c.Path
		}
		detail = "the landed tree differs from " + what + " at: " + describePaths(paths)
	}
	return approval.Proof{Result: approval.Mismatch, Detail: strings.ToValidUTF8(detail, "\uFFFD")}, nil
}

// boundary is the nearest commit before at where another pull request landed,
// as far as a rebased run can reach; empty when there is none.
func (m *Mirror) boundary(ctx context.Context, at Commit, landed []approval.SHA) (approval.SHA, error) {
	if len(landed) == 0 {
		return "", nil
	}
	for range maxRun {
		if len(at.Parents) != 1 {
			return "", nil
		}
		parent := at.Parents[0]
		if slices.Contains(landed, parent) {
			return parent, nil
		}
		var err error
		if at, err = m.commit(ctx, parent); err != nil {
			return "", err
		}
	}
	return "", nil
}
