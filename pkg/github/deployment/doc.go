// Package deployment shows what a gate syncs as GitHub Deployments: one for each landed
// pull request and gate, at the commit where it landed, with a status for each step.
//
//	approval.PullReport ──want (pure)──► wanted ──Publisher──► GitHub
//	                                       one at a time, paced    │
//	                                                               └─ Store: ID, last status
//
// # Statuses
//
//	pending      landed, and something is missing before it may be synced
//	in_progress  Gatekeeper asked Argo CD to sync it, or some Applications have it
//	success      every Application of the gate has it
//	failure      a sync of it failed
//	inactive     a newer one took its place, or it was rolled back
//
// GitHub keeps statuses for ever and the last one counts, so a status is written when it
// says something new and never twice. What says how much is missing is written at most
// every thirty seconds.
//
// GitHub can make earlier deployments of an environment inactive by itself (auto_inactive),
// but never those of a production environment, and it would do so with deployments of
// others as well (docs.github.com, REST API, "Create a deployment status"). Therefore
// that is switched off and done here, for deployments of our own.
//
// # Failing
//
// Nothing waits for a Deployment: reports are taken over at once and written one after
// the other. Of several reports on one pull request the newest is written. Before a status
// is sent the store says that it may have been, so that a process that is killed, or an
// answer that is lost, leads to a look at GitHub and not to a second status. A Deployment
// that the store does not know is looked for by commit, environment, task and App before it
// is created.
package deployment
