package payments

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

var (
	applications = schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "applications"}
	deployments  = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	pods         = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	events       = schema.GroupVersionResource{Version: "v1", Resource: "events"}
)

// argoNamespace is where Argo CD and its Applications are.
const argoNamespace = "argocd"

// Application names the Application of a service in an environment.
func (w *World) Application(environment, service string) string {
	return w.Name + "-" + service + "-" + environment
}

// Namespace is where the services of an environment run.
func (w *World) Namespace(environment string) string { return w.Name + "-" + environment }

// project is the AppProject of an environment.
func (w *World) project(environment string) string { return w.Name + "-" + environment }

// manifest is the Application of a service.
func (w *World) manifest(environment, service string) string {
	values := ValuesFile(environment, service)
	var source string
	switch service {
	case Payments:
		source = `  sources:
    - repoURL: ` + w.CloneURL + `
      targetRevision: main
      path: charts/service
      helm:
        valueFiles: ["$values/` + values + `"]
    - repoURL: ` + w.CloneURL + `
      targetRevision: main
      ref: values
`
	case Ledger:
		source = `  source:
    repoURL: ` + w.CloneURL + `
    targetRevision: main
    path: charts/service
    helm:
      valueFiles: ["../../` + values + `"]
`
	default:
		source = `  source:
    repoURL: ` + w.CloneURL + `
    targetRevision: main
    path: envs/` + environment + `/` + service + `
`
	}
	return `apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: ` + w.Application(environment, service) + `
  namespace: ` + w.options.Namespace + `
spec:
  project: ` + w.project(environment) + `
` + source + `  destination:
    server: https://kubernetes.default.svc
    namespace: ` + w.Namespace(environment) + `
`
}

func (w *World) environment(environment string) string {
	return w.team() + `apiVersion: v1
kind: Namespace
metadata:
  name: ` + w.Namespace(environment) + `
---
apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata:
  name: ` + w.project(environment) + `
  namespace: ` + argoNamespace + `
spec:
  sourceRepos: ["` + w.CloneURL + `"]
  sourceNamespaces: ["` + w.options.Namespace + `"]
  destinations:
    - server: https://kubernetes.default.svc
      namespace: ` + w.Namespace(environment) + `
`
}

// Key is the name of a service's Application with its namespace, as Gatekeeper and the
// argocd command line have it.
func (w *World) Key(environment, service string) string {
	return w.options.Namespace + "/" + w.Application(environment, service)
}

// ApplicationNamespace is where the Applications are.
func (w *World) ApplicationNamespace() string { return w.options.Namespace }

// apps are the Applications of the world's namespace, as an administrator.
func (w *World) apps() dynamic.ResourceInterface {
	return w.client.Resource(applications).Namespace(w.options.Namespace)
}

// team is the namespace of a team that has its Applications in one of its own, in which
// developers may do as much as in Argo CD's.
func (w *World) team() string {
	if w.options.Namespace == argoNamespace {
		return ""
	}
	return `apiVersion: v1
kind: Namespace
metadata: {name: ` + w.options.Namespace + `}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: developer, namespace: ` + w.options.Namespace + `}
rules:
- {apiGroups: [argoproj.io], resources: ['*'], verbs: ['*']}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: developer, namespace: ` + w.options.Namespace + `}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: developer}
subjects: [{kind: Group, apiGroup: rbac.authorization.k8s.io, name: developers}]
---
`
}

// Live is what the cluster says about one service.
type Live struct {
	// Revisions are those of the last finished sync, one for each source.
	Revisions   []string
	Phase       string
	Message     string
	InitiatedBy string
	// Sync, Health and Images are Argo CD's view, as old as its last look; Limit, Image and
	// those of the pods are read from the workload.
	Sync, Health string
	Images       []string
	// Refreshing is true until Argo CD has looked as Refresh asks it to.
	Refreshing bool
	Limit      string
	// Image is that of the workload.
	Image string
	// PodLimits and PodImages count the ready pods by the transfer limit and the image
	// that they run with.
	PodLimits, PodImages map[string]int
	// History are the revisions that Argo CD deployed, oldest first.
	History []string
	// Running is true while an operation is requested or under way.
	Running bool
	// Object is the Application as it is stored.
	Object *unstructured.Unstructured
}

// String shows what a person would look at.
func (l Live) String() string {
	return fmt.Sprintf("revisions %s, phase %s, %s and %s with images %v (refreshing: %t), TRANSFER_LIMIT %s, ready pods %v of %v, %d deployments, message %q",
		strings.Join(l.Revisions, " "), l.Phase, l.Sync, l.Health, l.Images, l.Refreshing, l.Limit, l.PodLimits, l.PodImages, len(l.History), l.Message)
}

