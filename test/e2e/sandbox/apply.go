package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
)

// The owners of the fields that are applied. One owner's next apply removes what it
// no longer names, so settings that are put together from several places must have
// several owners.
const (
	ownerManifests = "argocd-manifests"
	ownerSettings  = "sandbox-settings"
	ownerCaller    = "sandbox"
)

// cluster finds the resources behind kinds and has a client for each identity. It
// may be used concurrently.
type cluster struct {
	mapper meta.ResettableRESTMapper

	mu      sync.Mutex
	clients map[Identity]dynamic.Interface
}

// connect prepares the clients once the API server is ready.
func (s *Sandbox) connect() error {
	found, err := discovery.NewDiscoveryClientForConfig(s.RESTConfig(Admin))
	if err != nil {
		return fmt.Errorf("create a discovery client: %w", err)
	}
	s.cluster = &cluster{
		mapper:  restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(found)),
		clients: make(map[Identity]dynamic.Interface),
	}
	return nil
}

// Client returns a dynamic client that acts as id.
func (s *Sandbox) Client(id Identity) (dynamic.Interface, error) {
	s.cluster.mu.Lock()
	defer s.cluster.mu.Unlock()
	if client, ok := s.cluster.clients[id]; ok {
		return client, nil
	}
	client, err := dynamic.NewForConfig(s.RESTConfig(id))
	if err != nil {
		return nil, fmt.Errorf("create a client for %s: %w", id, err)
	}
	s.cluster.clients[id] = client
	return client, nil
}

// resource returns the client for the objects of one kind. Namespace is ignored
// for kinds that have none.
func (s *Sandbox) resource(id Identity, kind schema.GroupVersionKind, namespace string) (dynamic.ResourceInterface, error) {
	mapping, err := s.cluster.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if meta.IsNoMatchError(err) {
		// The kind may be of a definition that is newer than the cached list.
		s.cluster.mapper.Reset()
		mapping, err = s.cluster.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	}
	if err != nil {
		return nil, fmt.Errorf("find the resource of %s: %w", kind, err)
	}
	client, err := s.Client(id)
	if err != nil {
		return nil, err
	}
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		return client.Resource(mapping.Resource), nil
	}
	return client.Resource(mapping.Resource).Namespace(namespace), nil
}

// Apply applies YAML or JSON documents in their order as id, on the server's side
// and taking over fields that others own. A namespaced object without a namespace
// goes to argocd. Applying an object again removes what an earlier Apply set and
// this one does not name; what the sandbox itself has set stays.
func (s *Sandbox) Apply(ctx context.Context, id Identity, manifests []byte) error {
	return s.apply(ctx, id, ownerCaller, manifests)
}

func (s *Sandbox) apply(ctx context.Context, id Identity, owner string, manifests []byte) error {
	objects, err := decode(manifests)
	if err != nil {
		return err
	}
	for _, object := range objects {
		if err := s.applyObject(ctx, id, owner, object); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sandbox) applyObject(ctx context.Context, id Identity, owner string, object *unstructured.Unstructured) error {
	namespace := object.GetNamespace()
	if namespace == "" {
		namespace = argoNamespace
	}
	client, err := s.resource(id, object.GroupVersionKind(), namespace)
	if err != nil {
		return err
	}
	_, err = client.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: owner, Force: true})
	if err != nil {
		return fmt.Errorf("apply %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return nil
}

// get reads one object.
func (s *Sandbox) get(ctx context.Context, id Identity, apiVersion, kind, namespace, name string) (*unstructured.Unstructured, error) {
	client, err := s.resource(id, schema.FromAPIVersionAndKind(apiVersion, kind), namespace)
	if err != nil {
		return nil, err
	}
	object, err := client.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("get %s %s: %w", kind, name, err)
	}
	return object, nil
}

// decode splits YAML documents, of which JSON is a part, into objects. Empty
// documents are left out.
func decode(manifests []byte) ([]*unstructured.Unstructured, error) {
	reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifests)))
	var objects []*unstructured.Unstructured
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("split the manifests: %w", err)
		}
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(document, &object.Object); err != nil {
			return nil, fmt.Errorf("decode a manifest: %w", err)
		}
		if len(object.Object) == 0 {
			continue
		}
		if object.GetKind() == "" || object.GetName() == "" {
			return nil, errors.New("decode a manifest: kind or metadata.name is missing")
		}
		objects = append(objects, object)
	}
}

// await calls probe until it returns nil. When time is up the error has the last
// answer.
func await(ctx context.Context, what string, probe func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	var last error
	for {
		err := probe(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w: %w", what, context.Cause(ctx), orNoAnswer(last))
		case <-tick.C:
		}
	}
}
