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
// Nothing of it is kept but a bounded number of places in the record, from which counting
// goes on. The store's index leads to a page of deployments without reading the decisions
// before, so a page out of 100,000 costs a few milliseconds.
//
// # Failing
//
// What contradicts itself, such as an outcome without its intent, is an error. What is not
// known is zero, and never guessed: an Application that was synced before Gatekeeper saw it
// has no approvers.
package deployments
