package enforce

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// objects render a policy and a webhook configuration.
func objects(bundle []byte) ([]*unstructured.Unstructured, error) {
	return []*unstructured.Unstructured{
		{Object: map[string]any{
			"apiVersion": group + "/v1", "kind": "ValidatingAdmissionPolicy",
			"metadata": map[string]any{"name": "gatekeeper", "labels": map[string]any{"app": "gatekeeper"}},
			"spec": map[string]any{"failurePolicy": "Fail", "matchConstraints": map[string]any{"namespaceSelector": map[string]any{}},
				"validations": []any{map[string]any{"expression": "a", "message": "b"}}},
		}},
		{Object: map[string]any{
			"apiVersion": group + "/v1", "kind": kindWebhook, "metadata": map[string]any{"name": "gatekeeper"},
			"webhooks": []any{map[string]any{"name": "w", "timeoutSeconds": int64(3), "clientConfig": map[string]any{"caBundle": base64.StdEncoding.EncodeToString(bundle)}}},
		}},
	}, nil
}

// live are objects as the API server keeps them: an apply merges mappings, so that
// what somebody added stays.
type live struct {
	mu       sync.Mutex
	version  int
	objects  map[string]*unstructured.Unstructured
	watchers []func()
	fail     map[string]error
	writes   int
}

func newLive() *live {
	return &live{objects: map[string]*unstructured.Unstructured{}, fail: map[string]error{}}
}

func (l *live) Get(_ context.Context, want *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.fail["get"]; err != nil {
		return nil, err
	}
	if o := l.objects[want.GetKind()]; o != nil {
		return o.DeepCopy(), nil
	}
	return nil, nil //nolint:nilnil // there is none
}

func (l *live) Apply(_ context.Context, want *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	return l.write("apply", want, func(o map[string]any) { merge(o, want.DeepCopy().Object) })
}

func (l *live) Replace(_ context.Context, want, old *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	l.mu.Lock()
	present := l.objects[want.GetKind()]
	l.mu.Unlock()
	if present.GetResourceVersion() != old.GetResourceVersion() {
		return nil, errors.New("conflict")
	}
	return l.write("replace", want, func(o map[string]any) {
		for _, key := range contentKeys(want.Object, o) {
			delete(o, key)
		}
		merge(o, want.DeepCopy().Object)
	})
}

func (l *live) Watch(ctx context.Context, _ *unstructured.Unstructured, changed func(), _ func(error)) error {
	l.mu.Lock()
	l.watchers = append(l.watchers, changed)
	l.mu.Unlock()
	changed()
	<-ctx.Done()
	return nil
}

func merge(into, from map[string]any) {
	for key, value := range from {
		a, ok1 := into[key].(map[string]any)
		b, ok2 := value.(map[string]any)
		if ok1 && ok2 {
			merge(a, b)
		} else {
			into[key] = value
		}
	}
}

func (l *live) write(verb string, want *unstructured.Unstructured, change func(map[string]any)) (*unstructured.Unstructured, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.fail[verb]; err != nil {
		return nil, err
	}
	o := l.objects[want.GetKind()]
	if o == nil {
		o = &unstructured.Unstructured{Object: map[string]any{}}
	}
	o = o.DeepCopy()
	change(o.Object)
	l.version++
	l.writes++
	o.SetResourceVersion(strconv.Itoa(l.version))
	l.objects[want.GetKind()] = o
	for _, w := range l.watchers {
		w()
	}
	return o.DeepCopy(), nil
}

// somebody changes an object by hand.
func (l *live) somebody(t *testing.T, kind string, change func(map[string]any)) {
	t.Helper()
	_, err := l.write("by hand", &unstructured.Unstructured{Object: map[string]any{"kind": kind}}, change)
	require.NoError(t, err)
}

func (l *live) remove(kind string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.objects, kind)
	for _, w := range l.watchers {
		w()
	}
}

