package enforce

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"
)

// FieldManager owns the fields that are applied.
const FieldManager = "gatekeeper-enforcement"

const group = "admissionregistration.k8s.io"

// kinds are the objects that exist, with their resources.
var kinds = map[string]string{ //nolint:gochecknoglobals // a constant table
	"ValidatingAdmissionPolicy":        "validatingadmissionpolicies",
	"ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
	kindWebhook:                        "validatingwebhookconfigurations",
}

const kindWebhook = "ValidatingWebhookConfiguration"

// Cluster reads and writes the objects through the Kubernetes API. It may be used
// concurrently.
type Cluster struct{ client dynamic.Interface }

// NewCluster makes a Cluster.
func NewCluster(client dynamic.Interface) Cluster { return Cluster{client} }

func resourceOf(o *unstructured.Unstructured) (schema.GroupVersionResource, error) {
	resource, ok := kinds[o.GetKind()]
	if !ok || o.GroupVersionKind().Group != group {
		return schema.GroupVersionResource{}, fmt.Errorf("%s is no object of the enforcement", o.GroupVersionKind())
	}
	return schema.GroupVersionResource{Group: group, Version: o.GroupVersionKind().Version, Resource: resource}, nil
}

// Get reads the live object of the kind and name of want; nil when there is none.
func (c Cluster) Get(ctx context.Context, want *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	resource, err := resourceOf(want)
	if err != nil {
		return nil, err
	}
	live, err := c.client.Resource(resource).Get(ctx, want.GetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // nothing is an answer
	}
	return live, explain(err, "get", resource, want.GetName())
}

// Apply applies an object on the server's side, takes over fields that others own,
// and returns what is live then.
func (c Cluster) Apply(ctx context.Context, want *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	resource, err := resourceOf(want)
	if err != nil {
		return nil, err
	}
	live, err := c.client.Resource(resource).Apply(ctx, want.GetName(), want, metav1.ApplyOptions{FieldManager: FieldManager, Force: true})
	return live, explain(err, "create and patch", resource, want.GetName())
}

// Replace puts the whole content of want in the place of that of live, unless live
// was changed meanwhile.
func (c Cluster) Replace(ctx context.Context, want, live *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	resource, err := resourceOf(want)
	if err != nil {
		return nil, err
	}
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value,omitempty"`
	}
	operations := []operation{{"test", "/metadata/resourceVersion", live.GetResourceVersion()}}
	for _, key := range contentKeys(want.Object, live.Object) {
		if value, ok := want.Object[key]; ok {
			operations = append(operations, operation{"add", "/" + key, value})
		} else {
			operations = append(operations, operation{"remove", "/" + key, nil})
		}
	}
	patch, err := json.Marshal(operations)
	if err != nil {
		return nil, fmt.Errorf("encode a patch: %w", err)
	}
	live, err = c.client.Resource(resource).Patch(ctx, want.GetName(), types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: FieldManager})
	return live, explain(err, "patch", resource, want.GetName())
}

// Watch calls changed whenever the object of the kind and name of want may have
// changed, until the context ends. It watches that name alone, which a rule with
// resourceNames permits.
func (c Cluster) Watch(ctx context.Context, want *unstructured.Unstructured, changed func(), failed func(error)) error {
	resource, err := resourceOf(want)
	if err != nil {
		return err
	}
	name := want.GetName()
	informer := dynamicinformer.NewFilteredDynamicInformer(c.client, resource, metav1.NamespaceAll, 0, cache.Indexers{}, func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector(metav1.ObjectNameField, name).String()
	}).Informer()
	if err := informer.SetWatchErrorHandler(func(_ *cache.Reflector, err error) {
		if apierrors.IsResourceExpired(err) {
			return // it lists again by itself
		}
		failed(explain(err, "list and watch", resource, name))
	}); err != nil {
		return fmt.Errorf("watch %s %s: %w", resource.Resource, name, err)
	}
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { changed() }, UpdateFunc: func(any, any) { changed() }, DeleteFunc: func(any) { changed() },
	}); err != nil {
		return fmt.Errorf("watch %s %s: %w", resource.Resource, name, err)
	}
	informer.Run(ctx.Done())
	return nil
}

// ErrForbidden is returned when Gatekeeper lacks a right.
var ErrForbidden = errors.New("a right is missing")

// explain names the rule that is missing.
func explain(err error, verbs string, resource schema.GroupVersionResource, name string) error {
	switch {
	case err == nil:
		return nil
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%w: allow %s on %s.%s %s: %w", ErrForbidden, verbs, resource.Resource, resource.Group, name, err)
	default:
		return fmt.Errorf("%s %s %s: %w", verbs, resource.Resource, name, err)
	}
}

func decodeBundle(text string) []byte {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return b
}

// Report is the state of one object.
type Report struct {
	Kind        string       `json:"kind"`
	Name        string       `json:"name"`
	InPlace     bool         `json:"inPlace"`
	Differences []Difference `json:"differences"`
}

// Check compares objects with the live ones, in their order. The error says what
// could not be read; the reports of the others are there all the same.
func (c Cluster) Check(ctx context.Context, wanted []*unstructured.Unstructured) ([]Report, error) {
	var failed error
	reports := make([]Report, 0, len(wanted))
	for _, want := range wanted {
		ctx, cancel := context.WithTimeout(ctx, requestTimeout)
		live, err := c.Get(ctx, want)
		cancel()
		var differences []Difference
		if err == nil {
			differences, err = Compare(want, live)
		}
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		reports = append(reports, Report{
			Kind: want.GetKind(), Name: want.GetName(), InPlace: len(differences) == 0,
			Differences: slices.Concat([]Difference{}, differences),
		})
	}
	return reports, failed
}

// requestTimeout bounds one request to the API server.
const requestTimeout = 10 * time.Second
