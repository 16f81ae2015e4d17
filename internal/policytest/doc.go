// Package policytest runs a table of examples against the gates of a
// configuration: who wrote a change, who said what of it, how it landed, and what
// the gate has to answer. It is how a platform team tests its own policy.
//
//	tests.yaml ─► Parse ─► Compile(policies) ─► Case{Policy, Facts, Want} ─► Run ─► Result
//
// Whatever an example does not say is as it should be: the author pushed, reviews
// are witnessed, of the head, after it was pushed, and by people who may write;
// what landed is what was reviewed. So an example names only what it is about.
//
// # Failing closed
//
// A table that could not fail is worse than none. An example that names a gate,
// team, person, path, check, landing or finding that nothing knows is refused with
// file, line and the word that was probably meant; so is a path outside every
// scope that is not said to be outside, and a table without examples. An example
// that wants "allowed" wants the head of every line unless it names a target.
//
// Compile and Run are pure: no clock, no I/O. The decision is that of
// approval.Explain, the one Gatekeeper itself acts on.
package policytest
