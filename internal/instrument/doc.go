// Package instrument wraps what the gate works with, so that each call is counted, timed
// and, when tracing is on, a span. What is wrapped knows nothing of it.
//
//	Calls.GitHub        told of each call by the App's wire
//	Calls.Kubernetes    an http.RoundTripper around client-go's
//	Calls.ArgoCD        a gRPC interceptor
//	Calls.Fetched       told of each git fetch by the mirrors
//	Record, Collector, Applications, Reporter   around the gate's interfaces
//
// W3C Trace Context goes to the API server and to Argo CD, which belong to the cluster and
// can continue a trace. It does not go to GitHub, registries or git: they use nothing of it,
// and when and how often we work on what is ours to know.
package instrument
