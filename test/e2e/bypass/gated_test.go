package bypass

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

// charts is the repository of charts with its owner.
const charts = payments.Organization + "/" + chartRepository

// enforce has the real gatekeeper protect what the victims deploy, as an operator does:
// it writes the configuration, adopts what is there and starts it. The victims that
// wait for it are synced through the gate.
func (w *World) enforce(ctx context.Context) error {
	for _, i := range w.GitHub.Installations() {
		if err := w.GitHub.AddToInstallation(i.ID, chartRepository); err != nil {
			return err
		}
	}
	if err := w.GitHub.GrantTeam(payments.Organization, "sre", charts, "write"); err != nil {
		return err
	}
	if err := w.configure(ctx); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	if _, err := w.Adopt(ctx, "--all", "--reason", "begin with the gates"); err != nil {
		return err
	}
	var err error
	if w.gatekeeper, err = w.StartGatekeeper(ctx); err != nil {
		return err
	}
	if err := w.spare.inForce(ctx); err != nil {
		return err
	}
	var deployed []*victim
	for _, v := range w.all() {
		if v.throughGate() {
			deployed = append(deployed, v)
		}
	}
	return each(ctx, deployed, (*victim).syncApproved)
}

// inForce waits until the API server refuses what the policy and what the webhook alone
// refuses: it takes a moment to see objects that were written.
func (v *victim) inForce(ctx context.Context) error {
	client, err := v.Sandbox.Client(sandbox.Developer)
	if err != nil {
		return err
	}
	return await(ctx, "enforcement", func(ctx context.Context) (bool, string, error) {
		policy := v.ask(ctx, sandbox.Developer, operation(`"revision": "main"`))
		webhook := client.Resource(applications()).Namespace(argoNamespace).Delete(ctx, v.name, metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}})
		return refusedBy(policy, thePolicy, "Name the exact revision") && refusedBy(webhook, theWebhook, "gatekeeper permit"), fmt.Sprint(policy, "; ", webhook), nil
	})
}

// refusedBy says whether a refusal is of one of the two, and says so.
func refusedBy(refusal error, by, text string) bool {
	return refusal != nil && strings.Contains(refusal.Error(), by) && strings.Contains(refusal.Error(), text)
}

// configure adds to gatekeeper's configuration what the victims need: the production
// projects, and every destination namespace of a victim under whatever name or address
// of the cluster; and a second gate that permits automated sync.
func (w *World) configure(ctx context.Context) error {
	if err := w.WriteConfig(w.Sandbox.Kubeconfig(sandbox.Gatekeeper)); err != nil {
		return err
	}
	content, err := os.ReadFile(w.Config)
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	var config map[string]any
	if err := yaml.Unmarshal(content, &config); err != nil {
		return fmt.Errorf("decode the configuration: %w", err)
	}
	port, err := w.Sandbox.FreePort(ctx)
	if err != nil {
		return err
	}
	listen := "127.0.0.1:" + strconv.Itoa(port)
	config["enforcement"] = map[string]any{
		"listen": listen, "url": "https://" + listen, "certificate": map[string]any{"secret": "gatekeeper/gatekeeper-admission"},
	}
	gates, _, err := unstructured.NestedSlice(config, "gates")
	if err != nil || len(gates) != 1 {
		return fmt.Errorf("the configuration has %d gates, not one: %w", len(gates), err)
	}
	prod, isMap := gates[0].(map[string]any)
	if !isMap {
		return errors.New("the gate is no mapping")
	}
	repositories, _, err := unstructured.NestedSlice(prod, "repositories")
	if err != nil {
		return fmt.Errorf("read the repositories: %w", err)
	}
	guarded := map[string]any{"repository": charts, "branch": "main", "enrolledAt": w.Chart}
	prod["repositories"] = append(repositories, guarded)
	prod["applications"] = []any{
		map[string]any{"project": w.project()}, map[string]any{"project": w.project() + "-strict"},
		map[string]any{"project": w.project() + "-frozen"}, map[string]any{"namespace": "by-*"},
	}
	prod["sync"] = map[string]any{"prune": "refuse"}
	healing := map[string]any{
		"name": "healing", "applications": []any{map[string]any{"project": w.healing()}}, "repositories": []any{guarded},
		"config": prod["config"], "sync": map[string]any{"gatedAutoSync": true},
	}
	config["gates"] = []any{prod, healing}
	if content, err = yaml.Marshal(config); err != nil {
		return fmt.Errorf("encode the configuration: %w", err)
	}
	if err := os.WriteFile(w.Config, content, 0o600); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return nil
}

// each does something with several victims side by side.
func each(ctx context.Context, victims []*victim, do func(*victim, context.Context) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(sideBySide)
	for _, v := range victims {
		group.Go(func() error {
			if err := do(v, ctx); err != nil {
				return fmt.Errorf("%s: %w", v.name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// operation is a patch that starts one, as Argo CD's API does.
func operation(sync string) string {
	return `{"operation": {"initiatedBy": {"username": "somebody"}, "sync": {` + sync + `}}, "status": {"operationState": null}}`
}

// ask asks the API server about a patch and changes nothing.
func (v *victim) ask(ctx context.Context, id sandbox.Identity, body string) error {
	client, err := v.Sandbox.Client(id)
	if err != nil {
		return err
	}
	_, err = client.Resource(applications()).Namespace(argoNamespace).Patch(ctx, v.name, types.MergePatchType, []byte(body),
		metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
	return err //nolint:wrapcheck // it is looked at, and shown as it is
}

// syncApproved syncs the approved commit through the gate.
func (v *victim) syncApproved(ctx context.Context) error {
	sync := v.pinned(v.approved(), v.attack.Shape.first)
	if err := v.operate(ctx, sandbox.Developer, sync); err != nil {
		return err
	}
	return v.await(ctx, "the approved commit to be synced", func(app *unstructured.Unstructured) bool {
		return app.Object["operation"] == nil && text(app, "status", "operationState", "phase") == "Succeeded"
	})
}

// judged waits until the gates know that main has moved on, and what was deployed
// before. Enforcement is then in force: the one is refused and the other admitted.
func (w *World) judged(ctx context.Context) error {
	if err := w.Delivered(ctx); err != nil {
		return err
	}
	return each(ctx, w.all(), func(v *victim, ctx context.Context) error {
		return await(ctx, "the gate to know "+v.name, func(ctx context.Context) (bool, string, error) {
			err := v.ask(ctx, sandbox.Developer, operation(v.pinned(v.Pushed, "")))
			if !apierrors.IsForbidden(err) || undecided(err) || strings.Contains(err.Error(), "is not on the protected branch") && !v.attack.Shape.still {
				return false, fmt.Sprint(err), nil
			}
			if !v.attack.Deployed {
				return true, "", nil
			}
			err = v.ask(ctx, sandbox.Developer, operation(v.pinned(v.approved(), "")))
			return err == nil, fmt.Sprint(err), nil
		})
	})
}
