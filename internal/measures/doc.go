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
// The loader takes the deployments of package deployments, and the health that an
// Application had when its sync was decided on. What the record does not say stays
// unknown, and the metrics that need it stay undefined: whether a sync that failed had
// applied anything, and which images run besides those that a pull request moved.
//
// Health is watched for some time after each sync. Outside of that, during syncs and
// while no Gatekeeper ran, nobody watched.
//
// # When the record cannot be read
//
// The Collector keeps what it had last, with the time of it as a metric of its own, and
// says that it failed. What was never read is not there, which is not zero.
package measures
