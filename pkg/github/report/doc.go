// Package report tells people on GitHub what the gates say of a pull request:
// one check run for each gate on the head, and one comment that is kept up to
// date.
//
//	approval.PullReport ──Check, Comment──► Markdown ──Publisher──► GitHub
//	                       (pure)                        │
//	                                                     └─ Store: IDs, digests
//
// Rendering is pure: the same report gives the same bytes. The publisher writes
// only when those bytes changed, and finds what it wrote before by its stored
// ID. Nothing is recognised by its text, which anybody could imitate.
//
// # Check runs
//
//	success          the quorum is met, or the gate is not concerned
//	action_required  waiting for approvals, or for a request for changes to end
//	failure          blocked by something that no review can mend
//	in_progress      not known yet, because facts are missing
//
// What is not known is left in progress and not made neutral: GitHub lets a
// required check pass that is neutral or skipped (GitHub docs, "About protected
// branches").
//
// # What comes from outside
//
// Titles, logins, branch names and messages are text, never markup: Markdown is
// escaped, and mentions, links and references to other repositories are broken
// up so that nobody is notified and nothing is linked. What is too long for
// GitHub is cut between sections, and says so.
package report
