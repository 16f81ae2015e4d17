package argoapi

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/argoproj/argo-cd/v2/pkg/apiclient/application"
	"github.com/argoproj/argo-cd/v2/reposerver/apiclient"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

const (
	// renderTimeout bounds rendering, a fetch of the repository included.
	renderTimeout = 45 * time.Second
	// maxRendered bounds the manifests of an Application.
	maxRendered = 64 << 20
)

// Manifests are what Argo CD renders of an Application's spec of now at exact
// revisions, one for each source in their order, as JSON. Secrets are masked. It needs
// the right to get the Application. What Argo CD answers when it cannot is a *RenderError.
//
// Argo CD does not say which revisions it rendered (server/application/application.go,
// GetManifests, of 2.14.21 and 3.2.11: the answer's revision stays empty). A full SHA is
// taken as it is, so only full SHAs are asked for. Nor does it say which spec it
// rendered: it takes the one in its own cache. Read the Application before and after.
func (a *API) Manifests(ctx context.Context, app approval.Application, revisions []approval.Revision) ([]string, error) {
	if len(revisions) == 0 || len(revisions) != len(app.Sources) || !app.MultiSource && len(revisions) != 1 {
		return nil, fmt.Errorf("render %s: %d revisions for %d sources", app.Key(), len(revisions), len(app.Sources))
	}
	query := &application.ApplicationManifestQuery{Name: &app.Name, AppNamespace: &app.Namespace, Project: &app.Project}
	for i, r := range revisions {
		if _, err := approval.ParseSHA(string(r.SHA)); err != nil {
			return nil, fmt.Errorf("render %s: %w", app.Key(), err)
		}
		revision := string(r.SHA)
		if !app.MultiSource {
			query.Revision = &revision
			break
		}
		query.Revisions = append(query.Revisions, revision)
		query.SourcePositions = append(query.SourcePositions, int64(i+1))
	}
	var answer *apiclient.ManifestResponse
	err := a.callWithin(ctx, max(renderTimeout, a.timeout), func(ctx context.Context) (err error) {
		answer, err = a.applications.GetManifests(ctx, query, grpc.MaxCallRecvMsgSize(maxRendered))
		return err
	})
	switch {
	case status.Code(err) == codes.NotFound:
		return nil, fmt.Errorf("render %s: %w", app.Key(), approval.ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("render %s: %w", app.Key(), renderError(err))
	case answer == nil:
		return nil, fmt.Errorf("render %s: %w", app.Key(), errors.New("an empty answer"))
	}
	return answer.GetManifests(), nil
}
