package access_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/access"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

const env = approval.RepositoryName("acme/env")

func needed() map[string]string {
	out := map[string]string{}
	for _, n := range access.Permissions() {
		out[n.Name] = n.Level
	}
	return out
}

func TestNeeds(t *testing.T) {
	t.Parallel()
	have := needed()
	require.Empty(t, access.Lacking(have))
	require.Empty(t, access.Excess(have, false))
	delete(have, "metadata")
	require.Empty(t, access.Lacking(have), "every App has it")
	more := maps.Clone(have)
	more["contents"], more["issues"] = "write", "write"
	require.Empty(t, access.Lacking(more), "more is enough")
	require.ElementsMatch(t, []string{"contents:write", "issues:write"}, access.Excess(more, false))
	require.ElementsMatch(t, []string{"issues:write"}, access.Excess(more, true))
	have["checks"] = "read"
	have["secrets"] = "read"
	lacking := access.Lacking(have)
	require.Len(t, lacking, 1)
	require.Equal(t, "checks", lacking[0].Name)
	require.Equal(t, []string{"secrets:read"}, access.Excess(have, false))
	require.Len(t, access.Unsubscribed(nil), len(access.Events())-1, "all but that of merge queues")
	require.Equal(t, "push", access.Unsubscribed([]string{"pull_request", "pull_request_review", "issue_comment", "check_run", "membership", "team"})[0].Name)
}

