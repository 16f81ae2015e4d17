package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/console"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/promote"
)

// TestPromoteByComment: the one who asks is co-author, a second time finds the first, and
// Applications of other repositories are not told about.
func TestPromoteByComment(t *testing.T) {
	t.Parallel()
	w := newPromotionWorld(t)
	cfg, err := config.Load(w.file)
	require.NoError(t, err)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	cluster, err := connectArgoCD(cfg)
	require.NoError(t, err)
	app, err := connectApp(cfg, func(context.Context, github.Call) {}, log)
	require.NoError(t, err)
	promoter, err := promote.New(promote.Options{GitHub: app, WebURL: cfg.File.GitHub.URL, Logger: log})
	require.NoError(t, err)
	p := promoting{func() (promotions, error) {
		return promotions{cfg: cfg, reader: argo.NewReader(cluster.client, cluster.parser), promoter: promoter, log: log}, nil
	}, app}
	can, err := p.Can(t.Context(), "acme/env")
	require.NoError(t, err)
	require.True(t, can)
	alice := approval.User{ID: 1, Login: "alice", Type: approval.UserTypePerson}
	for _, a := range w.Accounts() {
		if a.Login == "alice" {
			alice.ID = approval.UserID(a.ID)
		}
	}
	for _, says := range []string{"#1 of acme/env was opened: Promote shop 1.4.3", "#1 of acme/env is as it should be"} {
		text, err := p.Promote(t.Context(), "acme/env", alice, "argocd/shop-staging", "argocd/shop-prod")
		require.NoError(t, err)
		require.Contains(t, text, says)
	}
	commits, err := w.PullCommits("acme/env", 1)
	require.NoError(t, err)
	require.Contains(t, commits[0].Message, "Co-authored-by: alice")

	refused := func(says, from, to string, r approval.RepositoryName) string {
		t.Helper()
		_, err := p.Promote(t.Context(), r, alice, from, to)
		var e *console.Error
		require.ErrorAs(t, err, &e)
		require.Contains(t, e.Text, says)
		require.NotContains(t, e.Text, "--", "a comment has no such option")
		return e.Remedy
	}
	refused("no Application argocd/none reads from this repository", "argocd/none", "argocd/shop-prod", "acme/env")
	refused("no Application argocd/shop-staging reads from this repository", "argocd/shop-staging", "argocd/shop-prod", "acme/other")
	refused("no gate protects argocd/open", "argocd/shop-staging", "argocd/open", "acme/env")
	w.apps["broken"] = stage{"staging", "Synced", "Degraded", "staging", []string{"ghcr.io/acme/shop:1.4.3"}}
	w.apps["drifted"] = stage{"staging", "OutOfSync", "Healthy", "staging", []string{"ghcr.io/acme/shop:1.4.3"}}
	const wait = "wait until it is Synced and Healthy and repeat the command; somebody with the command line can promote it all the same with gatekeeper promote --allow-unhealthy"
	require.Equal(t, wait, refused("argocd/broken is not Healthy, it is Degraded", "argocd/broken", "argocd/shop-prod", "acme/env"))
	require.Equal(t, wait, refused("argocd/drifted is not Synced, it is OutOfSync", "argocd/drifted", "argocd/shop-prod", "acme/env"))

	require.ErrorIs(t, promotionRefused(context.DeadlineExceeded), context.DeadlineExceeded, "tried again")
	down := &github.Error{Status: http.StatusBadGateway}
	require.Equal(t, error(down), promotionRefused(down), "tried again")
	var e *console.Error
	require.ErrorAs(t, promotionRefused(&github.Error{Status: http.StatusForbidden, Remedy: "give it the permission"}), &e)
	require.Equal(t, "give it the permission", e.Remedy)
	require.ErrorAs(t, promotionRefused(errors.New("two versions")), &e)
}
