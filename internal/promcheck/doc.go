// Package promcheck checks the queries of a Grafana dashboard against the text that a
// program exposes to Prometheus: that every query is well formed as far as it goes, names
// only metrics and labels that are there, and selects at least one series.
//
// It is made for tests. It reads the part of PromQL that dashboards are written in:
// selectors with matchers and ranges, functions, aggregations with by, binary operators
// and numbers. What it does not know, it refuses.
package promcheck
