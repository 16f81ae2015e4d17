// Package httpapi is what Gatekeeper serves over HTTP: GitHub's webhooks, health
// and metrics, and on a listener of its own the API server's admission reviews. It
// is the only package that knows gin, and it hands out plain http.Handlers.
//
// A webhook is answered with 202 only after its body was verified and stored
// durably; everything else happens later. A review is answered within a second,
// always: what is late, fails or panics is a refusal. Every bound on what a client
// may send is in limits.go.
package httpapi
