package config

import (
	"net/url"
	"strings"

	"go.yaml.in/yaml/v4"
	"golang.org/x/net/http/httpguts"
)

// tracing checks where traces go.
func (c *checker) tracing(t *Tracing, n *yaml.Node) {
	if t == nil {
		return
	}
	u, err := url.Parse(t.Endpoint)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http":
		c.add(at(n, "endpoint"), "tracing.endpoint must be a URL such as https://otel-collector.observability:4318; secrets belong into tracing.headersFile")
	case u.Scheme == "http" && !loopback(u.Hostname()) && !t.Insecure:
		c.add(at(n, "endpoint"), "tracing.endpoint begins with http://, so names of Applications and the headers would be readable on the way; write https://, or insecure: true beside it")
	case u.Scheme == "http" && t.CAFile != "":
		c.add(at(n, "caFile"), "tracing.caFile is of no use with an endpoint that begins with http://")
	}
	if t.Ratio != nil && !(*t.Ratio >= 0 && *t.Ratio <= 1) {
		c.add(at(n, "ratio"), "tracing.ratio must be between 0 and 1, for example 0.1 for a tenth of the traces")
	}
}

// headers reads the headers for the collector.
func (c *checker) headers(t *Tracing, n *yaml.Node, read func(name string, path ...any) Secret) map[string]Secret {
	if t == nil || t.HeadersFile == "" {
		return nil
	}
	out := map[string]Secret{}
	for line := range strings.Lines(string(read(t.HeadersFile, "tracing", "headersFile").Reveal())) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		if !ok || !httpguts.ValidHeaderFieldName(name) || value == "" || !httpguts.ValidHeaderFieldValue(value) {
			// The line is not repeated: it may hold a secret.
			c.add(at(n, "headersFile"), "a line of this file is no header; write each as \"Name: value\"")
			return nil
		}
		out[name] = Secret{value: []byte(value)}
	}
	return out
}
