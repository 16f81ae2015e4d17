package payments

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// Result is one result of gatekeeper doctor, spelled out again.
type Result struct {
	Code, Area, Severity, State string
	About, Reason, Fix, Command string
}

// Examination is what gatekeeper doctor says.
type Examination struct {
	Results []Result
	Failed  bool // its exit status was not 0
	Text    string
}

// Of are the results of one check.
func (e Examination) Of(code string) []Result {
	var out []Result
	for _, r := range e.Results {
		if r.Code == code {
			out = append(out, r)
		}
	}
	return out
}

// Bad are the results that are not ok.
func (e Examination) Bad() []Result {
	var out []Result
	for _, r := range e.Results {
		if r.State != "ok" {
			out = append(out, r)
		}
	}
	return out
}

// Doctor runs gatekeeper doctor as somebody, with its answer as JSON.
func (w *World) Doctor(ctx context.Context, as sandbox.Identity, args ...string) (Examination, error) {
	args = append([]string{"doctor", "--config", w.Config, "--kubeconfig", w.Sandbox.Kubeconfig(as), "-o", "json"}, args...)
	out, err := w.Gatekeeper(ctx, args...)
	e := Examination{Failed: err != nil, Text: out}
	// What went wrong is told after the report.
	if decodeErr := json.NewDecoder(strings.NewReader(out)).Decode(&e); decodeErr != nil {
		return e, errors.Join(err, fmt.Errorf("decode the report: %w", decodeErr))
	}
	return e, nil
}

// RedeliverFailed has GitHub send again what did not arrive.
func (w *World) RedeliverFailed() error {
	newest := map[string]standin.Delivery{}
	for _, d := range w.GitHub.Deliveries(w.app.ID) {
		if have, ok := newest[d.GUID]; !ok || d.ID > have.ID {
			newest[d.GUID] = d
		}
	}
	for _, d := range newest {
		if d.StatusCode >= 200 && d.StatusCode <= 299 {
			continue
		}
		if err := w.GitHub.Redeliver(w.app.ID, d.ID); err != nil {
			return err
		}
	}
	return nil
}

// UseArgoToken makes gatekeeper use a new token of an account of Argo CD.
func (w *World) UseArgoToken(ctx context.Context, account string) error {
	token, err := w.Sandbox.ArgoCD().AccountToken(ctx, account)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(w.dir, "argocd-token"), []byte(token+"\n"), 0o600)
}

// Project is the AppProject of an environment.
func (w *World) Project(environment string) string { return w.project(environment) }

// PatchApplication merges a patch into the Application of a service, as an
// administrator of the cluster.
func (w *World) PatchApplication(ctx context.Context, environment, service, patch string) error {
	_, err := w.apps().Patch(ctx, w.Application(environment, service),
		types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	return err
}
