package approval

import "errors"

// RequirementReport tells of one requirement of a quorum how far it is met, and by
// whom it can still be. The findings name a few of these people, this names all.
type RequirementReport struct {
	// Name is that of the requirement; it may be empty.
	Name string
	// Images is true in the image quorum.
	Images      bool
	Met, Needed int
	// Able are those who can still approve, in the order of their logins; empty when
	// the requirement is met.
	Able []User
	// Everybody is true when anyone with the role can approve, so that nobody is named.
	Everybody bool
}

// report is what a tally tells. It is asked for with the explanation alone.
func (c *tally) report() RequirementReport {
	out := RequirementReport{
		Name: c.requirement.Name, Images: c.images, Needed: c.requirement.Approvals,
		Met: min(c.filled, c.requirement.Approvals), Everybody: c.who.everybody,
	}
	if out.Met < out.Needed && !c.void {
		out.Able = c.able
	}
	return out
}

// ShippedLanding is one landing that a sync would ship, or that waits behind what it
// would.
type ShippedLanding struct {
	Repository RepositoryName
	Commit     SHA
	Kind       LandingKind
	Class      ChangeClass
	// Pull is 0 for a direct push.
	Pull int
	// Title is that of the pull request, or of the commit.
	Title   string
	Verdict Verdict
	// Undone is true when nothing of it is left at the candidate.
	Undone bool
	// Waits is true when it comes after the candidate.
	Waits bool
	// Approvers are those whose approvals were counted.
	Approvers []User
}

// Note is about lines of a file at the head of a pull request.
type Note struct {
	Path string
	// First and Last are lines of the file, from 1.
	First, Last int
	// Title and Text say what is the matter with them.
	Title, Text string
}

// ChangedComment is a comment on a pull request that somebody changed.
type ChangedComment struct {
	ID      int64
	Deleted bool
}

// MergeGroup is what a merge queue wants to have checked: one or more pull requests
// merged onto a base.
type MergeGroup struct {
	// Branch is the protected branch that the group is to land on.
	Branch string
	// Ref is the branch of the group, without "refs/heads/".
	Ref        string
	Base, Head SHA
}

// GroupAnswer is what is known of a merge group.
type GroupAnswer struct {
	// Pulls are the pull requests, oldest first: those ahead of the group in the queue,
	// and then its own. The changes of each are those that would land, and the head that
	// which was proven to be in the group.
	Pulls []PullAnswer
	// Ahead is how many of them are ahead. UntoldAhead says why what is ahead cannot be
	// told; empty when all of it is in Pulls.
	Ahead       int
	UntoldAhead string
	// Newest is the number of the pull request for which the group was made.
	Newest int
	// Untold says why it cannot be told what is in the group, and then it must not
	// land. Empty when Pulls are all of it.
	Untold string
}

// GroupReport is what Gatekeeper says of a merge group.
type GroupReport struct {
	Repository RepositoryName
	Group      MergeGroup
	// Pull is the newest pull request of the group, 0 when it is not known.
	Pull  int
	Gates []GroupGate
}

// GroupGate is the state of one gate for a merge group.
type GroupGate struct {
	Gate string
	// Untold is why it cannot be told what is in the group, UntoldAhead why it cannot of
	// what is ahead of it.
	Untold, UntoldAhead string
	// Pulls are the reports on the pull requests of the group, oldest first; Ahead are
	// those on what is ahead of it in the queue.
	Ahead, Pulls []GroupPull
}

// GroupPull is one pull request of a merge group, for one gate.
type GroupPull struct {
	Number int
	Title  string
	Report GateReport
}

// ErrLater says that nothing failed: it is only too early. What wraps it says for how
// long by a method RetryAfter.
var ErrLater = errors.New("it is to be done later")
