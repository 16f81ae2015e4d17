package ociregistry_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/registry"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/ociregistry"
)

// TestSigned: what is pushed and signed here is found and verified, with its key and
// no other, and a tag follows what is pushed under it.
func TestSigned(t *testing.T) {
	r := ociregistry.Start()
	t.Cleanup(r.Close)
	client, err := registry.New(registry.Options{Registries: []registry.Registry{{Host: r.Host(), Repositories: []string{"acme/**"}, Insecure: true}}})
	require.NoError(t, err)
	keys := func(k *ociregistry.Key) registry.Keys {
		public, err := k.Public()
		require.NoError(t, err)
		parsed, err := registry.ParseKeys("build", public)
		require.NoError(t, err)
		return parsed
	}
	build, err := ociregistry.NewKey()
	require.NoError(t, err)
	other, err := ociregistry.NewKey()
	require.NoError(t, err)

	digest, err := r.Push(t.Context(), "acme/app", "1.0.0", "first")
	require.NoError(t, err)
	repository := r.Host() + "/acme/app"
	found, err := client.Resolve(t.Context(), repository+":1.0.0")
	require.NoError(t, err)
	require.Equal(t, digest, string(found.Digest))
	require.Equal(t, registry.StateRefused, client.Verify(t.Context(), repository, found.Digest, keys(build)).State)

	require.NoError(t, r.Sign(t.Context(), "acme/app", digest, build))
	require.Equal(t, registry.StateVerified, client.Verify(t.Context(), repository, found.Digest, keys(build)).State)
	require.Equal(t, registry.StateRefused, client.Verify(t.Context(), repository, found.Digest, keys(other)).State)

	moved, err := r.Push(t.Context(), "acme/app", "1.0.0", "second")
	require.NoError(t, err)
	require.NotEqual(t, digest, moved)
	found, err = client.Resolve(t.Context(), repository+":1.0.0")
	require.NoError(t, err)
	require.Equal(t, moved, string(found.Digest))

	r.Down(true)
	_, err = client.Resolve(t.Context(), repository+":1.0.0")
	require.Error(t, err)
	_, err = r.Push(t.Context(), "acme/app", "1.0.1", "third")
	require.Error(t, err)
	r.Down(false)
	_, err = client.Resolve(t.Context(), repository+":1.0.0")
	require.NoError(t, err)
}
