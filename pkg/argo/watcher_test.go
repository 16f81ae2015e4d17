package argo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

type change struct{ before, after approval.Application }

// startWatcher runs a watcher and returns the channel of what OnChange is called with.
func startWatcher(t *testing.T, client dynamic.Interface, namespaces ...string) (*Watcher, chan change) {
	t.Helper()
	changes := make(chan change, 100)
	watcher := NewWatcher(client, newTestParser(t), WatcherOptions{
		Namespaces: namespaces,
		OnChange:   func(before, after approval.Application) { changes <- change{before, after} },
		Logger:     testLogger(t),
	})
	require.False(t, watcher.HasSynced(), "before Run nothing is known")
	require.Empty(t, watcher.List())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- watcher.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	require.True(t, cache.WaitForCacheSync(ctx.Done(), watcher.HasSynced))
	return watcher, changes
}

func next(t *testing.T, changes chan change) change {
	t.Helper()
	select {
	case c := <-changes:
		return c
	case <-time.After(30 * time.Second):
		require.FailNow(t, "no change was reported")
		return change{}
	}
}

// TestWatcher walks an Application through its life. Between two changes that matter
// there is one that does not: if it was reported, it would come first.
func TestWatcher(t *testing.T) {
	client := newFakeClient(fixture(t, "helm-2.14"))
	watcher, changes := startWatcher(t, client)
	applications := client.Resource(Applications()).Namespace("argocd")
	version := 2000
	write := func(patch string) approval.Application {
		t.Helper()
		version++
		object, err := applications.Get(t.Context(), "shop-prod", metav1.GetOptions{})
		require.NoError(t, err)
		merge(object.Object, decode(t, patch))
		object.SetResourceVersion(strconv.Itoa(version))
		_, err = applications.Update(t.Context(), object, metav1.UpdateOptions{})
		require.NoError(t, err)
		return newTestParser(t).Application(object.Object)
	}
	first := next(t, changes)
	require.Equal(t, approval.Application{}, first.before)
	require.Equal(t, newTestParser(t).Application(fixture(t, "helm-2.14")), first.after)
	require.Equal(t, []approval.Application{first.after}, watcher.List())

	last := first.after
	for _, matters := range []string{
		`{"operation": {"info": [{"name": "gatekeeper-intent", "value": "int-20"}], "sync": {"revision": "3333333333333333333333333333333333333333"}}}`,
		`{"status": {"operationState": {"phase": "Running", "startedAt": "2026-11-21T07:00:00Z", "operation": {"info": [{"name": "gatekeeper-intent", "value": "int-20"}]}}}}`,
		`{"operation": null, "status": {"operationState": {"phase": "Succeeded", "finishedAt": "2026-11-21T07:00:09Z"}}}`,
		`{"status": {"history": []}}`,
		`{"status": {"health": {"status": "Degraded"}}}`,
		`{"spec": {"source": {"path": "charts/other"}}}`,
		`{"spec": {"syncPolicy": {"automated": {}}}}`,
		`{"metadata": {"annotations": {"argocd.argoproj.io/manifest-generate-paths": null}}}`,
		`{"metadata": {"deletionTimestamp": "2026-11-21T07:00:00Z"}}`,
	} {
		for _, noise := range []string{
			`{"status": {"reconciledAt": "2026-11-21T07:03:00Z"}}`,
			`{"status": {"observedAt": "2026-11-21T07:03:01Z", "resources": [], "summary": {}, "conditions": []}}`,
			`{"status": {"sync": {"status": "OutOfSync"}, "operationState": {"retryCount": 1}}}`,
			`{"status": {"health": {"lastTransitionTime": "2026-11-21T07:03:00Z", "message": "x"}}}`,
			`{"metadata": {"generation": 99, "managedFields": [], "labels": {"a": "b"}, "annotations": {"argocd.argoproj.io/refresh": "normal"}}}`,
			`{"spec": {"info": [{"name": "a", "value": "b"}]}}`,
		} {
			write(noise)
		}
		want := write(matters)
		got := next(t, changes)
		last.ResourceVersion, got.before.ResourceVersion = "", ""
		require.Equal(t, last, got.before, matters)
		require.Equal(t, want, got.after, matters)
		last = got.after
	}
	require.Equal(t, []approval.Application{last}, watcher.List(), "the list has the newest resource version")

	require.NoError(t, applications.Delete(t.Context(), "shop-prod", metav1.DeleteOptions{}))
	require.Equal(t, change{before: last}, next(t, changes))
	require.Empty(t, watcher.List())
	require.Empty(t, changes)
	require.Error(t, watcher.Run(t.Context()), "Run is called once")
}

