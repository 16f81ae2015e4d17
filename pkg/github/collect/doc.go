// Package collect reads from GitHub and from the git mirror the facts that a
// decision rests on.
//
//	Query ──► Collect ──┬─ fetch the branches            (git)   ┐ at the same
//	                    ├─ reviews of known landings     (REST)  ├ time
//	                    ├─ teams, users                  (REST)  ┘
//	                    ├─ pull request of each new commit, proof, participants
//	                    └─ reviews of new landings, roles of the reviewers
//	              ──► Answer, or an error
//
// # How a line is built
//
// Every commit on the first-parent line after the baseline is asked for the
// pull request that landed with it. A witnessed merge, or a number in the
// commit's subject, only saves a search: the pull request is read by its number
// and must itself say that it is merged into this branch of this repository
// with exactly this commit. Else GitHub's index of commits is asked. The newest
// commit of a rebased run accounts for the whole run; the commits inside it must
// be known not to be the landing of another pull request. What landed is then
// proven on the mirror, with the head on which the API and the fetched ref agree.
//
// # Failing closed
//
// Everything or an error. A truncated list, a page that fails, a team that
// cannot be read fail the whole collection, because a part of the facts could
// look like a "yes" that all of them do not give. What concerns one landing alone
// and may pass (GitHub's index lags behind by seconds) makes that landing
// Unsettled, which no decision lets through. A commit without a pull request is
// a direct push only after it has been on the branch for the grace time.
//
// An e-mail address that no GitHub account can be found for stays in the facts
// without an account, and the core blocks because of it.
//
// # Heads that are updates
//
// A head that was only brought up to date with its base keeps the approvals of the
// heads before it. Which commits it is an update of is found out on the mirror;
// which of those were heads, and that nothing else was head in between, from who
// pushed what in place of what. What is not known of that ends the list of kept
// heads, so that there are fewer.
//
// # What is kept
//
// Facts that cannot change are kept in bounded caches: a merged pull request's
// head, author and merge commit, what landed at a commit, who had a part in a
// head. Teams, users, roles and e-mail addresses are kept for MembershipTTL and
// dropped by Forget. Each answer rests on a read of the reviews that began after the
// call. Calls that wait at the same time share such a read. A query that says so shares
// a read of another one as well, of reviews, checks, requested reviewers and pushers,
// for five seconds at most and not beyond the next event (Heard): 200 Applications of
// one landing cost one read.
//
// A Memory keeps some of it across restarts: merged pull requests, who pushed their
// heads, and the accounts of commits. Proofs are made again.
//
// With everything known, a collection costs one REST call for each landing with
// a pull request, at the same time as the fetch: its reviews.
//
// # Who pushed
//
// What a webhook told of a head's arrival is compared with GitHub's activity log,
// or the timeline, as soon as an approval could rest on it: the head may have been
// replaced and have come back, and the webhooks of that may be lost. Until then the
// webhook's word is enough. docs/design/2026-11-21-pushes.md has the reasons.
//
// # What is read for many at once
//
// For landings, a repository's ID and default branch are read, the first time, from
// the list of its newest closed pull requests, which has them, and the landings as
// well. If there are several of them, or nobody heard that a person merged the only
// one, one page of the repository's newest activity follows, which says who merged
// and who pushed the heads. Both are read once. What they do not have is read by
// itself: a pull request that is open, that was merged by a merge queue (the list
// does not say so) or since, or that is too old.
//
// So after a restart a landing that was seen before costs one call on top of the
// list, its reviews, and another one two: the activity of its branch. Two more are
// made where they are needed, the pull request's commits for e-mail addresses that
// are not known yet, and its timeline for an approval of the head whose submission
// was not witnessed, or for a dismissed review. The timeline has reviews as well, and
// is not read in place of their list, because it can lack what the list has.
//
// Facts that only some policies ask for (Query.Needs) cost what they are: checks
// and requested reviewers one call each, owners none.
package collect