// world is GitHub with one App on one repository.
func world(t *testing.T) (*standin.Server, *access.Reader) {
	t.Helper()
	s, err := standin.Start(context.WithoutCancel(t.Context()), standin.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	for _, person := range []string{"alice", "bob"} {
		_, err = s.CreateUser(person, person)
		require.NoError(t, err)
	}
	_, err = s.CreateOrganization("acme", "alice")
	require.NoError(t, err)
	_, err = s.CreateTeam("acme", "sre", "bob")
	require.NoError(t, err)
	_, err = s.CreateRepository("acme", "env", standin.RepositoryOptions{Author: "alice", Files: map[string]string{"a": "b"}})
	require.NoError(t, err)
	_, err = s.As("alice").PushBranch("acme/env", "release/1", standin.Change{Files: map[string]string{"a": "c"}, Message: "Change"})
	require.NoError(t, err)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	a, err := s.CreateApp(standin.AppOptions{Slug: "gatekeeper", Owner: "acme", Permissions: needed(), Events: []string{"push"},
		PrivateKeyPEM: pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})})
	require.NoError(t, err)
	_, err = s.Install(a.ID, "acme", "env")
	require.NoError(t, err)
	app, err := github.NewApp(github.Options{BaseURL: s.APIURL(), AppID: a.ID, PrivateKeyPEM: a.PrivateKeyPEM, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return s, access.New(app)
}

func TestRead(t *testing.T) {
	t.Parallel()
	_, r := world(t)
	app, err := r.App(t.Context())
	require.NoError(t, err)
	require.Equal(t, "gatekeeper", app.Slug)
	require.Equal(t, "acme", app.Owner.Login)
	require.Equal(t, []string{"push"}, app.Events)
	in, err := r.Installation(t.Context(), env)
	require.NoError(t, err)
	require.Equal(t, "write", in.Permissions["checks"])
	require.Nil(t, in.SuspendedAt)
	_, err = r.Installation(t.Context(), "acme/other")
	require.ErrorIs(t, err, approval.ErrNotFound)
	members, err := r.Team(t.Context(), "acme/sre")
	require.NoError(t, err)
	require.Equal(t, 1, members)
}

func TestProtection(t *testing.T) {
	t.Parallel()
	s, r := world(t)
	read := func(branch string, permissions map[string]string) access.Protection {
		t.Helper()
		p, err := r.Protection(t.Context(), env, branch, permissions)
		require.NoError(t, err)
		return p
	}
	require.Zero(t, read("main", needed()))
	require.NoError(t, s.SetProtection("acme/env", "main", standin.Protection{Reviews: &standin.RequiredReviews{Count: 2, DismissStale: true,
		Bypass: &standin.Actors{Users: []string{"alice"}, Teams: []string{"sre"}}}}))
	p := read("main", needed())
	require.Equal(t, access.Protection{Reviews: 2, Pulls: true, NoForcePush: true, NoDeletion: true, DismissStale: true, Bypass: []string{
		"user alice (branch protection)", "team sre (branch protection)", "admins of the repository (branch protection does not include them)"}}, p)
	p = read("main", nil)
	require.False(t, p.Pulls)
	require.Len(t, p.Hidden, 1, "what may not be read is not absent")
	require.Contains(t, p.Hidden[0].Remedy, "administration:read")

	// A ruleset of the organisation, with rules that the types of v60 do not know.
	_, err := s.SetRuleset("acme", standin.Ruleset{Name: "all", Include: []string{"~ALL"}, Bypass: []standin.BypassActor{{ActorID: 5, ActorType: "RepositoryRole"}}, Rules: []standin.Rule{
		{Type: "pull_request", Parameters: standin.PullRequestRule{Count: 1}}, {Type: "copilot_code_review"}, {Type: "non_fast_forward"}}})
	require.NoError(t, err)
	p = read("release/1", needed())
	require.Equal(t, 1, p.Reviews)
	require.True(t, p.Pulls)
	require.True(t, p.NoForcePush)
	require.False(t, p.NoDeletion)
	require.Empty(t, p.Bypass)
	require.Len(t, p.Hidden, 1)
	require.Contains(t, p.Hidden[0].What, `ruleset "all"`)
	require.Equal(t, 2, read("main", needed()).Reviews, "the stricter one holds")
}

func TestDeliveries(t *testing.T) {
	t.Parallel()
	s, r := world(t)
	var answer atomic.Int64
	answer.Store(http.StatusUnauthorized)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(answer.Load())) }))
	t.Cleanup(srv.Close)
	got, err := r.Deliveries(t.Context(), time.Now().Add(-time.Hour))
	require.NoError(t, err)
	require.Zero(t, got)
	id := s.Apps()[0].ID
	require.NoError(t, s.SetWebhook(id, srv.URL, ""))
	require.NoError(t, s.WaitDelivered(t.Context()))
	got, err = r.Deliveries(t.Context(), time.Now().Add(-time.Hour))
	require.NoError(t, err)
	require.Equal(t, 1, got.Seen)
	require.Equal(t, 1, got.Failed)
	require.Equal(t, "ping", got.Event)
	require.Contains(t, got.Status, "401")

	// What arrived with a later attempt arrived.
	answer.Store(http.StatusAccepted)
	require.NoError(t, s.Redeliver(id, s.Deliveries(id)[0].ID))
	require.NoError(t, s.WaitDelivered(t.Context()))
	got, err = r.Deliveries(t.Context(), time.Now().Add(-time.Hour))
	require.NoError(t, err)
	require.Equal(t, 1, got.Seen)
	require.Zero(t, got.Failed)
	got, err = r.Deliveries(t.Context(), time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.Zero(t, got.Seen, "what is older is not looked at")
}

func TestSkew(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/silent" {
			w.Header()["Date"] = nil
			return
		}
		w.Header().Set("Date", time.Now().Add(time.Duration(ahead.Load())).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(srv.Close)
	for _, is := range []time.Duration{0, time.Hour, -time.Hour} {
		ahead.Store(int64(is))
		skew, err := access.Skew(t.Context(), srv.Client(), srv.URL)
		require.NoError(t, err)
		require.InDelta(t, is.Seconds(), skew.Seconds(), 60)
	}
	_, err := access.Skew(t.Context(), srv.Client(), srv.URL+"/silent")
	require.ErrorContains(t, err, "does not say")
	srv.Close()
	_, err = access.Skew(t.Context(), srv.Client(), srv.URL)
	require.Error(t, err)
}
