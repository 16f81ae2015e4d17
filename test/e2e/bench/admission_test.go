package bench

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"runtime"
	runtimedebug "runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/admission"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

// begin opens a sandbox with a team in it for each set of options.
func begin(b *testing.B, options ...payments.Options) []*payments.World {
	b.Helper()
	if os.Getenv("GATEKEEPER_E2E") != "1" {
		b.Skip("needs a whole cluster: set GATEKEEPER_E2E=1 or run make bench")
	}
	sb, err := sandbox.Start(b.Context(), sandbox.Options{Progress: os.Stderr})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, sb.Close()) })
	var worlds []*payments.World
	for _, o := range options {
		o.Services = []string{payments.Ledger}
		w, err := payments.Open(b.Context(), sb, o)
		require.NoError(b, err)
		b.Cleanup(func() { require.NoError(b, w.Close()) })
		worlds = append(worlds, w)
	}
	return worlds
}

func serve(b *testing.B, w *payments.World) {
	b.Helper()
	gatekeeper, err := w.StartGatekeeper(b.Context())
	require.NoError(b, err)
	b.Cleanup(func() {
		if b.Failed() {
			b.Logf("log of gatekeeper:\n%s", gatekeeper.Logs())
		}
		gatekeeper.Kill()
	})
}

// BenchmarkSyncByPerson measures what enforcement adds to an approved sync that a person
// asks Argo CD's API for. Each round is one sync of an Application that is enforced and
// one of an Application that is not, in one cluster; both go to the revision that is
// live. It reports the median of each and their difference.
func BenchmarkSyncByPerson(b *testing.B) {
	worlds := begin(b, payments.Options{Name: "enforced", Enforce: true}, payments.Options{Name: "free"})
	serve(b, worlds[0])
	token, err := worlds[0].Sandbox.ArgoCD().AccountToken(b.Context(), "developer")
	require.NoError(b, err)
	took := make([][]time.Duration, len(worlds))
	for b.Loop() {
		for i, w := range worlds {
			took[i] = append(took[i], syncs(b, w, token))
		}
	}
	var medians []float64
	for i := range took {
		slices.Sort(took[i])
		medians = append(medians, percentile(took[i], 50))
	}
	b.ReportMetric(medians[0], "enforced-p50-ms")
	b.ReportMetric(medians[1], "free-p50-ms")
	b.ReportMetric(medians[0]-medians[1], "added-p50-ms")
	b.ReportMetric(0, "ns/op")
	b.Logf("%d syncs each: %v", len(took[0]), took)
}

// syncs asks Argo CD for a sync, returns how long the answer took, and waits for the end.
func syncs(b *testing.B, w *payments.World, token string) time.Duration {
	b.Helper()
	ctx := b.Context()
	var took time.Duration
	err := payments.Await(ctx, "Argo CD to take the sync", func(ctx context.Context) (bool, string, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost,
			w.Sandbox.ArgoCD().URL()+"/api/v1/applications/"+w.Application("prod", payments.Ledger)+"/sync",
			strings.NewReader(`{"revision": "`+w.Enrolled+`"}`))
		if err != nil {
			return false, "", err
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Authorization", "Bearer "+token)
		began := time.Now()
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false, "", err
		}
		defer func() { _ = response.Body.Close() }()
		text, err := io.ReadAll(response.Body)
		took = time.Since(began)
		// Right after the one before, its outcome may be being recorded.
		return response.StatusCode == http.StatusOK, string(text), err
	})
	require.NoError(b, err)
	err = payments.Await(ctx, "the end of the sync", func(ctx context.Context) (bool, string, error) {
		l, err := w.Live(ctx, "prod", payments.Ledger)
		return !l.Running, l.String(), err
	})
	require.NoError(b, err)
	require.NoError(b, w.Quiet(ctx))
	return took
}