// TestWatcherNamespaces: each namespace is watched for itself.
func TestWatcherNamespaces(t *testing.T) {
	client := newFakeClient(fixture(t, "helm-2.14"), fixture(t, "multi-3.2"), fixture(t, "chart-2.14", `{"metadata": {"namespace": "elsewhere"}}`))
	watcher, _ := startWatcher(t, client, "argocd", "team-pay")
	var keys []string
	for _, facts := range watcher.List() {
		keys = append(keys, facts.Key())
	}
	require.ElementsMatch(t, []string{"argocd/shop-prod", "team-pay/pay-prod"}, keys)
}

// pagedServer is an API server that holds Applications and gives pages of them. Its
// second page fails once with the error of an expired continue token.
type pagedServer struct {
	t       *testing.T
	object  map[string]any
	count   int
	expired atomic.Bool
	pages   atomic.Int32
}

func (s *pagedServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	w.Header().Set("Content-Type", "application/json")
	if query.Get("watch") != "" {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return
	}
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil || limit > pageSize || query.Get("resourceVersion") != "" {
		s.t.Errorf("not a page of a consistent list: %s", r.URL)
	}
	start, _ := strconv.Atoi(query.Get("continue"))
	if start > 0 && !s.expired.Swap(true) {
		w.WriteHeader(http.StatusGone)
		_, _ = fmt.Fprint(w, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired", "code": 410}`)
		return
	}
	s.pages.Add(1)
	page := map[string]any{"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationList"}
	var items []any
	for i := start; i < min(start+limit, s.count); i++ {
		merge(s.object, map[string]any{"metadata": map[string]any{"name": fmt.Sprintf("app-%05d", i), "uid": fmt.Sprintf("uid-%05d", i)}})
		// The object is encoded at once, because the next item is the same one.
		encoded, err := json.Marshal(s.object)
		if err != nil {
			s.t.Errorf("encode an item: %v", err)
		}
		items = append(items, json.RawMessage(encoded))
	}
	page["items"] = items
	metadata := map[string]any{"resourceVersion": "5000"}
	if start+limit < s.count {
		metadata["continue"] = strconv.Itoa(start + limit)
	}
	page["metadata"] = metadata
	if err := json.NewEncoder(w).Encode(page); err != nil {
		s.t.Logf("write a page: %v", err)
	}
}

// TestWatcherReadsPages: the list is complete, read in pages, and read again as a whole
// when a page is gone.
func TestWatcherReadsPages(t *testing.T) {
	server := &pagedServer{t: t, object: fixture(t, "helm-2.14"), count: 3*pageSize + 7}
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	client, err := dynamic.NewForConfig(&rest.Config{Host: web.URL, QPS: -1})
	require.NoError(t, err)
	changes := 0
	watcher := NewWatcher(client, newTestParser(t), WatcherOptions{
		OnChange: func(before, after approval.Application) {
			if before.UID == "" && after.UID != "" {
				changes++
			}
		},
		Logger: testLogger(t),
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- watcher.Run(ctx) }()
	require.True(t, cache.WaitForCacheSync(ctx.Done(), watcher.HasSynced))
	require.Len(t, watcher.List(), server.count)
	require.Equal(t, server.count, changes, "HasSynced means that each was reported")
	require.EqualValues(t, 1+4, server.pages.Load())
	seen := map[string]bool{}
	for _, facts := range watcher.List() {
		require.Empty(t, facts.Unsupported)
		seen[facts.UID] = true
	}
	require.Len(t, seen, server.count)
	cancel()
	require.NoError(t, <-done)
}

// TestWatcherFailure: an API server that answers no list leaves the watcher unsynced.
func TestWatcherFailure(t *testing.T) {
	refused := make(chan struct{}, 100)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		refused <- struct{}{}
	}))
	t.Cleanup(web.Close)
	client, err := dynamic.NewForConfig(&rest.Config{Host: web.URL})
	require.NoError(t, err)
	watcher := NewWatcher(client, newTestParser(t), WatcherOptions{Logger: testLogger(t)})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- watcher.Run(ctx) }()
	<-refused
	<-refused
	require.False(t, watcher.HasSynced())
	require.Empty(t, watcher.List())
	cancel()
	require.NoError(t, <-done)
}

