// Package measures makes the metrics of DORA out of the record, for the command line and
// for Prometheus.
//
//	record ──► Loader: observations by Application ──► dora.Assess, dora.Measure
//	                                                        ├──► gatekeeper metrics
//	                                                        └──► Collector ──► /metrics
//
// Everything is computed from the record, so the numbers are the same after a restart, and
// the same from a copy of the record elsewhere. Nothing is written, and nothing is decided
// by a metric.
//
// # What the record knows
//
// The loader takes what intents, outcomes, decisions and orders say. What they do not say
// stays unknown, and the metrics that need it stay undefined: whether a sync that failed
// had applied anything; how the Application fared after its sync; when the first commit of
// a change was made.
//
// # When the record cannot be read
//
// The Collector keeps what it had last, with the time of it as a metric of its own, and
// says that it failed. What was never read is not there, which is not zero.
package measures
