// Package installation reads what a live installation of Argo CD consists of: its
// Applications, projects, settings, and the Kubernetes objects that guard them.
//
// Everything is read as it is stored, with the rights of whoever asks; nothing is
// cached and nothing is written. A right that is missing is a *Forbidden, which says
// which RBAC rule would be needed.
package installation

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/argoproj/argo-cd/v2/pkg/apis/application/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
)

// pageSize is how many objects are read at a time; maxObjects bounds a list.
const (
	pageSize   = 500
	maxObjects = 200_000
)

// Resource names a kind of object for reading.
type Resource struct{ Group, Version, Name string }

// Projects are Argo CD's AppProjects.
func Projects() Resource { return Resource{"argoproj.io", "v1alpha1", "appprojects"} }

// ApplicationSets generate Applications.
func ApplicationSets() Resource { return Resource{"argoproj.io", "v1alpha1", "applicationsets"} }

// ConfigMaps hold Argo CD's settings.
func ConfigMaps() Resource { return Resource{"", "v1", "configmaps"} }

// RBAC are the kinds of Kubernetes' own rules: roles and bindings.
func RBAC(name string) Resource { return Resource{"rbac.authorization.k8s.io", "v1", name} }

func (r Resource) gvr() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: r.Group, Version: r.Version, Resource: r.Name}
}

// Forbidden says that whoever asks may not read something.
type Forbidden struct {
	Verb      string
	Resource  Resource
	Namespace string
	Err       error
}

// Error says what may not be read.
func (f *Forbidden) Error() string {
	where := "in all namespaces"
	if f.Namespace != "" {
		where = "in namespace " + f.Namespace
	}
	return "you may not " + f.Verb + " " + f.Resource.Name + " " + where
}

// Unwrap gives the API server's words.
func (f *Forbidden) Unwrap() error { return f.Err }

// Rule is the RBAC rule that is needed, as YAML.
func (f *Forbidden) Rule() string {
	return fmt.Sprintf("- {apiGroups: [%q], resources: [%s], verbs: [%s]}", f.Resource.Group, f.Resource.Name, f.Verb)
}

// Application is one with the facts that were read from it.
type Application struct {
	Facts  approval.Application
	Object map[string]any
}

// Reader reads. It is safe for concurrent use.
type Reader struct {
	client dynamic.Interface
	parser *argo.Parser
}

// New returns a reader.
func New(client dynamic.Interface, parser *argo.Parser) *Reader { return &Reader{client, parser} }

// Applications are all of the cluster, by namespace and name.
func (r *Reader) Applications(ctx context.Context) ([]Application, error) {
	gvr := argo.Applications()
	objects, err := r.List(ctx, Resource{gvr.Group, gvr.Version, gvr.Resource}, "")
	if err != nil {
		return nil, err
	}
	out := make([]Application, len(objects))
	for i, o := range objects {
		out[i] = Application{r.parser.Application(o), o}
	}
	slices.SortFunc(out, func(a, b Application) int { return strings.Compare(a.Facts.Key(), b.Facts.Key()) })
	return out, nil
}

// List reads all objects of a kind; an empty namespace means all of them. A kind
// that the cluster does not know has none.
func (r *Reader) List(ctx context.Context, resource Resource, namespace string) ([]map[string]any, error) {
	var out []map[string]any
	for next := ""; ; {
		list, err := r.in(resource, namespace).List(ctx, metav1.ListOptions{Limit: pageSize, Continue: next})
		switch {
		case apierrors.IsNotFound(err):
			return nil, nil
		case err != nil:
			return nil, explain("list", resource, namespace, err)
		}
		for _, item := range list.Items {
			out = append(out, item.Object)
		}
		if next = list.GetContinue(); next == "" {
			return out, nil
		}
		if len(out) > maxObjects {
			return nil, fmt.Errorf("list %s: there are more than %d", resource.Name, maxObjects)
		}
	}
}

// Get reads one object; nil when there is none.
func (r *Reader) Get(ctx context.Context, resource Resource, namespace, name string) (map[string]any, error) {
	object, err := r.in(resource, namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil //nolint:nilnil // documented: an object that is not there is no error
	case err != nil:
		return nil, explain("get", resource, namespace, err)
	}
	return object.Object, nil
}