// Live reads a service from the cluster: the Application, its Deployment and its
// pods. It asks Kubernetes, never Gatekeeper.
func (w *World) Live(ctx context.Context, environment, service string) (Live, error) {
	app, err := w.apps().Get(ctx, w.Application(environment, service), metav1.GetOptions{})
	if err != nil {
		return Live{}, fmt.Errorf("read the application: %w", err)
	}
	l := Live{Object: app, PodLimits: map[string]int{}, PodImages: map[string]int{}}
	text := func(fields ...string) string {
		s, _, _ := unstructured.NestedString(app.Object, fields...)
		return s
	}
	l.Phase, l.Message = text("status", "operationState", "phase"), text("status", "operationState", "message")
	l.InitiatedBy = text("status", "operationState", "operation", "initiatedBy", "username")
	l.Sync, l.Health = text("status", "sync", "status"), text("status", "health", "status")
	l.Images, _, _ = unstructured.NestedStringSlice(app.Object, "status", "summary", "images")
	l.Refreshing = app.GetAnnotations()[refresh] != ""
	l.Revisions, _, _ = unstructured.NestedStringSlice(app.Object, "status", "operationState", "syncResult", "revisions")
	if one := text("status", "operationState", "syncResult", "revision"); one != "" {
		l.Revisions = []string{one}
	}
	_, requested, _ := unstructured.NestedMap(app.Object, "operation")
	l.Running = requested || l.Phase == "Running" || l.Phase == "Terminating"
	history, _, _ := unstructured.NestedSlice(app.Object, "status", "history")
	for _, h := range history {
		entry, _ := h.(map[string]any)
		revision, _, _ := unstructured.NestedString(entry, "revision")
		if many, _, _ := unstructured.NestedStringSlice(entry, "revisions"); len(many) > 0 {
			revision = many[0]
		}
		l.History = append(l.History, revision)
	}
	return l, w.workload(ctx, environment, service, &l)
}

// workload reads the Deployment and the pods.
func (w *World) workload(ctx context.Context, environment, service string, l *Live) error {
	found, err := w.client.Resource(deployments).Namespace(w.Namespace(environment)).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("read the deployments: %w", err)
	}
	for _, d := range found.Items {
		if d.GetName() == service {
			l.Limit = transferLimit(d.Object, "spec", "template", "spec", "containers")
			l.Image = image(d.Object, "spec", "template", "spec", "containers")
		}
	}
	running, err := w.client.Resource(pods).Namespace(w.Namespace(environment)).List(ctx, metav1.ListOptions{LabelSelector: "app=" + service})
	if err != nil {
		return fmt.Errorf("read the pods: %w", err)
	}
	for _, p := range running.Items {
		if p.GetDeletionTimestamp() == nil && ready(p.Object) {
			l.PodLimits[transferLimit(p.Object, "spec", "containers")]++
			l.PodImages[image(p.Object, "spec", "containers")]++
		}
	}
	return nil
}

func ready(pod map[string]any) bool {
	conditions, _, _ := unstructured.NestedSlice(pod, "status", "conditions")
	for _, c := range conditions {
		if c, ok := c.(map[string]any); ok && c["type"] == "Ready" && c["status"] == "True" {
			return true
		}
	}
	return false
}

func transferLimit(object map[string]any, fields ...string) string {
	containers, _, _ := unstructured.NestedSlice(object, fields...)
	for _, c := range containers {
		c, _ := c.(map[string]any)
		env, _, _ := unstructured.NestedSlice(c, "env")
		for _, e := range env {
			if e, ok := e.(map[string]any); ok && e["name"] == "TRANSFER_LIMIT" {
				value, _ := e["value"].(string)
				return value
			}
		}
	}
	return ""
}

// image is that of the first container.
func image(object map[string]any, fields ...string) string {
	containers, _, _ := unstructured.NestedSlice(object, fields...)
	if len(containers) == 0 {
		return ""
	}
	first, _ := containers[0].(map[string]any)
	reference, _ := first["image"].(string)
	return reference
}

// settled says whether exactly this revision was synced last, with success, and is
// Healthy.
func (l Live) settled(revision string) bool {
	other := func(r string) bool { return r != revision }
	return !l.Running && l.Phase == "Succeeded" && l.Health == "Healthy" && len(l.Revisions) > 0 && !slices.ContainsFunc(l.Revisions, other)
}

// AwaitLive waits until a service runs exactly one revision, with the given
// limit in every pod, and Argo CD calls it Healthy.
func (w *World) AwaitLive(ctx context.Context, environment, service, revision, limit string) (Live, error) {
	var l Live
	err := Await(ctx, service+" to run "+revision, func(ctx context.Context) (bool, string, error) {
		var err error
		if l, err = w.Live(ctx, environment, service); err != nil {
			return false, "", err
		}
		return l.settled(revision) && l.Limit == limit && len(l.PodLimits) == 1 && l.PodLimits[limit] > 0, l.String(), nil
	})
	return l, err
}

// refresh is the annotation that asks Argo CD to look at an Application. The write that
// says what was seen takes it away.
const refresh = "argocd.argoproj.io/refresh"

// Refresh asks Argo CD to look at a service again, as the button of that name does, and
// does not wait for it: the service is Refreshing until Argo CD has looked.
func (w *World) Refresh(ctx context.Context, environment, service string) error {
	_, err := w.apps().Patch(ctx, w.Application(environment, service), types.MergePatchType,
		[]byte(`{"metadata": {"annotations": {"`+refresh+`": "normal"}}}`), metav1.PatchOptions{FieldManager: "argocd-server"})
	if err != nil {
		return fmt.Errorf("refresh the application: %w", err)
	}
	return nil
}
