package gate

import (
	"context"
	"errors"
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

// family is a parent whose child is payments.
func family(t *testing.T) (*setup, *catalogue) {
	t.Helper()
	s, c := specSetup(t)
	root := parent()
	s.argo.apps[apps] = &root
	s.adopt(root)
	c.live[payments] = approval.LiveSpec{Parent: apps}
	c.rendered[sha(1)] = []approval.RenderedSpec{{Application: "argocd/other", Digest: "5bec"}, {Application: payments, Digest: "5bec"}}
	s.gate.WakeApplication(root)
	s.clock.advance(settledAfter)
	s.reconcileApp(apps) // #1 is approved, and synced
	require.Len(t, s.intents(), 1)
	return s, c
}

func TestSpecOfApprovedCommit(t *testing.T) {
	t.Parallel()
	s, c := family(t)
	s.reconciled()
	f := s.finding(payments)
	require.Equal(t, approval.CodeSpecApproved, f.Code)
	require.Contains(t, f.Text, "what an approved commit says: "+sha(1).Short()+" of acme/deploy, which argocd/apps renders")
	require.Len(t, s.intents(), 2)
	require.Equal(t, 1, c.counted())
	s.reconciled()
	require.Equal(t, 1, c.counted(), "the answer is remembered")

	s.argo.run(apps, phaseSucceeded)
	s.reconcileApp(apps)
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()

	// The next commit changes the child, and nobody has approved it yet.
	s.hub.land(2)
	c.rendered[sha(2)] = []approval.RenderedSpec{{Application: payments, Digest: "6bec"}}
	s.argo.edit(payments, func(a *approval.Application) { a.SpecDigest = "6bec" })
	s.reconcileApp(apps)
	s.reconciled()
	f = s.finding(payments)
	require.Equal(t, approval.CodeSpecNotAdopted, f.Code)
	require.Contains(t, f.Text, "it carries the mark of argocd/apps, but is not what that renders at "+sha(1).Short())
	require.Contains(t, f.Remedy, "commit it to what argocd/apps is rendered from")

	// The approval wakes the child by way of the parent.
	s.hub.approve(2, alice)
	s.queued()
	s.reconcileApp(apps)
	require.Contains(t, s.queued(), Key{Application: payments})
	s.reconciled()
	require.Equal(t, approval.CodeSpecApproved, s.finding(payments).Code)
	require.Equal(t, "6bec", s.argo.last().candidate.SpecDigest)

	// An older adoption does not bring back the spec from before.
	s.argo.run(payments, phaseSucceeded)
	s.argo.run(apps, phaseSucceeded)
	s.reconciled()
	s.reconcileApp(apps)
	s.argo.edit(payments, func(a *approval.Application) { a.SpecDigest = "5bec" })
	s.reconciled()
	require.Equal(t, approval.Blocked, s.finding(payments).Verdict)
}

// TestApprovedSpecIsSynced: a spec that is approved without a new commit is synced once,
// unless somebody rolled back to the one before.
func TestApprovedSpecIsSynced(t *testing.T) {
	t.Parallel()
	s, _ := specSetup(t)
	app := application("payments")
	s.adopt(app)
	s.reconciled()
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()
	require.Len(t, s.intents(), 1)

	app.SpecDigest = "6bec"
	s.argo.edit(payments, func(a *approval.Application) { a.SpecDigest = "6bec" })
	s.reconciled()
	require.Equal(t, approval.CodeSpecChanged, s.finding(payments).Code)
	require.Len(t, s.intents(), 1)
	s.adopt(app)
	s.reconciled()
	require.Len(t, s.intents(), 2)
	require.Equal(t, sha(1), s.argo.last().revision())
	s.argo.run(payments, phaseSucceeded)
	for range 3 {
		s.reconciled()
	}
	require.Len(t, s.intents(), 2, "once")

	last, err := s.gate.lastDeployed(t.Context(), app, standing{})
	require.NoError(t, err)
	known, _ := s.gate.memory.get(payments)
	d := known.decision
	d.Candidate.SpecDigest = "7bec"
	require.True(t, respecified(last, d))
	last.intent.Admitted = &history.Admission{User: "ada", Rollback: true}
	require.False(t, respecified(last, d))
	last.intent.Admitted, last.intent.Act = nil, "order"
	require.False(t, respecified(last, d))
	last.intent.Act, d.Findings = "", nil
	require.False(t, respecified(last, d), "a gate that does not judge specs")
	require.False(t, respecified(nil, known.decision))
}

// TestNewChildIsWoken: an Application that an approved sync of its parent has just
// marked changed in nothing that is a fact, and is judged again all the same.
func TestNewChildIsWoken(t *testing.T) {
	t.Parallel()
	s, c := family(t)
	c.live[payments] = approval.LiveSpec{}
	s.reconciled()
	require.Equal(t, approval.CodeSpecNotAdopted, s.finding(payments).Code)
	s.queued()
	c.live[payments] = approval.LiveSpec{Parent: apps}
	s.argo.run(apps, phaseSucceeded)
	s.reconcileApp(apps)
	require.Contains(t, s.queued(), Key{Application: payments})
	s.reconciled()
	require.Equal(t, approval.CodeSpecApproved, s.finding(payments).Code)
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

// TestParentsThatProveNothing: only an approved commit of a parent of the same gate
// counts, and only if it says exactly this.
func TestParentsThatProveNothing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(s *setup, c *catalogue)
		text   string
	}{
		"a forged mark": {func(_ *setup, c *catalogue) {
			c.live[payments] = approval.LiveSpec{Parent: "argocd/none"}
		}, "which does not exist"},
		"its own mark": {func(_ *setup, c *catalogue) {
			c.live[payments] = approval.LiveSpec{Parent: payments}
		}, "its own mark"},
		"no mark": {func(_ *setup, c *catalogue) {
			c.live[payments] = approval.LiveSpec{}
		}, "never adopted"},
		"a parent that the gate does not protect": {func(s *setup, _ *catalogue) {
			s.argo.edit(apps, func(a *approval.Application) { a.Project = "sandbox" })
		}, "gate prod does not protect"},
		"a parent of another gate": {func(s *setup, c *catalogue) {
			s.gate.queue.ShutDown()
			other := gatePolicy("other")
			other.Applications = []approval.Selector{{Project: "platform"}}
			s.gate = s.newGate(specPolicy(), other)
			s.gate.specs = c
			s.argo.edit(apps, func(a *approval.Application) { a.Project = "platform" })
		}, "gate prod does not protect"},
		"a parent of another cluster": {func(s *setup, _ *catalogue) {
			s.argo.edit(apps, func(a *approval.Application) { a.Server = "https://prod.example" })
		}, "deploys elsewhere"},
		"a parent of several sources": {func(s *setup, _ *catalogue) {
			s.argo.edit(apps, func(a *approval.Application) { a.MultiSource = true })
		}, "which has several sources"},
		"a parent that cannot be judged": {func(s *setup, _ *catalogue) {
			s.argo.edit(apps, func(a *approval.Application) { a.Unsupported = []string{"manifest-generate-paths"} })
		}, "cannot be judged"},
		"a parent whose spec was edited": {func(s *setup, _ *catalogue) {
			s.argo.edit(apps, func(a *approval.Application) { a.SpecDigest = "bad0" })
		}, "of which nothing was approved with the spec that it has"},
		"a parent that was made again": {func(s *setup, _ *catalogue) {
			s.argo.edit(apps, func(a *approval.Application) { a.UID = "uid-2" })
		}, "of which nothing was approved"},
		"another spec": {func(_ *setup, c *catalogue) {
			c.rendered[sha(1)] = []approval.RenderedSpec{{Application: payments, Digest: "6bec"}}
		}, "but is not what that renders"},
		"another name": {func(_ *setup, c *catalogue) {
			c.rendered[sha(1)] = []approval.RenderedSpec{{Application: "argocd/payment", Digest: "5bec"}}
		}, "but is not what that renders"},
		"rendered twice": {func(_ *setup, c *catalogue) {
			c.rendered[sha(1)] = []approval.RenderedSpec{{Application: payments, Digest: "5bec"}, {Application: payments, Digest: "6bec"}}
		}, "but is not what that renders"},
		"a policy that has changed since": {func(s *setup, c *catalogue) {
			s.gate.queue.ShutDown()
			p := specPolicy()
			p.Config.Requirements[0].Approvals = 2
			s.gate = s.newGate(p)
			s.gate.specs = c
		}, "of which nothing was approved"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := family(t)
			test.change(s, c)
			s.clock.advance(settledAfter)
			s.reconciled()
			require.Equal(t, approval.CodeSpecNotAdopted, s.finding(payments).Code)
			require.Contains(t, s.finding(payments).Text, test.text)
			require.Len(t, s.intents(), 1, "that of the parent")
		})
	}
}

