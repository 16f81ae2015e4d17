package payments

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

// enforced is how the API server reaches gatekeeper, and gatekeeper Argo CD.
type enforced struct {
	// name is that of the objects: worlds share a cluster.
	name   string
	listen string
	argo   *forwarder
}

// enforce gives gatekeeper the rights that it needs for objects of the world's name.
func (w *World) enforce(ctx context.Context) error {
	if !w.options.Enforce {
		return nil
	}
	port, err := w.Sandbox.FreePort(ctx)
	if err != nil {
		return err
	}
	argo, err := forward(ctx, w.Sandbox.ArgoCD().Addr())
	if err != nil {
		return err
	}
	e := &enforced{name: "gk-" + w.Name, listen: "127.0.0.1:" + strconv.Itoa(port), argo: argo}
	w.enforcement = e
	return w.Sandbox.Apply(ctx, sandbox.Admin, []byte(`apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: `+e.name+`}
rules:
- apiGroups: [admissionregistration.k8s.io]
  resources: [validatingadmissionpolicies, validatingadmissionpolicybindings, validatingwebhookconfigurations]
  resourceNames: [`+e.name+`]
  verbs: [get, list, watch, create, patch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: `+e.name+`}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: `+e.name+`}
subjects: [{kind: ServiceAccount, name: gatekeeper, namespace: gatekeeper}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: `+e.name+`, namespace: gatekeeper}
rules:
- {apiGroups: [""], resources: [secrets], resourceNames: [`+e.name+`], verbs: [get, update]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: `+e.name+`, namespace: gatekeeper}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: `+e.name+`}
subjects: [{kind: ServiceAccount, name: gatekeeper, namespace: gatekeeper}]
`))
}

func (w *World) enforcementConfig() string {
	if w.enforcement == nil {
		return ""
	}
	return `enforcement:
  name: ` + w.enforcement.name + `
  listen: "` + w.enforcement.listen + `"
  url: https://` + w.enforcement.listen + `
  certificate: {secret: gatekeeper/` + w.enforcement.name + `}
`
}

// argoAddress is where gatekeeper finds Argo CD's API.
func (w *World) argoAddress() string {
	if w.enforcement == nil {
		return w.Sandbox.ArgoCD().Addr()
	}
	return w.enforcement.argo.listener.Addr().String()
}

// CutArgoCD parts gatekeeper from Argo CD's API, or joins them again. Parted, it
// decides and answers the API server as always, and syncs nothing by itself, since it
// cannot learn whether a sync window is open. It needs Options.Enforce.
func (w *World) CutArgoCD(cut bool) { w.enforcement.argo.cut(cut) }

// Admission is the name of the objects in the cluster and the address that the API
// server asks. It needs Options.Enforce.
func (w *World) Admission() (name, url string) {
	return w.enforcement.name, "https://" + w.enforcement.listen + "/admission"
}

// InForce waits until gatekeeper is asked about every write of an Application. It needs
// Options.Enforce.
func (w *World) InForce(ctx context.Context) error { return w.inForce(ctx) }

// inForce waits until the API server refuses what the policy and what the webhook alone
// refuses. It takes a moment to see objects that were written.
func (w *World) inForce(ctx context.Context) error {
	if w.enforcement == nil {
		return nil
	}
	client, err := w.Sandbox.Client(sandbox.Developer)
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	apps, name := client.Resource(applications).Namespace(w.options.Namespace), w.Application("prod", w.options.Services[0])
	dry := []string{metav1.DryRunAll}
	return Await(ctx, "enforcement", func(ctx context.Context) (bool, string, error) {
		_, policy := apps.Patch(ctx, name, types.MergePatchType, []byte(`{"operation":{"sync":{"revision":"main"}}}`), metav1.PatchOptions{DryRun: dry})
		webhook := apps.Delete(ctx, name, metav1.DeleteOptions{DryRun: dry})
		return apierrors.IsForbidden(policy) && apierrors.IsForbidden(webhook) && strings.Contains(webhook.Error(), "gatekeeper permit"),
			fmt.Sprintf("policy: %v; webhook: %v", policy, webhook), nil
	})
}

// Events returns the messages of gatekeeper's events about a production Application, of one
// reason.
func (w *World) Events(ctx context.Context, service, reason string) ([]string, error) {
	list, err := w.client.Resource(events).Namespace(w.options.Namespace).List(ctx, metav1.ListOptions{
		FieldSelector: "involvedObject.name=" + w.Application("prod", service) + ",reason=" + reason,
	})
	if err != nil {
		return nil, fmt.Errorf("list the events: %w", err)
	}
	var texts []string
	for _, e := range list.Items {
		text, _ := e.Object["message"].(string)
		texts = append(texts, text)
	}
	return texts, nil
}

// forwarder passes TCP connections on, unless it is cut.
type forwarder struct {
	listener net.Listener
	to       string
	running  sync.WaitGroup

	mu    sync.Mutex
	parts bool
	open  map[net.Conn]bool
}

func forward(ctx context.Context, to string) (*forwarder, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	f := &forwarder{listener: listener, to: to, open: map[net.Conn]bool{}}
	f.running.Go(func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			if !f.add(from) {
				_ = from.Close()
				continue
			}
			f.running.Go(func() { f.pass(context.WithoutCancel(ctx), from) })
		}
	})
	return f, nil
}

func (f *forwarder) pass(ctx context.Context, from net.Conn) {
	defer f.remove(from)
	to, err := (&net.Dialer{}).DialContext(ctx, "tcp", f.to)
	if err != nil {
		return
	}
	if !f.add(to) {
		_ = to.Close()
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(from, to)
		f.remove(from)
	})
	_, _ = io.Copy(to, from)
	f.remove(to)
	back.Wait()
}

func (f *forwarder) add(c net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.parts {
		return false
	}
	f.open[c] = true
	return true
}

func (f *forwarder) remove(c net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, c)
	_ = c.Close()
}

func (f *forwarder) cut(cut bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.parts = cut
	if !cut {
		return
	}
	for c := range f.open {
		_ = c.Close()
	}
}

func (f *forwarder) close() {
	_ = f.listener.Close()
	f.cut(true)
	f.running.Wait()
}
