package argo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// pageSize is how many Applications are in memory with all they hold while the
// cache is filled. One may take more than 100 KiB, most of it status.resources.
const pageSize = 100

// WatcherOptions configure a Watcher.
type WatcherOptions struct {
	// Namespaces are watched one by one, so that rights on them are enough. Empty
	// means all namespaces.
	Namespaces []string
	// OnChange is called for an Application that appeared (before is the zero
	// Application), changed, or is gone (after is the zero Application), if its facts
	// differ in more than the resource version. It is called by one goroutine for each
	// namespace and must not block. Nil is allowed.
	OnChange func(before, after approval.Application)
	// OnObject is called with every Application as it is read, whatever has changed in
	// it, for those who need more of it than the facts. It must not block, and must not
	// change or keep the object. For an Application that is gone OnChange alone is
	// called. Nil is allowed.
	OnObject func(object map[string]any)
	Logger   *slog.Logger
}

// Watcher keeps the facts about all Applications, and tells of changes. What it
// holds may be old; a decision to act rests on Reader.Get. It keeps the facts
// alone, not the objects. It is safe for concurrent use.
type Watcher struct {
	client  dynamic.Interface
	parser  *Parser
	options WatcherOptions

	mu        sync.Mutex
	informers []cache.SharedIndexInformer
	handlers  []cache.ResourceEventHandlerRegistration
}

// NewWatcher returns a watcher that does nothing until Run.
func NewWatcher(client dynamic.Interface, parser *Parser, options WatcherOptions) *Watcher {
	if len(options.Namespaces) == 0 {
		options.Namespaces = []string{metav1.NamespaceAll}
	}
	if options.OnChange == nil {
		options.OnChange = func(approval.Application, approval.Application) {}
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	return &Watcher{client: client, parser: parser, options: options}
}

// Run watches until the context ends. A lost watch is taken up again for ever, with
// a growing delay; each failure is logged. Run may be called once.
func (w *Watcher) Run(ctx context.Context) error {
	informers, err := w.start(ctx)
	if err != nil {
		return err
	}
	var running sync.WaitGroup
	for _, informer := range informers {
		running.Go(func() { informer.Run(ctx.Done()) })
	}
	running.Wait()
	return nil
}

func (w *Watcher) start(ctx context.Context) ([]cache.SharedIndexInformer, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.informers != nil {
		return nil, errors.New("watch Applications: already running")
	}
	for _, namespace := range w.options.Namespaces {
		informer := cache.NewSharedIndexInformer(w.listWatch(ctx, namespace), &cached{}, 0, cache.Indexers{})
		if err := informer.SetWatchErrorHandler(func(_ *cache.Reflector, err error) {
			w.options.Logger.LogAttrs(ctx, slog.LevelWarn, "application_watch_interrupted",
				slog.String("namespace", namespace), slog.String("error", err.Error()))
		}); err != nil {
			return nil, fmt.Errorf("watch Applications: %w", err)
		}
		handler, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(object any) { w.changed(nil, object) },
			UpdateFunc: w.changed,
			DeleteFunc: func(object any) { w.changed(object, nil) },
		})
		if err != nil {
			return nil, fmt.Errorf("watch Applications: %w", err)
		}
		w.informers, w.handlers = append(w.informers, informer), append(w.handlers, handler)
	}
	return w.informers, nil
}

// HasSynced says whether all Applications were read once and OnChange was called
// for each of them.
func (w *Watcher) HasSynced() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, handler := range w.handlers {
		if !handler.HasSynced() {
			return false
		}
	}
	return len(w.handlers) > 0
}

// List returns the facts about all Applications that are known, in no order.
func (w *Watcher) List() []approval.Application {
	w.mu.Lock()
	informers := w.informers
	w.mu.Unlock()
	var found []approval.Application
	for _, informer := range informers {
		for _, object := range informer.GetStore().List() {
			found = append(found, factsOf(object))
		}
	}
	return found
}

// changed calls OnChange if what matters has changed. Argo CD patches the status of
// every Application every few minutes (reconciledAt, resources, sync status); none
// of that is a fact.
func (w *Watcher) changed(before, after any) {
	a, b := factsOf(before), factsOf(after)
	if Differ(a, b) {
		w.options.OnChange(a, b)
	}
}

