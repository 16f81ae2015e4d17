// Package httpapi is what Gatekeeper serves over HTTP: GitHub's webhooks, health
// and metrics. It is the only package that knows gin, and it hands out a plain
// http.Handler.
//
// A webhook is answered with 202 only after its body was verified and stored
// durably; everything else happens later. Every bound on what a client may send
// is in limits.go.
package httpapi
