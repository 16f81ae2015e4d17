// Package otlp sends spans to an OpenTelemetry collector, in the protobuf encoding over HTTP.
//
//	span ends ──► queue (bounded) ──► batches ──► collector
//	                 └─ full: dropped and counted
//
// Nobody ever waits for the collector: a span that finds the queue full is dropped, and so
// is a batch that the collector does not take within its limit. Both are counted, and the log
// has one warning an hour at most.
package otlp
