package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTracing(t *testing.T) {
	for text, want := range map[string]string{
		"{endpoint: 'https://collector:4318'}":                             "",
		"{endpoint: 'https://collector:4318/otlp/v1/traces', ratio: 0.25}": "",
		"{endpoint: 'http://127.0.0.1:4318', ratio: 0}":                    "",
		"{endpoint: 'http://collector:4318', insecure: true, ratio: 1}":    "",
		"{}":                                                        "tracing.endpoint must be a URL",
		"{endpoint: 'collector:4318'}":                              "tracing.endpoint must be a URL",
		"{endpoint: 'grpc://collector:4317'}":                       "tracing.endpoint must be a URL",
		"{endpoint: 'https://a:b@collector'}":                       "tracing.headersFile",
		"{endpoint: 'https://collector?key=1'}":                     "tracing.headersFile",
		"{endpoint: 'http://collector:4318'}":                       "insecure: true",
		"{endpoint: 'http://127.0.0.1', caFile: x}":                 "of no use",
		"{endpoint: 'https://collector', ratio: 1.1}":               "between 0 and 1",
		"{endpoint: 'https://collector', ratio: -0.1}":              "between 0 and 1",
		"{endpoint: 'https://collector', ratio: .nan}":              "between 0 and 1",
		"{endpoint: 'https://collector', ratio: all}":               "a number such as 0.5",
		"{endpoint: 'https://collector', headersFile: nowhere}":     "tracing.headersFile",
		"{endpoint: 'https://collector', sampling: 1}":              "unknown key",
		"{endpoint: 'https://collector', headersFile: 'no-header'}": "is no header",
	} {
		path := write(t, strings.Replace(valid, "dataDirectory:", "tracing: "+text+"\ndataDirectory:", 1))
		require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), "no-header"), []byte("secret-without-a-name\n"), 0o600))
		cfg, err := Load(path)
		if want != "" {
			require.ErrorContains(t, err, want, text)
			require.NotContains(t, err.Error(), "secret-without-a-name")
			continue
		}
		require.NoError(t, err, text)
		require.NotNil(t, cfg.File.Tracing)
	}
}

func TestTracingIsOffByDefault(t *testing.T) {
	cfg, err := Load(write(t, valid))
	require.NoError(t, err)
	require.Nil(t, cfg.File.Tracing)
}

func TestTracingHeaders(t *testing.T) {
	path := write(t, strings.Replace(valid, "dataDirectory:", "tracing: {endpoint: 'https://collector', headersFile: headers}\ndataDirectory:", 1))
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), "headers"), []byte("# who we are\nAuthorization: Bearer a:b\n\nX-Scope-OrgID:  acme \n"), 0o600))
	cfg, err := Load(path)
	require.NoError(t, err)
	require.Len(t, cfg.Secrets.TracingHeaders, 2)
	require.Equal(t, "Bearer a:b", string(cfg.Secrets.TracingHeaders["Authorization"].Reveal()))
	require.Equal(t, "acme", string(cfg.Secrets.TracingHeaders["X-Scope-OrgID"].Reveal()))
	require.InDelta(t, 1.0, cfg.File.Tracing.SampledRatio(), 0)
}

// TestTracingNeedsARestart: a change of it is not taken over, and is named.
func TestTracingNeedsARestart(t *testing.T) {
	load := func(text string) Config {
		cfg, err := Load(write(t, strings.Replace(valid, "dataDirectory:", text+"dataDirectory:", 1)))
		require.NoError(t, err)
		return cfg
	}
	before := load("tracing: {endpoint: 'https://collector', ratio: 0.5}\n")
	for text, want := range map[string]string{
		"": "tracing", "tracing: {endpoint: 'https://collector', ratio: 0.25}\n": "tracing.ratio", "tracing: {endpoint: 'https://elsewhere', ratio: 0.5}\n": "tracing.endpoint",
	} {
		taken, waiting := before.Reload(load(text))
		require.NotEmpty(t, waiting, text)
		require.True(t, strings.HasPrefix(strings.Join(waiting, " "), "tracing"), "%v, not %s", waiting, want)
		require.InDelta(t, 0.5, taken.File.Tracing.SampledRatio(), 0)
	}
	_, waiting := before.Reload(load("tracing: {endpoint: 'https://collector', ratio: 0.5}\n"))
	require.NotContains(t, waiting, "tracing.ratio")
}
