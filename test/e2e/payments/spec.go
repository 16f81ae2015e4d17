package payments

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

// adoptAll is what an operator does before the gate is opened.
func (w *World) adoptAll(ctx context.Context) error {
	if w.options.Unadopted {
		return nil
	}
	_, err := w.Adopt(ctx, "--all", "--reason", "begin with the gate")
	return err
}

// Adopt runs gatekeeper adopt as alice.
func (w *World) Adopt(ctx context.Context, args ...string) (string, error) {
	return w.Gatekeeper(ctx, append([]string{"adopt", "--config", w.Config, "--by", Alice}, args...)...)
}

// Edit patches a production Application with a merge patch, as a developer does with
// kubectl edit.
func (w *World) Edit(ctx context.Context, service, patch string) error {
	_, err := w.apps().Patch(ctx, w.Application("prod", service), types.MergePatchType,
		[]byte(patch), metav1.PatchOptions{FieldManager: "kubectl-edit"})
	if err != nil {
		return fmt.Errorf("edit the application: %w", err)
	}
	return nil
}

// Recreate deletes the production Application of a service and makes it again with the
// same spec. What it deployed stays.
func (w *World) Recreate(ctx context.Context, service string) error {
	if err := w.apps().Delete(ctx, w.Application("prod", service), metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete the application: %w", err)
	}
	return w.Sandbox.Apply(ctx, sandbox.Admin, []byte(w.manifest("prod", service)))
}

// AppsFolder is where the manifests of production's Applications are, once somebody
// puts them there.
const AppsFolder = "envs/prod/apps"

// Manifest is the production Application of a service as a file for AppsFolder, with
// lines of its own below helm.
func (w *World) Manifest(service string, helm ...string) string {
	text := w.manifest("prod", service)
	for _, line := range helm {
		text = strings.Replace(text, "    helm:\n", "    helm:\n      "+line+"\n", 1)
	}
	return text
}

// Set is the name of the ApplicationSet that SetManifest describes.
func (w *World) Set() string { return w.Name + "-services" }

// SetManifest is an ApplicationSet that generates the production Application of a
// service, as a file for AppsFolder: lines of its spec, and lines of the Application's
// own below helm.
func (w *World) SetManifest(service string, spec []string, helm ...string) string {
	_, application, _ := strings.Cut(w.Manifest(service, helm...), "spec:\n")
	return `apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata:
  name: ` + w.Set() + `
  namespace: ` + argoNamespace + `
spec:
  ` + strings.Join(spec, "\n  ") + `
  template:
    metadata:
      name: ` + w.Application("prod", service) + `
    spec:
    ` + strings.ReplaceAll(strings.TrimSuffix(application, "\n"), "\n", "\n    ") + `
`
}

// EditSet patches that ApplicationSet with a merge patch, as a developer does with
// kubectl edit.
func (w *World) EditSet(ctx context.Context, patch string) error {
	_, err := w.client.Resource(applications.GroupVersion().WithResource("applicationsets")).Namespace(argoNamespace).Patch(ctx, w.Set(), types.MergePatchType,
		[]byte(patch), metav1.PatchOptions{FieldManager: "kubectl-edit"})
	if err != nil {
		return fmt.Errorf("edit the ApplicationSet: %w", err)
	}
	return nil
}

// CreateApps creates the Application that writes the others, from AppsFolder, in the
// project of production. It is not synced.
func (w *World) CreateApps(ctx context.Context) error {
	return w.Sandbox.Apply(ctx, sandbox.Admin, []byte(`apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata:
  name: `+w.project("prod")+`
  namespace: `+argoNamespace+`
spec:
  sourceRepos: ["`+w.CloneURL+`"]
  destinations:
    - server: https://kubernetes.default.svc
      namespace: `+w.Namespace("prod")+`
    - server: https://kubernetes.default.svc
      namespace: `+argoNamespace+`
---
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: `+w.Application("prod", "apps")+`
  namespace: `+argoNamespace+`
spec:
  project: `+w.project("prod")+`
  source:
    repoURL: `+w.CloneURL+`
    targetRevision: main
    path: `+AppsFolder+`
  destination:
    server: https://kubernetes.default.svc
    namespace: `+argoNamespace+`
`))
}