// Differ says whether the facts about an Application differ in more than the
// resource version.
func Differ(a, b approval.Application) bool {
	a.ResourceVersion, b.ResourceVersion = "", ""
	return !reflect.DeepEqual(a, b)
}

// factsOf accepts nil, an entry of the cache, and what stands for an entry whose
// deletion was missed.
func factsOf(object any) approval.Application {
	if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = gone.Obj
	}
	if entry, ok := object.(*cached); ok {
		return entry.facts
	}
	return approval.Application{}
}

// listWatch reads Applications and keeps of each nothing but its facts.
func (w *Watcher) listWatch(ctx context.Context, namespace string) *cache.ListWatch {
	resource := w.client.Resource(Applications()).Namespace(namespace)
	return &cache.ListWatch{
		ListFunc: func(metav1.ListOptions) (runtime.Object, error) { return w.list(ctx, resource) },
		WatchFunc: func(options metav1.ListOptions) (watch.Interface, error) {
			stream, err := resource.Watch(ctx, options)
			if err != nil {
				return nil, fmt.Errorf("watch Applications: %w", err)
			}
			return watch.Filter(stream, func(event watch.Event) (watch.Event, bool) {
				if object, ok := event.Object.(*unstructured.Unstructured); ok && event.Type != watch.Error {
					w.observe(event.Type, object)
					event.Object = w.keep(object)
				}
				return event, true
			}), nil
		},
	}
}

// list reads all pages by itself. The caller's own paging falls back to a list
// without a limit when a page expires, and lists from the API server's cache, which
// gives no pages: either would hold all objects at once. If a page expires, the
// whole list fails and is read again.
func (w *Watcher) list(ctx context.Context, resource dynamic.ResourceInterface) (*cachedList, error) {
	all := &cachedList{}
	options := metav1.ListOptions{Limit: pageSize}
	for {
		page, err := resource.List(ctx, options)
		if err != nil {
			return nil, fmt.Errorf("list Applications: %w", err)
		}
		for i := range page.Items {
			w.observe(watch.Added, &page.Items[i])
			all.Items = append(all.Items, w.keep(&page.Items[i]))
		}
		all.ResourceVersion = page.GetResourceVersion()
		if options.Continue = page.GetContinue(); options.Continue == "" {
			return all, nil
		}
	}
}

// observe calls OnObject with an Application that is there: a deletion shows the last
// state of one that is not, and a bookmark none.
func (w *Watcher) observe(event watch.EventType, object *unstructured.Unstructured) {
	if w.options.OnObject != nil && (event == watch.Added || event == watch.Modified) {
		w.options.OnObject(object.Object)
	}
}

func (w *Watcher) keep(object *unstructured.Unstructured) *cached {
	entry := &cached{facts: w.parser.Application(object.Object)}
	entry.Name, entry.Namespace = object.GetName(), object.GetNamespace()
	entry.UID, entry.ResourceVersion = object.GetUID(), object.GetResourceVersion()
	if object.GetName() == "" {
		// A bookmark; its annotations may say that the initial events have ended.
		entry.Annotations = object.GetAnnotations()
	}
	return entry
}

// cached is an entry of the cache: what an informer needs, and the facts.
type cached struct {
	metav1.TypeMeta
	metav1.ObjectMeta
	facts approval.Application
}

// DeepCopyObject makes cached a runtime.Object. Facts are never changed, so copies
// share them.
func (c *cached) DeepCopyObject() runtime.Object {
	clone := *c
	c.DeepCopyInto(&clone.ObjectMeta)
	return &clone
}

// cachedList is a complete list.
type cachedList struct {
	metav1.TypeMeta
	metav1.ListMeta
	Items []*cached
}

// DeepCopyObject makes cachedList a runtime.Object.
func (l *cachedList) DeepCopyObject() runtime.Object {
	clone := &cachedList{TypeMeta: l.TypeMeta}
	l.DeepCopyInto(&clone.ListMeta)
	for _, item := range l.Items {
		entry, _ := item.DeepCopyObject().(*cached)
		clone.Items = append(clone.Items, entry)
	}
	return clone
}