// Data reads a ConfigMap; nil when there is none.
func (r *Reader) Data(ctx context.Context, namespace, name string) (map[string]string, error) {
	object, err := r.Get(ctx, ConfigMaps(), namespace, name)
	if err != nil || object == nil {
		return nil, err
	}
	data, _, err := unstructured.NestedStringMap(object, "data")
	if err != nil {
		return nil, fmt.Errorf("read ConfigMap %s/%s: %w", namespace, name, err)
	}
	if data == nil {
		data = map[string]string{}
	}
	return data, nil
}

func (r *Reader) in(resource Resource, namespace string) dynamic.ResourceInterface {
	client := r.client.Resource(resource.gvr())
	if namespace == "" {
		return client
	}
	return client.Namespace(namespace)
}

func explain(verb string, resource Resource, namespace string, err error) error {
	if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) {
		return &Forbidden{verb, resource, namespace, err}
	}
	return fmt.Errorf("%s %s: %w", verb, resource.Name, err)
}

// Target is something that could be deployed.
type Target struct {
	Server, Namespace string
	Group, Kind       string
}

// Typed is an AppProject in the types of Argo CD's own functions. Through JSON: the
// converter of apimachinery panics on unexported fields, of which a destination has one
// (argo-cd v2.14.21, ApplicationDestination.isServerInferred).
func Typed(object map[string]any) (*v1alpha1.AppProject, error) {
	p := &v1alpha1.AppProject{}
	data, err := json.Marshal(object)
	if err == nil {
		err = json.Unmarshal(data, p)
	}
	if err != nil {
		return nil, fmt.Errorf("decode an AppProject: %w", err)
	}
	return p, nil
}

// Project is an AppProject that was decoded.
type Project struct{ typed *v1alpha1.AppProject }

// ParseProject decodes an AppProject.
func ParseProject(object map[string]any) (Project, error) {
	p, err := Typed(object)
	if err != nil {
		return Project{}, err
	}
	// Which clusters belong to the project is in Secrets; without knowing, the project
	// is taken to permit what its destinations name.
	p.Spec.PermitOnlyProjectScopedClusters = false
	return Project{p}, nil
}

// Permits says whether the project lets its Applications deploy the target, by Argo
// CD's own rules (AppProject.IsDestinationPermitted, IsGroupKindPermitted). An empty
// namespace is a kind that has none; an empty kind asks for the destination alone.
func (p Project) Permits(t Target) (bool, error) {
	if t.Kind != "" && !p.typed.IsGroupKindPermitted(schema.GroupKind{Group: t.Group, Kind: t.Kind}, t.Namespace != "") {
		return false, nil
	}
	noClusters := func(string) ([]*v1alpha1.Cluster, error) { return nil, nil }
	for _, d := range destinations(t) {
		if t.Kind != "" && t.Namespace == "" {
			// What has no namespace is checked against the destination's server alone.
			d.Namespace = ""
			if slices.ContainsFunc(p.typed.Spec.Destinations, func(o v1alpha1.ApplicationDestination) bool { return sameCluster(o, d) }) {
				return true, nil
			}
			continue
		}
		ok, err := p.typed.IsDestinationPermitted(d, noClusters)
		if err != nil || ok {
			return ok, err
		}
	}
	return false, nil
}

// The cluster in which Argo CD runs, by both of its names.
const (
	InClusterServer = "https://kubernetes.default.svc"
	inClusterName   = "in-cluster"
)

func destinations(t Target) []v1alpha1.ApplicationDestination {
	out := []v1alpha1.ApplicationDestination{{Server: t.Server, Namespace: t.Namespace}}
	if t.Server == InClusterServer {
		out = append(out, v1alpha1.ApplicationDestination{Name: inClusterName, Namespace: t.Namespace})
	}
	return out
}

func sameCluster(pattern, d v1alpha1.ApplicationDestination) bool {
	p := &v1alpha1.AppProject{Spec: v1alpha1.AppProjectSpec{Destinations: []v1alpha1.ApplicationDestination{
		{Server: pattern.Server, Name: pattern.Name, Namespace: "*"},
	}}}
	ok, err := p.IsDestinationPermitted(d, func(string) ([]*v1alpha1.Cluster, error) { return nil, nil })
	return err == nil && ok
}
