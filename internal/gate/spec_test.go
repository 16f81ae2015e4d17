package gate

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// catalogue is what is seen of specs, and what parents are rendered to.
type catalogue struct {
	apps *argo

	mu   sync.Mutex
	live map[string]approval.LiveSpec
	// rendered are the Applications by the parent's revision.
	rendered map[approval.SHA][]approval.RenderedSpec
	// deployers are the Applications that deploy an ApplicationSet.
	deployers map[string][]string
	failure   error
	renders   int
	onRender  func()
}

func (c *catalogue) LiveSpec(ctx context.Context, a approval.Application) (approval.LiveSpec, error) {
	now, err := c.apps.Get(ctx, a.Namespace, a.Name)
	if err != nil {
		return approval.LiveSpec{}, err
	}
	if now.UID != a.UID || now.SpecDigest != a.SpecDigest {
		return approval.LiveSpec{}, fmt.Errorf("read the spec: %w", approval.ErrStale)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	live := c.live[a.Key()]
	live.Fields = []approval.SpecField{{Path: "source.path", Digest: a.SpecDigest, Value: a.SpecDigest}}
	return live, nil
}

func (c *catalogue) Rendered(_ context.Context, _ approval.Application, revisions []approval.Revision) ([]approval.RenderedSpec, error) {
	c.mu.Lock()
	c.renders++
	found, err, hook := c.rendered[revisions[0].SHA], c.failure, c.onRender
	c.mu.Unlock()
	if hook != nil {
		hook()
	}
	return found, err
}

func (c *catalogue) Deployers(_ context.Context, set string) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.deployers[set], c.failure
}

func (c *catalogue) counted() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.renders
}

func specPolicy() approval.Policy {
	p := gatePolicy("prod")
	p.ApprovedSpec = true
	return p
}

const apps = "argocd/apps"

// parent is the Application that writes others.
func parent() approval.Application {
	a := application("apps")
	a.Server, a.DestinationNamespace, a.SpecDigest = inCluster, "argocd", "9a7e"
	return a
}

// specSetup is a gate that judges specs, with an approved landing that waits.
func specSetup(t *testing.T) (*setup, *catalogue) {
	t.Helper()
	s := newSetup(t)
	c := &catalogue{apps: s.argo, live: map[string]approval.LiveSpec{}, rendered: map[approval.SHA][]approval.RenderedSpec{}}
	s.specGate(c)
	s.hub.land(1)
	s.hub.approve(1, alice)
	return s, c
}

func (s *setup) specGate(c *catalogue) {
	s.t.Helper()
	s.gate.queue.ShutDown()
	s.gate = s.newGate(specPolicy())
	s.gate.specs = c
}

func (s *setup) adopt(app approval.Application) {
	s.t.Helper()
	_, err := orders.NewDesk(orders.Options{Record: s.store, Now: s.clock.now}).Give(s.t.Context(), nil, orders.Order{
		UID: app.UID, Act: history.ActPayload{
			Verb: history.VerbAdopt, Gate: "prod", Application: app.Key(), SpecDigest: app.SpecDigest,
			SpecFields: []approval.SpecField{{Path: "source.path", Digest: app.SpecDigest, Value: app.SpecDigest}},
			Person:     history.Person{Name: "ada", Via: history.ViaConsole}, Reason: "chart 4",
		},
	})
	require.NoError(s.t, err)
}

// finding is the newest decision's on the spec.
func (s *setup) finding(app string) approval.Finding {
	s.t.Helper()
	known, ok := s.gate.memory.get(app)
	require.True(s.t, ok)
	for _, f := range known.decision.Findings {
		if slices.Contains([]approval.Code{approval.CodeSpecApproved, approval.CodeSpecNotAdopted, approval.CodeSpecChanged, approval.CodeSpecUnknown}, f.Code) {
			return f
		}
	}
	require.Fail(s.t, "no finding on the spec", "%+v", known.decision.Findings)
	return approval.Finding{}
}

func (s *setup) reconcileApp(app string) time.Duration {
	s.t.Helper()
	again, err := s.gate.reconcile(s.t.Context(), Key{Application: app})
	require.NoError(s.t, err)
	return again
}

