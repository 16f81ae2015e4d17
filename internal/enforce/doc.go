// Package enforce keeps the objects in the cluster that make the API server ask
// Gatekeeper: the admission policy, its binding, and the webhook configuration with
// the authorities of the serving certificate.
//
//	settings ─┐
//	bundle  ──┴─► Render ─► compare with what is live ─► server-side apply
//	                 ▲              │
//	watch, changed ──┘              └─► Installed: a renewal of the certificate goes on
//
// A comparison is exact: what somebody added, such as a selector or an exclusion, is
// drift just as what somebody changed or removed. A server-side apply leaves alone
// what others own, so what remains afterwards is replaced as a whole. Labels,
// annotations and finalizers that Gatekeeper does not set are nobody's business.
//
// When Gatekeeper may not write, it says which right is missing and goes on
// answering; it is not ready before the objects have been in place once. Drift after
// that makes it no less ready: without it, nothing at all would be admitted. Whoever
// changes the objects again and again is repaired ever more slowly, so that two who
// disagree do not keep the API server busy.
package enforce
