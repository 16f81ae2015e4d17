// Package mirror keeps a bare git mirror of one repository and proves on it
// what landed: that the content of a protected branch is what the reviewed
// heads of its pull requests give.
//
//	GitHub ──fetch──► bare repository ──► Head, PullHead   what the remote had at the last fetch
//	                        │
//	                        ├─ git cat-file  (kept running) ──► Line, Commits, CommitObject, Blob
//	                        ├─ git diff-tree (kept running) ──► Changes
//	                        └─ git merge-tree               ──► Prove, NeutralMerge, Updates, Preview
//
// GitHub's API gives no file modes, cuts its lists and can be edited by whoever
// may edit a pull request, so nothing about content is decided from it. What is
// read here comes from objects that git checked against their names when it
// fetched them: git computes every name from the received bytes, refuses
// SHA-1 collisions, and fetch.fsckObjects refuses malformed objects. Two
// harmless defects of old histories are let through, zero-padded file modes and
// impossible time zones.
//
// # What a proof means
//
// Prove computes again what GitHub computes when it merges:
//
//	merge    two parents, the second is the head; tree = merge of both parents
//	squash   one parent; tree = merge of that parent and the head
//	rebase   a run of commits, each one a pull-request commit replayed on the one
//	         before it with exactly the landed tree as its result, and the last
//	         tree = merge of the commit before the run and the head
//
// Trees are compared, so every path, mode and byte counts; an identical patch
// that gives another file is a mismatch. Merges are computed by git's own "ort"
// strategy, recursive merge bases and rename detection included, which is the
// strategy GitHub uses for merges and rebases (GitHub blog, "Scaling merge-ort
// across GitHub", 2023-07-27). Where GitHub differs from git's defaults, for
// example in the number of renames looked for, an honest landing can be reported
// as a mismatch. That blocks it and never lets anything through. Attributes such
// as "merge=union" in the content do not count: git reads none in a bare
// repository.
//
// The entries of a merge queue land one on the other, each by one of the three
// methods, and are proven one by one.
//
// # Failing closed
//
// Mismatch is an answer, an error is none: git that fails, a timeout, a missing
// object or output over its bound is an error, and never Mismatch or Proven. A
// path that is not valid UTF-8 is an error, because it cannot be matched against
// a gate's scope. A baseline that is not on the first-parent line is reported as
// such. A directory that holds replacement objects, grafts, alternates, a
// shallow boundary, attributes or configuration that this package did not write
// is refused.
//
// # Isolation
//
// git runs with an environment made from nothing: no configuration of the
// system, the user or the fetched content, no hooks, no attributes, no
// credential helpers, no prompts, one transport. It is given full object names
// and validated ref names only. Credentials reach it in its environment, never
// in arguments, files or messages, and redirects are never followed by git,
// which would take the credentials along to another host.
//
// # Local repositories
//
// A Local reads somebody's repository instead of a mirror, with the same proofs,
// for inspections offline. It is not fetched, so its objects were checked by
// nobody here, and what it says is for people and decides nothing.
//
// The package needs a Unix system: it relies on process groups and file locks.
package mirror
