// Package doctor checks a live installation: what the promise of Gatekeeper rests on
// and Gatekeeper's decisions cannot see.
//
//	Argo CD ───┐
//	Kubernetes ┼──► Sources ──► checks, in parallel, each with a time limit ──► Report
//	GitHub ────┤                                                                 │
//	record ────┘                                              table, JSON, exit status
//
// Nothing is changed anywhere. Each check has a stable code and one severity, and
// gives results: ok, finding, or unknown when it could not look. Unknown is never ok:
// of a critical check it counts like a finding.
//
// # Failure handling
//
// A check that fails, panics or takes too long becomes an unknown result that says why
// and, for a missing right in Kubernetes, which RBAC rule is needed. It never hides
// another check. What several checks read is read once; those that wait for it share
// its error.
package doctor
