package mirror

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// maxRun bounds a rebased run and the commits that are replayed. It is as many
// as GitHub's API lists of one pull request.
const maxRun = 250

// rebasedRun says how many commits of the candidate run, newest first, are the
// commits of the pull request replayed on the one before them. It answers 0 when
// there are not two or more: a run of one cannot be told from a squash and is
// judged as one.
//
// A rebase leaves merge commits out and may leave out commits that have become
// empty. It renews the committer and keeps author and author date (GitHub Docs,
// "About pull request merges"). That is what tells a rebase from the squashes of
// stacked pull requests, which can have the same trees.
func (m *Mirror) rebasedRun(ctx context.Context, run []Commit, head approval.SHA) (int, error) {
	for length := len(run); length >= 2; length-- {
		if ok, err := m.isRebase(ctx, run[:length], head); err != nil || ok {
			return length, err
		}
	}
	return 0, nil
}

// candidateRun is the longest run, newest first, whose commits have one parent
// and the author of some commit of the pull request. It ends before a commit
// that the head itself has: that one was on the line before, as a direct push or
// by another pull request, and replayed on its own parent it would of course
// give the same again.
func (m *Mirror) candidateRun(ctx context.Context, at Commit, head, boundary approval.SHA) ([]Commit, error) {
	// No commit of a run is one that the head has, so what the head has on top
	// of the last but one is what it has on top of the commit before the run.
	own, err := m.picks(ctx, head, at.Parents[0])
	if err != nil {
		return nil, err
	}
	isOwn := func(c Commit) bool {
		return slices.ContainsFunc(own, func(p Commit) bool { return sameAuthor(p, c) })
	}
	var run []Commit
	for c := at; len(c.Parents) == 1 && isOwn(c) && len(run) < min(len(own), maxRun); {
		run = append(run, c)
		if c.Parents[0] == boundary {
			break
		}
		if c, err = m.commit(ctx, c.Parents[0]); err != nil {
			return nil, err
		}
	}
	if len(run) < 2 {
		return nil, nil
	}
	picks, err := m.picks(ctx, head, run[len(run)-1].Parents[0])
	if err != nil {
		return nil, err
	}
	for i, c := range run {
		if slices.ContainsFunc(picks, func(p Commit) bool { return p.SHA == c.SHA }) {
			return run[:i], nil
		}
	}
	return run, nil
}

func sameAuthor(a, b Commit) bool {
	return a.Author.Name == b.Author.Name && a.Author.Email == b.Author.Email && a.Author.When.Equal(b.Author.When)
}

// picks are the commits that a rebase of head onto base replays, in its order.
func (m *Mirror) picks(ctx context.Context, head, base approval.SHA) ([]Commit, error) {
	commits, err := m.Commits(ctx, head, base)
	if err != nil {
		return nil, err
	}
	commits = slices.DeleteFunc(commits, func(c Commit) bool { return len(c.Parents) > 1 })
	slices.Reverse(commits)
	return commits, nil
}

// isRebase says whether the run, newest first, is what replaying the commits of
// the pull request on the commit before the run gives, each step and the whole.
func (m *Mirror) isRebase(ctx context.Context, run []Commit, head approval.SHA) (bool, error) {
	base, err := m.commit(ctx, run[len(run)-1].Parents[0])
	if err != nil {
		return false, err
	}
	picks, err := m.picks(ctx, head, base.SHA)
	if err != nil || len(picks) < len(run) || len(picks) > maxRun {
		return false, err
	}
	whole, err := m.merge(ctx, base.SHA, head)
	if err != nil || whole.outcome != mergeClean || whole.tree != run[0].Tree {
		return false, err
	}
	// done holds how many commits of the run the commits replayed so far can
	// have become. It is more than one number only where an empty commit may
	// have been kept or dropped.
	landed := append([]Commit{base}, reversed(run)...)
	done := []int{0}
	for _, pick := range picks {
		var next []int
		for _, n := range done {
			tree, ok, err := m.replay(ctx, landed[n].Tree, pick)
			if err != nil {
				return false, err
			}
			if !ok {
				continue
			}
			if tree == landed[n].Tree {
				next = append(next, n)
			}
			if n+1 < len(landed) && tree == landed[n+1].Tree && sameAuthor(pick, landed[n+1]) {
				next = append(next, n+1)
			}
		}
		slices.Sort(next)
		if done = slices.Compact(next); len(done) == 0 {
			return false, nil
		}
	}
	return slices.Contains(done, len(run)), nil
}

func reversed(commits []Commit) []Commit {
	commits = slices.Clone(commits)
	slices.Reverse(commits)
	return commits
}

// replay gives the tree of a commit replayed on another tree; false when that
// conflicts or the commit has no parent to be compared with.
func (m *Mirror) replay(ctx context.Context, onto approval.SHA, pick Commit) (approval.SHA, bool, error) {
	if len(pick.Parents) != 1 {
		return "", false, nil
	}
	parent, err := m.commit(ctx, pick.Parents[0])
	switch {
	case err != nil:
		return "", false, err
	case parent.Tree == onto:
		return pick.Tree, true, nil
	case parent.Tree == pick.Tree:
		return onto, true, nil
	}
	// A commit with the tree to replay on, put beside the one to replay, makes
	// their merge the replay: their only merge base is the parent.
	stand, err := m.standIn(ctx, onto, parent.SHA)
	if err != nil {
		return "", false, err
	}
	r, err := m.merge(ctx, stand, pick.SHA)
	return r.tree, err == nil && r.outcome == mergeClean, err
}

// standIn writes a commit with the given tree and parent. It is always the same
// one for the same arguments, and no ref leads to it.
func (m *Mirror) standIn(ctx context.Context, tree, parent approval.SHA) (approval.SHA, error) {
	env := append(m.git.environment("", nil),
		"GIT_AUTHOR_NAME=gatekeeper", "GIT_AUTHOR_EMAIL=gatekeeper@localhost", "GIT_AUTHOR_DATE=@0 +0000",
		"GIT_COMMITTER_NAME=gatekeeper", "GIT_COMMITTER_EMAIL=gatekeeper@localhost", "GIT_COMMITTER_DATE=@0 +0000")
	out, err := m.git.exec(ctx, env, "", "commit-tree", "-p", string(parent), string(tree))
	if err != nil {
		return "", fmt.Errorf("write a commit to replay on: %w", err)
	}
	sha, err := approval.ParseSHA(strings.TrimSuffix(string(out), "\n"))
	if err != nil {
		return "", errors.Join(errors.New("git commit-tree gave an unexpected answer"), err)
	}
	return sha, nil
}
