package config

// Tracing sends traces to an OpenTelemetry collector: one for each webhook, which follows it
// to its sync. What is sent names gates, Applications, pull requests and commits; it holds no
// content, no secret and nobody's name.
type Tracing struct {
	// Endpoint is the collector's URL for OTLP over HTTP, for example
	// https://otel-collector.observability:4318. Without a path, /v1/traces is meant.
	// Required.
	Endpoint string `yaml:"endpoint"`
	// CAFile is a PEM file of the authority that signed the collector's certificate.
	// Default: those of the system.
	CAFile string `yaml:"caFile"`
	// Insecure accepts a collector without TLS that is not on this machine.
	Insecure bool `yaml:"insecure"`
	// HeadersFile holds headers for the collector, one in each line as "Name: value", such
	// as those with which it knows who sends.
	HeadersFile string `yaml:"headersFile"`
	// Ratio is the part of the traces that is sent, from 0 to 1. Default 1.
	Ratio *float64 `yaml:"ratio"`
}

// SampledRatio is the part of the traces that is sent.
func (t Tracing) SampledRatio() float64 {
	if t.Ratio == nil {
		return 1
	}
	return *t.Ratio
}
