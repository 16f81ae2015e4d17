package argoapi

import (
	"context"
	"strings"
	"testing"

	"github.com/argoproj/argo-cd/v2/pkg/apiclient/application"
	"github.com/argoproj/argo-cd/v2/reposerver/apiclient"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// renderer answers with what it was asked for. A real one is asked in the stories of
// test/e2e/scenario.
type renderer struct {
	server
	asked   *application.ApplicationManifestQuery
	fails   error
	answers []string
}

func (r *renderer) GetManifests(ctx context.Context, q *application.ApplicationManifestQuery) (*apiclient.ManifestResponse, error) {
	incoming, _ := metadata.FromIncomingContext(ctx)
	if got := incoming.Get("token"); len(got) != 1 || got[0] != "good-token" {
		return nil, status.Error(codes.Unauthenticated, "invalid session")
	}
	r.asked = q
	return &apiclient.ManifestResponse{Manifests: r.answers}, r.fails
}

func TestManifests(t *testing.T) {
	r := &renderer{answers: []string{`{"kind": "A"}`, strings.Repeat("x", maxAnswer+1)}}
	address, _ := startService(t, r)
	api := newAPI(t, Options{Server: address, PlainText: true})
	first, second := approval.Revision{Repository: "acme/apps", SHA: approval.SHA(strings.Repeat("a", 40))}, approval.Revision{Repository: "acme/env", SHA: approval.SHA(strings.Repeat("b", 40))}
	single := app
	single.Sources = make([]approval.Source, 1)
	got, err := api.Manifests(t.Context(), single, []approval.Revision{first})
	require.NoError(t, err)
	require.Equal(t, r.answers, got, "more than other answers may hold")
	require.Equal(t, []any{"shop", "team", "prod", string(first.SHA)}, []any{r.asked.GetName(), r.asked.GetAppNamespace(), r.asked.GetProject(), r.asked.GetRevision()})
	require.Empty(t, r.asked.Revisions)

	multi := single
	multi.MultiSource, multi.Sources = true, make([]approval.Source, 2)
	_, err = api.Manifests(t.Context(), multi, []approval.Revision{first, second})
	require.NoError(t, err)
	require.Equal(t, []string{string(first.SHA), string(second.SHA)}, r.asked.Revisions)
	require.Equal(t, []int64{1, 2}, r.asked.SourcePositions)
	require.Empty(t, r.asked.GetRevision())

	// A branch would be resolved, and a source that is left out would float.
	r.asked = nil
	for name, revisions := range map[string][]approval.Revision{
		"none": nil, "too few": {first}, "a branch": {first, {SHA: "main"}}, "a short one": {first, {SHA: "bbbbbbb"}}, "empty": {first, {}},
	} {
		_, err = api.Manifests(t.Context(), multi, revisions)
		require.Error(t, err, name)
	}
	_, err = api.Manifests(t.Context(), single, []approval.Revision{first, second})
	require.Error(t, err)
	require.Nil(t, r.asked)

	r.fails = status.Error(codes.NotFound, "no such app")
	_, err = api.Manifests(t.Context(), single, []approval.Revision{first})
	require.ErrorIs(t, err, approval.ErrNotFound)
	r.fails = status.Error(codes.Unknown, "error generating manifests: helm template failed")
	_, err = api.Manifests(t.Context(), single, []approval.Revision{first})
	require.ErrorContains(t, err, "helm template failed")
}
