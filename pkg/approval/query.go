package approval

import (
	"errors"
	"time"
)

// Query names the facts that a decision needs from GitHub and its git
// repositories.
type Query struct {
	Ranges []Range
	// Teams and Users are the people the policy names.
	Teams []TeamName
	Users []string
	// Needs are the facts beyond the usual ones.
	Needs Needs
	// Shared is true when what was read for another query a moment ago will do, as long as
	// nothing was heard since.
	Shared bool
}

// Range asks for the line of a branch after a baseline.
type Range struct {
	Repository RepositoryName
	Branch     string
	Baseline   SHA
}

// Answer is the complete answer to a Query.
type Answer struct {
	// Lines has one line for each range, in the same order.
	Lines     []Line
	Directory Directory
}

// PullAnswer is what a report on one pull request needs, merged or not.
type PullAnswer struct {
	Pull PullRequest
	// Open is true while the pull request can still be merged.
	Open bool
	// BaseHead is what is on the base branch and no part of the pull request; after
	// the merge, the commit before it.
	BaseHead SHA
	// MergeBase is where the pull request left its base; empty when it is merged, or
	// when it has no history in common with its base.
	MergeBase SHA
	// Fork is true when its head is in another repository, or in one that is gone.
	Fork bool
	// MergeCommit is where it landed; empty while it is open.
	MergeCommit SHA
	// Changes are the paths it changes against its base.
	Changes   []Change
	Directory Directory
	// Draft is true while the author does not want it to be reviewed. Asked is whose
	// review is waited for. Both are for people; no decision depends on them.
	Draft bool
	Asked RequestedReviewers
	// Labels are those of an open pull request.
	Labels []string
	// Basis identifies all that was read of git for an open pull request: with the same
	// one, and the same people and reviews, it is judged the same.
	Basis string
}

// Errors that adapters wrap so that the reconcile loop can tell them apart.
var (
	// ErrNotFound says that the object does not exist.
	ErrNotFound = errors.New("not found")
	// ErrStale says that the object changed since the facts were read, so
	// nothing was done.
	ErrStale = errors.New("the object changed since it was read")
)

// Hint is what an event says may have changed. It is never a fact that a
// decision rests on, except for what GitHub does not keep: the commit a review
// was submitted on, and who pushed which head when. Those are witnessed.
type Hint struct {
	RepositoryID int64
	Repository   RepositoryName
	// Pull is the number of the pull request that may have changed; 0 for none.
	Pull int
	// Branch is the branch that may have moved; empty for none.
	Branch string
	// People is true when teams, memberships or permissions may have changed.
	People bool
	// Access is true when what the App may read may have changed. While it could
	// not, events may have been missed, so anything may be different.
	Access bool
	Review *WitnessedReview
	Head   *WitnessedHead
	Merge  *WitnessedMerge
	Push   *WitnessedPush
	// Asked is what somebody wants to have done.
	Asked *Asked
	// Comment is one on the pull request that was changed or deleted.
	Comment *ChangedComment
	// Again is true when somebody wants our check runs to run again, which made GitHub
	// forget what they said together.
	Again bool
	// Suite is the head of which somebody wants all our check runs to run again, whatever
	// they are of; empty for none.
	Suite SHA
	// Group is one that a merge queue wants to have checked.
	Group *MergeGroup
}

// WitnessedReview is what the event of a review's submission tells and GitHub
// does not keep: the commit and the base branch that were reviewed.
type WitnessedReview struct {
	RepositoryID int64
	ReviewID     int64
	Commit       SHA
	// Base is the branch that the pull request was to be merged into.
	Base string
}

// WitnessedHead is the arrival of a pull request's head at GitHub.
type WitnessedHead struct {
	RepositoryID int64
	Pull         int
	Head         SHA
	// Before is the head that it took the place of; empty when that is not known,
	// as when the pull request was opened.
	Before SHA
	Pusher User
	// PushedAt is by GitHub's clock, to the second.
	PushedAt time.Time
}

// WitnessedPush is a push to a branch of a repository.
type WitnessedPush struct {
	RepositoryID int64
	Branch       string
	// Before and After are forty zeros for no commit: the branch was made, or deleted.
	Before, After SHA
	Pusher        User
	// PushedAt is by GitHub's clock, to the second.
	PushedAt time.Time
	// Accounts are those of the pushed commits, as far as they are certain.
	Accounts []CommitAccounts
}

// CommitAccounts are whose the addresses in a commit are. A zero User is not known,
// which does not mean that there is none.
type CommitAccounts struct {
	Commit            SHA
	Author, Committer User
}

// WitnessedMerge is the commit that GitHub named when a pull request was merged.
// It only saves a search: the pull request is read again.
type WitnessedMerge struct {
	RepositoryID int64
	Pull         int
	Commit       SHA
	// ByPerson is true when a person merged it, and no merge queue.
	ByPerson bool
}