// What can be set.
const (
	applicationsVariable = "GATEKEEPER_BENCH_APPLICATIONS" // protected ones, default 10,000
	rateVariable         = "GATEKEEPER_BENCH_RATE"         // requests in a second, default 500
	durationVariable     = "GATEKEEPER_BENCH_SECONDS"      // how long, default 20
	awakeVariable        = "GATEKEEPER_BENCH_AWAKE"        // 1: processors do not sleep, see awake
)

func setting(b *testing.B, name string, otherwise int) int {
	b.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	require.NoError(b, err, name)
	return n
}

// The kinds of requests, of twenty: most are edits of a spec, a few are syncs.
const (
	editOfSpec = iota
	refusedSync
	approvedSync
	kinds
)

func kindOf(i int) int {
	switch i % 20 {
	case 7:
		return approvedSync
	case 3, 9, 15:
		return refusedSync
	}
	return editOfSpec
}

// BenchmarkAdmission asks the webhook of the real binary as the API server asks that of a
// service, over HTTP/1.1 with TLS, at a steady rate whatever the answers take. A request's
// time begins when it was due. Argo CD's controller is stopped, and what was written before is
// on disk, so that the machine is there for what is measured; no Application is synced twice.
//
// Beside them one request in ten goes to a path of the same server that is refused
// unread. What those take is what the machine and the connection cost, whoever answers:
// a p99 of the webhook says something only where that of the floor is small. A longer run is
// told apart into windows, and the quietest is the one with the smallest p99 of the floor. After 75 s
// the syncs that were let through and never came begin to be given up, which is then measured as well.
func BenchmarkAdmission(b *testing.B) {
	count, rate := setting(b, applicationsVariable, 10_000), setting(b, rateVariable, 500)
	length := time.Duration(setting(b, durationVariable, 20)) * time.Second
	w := begin(b, payments.Options{Name: "load", Enforce: true})[0]
	stopController(b, w.Sandbox)
	began := time.Now()
	apps := createApplications(b, w, count)
	_, err := w.Adopt(b.Context(), "--all", "--reason", "begin with the gate")
	require.NoError(b, err)
	serve(b, w)
	hook := newWebhook(b, w)
	known(b, hook, apps, w.Enrolled)
	b.Logf("%d protected Applications are known after %s", len(apps), time.Since(began).Round(time.Second))
	require.NoError(b, w.Quiet(b.Context()))

	total := int(length.Seconds()) * rate
	requests := make([][]byte, total)
	next := 0
	for i := range requests {
		app, uid := apps[i*7919%len(apps)], fmt.Sprintf("load-%d", i)
		switch kindOf(i) {
		case editOfSpec:
			requests[i] = review(b, uid, app, func(o map[string]any) {
				_ = unstructured.SetNestedField(o, "release", "spec", "source", "targetRevision")
			})
		case refusedSync:
			requests[i] = review(b, uid, app, operation(strings.Repeat("5", 40)))
		case approvedSync:
			requests[i] = review(b, uid, apps[next%len(apps)], operation(w.Enrolled))
			next++
		}
	}
	took, floor := make([]time.Duration, total), make([]time.Duration, total) // the latter is zero for most
	late := make([]time.Duration, total)
	allowed := make([]bool, total)
	failures := make([]error, total)
	defer withoutCollections()()
	defer awake(b)()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(sendersPerCore * runtime.NumCPU()))
	unix.Sync() // binaries that were built just now took a quarter of a core for a minute
	var all sync.WaitGroup
	start := time.Now().Add(100 * time.Millisecond)
	runtime.LockOSThread()
	for i := range requests {
		due := start.Add(time.Duration(i) * time.Second / time.Duration(rate))
		sleepUntil(due) // the rate is what is asked for
		late[i] = time.Since(due)
		all.Go(func() {
			allowed[i], failures[i] = hook.ask(b.Context(), requests[i])
			took[i] = time.Since(due)
		})
		if i%10 == 5 {
			all.Go(func() {
				if hook.knock(b.Context(), requests[i]) == nil {
					floor[i] = time.Since(due)
				}
			})
		}
	}
	runtime.UnlockOSThread()
	all.Wait()
	slices.Sort(late)
	require.NoError(b, errors.Join(failures...))
	names := [kinds]string{"edit", "refused", "approved"}
	var of [kinds][]time.Duration
	wrong := [kinds]int{}
	for i, t := range took {
		of[kindOf(i)] = append(of[kindOf(i)], t)
		if allowed[i] != (kindOf(i) != refusedSync) {
			wrong[kindOf(i)]++
		}
	}
	require.Zero(b, wrong[editOfSpec]+wrong[refusedSync], "answers that are not right: %v", wrong)
	// A sync is refused when another reconcile of its Application is under way.
	require.LessOrEqual(b, wrong[approvedSync], len(of[approvedSync])/2)
	for kind := range names {
		slices.Sort(of[kind])
		b.Logf("%s: %d, p50 %.2f ms, p99 %.2f ms, max %.2f ms, %d to be tried again", names[kind], len(of[kind]),
			percentile(of[kind], 50), percentile(of[kind], 99), percentile(of[kind], 100), wrong[kind])
	}
	quietest := window{floor99: math.Inf(1)}
	for from := 0; from < total; from += windowSeconds * rate {
		w := windowOf(took[from:min(from+windowSeconds*rate, total)], floor[from:min(from+windowSeconds*rate, total)])
		b.Logf("from second %d on: p50 %.2f ms, p99 %.2f ms; floor p50 %.2f ms, p99 %.2f ms", from/rate, w.p50, w.p99, w.floor50, w.floor99)
		if w.floor99 < quietest.floor99 {
			quietest = w
		}
	}
	whole := windowOf(took, floor)
	require.False(b, math.IsInf(whole.floor99, 1), "nothing is known of the floor")
	for b.Loop() { // the rate is what repeats; the loop is for the harness
	}
	b.ReportMetric(whole.p50, "p50-ms")
	b.ReportMetric(whole.p99, "p99-ms")
	b.ReportMetric(whole.most, "max-ms")
	b.ReportMetric(whole.floor50, "floor-p50-ms")
	b.ReportMetric(whole.floor99, "floor-p99-ms")
	b.ReportMetric(quietest.p99, "quietest-p99-ms")
	b.ReportMetric(quietest.floor99, "quietest-floor-p99-ms")
	b.ReportMetric(percentile(late, 99), "asked-late-p99-ms")
	b.ReportMetric(float64(count), "applications")
	b.ReportMetric(0, "ns/op")
}

