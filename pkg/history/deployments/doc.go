// Package deployments is what the record tells of an Application's deployments: who asked,
// who approved, who synced, what was live before, and how the Application fared after it.
//
//	intent ──► outcome ──┐
//	                     ├──► Deployment 1, 2, 3, … of the Application
//	         observed ───┘         │
//	decision, act, health ─────────┘ what is known of it
//
// Each completed operation that was not a dry run is one deployment, with a number that
// counts from 1 in the order of the record and never changes: the record is append-only. An
// operation that failed, that synced some resources alone or that deployed what was live
// already has a number too, and says so.
//
// It keeps nothing in memory. The record's index leads to a page of deployments without
// reading past those before, so what a page costs does not grow with the record.
//
// # Failing
//
// What contradicts itself, such as an outcome without its intent, is an error. What is not
// known is zero, and never guessed: an Application that was synced before Gatekeeper saw it
// has no approvers.
package deployments
