package main

import (
	"context"
	"fmt"

	"github.com/argo-gatekeeper/gatekeeper/internal/preview"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/argoapi"
)

// renderer renders for people. Argo CD renders the spec in its own cache and does not say
// which one that was, so the spec is read before and after.
type renderer struct {
	reader *argo.Reader
	parser *argo.Parser
	api    *argoapi.API
	// plugins: see the configuration.
	plugins bool
}

func (r renderer) Render(ctx context.Context, app approval.Application, revisions []approval.Revision) ([]string, error) {
	if err := r.same(ctx, app); err != nil {
		return nil, err
	}
	manifests, err := r.api.Manifests(ctx, app, revisions)
	if err != nil {
		return nil, err
	}
	return manifests, r.same(ctx, app)
}

func (r renderer) same(ctx context.Context, app approval.Application) error {
	object, err := r.reader.Object(ctx, app.Namespace, app.Name)
	if err != nil {
		return err
	}
	now := r.parser.Application(object)
	switch {
	case now.UID != app.UID || now.SpecDigest != app.SpecDigest:
		return fmt.Errorf("render %s: %w", app.Key(), approval.ErrStale)
	case !r.plugins && argo.UsesPlugin(object):
		return preview.Unfit("it is rendered by a config management plugin, which previews.plugins of the configuration does not allow")
	}
	return nil
}
