package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/argo-gatekeeper/gatekeeper/internal/commands"
	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/gate"
	"github.com/argo-gatekeeper/gatekeeper/internal/preview"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/argoapi"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/report"
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

// previews is what renders for reports; nil when the configuration says that nothing is.
type previews struct{ *preview.Service }

func connectPreviews(cfg config.Config, r renderer, registry prometheus.Registerer, log *slog.Logger) previews {
	if !cfg.File.Previews.On() {
		return previews{}
	}
	metrics := preview.NewMetrics()
	registry.MustRegister(metrics)
	return previews{preview.New(preview.Options{Renderer: r, Logger: log, Metrics: metrics})}
}

func (p previews) asked() gate.Previews {
	if p.Service == nil {
		return nil
	}
	return p.Service
}

func (p previews) run(ctx context.Context) error {
	if p.Service == nil {
		return nil
	}
	return p.Run(ctx)
}

// differences answers who asks on a pull request what it changes.
type differences struct{ gate *gate.Gate }

func (d differences) Diff(ctx context.Context, r approval.RepositoryName, pull int, application string) (string, error) {
	seen, err := d.gate.Previewed(ctx, r, pull)
	if err != nil {
		return "", err
	}
	return report.Differences(seen, application), nil
}

// differ is nil when nothing is rendered, so that the command is not offered.
func (p previews) differ(g *gate.Gate) commands.Differ {
	if p.Service == nil {
		return nil
	}
	return differences{g}
}
