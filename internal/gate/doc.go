// Package gate is the reconcile loop: the only place where facts, decision,
// record and action meet.
//
//	delivery ─► inbox ─► Intake ─┐
//	informer ────────────────────┼─► workqueue (one key per Application or pull request)
//	timer ───────────────────────┘        │
//	                                      ▼
//	             collect ─► Facts ─► approval.Decide ─► Decision
//	                                      │
//	           record decision and intent (compare-and-swap on the head)
//	                                      │
//	                     Application synced to the candidate
//	                                      │
//	                            outcome recorded
//
// Nothing flows back except as a new key. Events carry no facts: they only wake
// a key, and the key reads everything again.
//
// # What others ask of Argo CD
//
//	API server ─► Admit ─► latest decision, deployments on record ─► allowed, or one line why not
//	                │
//	                └─► intent of that person recorded, before the answer
//
// Everybody else's syncs are answered from what is known already: nobody is asked,
// and what is not known is refused. What was decided before an event that may concern the
// Application is not known any more: the answer waits for the next decision for a moment,
// and then it is no. The intent of a person is settled like our own
// (settleadmitted.go), so whoever wins a race, the record has one intent for each
// operation. Refusals are recorded and told apart from the answer (denial.go).
//
// # Failing
//
// What cannot be collected is a missing fact, so the decision is Unknown and
// nothing is synced; the key is tried again, no sooner than GitHub asks for.
// What cannot be recorded is not done. The intent carries the resource version
// of the Application that was decided on, and the sync is bound to it: however
// often a process dies between intent and outcome, the request of one intent
// can be accepted at most once. After a restart an open intent is settled from
// what the Application says (settle.go): its operation is found and its outcome
// recorded, or it is abandoned and the facts are judged again.
package gate
