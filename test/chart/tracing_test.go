package chart

import (
	"maps"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTracingHeaders: the headers for a collector come from a Secret that is mounted where
// the configuration says, in the pod and in the Job alike, which both read it.
func TestTracingHeaders(t *testing.T) {
	type m = map[string]any
	headers := m{"existingSecret": "gatekeeper-tracing", "headersKey": "otlp"}
	endpoint := m{"endpoint": "https://otel-collector.observability:4318"}
	render := func(config, tracing m) (Rendered, error) {
		all := m{"config": m{"tracing": config}, "secrets": m{"tracing": tracing}, "record": m{"initialize": true}}
		return Render(Options{Dir: root, ValuesFile: filepath.Join(root, "ci", "default-values.yaml"), Values: all})
	}
	rendered, err := render(endpoint, headers)
	require.NoError(t, err)
	_, file := configuration(t, rendered)
	require.Equal(t, "/etc/gatekeeper/tracing/otlp", file.Tracing.HeadersFile)
	require.Equal(t, endpoint["endpoint"], file.Tracing.Endpoint)
	both := pods(t, rendered)
	require.Len(t, both, 2)
	for _, pod := range both {
		volumes, mounts := map[string]string{}, map[string]string{}
		for _, v := range pod.Volumes {
			if v.Secret != nil {
				volumes[v.Name] = v.Secret.SecretName
			}
		}
		for _, mount := range pod.Containers[0].VolumeMounts {
			mounts[mount.MountPath] = volumes[mount.Name]
		}
		require.Equal(t, "gatekeeper-tracing", mounts["/etc/gatekeeper/tracing"])
	}

	_, err = render(m{}, headers)
	require.ErrorContains(t, err, "config.tracing.endpoint is missing")
	twice := maps.Clone(endpoint)
	twice["headersFile"] = "/etc/gatekeeper/extra/otel/headers"
	_, err = render(twice, headers)
	require.ErrorContains(t, err, "leave one of them out")
	// By hand it goes as well: from one of the Secrets that are mounted besides.
	rendered, err = render(twice, m{})
	require.NoError(t, err)
	_, file = configuration(t, rendered)
	require.Equal(t, twice["headersFile"], file.Tracing.HeadersFile)
	// Without either, none are sent, and the rest of the section stays.
	rendered, err = render(endpoint, m{})
	require.NoError(t, err)
	_, file = configuration(t, rendered)
	require.Empty(t, file.Tracing.HeadersFile)
	require.Equal(t, endpoint["endpoint"], file.Tracing.Endpoint)
}