func (l *live) differences(t *testing.T, bundle string) []Difference {
	t.Helper()
	want, err := objects([]byte(bundle))
	require.NoError(t, err)
	var out []Difference
	for _, w := range want {
		o, err := l.Get(t.Context(), w)
		require.NoError(t, err)
		d, err := Compare(w, o)
		require.NoError(t, err)
		out = append(out, d...)
	}
	return out
}

// bundles are certificates that a test turns.
type bundles struct {
	mu        sync.Mutex
	bundle    string
	installed string
	changed   chan struct{}
	// onInstalled is what reading the Secret again finds.
	onInstalled string
}

func newBundles(b string) *bundles { return &bundles{bundle: b} }

func (b *bundles) Bundle() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bundle == "" {
		return nil
	}
	return []byte(b.bundle)
}

func (b *bundles) Changed() <-chan struct{} { return b.changed }

func (b *bundles) Installed(bundle []byte) {
	b.mu.Lock()
	b.installed = string(bundle)
	next := b.onInstalled
	b.mu.Unlock()
	if next == string(bundle) && next != "" {
		b.set(next)
	}
}

func (b *bundles) set(bundle string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bundle != bundle {
		b.bundle = bundle
		b.changed <- struct{}{}
	}
}

func (b *bundles) live() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.installed
}

type logText struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logText) count(event string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), "msg="+event+" ")
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// running runs an Enforcer in a bubble.
func running(t *testing.T, l *live, b *bundles, manage bool, test func(t *testing.T, e *Enforcer, log *logText)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		log := &logText{}
		b.changed = make(chan struct{}, 1) // of the bubble
		e := New(Options{Objects: l, Render: objects, Certificates: b, Manage: manage, Metrics: NewMetrics(), Logger: slog.New(slog.NewTextHandler(log, nil))})
		done := make(chan error)
		go func() { done <- e.Run(ctx) }()
		synctest.Wait()
		test(t, e, log)
		cancel()
		require.NoError(t, <-done)
		if t.Failed() {
			t.Log(log)
		}
	})
}

func spec(o map[string]any) map[string]any { return o["spec"].(map[string]any) }

func TestDriftIsRepaired(t *testing.T) {
	const policy = "ValidatingAdmissionPolicy"
	for name, c := range map[string]struct {
		kind   string
		change func(map[string]any)
		says   string
	}{
		"a field is changed": {policy, func(o map[string]any) { spec(o)["failurePolicy"] = "Ignore" }, `spec.failurePolicy: is \"Ignore\", should be \"Fail\"`},
		"an exclusion is added": {policy, func(o map[string]any) {
			spec(o)["matchConstraints"].(map[string]any)["excludeResourceRules"] = []any{"x"}
		}, `excludeResourceRules: is [\"x\"], should be nothing`},
		"a selector is added": {policy, func(o map[string]any) {
			spec(o)["matchConstraints"].(map[string]any)["namespaceSelector"].(map[string]any)["matchLabels"] = map[string]any{"a": "b"}
		}, "namespaceSelector.matchLabels"},
		"a validation is taken away": {policy, func(o map[string]any) { spec(o)["validations"] = []any{} }, "spec.validations[0]: is nothing"},
		"a field of its own":         {policy, func(o map[string]any) { o["other"] = "x" }, "other: is"},
		"a label is taken away":      {policy, func(o map[string]any) { delete(o["metadata"].(map[string]any), "labels") }, "metadata.labels[app]"},
		"the authorities": {kindWebhook, func(o map[string]any) {
			o["webhooks"].([]any)[0].(map[string]any)["clientConfig"] = map[string]any{"caBundle": "eHh4"}
		}, "caBundle"},
		"a second webhook": {kindWebhook, func(o map[string]any) {
			o["webhooks"] = append(o["webhooks"].([]any), map[string]any{"name": "x"})
		}, "webhooks[1]"},
		"everything": {policy, nil, "should be gatekeeper"},
	} {
		t.Run(name, func(t *testing.T) {
			l, b := newLive(), newBundles("one")
			running(t, l, b, true, func(t *testing.T, e *Enforcer, log *logText) {
				require.NoError(t, e.Ready())
				require.Equal(t, "one", b.live())
				require.Empty(t, l.differences(t, "one"))
				require.Zero(t, log.count("enforcement_drift"), "a first apply is no drift")
				if c.change == nil {
					l.remove(c.kind)
				} else {
					l.somebody(t, c.kind, c.change)
				}
				time.Sleep(renewalWait + time.Millisecond)
				synctest.Wait()
				require.Empty(t, l.differences(t, "one"), log)
				require.Equal(t, 1, log.count("enforcement_drift"), log)
				require.Contains(t, log.String(), c.says)
				require.Equal(t, map[string]float64{c.kind: 1}, drift(t, e.o.Metrics))
			})
		})
	}
}

