// Package admission holds the rules by which writes of protected Applications are
// admitted, once, and makes everything from them that enforces or explains them.
//
//	                      ┌─► Render ──► ValidatingAdmissionPolicy   (in the API server)
//	Settings ──► Rules ───┤              ValidatingWebhookConfiguration (which writes to ask about)
//	                      ├─► Evaluator ─► the webhook: the same rules, and what a write means
//	                      └─► docs/enforcement.md, whose table a test keeps current
//
// Every way to deploy with Argo CD is a write of an Application: of ".operation", of
// what Argo CD's controller keeps in ".status", or of the spec. The rules say what such
// a write may look like, whoever sends it, and need nothing but the write itself.
// Whether a deployment is approved is not their business: Read tells what would be
// deployed, and the caller decides.
//
// # Two places, one expression
//
// The API server evaluates the policy itself, so it holds when Gatekeeper is down. The
// Evaluator runs the same CEL expressions, checked in the API server's own environment, so
// the webhook holds when somebody removes the policy. One rule is the webhook's alone: see
// deployment-frozen.
//
// # Failing closed
//
// What the rules read may be absent, and they allow for that; whatever still cannot be
// evaluated is refused, by the policy (failurePolicy Fail) and by the Evaluator. A
// request that cannot be decoded is an error, after which it has to be denied. An
// Application whose destination is unknown counts as protected.
//
// # What never comes here
//
// Argo CD's controller writes the status of every Application all day, and removes an
// operation that has ended. The webhook's matchConditions keep these writes away, and a
// terminate as well: Argo CD goes on while Gatekeeper is down, and a running operation
// can be stopped.
package admission
