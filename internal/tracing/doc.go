// Package tracing follows one webhook to its sync as an OpenTelemetry trace.
//
//	POST /webhooks/github            the trace's ID and this span's are derived from the GUID
//	└─ intake                        takes the delivery from the inbox; any process can be its child
//	   └─ reconcile application      links the other deliveries that it serves
//	      ├─ collect
//	      │  ├─ GET /repos/{owner}/{repo}/pulls/{number}/reviews
//	      │  └─ git fetch
//	      ├─ decide
//	      ├─ record append
//	      └─ sync                    is kept under the ID of its intent
//	         ├─ PATCH                the write to the API server
//	         ├─ admission            what the API server asked about it
//	         └─ sync ended           begins and ends as Argo CD's operation did
//
// A Tracer that is nil traces nothing and allocates nothing, so callers need no second way.
// Nothing here exports: package otlp does, and packages that only make spans do not depend
// on it.
//
// A span never holds a body, a URL, a token, or the text of an error, which may quote any of
// them: it has the class of an error, and the log line with the same span_id has the words.
package tracing
