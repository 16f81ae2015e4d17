package webhooktest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/webhook/webhooktest"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// TestReceiveToTheEnd: what was sent before a test ended is received, whole, and nothing after.
func TestReceiveToTheEnd(t *testing.T) {
	t.Parallel()
	s, err := standin.Start(t.Context(), standin.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	_, err = s.CreateUser("alice", "Alice")
	require.NoError(t, err)
	_, err = s.CreateOrganization("acme", "alice")
	require.NoError(t, err)
	_, err = s.CreateRepository("acme", "env", standin.RepositoryOptions{Author: "alice"})
	require.NoError(t, err)
	app, err := s.CreateApp(standin.AppOptions{
		Slug: "gatekeeper", Owner: "acme", Permissions: map[string]string{"contents": "read"}, Events: []string{"push"},
	})
	require.NoError(t, err)
	_, err = s.Install(app.ID, "acme", "env")
	require.NoError(t, err)
	push := func() {
		_, err := s.As("alice").PushBranch("acme/env", "topic", standin.Change{Files: map[string]string{"a": "1\n"}, Message: "Change"})
		require.NoError(t, err)
	}
	guids := map[string]bool{}
	t.Run("a test", func(t *testing.T) {
		webhooktest.Receive(t, s, app.ID, func(guid string, _ approval.Hint) error {
			guids[guid] = true
			return nil
		})
		for range 5 {
			push()
		}
	})
	require.Len(t, guids, 6, "a ping and five pushes")
	push()
	require.NoError(t, s.WaitDelivered(t.Context()))
	for _, d := range s.Deliveries(app.ID) {
		require.True(t, guids[d.GUID], "nothing is sent any more")
	}
}