// sendersPerCore is how many threads of this process may run Go code, for each core. The one that
// sleeps until a request is due counts as running for a while, so with one for each core an answer
// that was there may wait until somebody looks.
const sendersPerCore = 4

// withoutCollections keeps this process from collecting garbage, for which it would take
// the cores that the server needs: it has all the requests in memory. The returned
// function ends that.
func withoutCollections() func() {
	runtimedebug.FreeOSMemory()
	percent := runtimedebug.SetGCPercent(-1)
	return func() { runtimedebug.SetGCPercent(percent) }
}

// awake keeps the processors from sleeping between two requests, if that is asked for: a virtual one
// takes a tenth of a millisecond to wake, several times for each request. It is what profiles for
// low latency do on servers (Linux, Documentation/power/pm_qos_interface.rst), and takes root. The
// returned function ends that.
func awake(b *testing.B) func() {
	b.Helper()
	if setting(b, awakeVariable, 0) == 0 {
		return func() {}
	}
	file, err := os.OpenFile("/dev/cpu_dma_latency", os.O_WRONLY, 0)
	require.NoError(b, err)
	_, err = file.Write(make([]byte, 4)) // at most 0 us to wake, for as long as the file is open
	require.NoError(b, err)
	return func() { require.NoError(b, file.Close()) }
}