func TestSpecStory(t *testing.T) {
	t.Parallel()
	s, c := specSetup(t)
	s.reconciled()
	f := s.finding(payments)
	require.Equal(t, approval.CodeSpecNotAdopted, f.Code)
	require.Contains(t, f.Remedy, "gatekeeper adopt argocd/payments --by NAME --reason TEXT")
	require.Empty(t, s.intents())

	// An order for another digest, or another Application of that name, is none.
	other := application("payments")
	other.SpecDigest = "0000"
	s.adopt(other)
	s.reconciled()
	f = s.finding(payments)
	require.Equal(t, approval.CodeSpecChanged, f.Code)
	require.Contains(t, f.Text, "ada on 2026-11-21 (chart 4): source.path (was 0000, is 5bec)")
	other.UID, other.SpecDigest = "uid-of-another", "5bec"
	s.adopt(other)
	s.reconciled()
	require.Equal(t, approval.CodeSpecChanged, s.finding(payments).Code)
	require.Empty(t, s.intents())

	s.adopt(application("payments"))
	s.reconciled()
	require.Equal(t, approval.CodeSpecApproved, s.finding(payments).Code)
	require.Len(t, s.intents(), 1)
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()

	// Edited, and edited back.
	s.hub.land(2)
	s.hub.approve(2, alice)
	c.live[payments] = approval.LiveSpec{Writer: "kubectl-edit", WrittenAt: start.Add(time.Hour)}
	s.argo.edit(payments, func(a *approval.Application) { a.SpecDigest = "e511" })
	s.reconciled()
	f = s.finding(payments)
	require.Equal(t, approval.CodeSpecChanged, f.Code)
	require.Contains(t, f.Text, "source.path (was 5bec, is e511); kubectl-edit wrote to it last, on 2026-11-21T09:00:00Z")
	require.Len(t, s.intents(), 1)
	s.argo.edit(payments, func(a *approval.Application) { a.SpecDigest = "5bec" })
	s.reconciled()
	require.Equal(t, approval.CodeSpecApproved, s.finding(payments).Code)
	require.Len(t, s.intents(), 2)
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()

	// Deleted and made again: the same spec, and nothing gained.
	s.hub.land(3)
	s.hub.approve(3, alice)
	s.argo.edit(payments, func(a *approval.Application) { a.UID, a.Operation = "uid-2", nil })
	s.reconciled()
	f = s.finding(payments)
	require.Equal(t, approval.CodeSpecNotAdopted, f.Code)
	require.Contains(t, f.Text, "another Application of this name was adopted by ada on 2026-11-21 (chart 4), and has been deleted")
	require.Len(t, s.intents(), 2)
}

// TestAdoptedSpecCostsNothing: an adopted spec is found in the record alone.
func TestAdoptedSpecCostsNothing(t *testing.T) {
	t.Parallel()
	s, _ := specSetup(t)
	s.adopt(application("payments"))
	s.gate.specs = nil
	s.reconciled()
	require.Len(t, s.intents(), 1)
}

// TestSpecUnknown: what cannot be read is no approval.
func TestSpecUnknown(t *testing.T) {
	t.Parallel()
	s, _ := specSetup(t)
	s.gate.specs = nil
	_, err := s.reconcile()
	require.ErrorIs(t, err, errNoSpecs)
	known, _ := s.gate.memory.get(payments)
	require.Equal(t, approval.Unknown, known.decision.Verdict)
	require.NotEmpty(t, known.decision.Lines, "the rest was collected all the same")
	require.Empty(t, s.intents())
}

// TestAdoptionIsSuperseded: what was adopted before another spec was approved and
// deployed is no approval any more.
func TestAdoptionIsSuperseded(t *testing.T) {
	t.Parallel()
	s, c := family(t)
	old := application("payments")
	old.SpecDigest = "01d0"
	s.adopt(old)
	s.reconciled() // by the commit
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()
	s.argo.edit(payments, func(a *approval.Application) { a.SpecDigest = "01d0" })
	s.reconciled()
	f := s.finding(payments)
	require.Equal(t, approval.CodeSpecChanged, f.Code)
	require.Contains(t, f.Text, "the one that ada on 2026-11-21 (chart 4) adopted, and another one was approved and deployed since")

	s.adopt(old)
	s.reconciled()
	require.Equal(t, approval.CodeSpecApproved, s.finding(payments).Code)
	require.Equal(t, 1, c.counted())
}
