// Package dora computes the five metrics of DORA from what was observed of Argo CD:
// deployment frequency, change lead time, change fail rate, failed deployment recovery
// time and rework rate, for one Application, one gate or one team, over any window.
//
//	Application: operations, health, gaps, marks      (what was observed)
//	     │  Assess, one Application at a time
//	     ▼
//	Assessed: deployments with outcome and reasons,   (what it means)
//	     │    failures with their recovery, changes with their segments
//	     │  Measure, any Applications over any window
//	     ▼
//	Report: numbers, each nil where it is not defined
//
// The package is pure: it reads no clock, file or network. The same input gives the
// same report, in whatever order the input comes.
//
// # What is not known
//
// A number that cannot be computed is nil, never zero: a rate without deployments, a
// lead time of a change whose commit time nobody knows. Where the watch was
// interrupted, each rule is applied twice, once as if all had been well in between and
// once as if nothing had. If both agree, that is the answer; if not, the answer is not
// known, and is counted as such.
//
// # Where the rules are from
//
// The metrics are those of https://dora.dev/guides/dora-metrics/ (read 2026-07); what
// counts as a deployment, a failure and a recovery is defined for Argo CD here, and
// described in docs/metrics.md.
package dora
