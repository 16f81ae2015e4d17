// Package control is the stand-in's control API over HTTP: what Go programs do with the methods of
// standin.Server and standin.As, any other program does with JSON under /_standin/v1/ on the stand-in's
// own address.
//
//	curl -s 127.0.0.1:9090/_standin/v1/                                  # every operation with its fields
//	curl -s 127.0.0.1:9090/_standin/v1/users -d '{"login": "bob"}'
//	curl -s 127.0.0.1:9090/_standin/v1/repositories/acme/env/pulls/1/reviews -d '{"as": "bob", "event": "APPROVE"}'
//	curl -s 127.0.0.1:9090/_standin/v1/seed --data-binary @seed.yaml
//
// One table (the op calls of this package) routes the operations and describes them. Input and output are
// the stand-in's own types, written by package wire: an option that a control call gains is a key here.
// GET and DELETE take their fields as query parameters, the others as a JSON object.
//
// # Failure
//
// A refusal is {"error": "...", "status": 422} with that status, and says what is possible instead. One
// that GitHub would make has GitHub's status and text and "github": true. Unknown keys are refused with
// their place, bodies above 8 MiB with 413. An operation that fails has changed nothing, with one
// exception: a seed that passed its checks and still failed says what it had made until then.
//
// # Access
//
// There is no token: the stand-in listens on loopback alone, and who can reach it may do everything
// with it, as with any test server. Against web pages that a person has open, requests must name a
// loopback host (no DNS rebinding) and must not come from another origin (http.CrossOriginProtection).
// Tokens and private keys are returned by the call that makes them and by no other.
//
// # What is not here
//
// Signing commits: push signed commits with git, over HTTP, with a user's token. Waiting for one event:
// poll, or receive the webhook.
package control