// TestInvalidApply: what somebody added makes an apply invalid, a replacement not.
func TestInvalidApply(t *testing.T) {
	l := newLive()
	running(t, l, newBundles("one"), true, func(t *testing.T, _ *Enforcer, log *logText) {
		l.mu.Lock()
		l.fail["apply"] = apierrors.NewInvalid(schema.GroupKind{Kind: "ValidatingAdmissionPolicy"}, "gatekeeper", nil)
		l.mu.Unlock()
		l.somebody(t, "ValidatingAdmissionPolicy", func(o map[string]any) { spec(o)["failurePolicy"] = "Ignore" })
		synctest.Wait()
		require.Empty(t, l.differences(t, "one"))
		require.Equal(t, 1, log.count("enforcement_drift"))
	})
}

func drift(t *testing.T, m *Metrics) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(m)
	families, err := registry.Gather()
	require.NoError(t, err)
	out := map[string]float64{}
	for _, f := range families {
		if f.GetName() == "gatekeeper_enforcement_drift_total" {
			for _, metric := range f.GetMetric() {
				out[metric.GetLabel()[0].GetValue()] = metric.GetCounter().GetValue()
			}
		}
	}
	return out
}

// TestForeignLabelsStay: Argo CD's tracking labels, for example, are not drift.
func TestForeignLabelsStay(t *testing.T) {
	l := newLive()
	running(t, l, newBundles("one"), true, func(t *testing.T, _ *Enforcer, log *logText) {
		writes := l.writes
		l.somebody(t, kindWebhook, func(o map[string]any) {
			o["metadata"].(map[string]any)["annotations"] = map[string]any{"a": "b"}
		})
		synctest.Wait()
		require.Equal(t, writes+1, l.writes)
		require.Zero(t, log.count("enforcement_drift"))
	})
}

func TestRenewedBundleIsApplied(t *testing.T) {
	l, b := newLive(), newBundles("one")
	running(t, l, b, true, func(t *testing.T, _ *Enforcer, log *logText) {
		b.set("one+two")
		synctest.Wait()
		require.Empty(t, l.differences(t, "one+two"))
		require.Equal(t, "one+two", b.live())
		require.Zero(t, log.count("enforcement_drift"))
	})
}

// TestBundleOfAnotherReplica: one that began a renewal first must not be undone.
func TestBundleOfAnotherReplica(t *testing.T) {
	l, b := newLive(), newBundles("one")
	running(t, l, b, true, func(t *testing.T, _ *Enforcer, log *logText) {
		b.mu.Lock()
		b.onInstalled = "one+two"
		b.mu.Unlock()
		theirs, err := objects([]byte("one+two"))
		require.NoError(t, err)
		writes := l.writes
		_, err = l.Apply(t.Context(), theirs[1])
		require.NoError(t, err)
		time.Sleep(time.Minute)
		require.Empty(t, l.differences(t, "one+two"))
		require.Equal(t, writes+1, l.writes)
		require.Zero(t, log.count("enforcement_drift"))
	})
}

