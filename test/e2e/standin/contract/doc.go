// Package contract checks requests, answers and webhook payloads against GitHub's own published
// descriptions, so that the stand-in cannot drift away from GitHub unseen, nor its clients.
//
//	@octokit/openapi ──────────┐ make contracts                        ┌► Operation.Request   refuse what GitHub would refuse
//	@octokit/openapi-webhooks ─┴► prune ─► api.json, webhooks.json ─► Checker ─► Operation.Response  our own answers
//	          wanted/wanted.txt ─► prune   (committed, MIT)                └► Webhook, Headers     our own events
//
// api.json (OpenAPI 3.0) and webhooks.json (OpenAPI 3.1) hold what wanted.txt lists, without prose, and
// record the package, version and SHA-256 that they were cut from. They are GitHub's words; where GitHub
// itself does otherwise, amendments.go says so, with date and reason, and nowhere else.
//
// # Strictness
//
// Beyond the letter of the descriptions, an object whose properties are listed may have no others, unless
// additionalProperties says so: a stand-in that invents fields teaches its clients to use them. Properties
// spread over allOf are taken together.
//
// # Errors
//
// GitHub documents few error answers, and many of those without their body. A status from 400 to 499 is held
// against what the operation documents and the shapes that GitHub uses for errors everywhere; one must fit. 304 and the redirects 301, 302, 307 and 308
// may answer anything (docs "Best practices for using the REST API": conditional requests, redirects).
// Every other undocumented status is a violation, 500 above all.
//
// # Failure
//
// What cannot be checked is a violation: an operation that is not listed, a body that is not JSON, a schema
// that does not compile. Schemas are compiled when they are first needed; a test compiles them all.
package contract
