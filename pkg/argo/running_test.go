package argo

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func TestReaderRunning(t *testing.T) {
	object := fixture(t, "helm-2.14")
	metadata, ok := object["metadata"].(map[string]any)
	require.True(t, ok)
	namespace, name := metadata["namespace"].(string), metadata["name"].(string)
	object["status"] = map[string]any{
		"summary":      map[string]any{"images": []any{"ghcr.io/acme/shop:1.4.3", "redis:7"}},
		"sync":         map[string]any{"status": "Synced", "revision": "abc"},
		"health":       map[string]any{"status": "Healthy"},
		"reconciledAt": "2026-11-21T10:00:00Z",
	}
	parser := newTestParser(t)
	got, err := NewReader(newFakeClient(object), parser).Running(t.Context(), namespace, name)
	require.NoError(t, err)
	require.Equal(t, Running{
		Application: parser.Application(object), Images: []string{"ghcr.io/acme/shop:1.4.3", "redis:7"}, Sync: "Synced",
		Revisions: []string{"abc"}, ReconciledAt: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC),
	}, got)
	require.Equal(t, "Healthy", got.Application.Health)

	_, err = NewReader(newFakeClient(), parser).Running(t.Context(), namespace, name)
	require.ErrorIs(t, err, approval.ErrNotFound)

	object["status"] = map[string]any{"summary": map[string]any{"images": "redis:7"}}
	_, err = NewReader(newFakeClient(object), parser).Running(t.Context(), namespace, name)
	require.ErrorContains(t, err, "status.summary.images is not a list")
}
