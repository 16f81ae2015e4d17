package ha

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// developer is the account in Argo CD of the person who syncs.
const developer = "developer"

// own begins the name of who asks for Gatekeeper's own syncs.
const own = "gatekeeper"

// land proposes a change of every service, with one of two approvals, and merges it.
func (h *team) land(limit string) (pull int, sha string) {
	h.t.Helper()
	files := map[string]string{}
	for _, service := range payments.Services() {
		files[payments.ValuesFile("prod", service)] = payments.Values("prod", service, limit)
	}
	opened, err := h.GitHub.As(payments.Alice).OpenPull(payments.Repository, standin.PullOptions{
		Title: "Raise all limits to " + limit, Change: standin.Change{Files: files, Message: "Raise all limits to " + limit},
	})
	require.NoError(h.t, err)
	_, err = h.Approve(payments.Bob, opened.Number)
	require.NoError(h.t, err)
	sha, err = h.Merge(payments.Alice, opened.Number, "merge")
	require.NoError(h.t, err)
	return opened.Number, sha
}

// applications is a client for the Applications as somebody.
func (h *team) applications(id sandbox.Identity) dynamic.ResourceInterface {
	h.t.Helper()
	client, err := h.Sandbox.Client(id)
	require.NoError(h.t, err)
	return client.Resource(argo.Applications()).Namespace(h.ApplicationNamespace())
}

// operation is one that Argo CD was asked for.
type operation struct {
	application, began, by, phase string
	revisions                     []string
}

// witness sees every operation of the team's Applications, and which revisions may be
// synced at that moment.
type witness struct {
	mu sync.Mutex
	// may are the revisions that may be synced.
	may map[string]bool
	// seen are the operations by Application and start.
	seen map[string]operation
	// wrong are those of revisions that were not to be synced.
	wrong []string
}

// allow says that a revision may be synced from now on.
func (w *witness) allow(sha string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.may[sha] = true
}

// watch looks at the Applications until the context ends.
func (w *witness) watch(ctx context.Context, apps dynamic.ResourceInterface, names []string) error {
	for ctx.Err() == nil {
		list, err := apps.List(ctx, metav1.ListOptions{})
		if err != nil {
			continue
		}
		for i := range list.Items {
			w.see(&list.Items[i], names)
		}
		events, err := apps.Watch(ctx, metav1.ListOptions{ResourceVersion: list.GetResourceVersion()})
		if err != nil {
			continue
		}
		for e := range events.ResultChan() {
			if app, ok := e.Object.(*unstructured.Unstructured); ok {
				w.see(app, names)
			}
		}
	}
	return nil
}

func (w *witness) see(app *unstructured.Unstructured, names []string) {
	if !slices.Contains(names, app.GetName()) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if asked, ok, _ := unstructured.NestedMap(app.Object, "operation"); ok {
		w.judge(app.GetName(), asked)
	}
	state, ok, _ := unstructured.NestedMap(app.Object, "status", "operationState")
	if !ok {
		return
	}
	asked, _, _ := unstructured.NestedMap(state, "operation")
	revisions := w.judge(app.GetName(), asked)
	began, _, _ := unstructured.NestedString(state, "startedAt")
	phase, _, _ := unstructured.NestedString(state, "phase")
	by, _, _ := unstructured.NestedString(asked, "initiatedBy", "username")
	w.seen[app.GetName()+" "+began+" "+by] = operation{app.GetName(), began, by, phase, revisions}
}

// judge returns the revisions of an operation.
func (w *witness) judge(name string, asked map[string]any) []string {
	revisions, _, _ := unstructured.NestedStringSlice(asked, "sync", "revisions")
	if one, _, _ := unstructured.NestedString(asked, "sync", "revision"); one != "" {
		revisions = append(revisions, one)
	}
	slices.Sort(revisions)
	revisions = slices.Compact(revisions)
	for _, r := range revisions {
		if !w.may[r] {
			w.wrong = append(w.wrong, fmt.Sprintf("%s was asked to sync to %s", name, r))
		}
	}
	return revisions
}

// ofOurs counts Gatekeeper's own operations of an Application to a revision.
func (w *witness) ofOurs(application, sha string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, o := range w.seen {
		if o.application == application && strings.HasPrefix(o.by, own) && slices.Equal(o.revisions, []string{sha}) {
			n++
		}
	}
	return n
}

