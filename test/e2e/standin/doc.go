// Package standin is GitHub on loopback: the part of GitHub that Gatekeeper and its users touch, with
// real HTTP, real git repositories and signed webhooks. The end-to-end tests, the benchmarks and the
// demo run against it; no test talks to github.com.
//
//	control calls ──────────► ┌──────── Server ────────┐ ──signed events, one queue per App──► webhook URL
//	(As("alice").Review …)    │ state (one mutex)      │
//	REST at / and /api/v3 ──► │ bare repositories      │ ◄── git clone, git push (http-backend)
//	                          └────────────────────────┘
//
// Control calls act as a person, with that person's permissions and GitHub's refusals, but without
// HTTP: they are never counted, delayed or made to fail, and cause the same events. What GitHub itself
// would never do, but what Gatekeeper must survive, has names of its own: ForceReview, ReanchorReview,
// MergeByHand, LagCommitIndex, DropDeliveries, Fail.
//
// # State and locks
//
// Server.mu guards all state and is held briefly. A repository's work lock serialises what moves its
// references and those of its forks; it is taken first, and git runs under it but never under Server.mu.
// What a push or a merge does to pull requests is done, and its events are queued, before the caller
// gets the answer. Work that was begun is finished although its caller hangs up.
//
// # Failure
//
// A refusal that GitHub would make is an *APIError, over HTTP and from control calls alike. Any other
// error is a failure of the stand-in: HTTP answers 500 and the log has it.
//
// README.md in this folder says what is and what is not like GitHub.
package standin
