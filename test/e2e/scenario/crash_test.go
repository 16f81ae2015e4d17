package scenario

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

// isSync recognises gatekeeper's write of an operation.
func isSync(r *http.Request) bool {
	return r.Method == http.MethodPatch && strings.Contains(r.URL.Path, "/applications/")
}

// throughProxy makes gatekeeper reach Kubernetes through a proxy with a hook.
func (s *story) throughProxy(hook sandbox.Hook) {
	s.t.Helper()
	proxy, err := s.Sandbox.Intercept(s.ctx, sandbox.Gatekeeper, hook)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { require.NoError(s.t, proxy.Close()) })
	require.NoError(s.t, s.WriteConfig(proxy.Kubeconfig()))
}

// direct makes gatekeeper reach Kubernetes without a proxy again.
func (s *story) direct() {
	s.t.Helper()
	require.NoError(s.t, s.WriteConfig(s.Sandbox.Kubeconfig(sandbox.Gatekeeper)))
}

// killedBeforeSync: SIGKILL after the intent was recorded and before the sync
// reached the API server. After the restart there is exactly one sync.
func killedBeforeSync(t *testing.T, s *story) {
	reached := make(chan struct{})
	s.throughProxy(sandbox.Hook{Before: func(r *http.Request) error {
		if !isSync(r) {
			return nil
		}
		close(reached)
		<-r.Context().Done() // until the process is gone
		return context.Cause(r.Context())
	}})
	gatekeeper := s.run()
	pull := s.propose(payments.Alice, payments.Ledger, "5000")
	s.approve(payments.Bob, pull.Number)
	s.approve(payments.Carol, pull.Number)
	sha := s.merge(pull.Number, "merge")
	s.await(reached)
	gatekeeper.Kill()
	s.recorded(payments.Ledger, "intent", 1)
	s.recorded(payments.Ledger, "outcome", 0)
	s.untouched(payments.Ledger)

	s.direct()
	s.run()
	s.runs(payments.Ledger, sha, "5000", 2)
	require.Equal(t, "succeeded", s.carriedOut(payments.Ledger, 1).Result)
	s.stays(payments.Ledger, sha, "5000", 2)
}

// killedBeforeOutcome: SIGKILL after the API server took the sync and before
// gatekeeper learned of it. Argo CD syncs meanwhile; after the restart the
// outcome is recorded and nothing is synced again.
func killedBeforeOutcome(t *testing.T, s *story) {
	reached := make(chan struct{})
	s.throughProxy(sandbox.Hook{After: func(r *http.Request, resp *http.Response) error {
		if !isSync(r) || resp.StatusCode != http.StatusOK {
			return nil
		}
		close(reached)
		<-r.Context().Done()
		return context.Cause(r.Context())
	}})
	gatekeeper := s.run()
	pull := s.propose(payments.Alice, payments.Payments, "5000")
	s.approve(payments.Bob, pull.Number)
	s.approve(payments.Carol, pull.Number)
	sha := s.merge(pull.Number, "merge")
	s.await(reached)
	gatekeeper.Kill()
	s.runs(payments.Payments, sha, "5000", 2)
	s.recorded(payments.Payments, "outcome", 0)

	s.direct()
	s.run()
	outcome := s.carriedOut(payments.Payments, 0)
	require.Equal(t, "succeeded", outcome.Result)
	require.Equal(t, []string{sha, sha}, outcome.Revisions)
	s.says(pull.Number, "synced")
	s.stays(payments.Payments, sha, "5000", 2)
}

// webhookSurvives: a webhook is accepted, and gatekeeper is killed before it can
// do its work. The work is done after the restart, with no further event. The
// pull request is open, so nothing but the stored delivery tells of it.
func webhookSurvives(t *testing.T, s *story) {
	gatekeeper := s.run()
	pull := s.propose(payments.Alice, payments.Ledger, "5000")
	s.says(pull.Number, "0 of 2")

	restore := s.breakGitHub()
	s.approve(payments.Bob, pull.Number)
	require.NoError(t, s.Delivered(s.ctx))
	gatekeeper.Kill()
	restore()
	before, err := s.Comments(pull.Number)
	require.NoError(t, err)
	require.NotContains(t, strings.Join(before, ""), "1 of 2")

	s.run()
	s.says(pull.Number, "1 of 2")
}

func (s *story) await(reached <-chan struct{}) {
	s.t.Helper()
	select {
	case <-reached:
	case <-s.ctx.Done():
		require.NoError(s.t, s.ctx.Err(), "the sync was never sent")
	}
}
