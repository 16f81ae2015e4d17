package main

import (
	"context"

	"google.golang.org/grpc"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/appset/setpatch"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/argoapi"
)

// connectArgoAPI makes no request. Close the result.
func connectArgoAPI(cfg config.Config, intercept grpc.UnaryClientInterceptor) (*argoapi.API, error) {
	return argoapi.New(argoapi.Options{
		Server: cfg.File.ArgoCD.Server, TokenFile: cfg.Path(cfg.File.ArgoCD.TokenFile),
		PlainText: cfg.File.ArgoCD.Plaintext, CAFile: cfg.Path(cfg.File.ArgoCD.CAFile), Intercept: intercept,
	})
}

// specs joins what the gate asks about specs.
type specs struct {
	*argo.Reader
	api *argoapi.API
	// sets is what the watcher has seen; nil for a command, which reads all Applications.
	sets *argo.Sets
}

// Deployers are the Applications that deploy an ApplicationSet.
func (s specs) Deployers(ctx context.Context, set string) ([]string, error) {
	if s.sets != nil {
		return s.sets.Deployers(set), nil
	}
	sets, err := s.Sets(ctx)
	if err != nil {
		return nil, err
	}
	return sets.Deployers(set), nil
}

// Rendered asks argocd-server what an Application is rendered to.
func (s specs) Rendered(ctx context.Context, parent approval.Application, revisions []approval.Revision) ([]approval.RenderedSpec, error) {
	manifests, err := s.api.Manifests(ctx, parent, revisions)
	if err != nil {
		return nil, err
	}
	return argo.RenderedSpecs(manifests, parent.DestinationNamespace, setpatch.Apply)
}