func stopController(b *testing.B, sb *sandbox.Sandbox) {
	b.Helper()
	for _, p := range sb.Processes() {
		if p.Name() == string(sandbox.ArgoController) {
			require.NoError(b, p.Stop(b.Context()))
			return
		}
	}
	require.Fail(b, "there is no application-controller")
}

// createApplications makes so many Applications like the ledger's, and returns them as
// they are stored.
func createApplications(b *testing.B, w *payments.World, count int) []*unstructured.Unstructured {
	b.Helper()
	client, err := w.Sandbox.Client(sandbox.Admin)
	require.NoError(b, err)
	live, err := w.Live(b.Context(), "prod", payments.Ledger)
	require.NoError(b, err)
	apps := make([]*unstructured.Unstructured, count)
	group, ctx := errgroup.WithContext(b.Context())
	group.SetLimit(16)
	for i := range apps {
		group.Go(func() error {
			var err error
			apps[i], err = createApplication(ctx, client, live.Object, fmt.Sprintf("%s-%05d", w.Name, i))
			return err
		})
	}
	require.NoError(b, group.Wait())
	return apps
}

func createApplication(ctx context.Context, client dynamic.Interface, like *unstructured.Unstructured, name string) (*unstructured.Unstructured, error) {
	app, err := client.Resource(argo.Applications()).Namespace("argocd").Create(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
		"metadata": map[string]any{"name": name, "namespace": "argocd"},
		"spec":     kruntime.DeepCopyJSONValue(like.Object["spec"]),
		"status":   kruntime.DeepCopyJSONValue(like.Object["status"]), // as big as others
	}}, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", name, err)
	}
	return app, nil
}

// known waits until a sync of every Application would be let through.
func known(b *testing.B, hook webhook, apps []*unstructured.Unstructured, sha string) {
	b.Helper()
	var asks [][]byte
	for _, app := range apps {
		asks = append(asks, dryReview(b, app, operation(sha)))
	}
	deadline := time.Now().Add(30 * time.Minute)
	for i := 0; i < len(asks); {
		require.True(b, time.Now().Before(deadline), "%d of %d Applications are known", i, len(asks))
		allowed, err := hook.ask(b.Context(), asks[i])
		require.NoError(b, err)
		if allowed {
			i++
		}
	}
}

// operation starts a sync, as argocd-server writes it.
func operation(sha string) func(map[string]any) {
	return func(o map[string]any) {
		o["operation"] = map[string]any{
			"initiatedBy": map[string]any{"username": "developer"},
			"sync":        map[string]any{"revision": sha, "syncStrategy": map[string]any{"hook": map[string]any{}}},
		}
		unstructured.RemoveNestedField(o, "status", "operationState")
	}
}

func review(b *testing.B, uid string, app *unstructured.Unstructured, edit func(map[string]any)) []byte {
	b.Helper()
	return encodeReview(b, uid, app, edit, false)
}

func dryReview(b *testing.B, app *unstructured.Unstructured, edit func(map[string]any)) []byte {
	b.Helper()
	return encodeReview(b, "dry", app, edit, true)
}

func encodeReview(b *testing.B, uid string, app *unstructured.Unstructured, edit func(map[string]any), dry bool) []byte {
	b.Helper()
	old, err := json.Marshal(app.Object)
	require.NoError(b, err)
	after := app.DeepCopy()
	edit(after.Object)
	next, err := json.Marshal(after.Object)
	require.NoError(b, err)
	kind := metav1.GroupVersionKind{Group: "argoproj.io", Version: "v1alpha1", Kind: "Application"}
	resource := metav1.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "applications"}
	encoded, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID: types.UID(uid), Kind: kind, Resource: resource, RequestKind: &kind, RequestResource: &resource,
			Name: app.GetName(), Namespace: app.GetNamespace(), Operation: admissionv1.Update, DryRun: &dry,
			UserInfo: authenticationv1.UserInfo{Username: admission.DefaultServer, Groups: []string{"system:authenticated"}},
			Object:   kruntime.RawExtension{Raw: next}, OldObject: kruntime.RawExtension{Raw: old},
			Options: kruntime.RawExtension{Raw: []byte(`{"kind":"UpdateOptions","apiVersion":"meta.k8s.io/v1"}`)},
		},
	})
	require.NoError(b, err)
	return encoded
}

