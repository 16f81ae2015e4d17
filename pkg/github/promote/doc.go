// Package promote brings the image versions that one Application runs into the files
// of another one, as a pull request that people approve.
//
//	Request ──Plan──► files, old and new, checked to be an image change
//	                    │
//	                    └─Open──► one commit on gatekeeper/promote/<target>
//	                                └─► one pull request, opened or updated
//
// The edit is that of pkg/approval/imagediff: values alone change, and what comes out
// was classified as an image change before anything is written to GitHub.
//
// # Who asked
//
// GitHub names the App as the author of the pull request and of the commit, so the
// person who asked would be free to approve it. The pull request's text cannot prevent
// that: everybody who may write can edit it, and a machine-readable line in it is for
// people's tools alone. What counts is in the commit, which nobody can edit: the person
// is its co-author, by the numeric ID in the address that GitHub made up for them, and
// co-authors of a commit never approve it (pkg/github/collect, pkg/approval). Who asks
// while the pull request is open is added; nobody is taken off. When it was closed, the
// next one starts anew.
//
// # Whose signature
//
// The commit is made by the git data API with an installation token and without an
// author or committer of our own: such commits GitHub signs with its own key, the bot
// being their author and GitHub ("web-flow") their committer (GitHub docs, "Commit
// signature verification for bots", read in November 2026). That key signs whatever
// people do in GitHub's pages too, so it proves no person, and a verified signature of
// it says no more than that GitHub made the commit.
//
// A gate that wants image changes signed therefore does not take it, not even in the
// mode that trusts GitHub by name (pkg/github/signature, GitHubTrust): the App's bot is
// nobody's signer. With Request.Signed the pull request says so, and how one of the
// signers signs the commit: by amending it, which keeps the message and with it who
// asked. A commit that was signed like that is left alone as long as the protected
// branch stays where it is.
//
// # Failure handling
//
// Each step finds what an earlier run left: the branch by its name, the commit by its
// message, the pull request by its branch. So a run that was cut off anywhere is
// repeated as a whole, and an answer that got lost is found out about. Nothing is
// retried here.
//
// The branch is moved only from a commit that the App made: its author, its committer
// and GitHub's word on its signature are those of the commit that was just made, and it
// names the same target. Everything else is somebody's work, and is refused with
// ErrForeign. GitHub's REST API cannot move a branch on the condition that it is where
// it was, so the branch is read once more just before; when GitHub's log of pushes says
// that a push came in between all the same, the branch is put back and the promotion
// refused.
//
// A branch that is there with an open pull request and the same edit is left alone,
// however the protected branch moved on: approvals are of its head.
package promote
