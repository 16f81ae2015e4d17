package approval

import (
	"strings"
	"time"
)

// KeptHead is an earlier head of a pull request that is the present one but for
// clean update-merges: merges of the base branch that changed nothing else. An
// approval of it stands, under the same conditions as one of the head, and under
// two more: it must have been witnessed, because GitHub moves the commit of a
// review when a head is updated, and it must be younger than the second in which
// the kept head arrived.
//
// The adapter lists a head only when all of this was proven: each commit from the
// present head down to it, along first parents, is a merge of two whose tree is
// the merge of its parents computed again, and whose second parent is on the line
// of the base branch before the landing; and nothing that is not such a head was
// pushed since. Otherwise whoever once had a bad head approved could bring it back
// as an update of itself.
//
// Whoever pushed a kept head approves nothing, like the pusher of the head, who
// may have pressed "Update branch" alone: otherwise an update by somebody else
// would make the author of the content a reviewer of it.
type KeptHead struct {
	Commit SHA `json:"commit"`
	// PushedAt is when it arrived last, by GitHub's clock.
	PushedAt time.Time `json:"pushedAt,omitzero"`
	// Pusher pushed it then. A head whose pusher is not known is not kept.
	Pusher User `json:"pusher"`
}

// kept is the kept head of that commit, nil if there is none.
func (pr *PullRequest) kept(commit SHA) *KeptHead {
	for i := range pr.Kept {
		if k := &pr.Kept[i]; k.Commit == commit {
			return k
		}
	}
	return nil
}

// keptBy is a kept head that somebody pushed.
func (pr *PullRequest) keptBy(id UserID) *KeptHead {
	for i := range pr.Kept {
		if k := &pr.Kept[i]; k.Pusher.ID == id {
			return k
		}
	}
	return nil
}

// keptContradict says whether the kept heads cannot be what they are said to be:
// each arrived once, before the one above it, and nothing about it is unknown.
func (pr *PullRequest) keptContradict() bool {
	above := pr.HeadPushedAt
	for i := range pr.Kept {
		k := &pr.Kept[i]
		if !isSHA(k.Commit) || strings.Trim(string(k.Commit), "0") == "" || k.Commit == pr.Head || pr.kept(k.Commit) != k ||
			k.PushedAt.IsZero() || k.PushedAt.After(above) || k.Pusher.ID <= 0 {
			return true
		}
		above = k.PushedAt
	}
	return false
}

// keptObjection says why an approval that is not of the head does not count as one
// of a kept head.
func (pr *PullRequest) keptObjection(r *Review) objection {
	k := pr.kept(r.Commit)
	switch {
	case k == nil:
		return objStale
	case !r.Witnessed:
		return objKeptUnwitnessed
	case !r.SubmittedAt.After(k.PushedAt):
		return objBeforePush
	default:
		return objNone
	}
}

// ofKept names a kept head.
func ofKept(commit SHA) string { return commit.Short() + ", of which the head is a clean update" }
