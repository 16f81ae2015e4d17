package main

import (
	"context"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/argoapi"
)

// connectArgoAPI makes no request. Close the result.
func connectArgoAPI(cfg config.Config) (*argoapi.API, error) {
	return argoapi.New(argoapi.Options{
		Server: cfg.File.ArgoCD.Server, TokenFile: cfg.Path(cfg.File.ArgoCD.TokenFile),
		PlainText: cfg.File.ArgoCD.Plaintext, CAFile: cfg.Path(cfg.File.ArgoCD.CAFile),
	})
}

// specs joins what the gate asks about specs.
type specs struct {
	*argo.Reader
	api *argoapi.API
}

// Rendered asks argocd-server what an Application is rendered to.
func (s specs) Rendered(ctx context.Context, parent approval.Application, revisions []approval.Revision) ([]approval.RenderedSpec, error) {
	manifests, err := s.api.Manifests(ctx, parent, revisions)
	if err != nil {
		return nil, err
	}
	return argo.RenderedSpecs(manifests, parent.DestinationNamespace)
}
