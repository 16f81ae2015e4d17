package scenario

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// breakGitHub makes every API call fail with 500; the returned function mends it.
func (s *story) breakGitHub() (mend func()) {
	s.t.Helper()
	mend, err := s.GitHub.Fail(standin.ServerError500(`^[A-Z]+ /(repos|orgs|users|app|user|installation)/`))
	require.NoError(s.t, err)
	return mend
}

// githubFails: GitHub answers 500, and then that the rate limit is used up. The
// decision is unknown and nothing is synced; when GitHub answers again, it is.
func githubFails(t *testing.T, s *story) {
	s.run()
	pull := s.propose(payments.Alice, payments.Ledger, "5000")
	s.approve(payments.Bob, pull.Number)
	s.says(pull.Number, "1 of 2")
	sha := s.merge(pull.Number, "merge")
	s.verdict(payments.Ledger, "blocked", "quorum.missing")

	mend := s.breakGitHub()
	s.approve(payments.Carol, pull.Number)
	s.verdict(payments.Ledger, "unknown", "facts.missing")
	s.untouched(payments.Ledger)

	// The limit is over soon, by GitHub's clock and in whole seconds.
	limited, err := s.GitHub.Fail(standin.RateLimited403(`^[A-Z]+ /repos/`, time.Now().Add(3*time.Second)))
	require.NoError(t, err)
	mend()
	s.verdict(payments.Ledger, "unknown", "facts.missing")
	s.untouched(payments.Ledger)
	limited()

	s.runs(payments.Ledger, sha, "5000", 2)
	s.says(pull.Number, "2 of 2", "synced")
}

// unprotected: Applications that no gate protects are never written to, not even
// when everything in the repository is approved.
func unprotected(t *testing.T, s *story) {
	var mu sync.Mutex
	var writes []string
	s.throughProxy(sandbox.Hook{Before: func(r *http.Request) error {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			mu.Lock()
			writes = append(writes, r.Method+" "+r.URL.Path)
			mu.Unlock()
		}
		return nil
	}})
	s.run()
	before, err := s.Live(s.ctx, "stage", payments.Ledger)
	require.NoError(t, err)

	// A change of stage is nobody's business here: no comment and no sync. The check says
	// so, since it may be a required one.
	stage, err := s.ProposeFile(payments.Alice, payments.ValuesFile("stage", payments.Ledger), payments.Values("stage", payments.Ledger, "8000"), "Raise the limit in stage")
	require.NoError(t, err)
	s.check(stage.Head, "nothing here concerns this gate")
	s.merge(stage.Number, "squash")

	pull := s.propose(payments.Alice, payments.Ledger, "5000")
	s.approve(payments.Bob, pull.Number)
	s.approve(payments.Carol, pull.Number)
	sha := s.merge(pull.Number, "merge")
	s.runs(payments.Ledger, sha, "5000", 2)
	s.says(pull.Number, "synced")

	comments, err := s.Comments(stage.Number)
	require.NoError(t, err)
	require.Empty(t, comments)

	after, err := s.Live(s.ctx, "stage", payments.Ledger)
	require.NoError(t, err)
	require.Equal(t, before.History, after.History)
	require.Equal(t, payments.FirstLimit, after.Limit)
	require.Equal(t, before.Object.Object["spec"], after.Object.Object["spec"])
	require.Equal(t, before.Object.GetAnnotations(), after.Object.GetAnnotations())

	// All that gatekeeper ever wrote to Kubernetes is the one sync.
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, []string{"PATCH /apis/argoproj.io/v1alpha1/namespaces/argocd/applications/" + s.Application("prod", payments.Ledger)}, writes)
}