// BenchmarkWatcherMemory fills the cache with Applications of the size that real ones
// have, and reports what stays and what it took while it was filled.
func BenchmarkWatcherMemory(b *testing.B) {
	object := fixture(b, "helm-2.14")
	var resources []any
	for i := range 120 {
		resources = append(resources, map[string]any{"group": "apps", "kind": "Deployment", "name": fmt.Sprintf("deployment-%d", i), "namespace": "shop", "status": "Synced", "version": "v1", "health": map[string]any{"status": "Healthy"}})
	}
	merge(object, map[string]any{"status": map[string]any{"resources": resources}})
	encoded, err := json.Marshal(object)
	require.NoError(b, err)
	const count = 10_000
	for b.Loop() {
		parser := newTestParser(b)
		entries := make([]*cached, 0, count)
		watcher := &Watcher{parser: parser}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for range count {
			one := &unstructured.Unstructured{}
			require.NoError(b, one.UnmarshalJSON(encoded))
			entries = append(entries, watcher.keep(one))
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/count, "B/application")
		b.ReportMetric(float64(len(encoded)), "B/object")
		runtime.KeepAlive(entries)
	}
}

// TestWatcherObjects: every Application is handed on as it is stored, also for what is
// no fact, and one that is gone is not.
func TestWatcherObjects(t *testing.T) {
	client := newFakeClient(fixture(t, "helm-2.14"))
	objects := make(chan string, 100)
	changes := make(chan change, 100)
	watcher := NewWatcher(client, newTestParser(t), WatcherOptions{
		OnChange: func(before, after approval.Application) { changes <- change{before, after} },
		OnObject: func(object map[string]any) {
			status, _ := object["status"].(map[string]any)
			reconciled, _ := status["reconciledAt"].(string)
			objects <- reconciled
		},
		Logger: testLogger(t),
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- watcher.Run(ctx) }()
	defer func() {
		cancel()
		require.NoError(t, <-done)
	}()
	require.True(t, cache.WaitForCacheSync(ctx.Done(), watcher.HasSynced))
	next(t, changes)
	applications := client.Resource(Applications()).Namespace("argocd")
	require.Equal(t, "2026-11-21T07:00:00Z", <-objects)

	object, err := applications.Get(t.Context(), "shop-prod", metav1.GetOptions{})
	require.NoError(t, err)
	merge(object.Object, decode(t, `{"status": {"reconciledAt": "2026-11-21T07:03:00Z"}}`))
	object.SetResourceVersion("2001")
	_, err = applications.Update(t.Context(), object, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.Equal(t, "2026-11-21T07:03:00Z", <-objects)

	require.NoError(t, applications.Delete(t.Context(), "shop-prod", metav1.DeleteOptions{}))
	require.Empty(t, next(t, changes).after)
	require.Empty(t, objects)
}
