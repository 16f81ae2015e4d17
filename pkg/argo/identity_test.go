package argo

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestIdentity: what it reads is what Application reads, and nobody can decide on it.
func TestIdentity(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/applications/*.json")
	require.NoError(t, err)
	seen := 0
	for _, file := range files {
		if strings.HasSuffix(file, ".facts.json") {
			continue
		}
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		object := decode(t, string(data))
		whole, some := newTestParser(t).Application(object), newTestParser(t).Identity(object)
		require.Equal(t, approval.Application{
			UID: whole.UID, Namespace: whole.Namespace, Name: whole.Name, ResourceVersion: whole.ResourceVersion, Deleting: whole.Deleting,
			Project: whole.Project, Server: whole.Server, DestinationName: whole.DestinationName, DestinationNamespace: whole.DestinationNamespace,
			Automated: whole.Automated, Unsupported: []string{unread},
		}, some, file)
		seen++
	}
	require.Positive(t, seen)
	require.Equal(t, []string{unread}, newTestParser(t).Identity(nil).Unsupported)
}