func TestNotReadyBeforeTheObjects(t *testing.T) {
	l, b := newLive(), newBundles("")
	l.fail["apply"] = ErrForbidden
	running(t, l, b, true, func(t *testing.T, e *Enforcer, log *logText) {
		require.ErrorIs(t, e.Ready(), errNoBundle)
		b.set("one")
		synctest.Wait()
		require.ErrorIs(t, e.Ready(), ErrForbidden)
		time.Sleep(10 * time.Minute)
		require.LessOrEqual(t, log.count("enforcement_failed"), 2, "the same failure is logged once")
		l.mu.Lock()
		delete(l.fail, "apply")
		l.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		require.NoError(t, e.Ready())
		require.Empty(t, l.differences(t, "one"))

		l.mu.Lock()
		l.fail["apply"] = ErrForbidden
		l.mu.Unlock()
		l.remove(kindWebhook)
		synctest.Wait()
		require.NoError(t, e.Ready(), "who is not ready is not asked, and then nothing is admitted")
		require.Empty(t, b.live())
	})
}

func TestWithoutManaging(t *testing.T) {
	l, b := newLive(), newBundles("one")
	running(t, l, b, false, func(t *testing.T, e *Enforcer, log *logText) {
		require.NoError(t, e.Ready())
		require.Zero(t, l.writes)
		require.Equal(t, 2, log.count("enforcement_drift"), "both are missing")
		time.Sleep(10 * time.Minute)
		require.Equal(t, 2, log.count("enforcement_drift"), "once")
		theirs, err := objects([]byte("one"))
		require.NoError(t, err)
		for _, o := range theirs {
			_, err := l.Apply(t.Context(), o)
			require.NoError(t, err)
		}
		synctest.Wait()
		require.Equal(t, "one", b.live())
		require.Empty(t, drift(t, e.o.Metrics))
		l.somebody(t, "ValidatingAdmissionPolicy", func(o map[string]any) { spec(o)["failurePolicy"] = "Ignore" })
		time.Sleep(time.Minute)
		require.Equal(t, 3, log.count("enforcement_drift"))
		require.Equal(t, map[string]float64{"ValidatingAdmissionPolicy": 1}, drift(t, e.o.Metrics))
		require.Equal(t, 3, l.writes)
	})
}

// TestContest: somebody who undoes every repair at once does not keep the API
// server busy.
func TestContest(t *testing.T) {
	l := newLive()
	running(t, l, newBundles("one"), true, func(t *testing.T, _ *Enforcer, _ *logText) {
		l.mu.Lock()
		l.watchers = append(l.watchers, func() {
			if o := l.objects["ValidatingAdmissionPolicy"]; o != nil {
				spec(o.Object)["failurePolicy"] = "Ignore"
			}
		})
		before := l.writes
		l.mu.Unlock()
		l.somebody(t, kindWebhook, func(map[string]any) {})
		time.Sleep(10 * time.Minute)
		l.mu.Lock()
		defer l.mu.Unlock()
		require.LessOrEqual(t, l.writes-before, 2*(writeBurst+int(10*time.Minute/writeEvery))+2)
		require.Greater(t, l.writes-before, 20, "it is not given up")
	})
}

func FuzzCompare(f *testing.F) {
	f.Add(`{"kind":"A","spec":{"a":[1,2]}}`, `{"kind":"A","spec":{"a":[1]},"b":null}`)
	f.Fuzz(func(t *testing.T, a, b string) {
		var x, y unstructured.Unstructured
		if x.UnmarshalJSON([]byte(a)) != nil || y.UnmarshalJSON([]byte(b)) != nil {
			return
		}
		same, err := Compare(&x, &x)
		require.NoError(t, err)
		require.Empty(t, same)
		_, err = Compare(&x, &y)
		require.NoError(t, err)
		require.NotPanics(t, func() { bundleOf(&y) })
	})
}