// TestParentEditedMeanwhile: what was rendered while the parent's spec was another one
// counts for nothing, and neither does what was rendered just after.
func TestParentEditedMeanwhile(t *testing.T) {
	t.Parallel()
	s, c := family(t)
	c.onRender = func() { s.argo.edit(apps, func(a *approval.Application) { a.SpecDigest = "bad0" }) }
	_, err := s.reconcile()
	require.ErrorIs(t, err, approval.ErrStale)
	require.Len(t, s.intents(), 1)
	c.onRender = nil

	edited, back := parent(), parent()
	edited.SpecDigest = "bad0"
	s.argo.edit(apps, func(a *approval.Application) { a.SpecDigest = back.SpecDigest })
	s.gate.WakeApplication(edited)
	s.gate.WakeApplication(back)
	before := len(s.decisions())
	require.Equal(t, settledAfter, s.reconciled())
	require.Len(t, s.decisions(), before, "nothing is decided until then")
	require.Equal(t, 1, c.counted())
	s.clock.advance(settledAfter)
	s.reconciled()
	require.Equal(t, approval.CodeSpecApproved, s.finding(payments).Code)
}

// TestParentCannotBeRendered: the children do not ask one after the other.
func TestParentCannotBeRendered(t *testing.T) {
	t.Parallel()
	s, c := family(t)
	c.failure = errors.New("repo-server is down")
	for range 3 {
		_, err := s.reconcile()
		require.ErrorIs(t, err, c.failure)
		known, _ := s.gate.memory.get(payments)
		require.Equal(t, approval.Unknown, known.decision.Verdict)
	}
	require.Equal(t, 1, c.counted())
	c.failure = nil
	s.clock.advance(renderFailedFor)
	s.reconciled()
	require.Equal(t, approval.CodeSpecApproved, s.finding(payments).Code)
}

