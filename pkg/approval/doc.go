// Package approval is the pure core of Gatekeeper: it decides whether a
// candidate may be synced, and says why.
//
//	Policy ─┐
//	        ├─► Decide ─► Decision ─► Release ─► (pkg/argo syncs exactly that)
//	Facts ──┘
//
// The package has no clock, no context, no logger and no I/O, and it imports
// the standard library alone: the same policy and facts give the same decision
// for ever, so a stored decision can be replayed.
//
// # Failing closed
//
// Every zero value blocks: the zero Verdict, the zero Decision, a landing
// without a kind, a proof without a result, a line whose baseline was not
// found. Decide never returns an error; what is missing or contradictory in
// the facts becomes a finding that blocks. An Unknown verdict (facts are
// missing) and a Blocked one (facts say no) are different answers, and neither
// opens the gate.
//
// # How a line is judged
//
// A line is the first-parent history of a protected branch after the baseline.
// Decide walks its landings, oldest first, and keeps for each path in scope
// whether its content is trusted: an approved landing on trusted content keeps
// it trusted, any other change makes the path dirty, and a dirty path becomes
// trusted again when a later landing restores exactly the content that was
// trusted before. The candidate is the newest point of the line at which no
// path is dirty, and before any landing in scope on which facts are missing. So
// a later landing that still waits for its quorum does not hold back earlier
// approved ones, and a change that was fully undone no longer blocks.
package approval
