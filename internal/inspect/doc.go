// Package inspect reads a repository's history offline and says for each landing
// what Gatekeeper could say of it without GitHub: how it landed, which pull
// request it names, whether what landed can be computed again, what it changed,
// and what its commits' signatures say.
//
//	mirror.Local ──► line ──► shape of the range ──► landings, oldest first
//	                  │             │                   ├─ proof      merge, squash, rebase
//	                  │             │                   ├─ class      of the files in the gates' scopes
//	                  │             │                   └─ signatures of the pull request's commits
//	                  └─ claims     └─ own commits, merge bases
//
// # What is a claim and what is proven
//
// A commit message is what its author wrote: "(#123)" or "Merge pull request #123"
// proves nothing, and a number found there is reported as claimed. A merge commit
// names the head that was merged, so it can be computed again offline. A squash or
// a rebased run names none: it can be proven when the clone has the heads of pull
// requests (git fetch origin '+refs/pull/*/head:refs/pull/*/head'), and stays a
// claim without them. Reviews are not part of a repository. Nothing here says that
// something was approved.
//
// # Failing
//
// A landing whose proof lacks a file's content, as in a clone made with a filter,
// is reported as unproven and says so, and a file that cannot be read for its
// class is config, with a finding. Everything else that cannot be read ends
// the inspection with an error: a list that looks complete is complete. Lists of
// one landing have bounds; a finding says when one was cut.
package inspect