// probes ask the API server all the time for what Gatekeeper's answer alone refuses.
type probes struct {
	mu sync.Mutex
	// answered is when Gatekeeper's newest answer came, gap the longest time between two.
	answered time.Time
	gap      time.Duration
	at       time.Time // when the gap ended
	asked    int
	// without are the errors of those that got no answer, failed what must not be.
	without, failed []string
}

const probeAdmissionEvery = 100 * time.Millisecond

func (p *probes) run(ctx context.Context, apps dynamic.ResourceInterface, name string) {
	tick := time.NewTicker(probeAdmissionEvery)
	defer tick.Stop()
	dry := []string{metav1.DryRunAll}
	for {
		err := apps.Delete(ctx, name, metav1.DeleteOptions{DryRun: dry})
		if ctx.Err() != nil {
			return
		}
		p.note(err)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (p *probes) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	now := time.Now()
	switch {
	case err == nil:
		p.failed = append(p.failed, "a deletion was let through that has to be refused")
		return
	case apierrors.IsForbidden(err) && (strings.Contains(err.Error(), "gatekeeper permit") || strings.Contains(err.Error(), "nothing can be permitted")):
		// Gatekeeper's own answer; the second one without a database.
	case passing(err):
		p.without = append(p.without, err.Error())
		return
	default:
		p.failed = append(p.failed, err.Error())
		return
	}
	if gap := now.Sub(p.answered); !p.answered.IsZero() && gap > p.gap {
		p.gap, p.at = gap, now
	}
	p.answered = now
}

// passing says whether an error says that nobody answered, or that the answer is not known
// at this moment.
func passing(err error) bool {
	for _, text := range []string{"failed calling webhook", "try again", "EOF", "connection re"} {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}

// annotate writes to the Applications all the time, so that resource versions move on.
func (h *team) annotate(ctx context.Context, apps dynamic.ResourceInterface) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		services := payments.Services()
		patch := fmt.Sprintf(`{"metadata":{"annotations":{"acme.example.com/edit":"%d"}},"spec":{"info":[{"name":"edit","value":"%d"}]}}`, i, i)
		_, err := apps.Patch(ctx, h.Application("prod", services[i%len(services)]), types.MergePatchType, []byte(patch), metav1.PatchOptions{})
		if err != nil && ctx.Err() == nil && !passing(err) && !strings.Contains(err.Error(), "An operation is in progress") {
			h.t.Errorf("edit: %v", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// errLetThrough says that something was synced that is not approved.
var errLetThrough = errors.New("a sync was let through that has to be refused")

// personSyncs has the developer sync a service to what is live, as often as it takes.
func (h *team) personSyncs(ctx context.Context, service, sha string) error {
	return payments.Await(ctx, "the developer's sync of "+service, func(ctx context.Context) (bool, string, error) {
		_, err := h.Sandbox.ArgoCD().CLIAs(ctx, developer, h.sync(service, sha)...)
		switch {
		case err == nil:
			return true, "", nil
		case passing(err), strings.Contains(err.Error(), "another operation is already in progress"):
			return false, err.Error(), nil
		}
		return false, "", err
	})
}

func (h *team) sync(service, sha string) []string {
	args := []string{"app", "sync", h.Key("prod", service), "--async"}
	if service == payments.Payments {
		return append(args, "--revisions", sha, "--source-positions", "1", "--revisions", sha, "--source-positions", "2")
	}
	return append(args, "--revision", sha)
}

// personRefused has the developer sync to what is not approved yet. Nobody may let that
// through, whoever answers.
func (h *team) personRefused(ctx context.Context, service, sha string) error {
	_, err := h.Sandbox.ArgoCD().CLIAs(ctx, developer, h.sync(service, sha)...)
	if err == nil {
		return fmt.Errorf("%s to %s: %w", service, sha, errLetThrough)
	}
	return nil
}

// live waits until every service runs a revision.
func (h *team) live(t *testing.T, sha, limit string) {
	t.Helper()
	// A webhook that was given to a replica which could not keep it comes again after a
	// minute or two.
	var err error
	for range 3 {
		for _, service := range payments.Services() {
			if _, err = h.AwaitLive(h.ctx, "prod", service, sha, limit); err != nil {
				break
			}
		}
		if err == nil {
			return
		}
	}
	require.NoError(t, err)
}