// TestFailedRenderingIsRemembered: however long it took to fail.
func TestFailedRenderingIsRemembered(t *testing.T) {
	t.Parallel()
	var r renderings
	now, renders := start, 0
	for range 4 {
		_, err := r.of(parent(), []approval.Revision{{SHA: sha(1)}}, func() time.Time { return now }, func() (*brood, error) {
			renders++
			now = now.Add(45 * time.Second)
			return nil, errors.New("no answer")
		})
		require.EqualError(t, err, "no answer")
	}
	require.Equal(t, 1, renders)
}

// TestRenderingsAreBounded: neither many revisions nor Applications that are gone fill
// the memory.
func TestRenderingsAreBounded(t *testing.T) {
	t.Parallel()
	var r renderings
	for i := range 3 * renderedKept {
		_, err := r.of(parent(), []approval.Revision{{SHA: sha(i)}}, func() time.Time { return start.Add(time.Duration(i)) }, func() (*brood, error) { return broodOf(nil), nil })
		require.NoError(t, err)
	}
	require.Len(t, r.answers, renderedKept)
	_, kept := r.known(renderingKey(parent(), []approval.Revision{{SHA: sha(3*renderedKept - 1)}}), start)
	require.True(t, kept)
	r.child("a", []string{"p"})
	r.child("b", []string{"q", "p"})
	r.seen(parent(), start)
	require.ElementsMatch(t, []string{"a", "b"}, r.children("p"))
	r.sweep(map[string]bool{"b": true}, nil)
	require.Equal(t, []string{"b"}, r.children("p"))
	require.Empty(t, r.specs)
}