// webhook is asked as the API server asks.
type webhook struct {
	client *http.Client
	url    string
}

func newWebhook(b *testing.B, w *payments.World) webhook {
	b.Helper()
	name, url := w.Admission()
	client, err := w.Sandbox.Client(sandbox.Admin)
	require.NoError(b, err)
	object, err := client.Resource(schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingwebhookconfigurations"}).
		Get(b.Context(), name, metav1.GetOptions{})
	require.NoError(b, err)
	encoded, err := object.MarshalJSON()
	require.NoError(b, err)
	var registered struct {
		Webhooks []struct{ ClientConfig struct{ CABundle []byte } }
	}
	require.NoError(b, json.Unmarshal(encoded, &registered))
	require.Len(b, registered.Webhooks, 1)
	roots := x509.NewCertPool()
	require.True(b, roots.AppendCertsFromPEM(registered.Webhooks[0].ClientConfig.CABundle))
	// To a service it speaks HTTP/1.1, and keeps so many connections that are idle (k8s.io/apiserver
	// v0.34 pkg/util/webhook/client.go, NextProtos; client-go transport/cache.go, idleConnsPerHost).
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 25}
	b.Cleanup(transport.CloseIdleConnections)
	return webhook{client: &http.Client{Transport: transport}, url: url + "?timeout=3s"}
}

// windowSeconds is how long a window is: long enough for a p99 of 10,000 requests. A virtual
// machine is held up by others now and then, which the floor of the same window shows.
const windowSeconds = 20

// window has what some requests in a row took, in milliseconds, and what the floor did meanwhile.
type window struct{ p50, p99, most, floor50, floor99 float64 }

func windowOf(took, floor []time.Duration) window {
	took = slices.Sorted(slices.Values(took))
	floor = slices.DeleteFunc(slices.Clone(floor), func(d time.Duration) bool { return d == 0 })
	slices.Sort(floor)
	if len(floor) == 0 {
		return window{percentile(took, 50), percentile(took, 99), percentile(took, 100), math.Inf(1), math.Inf(1)}
	}
	return window{percentile(took, 50), percentile(took, 99), percentile(took, 100), percentile(floor, 50), percentile(floor, 99)}
}

// knock sends the same to where there is nothing.
func (h webhook) knock(ctx context.Context, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.Replace(h.url, "/admission", "/nothing", 1), bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := h.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

func (h webhook) ask(ctx context.Context, body []byte) (allowed bool, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := h.client.Do(request)
	if err != nil {
		return false, fmt.Errorf("ask the webhook: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK || response.ProtoMajor != 1 {
		return false, fmt.Errorf("ask the webhook: %s %s", response.Proto, response.Status)
	}
	var answer admissionv1.AdmissionReview
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return false, fmt.Errorf("decode the answer: %w", err)
	}
	if answer.Response == nil {
		return false, errors.New("the answer has no response")
	}
	return answer.Response.Allowed, nil
}

// sleepUntil waits more exactly than time.Sleep, which the scheduler rounds to
// milliseconds on Linux (runtime/netpoll_epoll.go): what is asked late would count as
// answered late.
func sleepUntil(due time.Time) {
	for left := time.Until(due); left > 0; left = time.Until(due) {
		wait := unix.NsecToTimespec(int64(left))
		_ = unix.Nanosleep(&wait, nil) // woken early, it waits again
	}
}
