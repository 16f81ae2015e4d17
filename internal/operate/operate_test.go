package operate_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/console"
	"github.com/argo-gatekeeper/gatekeeper/internal/operate"
	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

var now = time.Date(2026, time.November, 21, 8, 0, 0, 0, time.UTC)

const full = "8f14e45fceea167a5a36dedd4bea2543b1b2c3d4"

// world is Argo CD, GitHub and a gate, as far as an operator asks them.
type world struct {
	t        *testing.T
	operator *operate.Operator
	store    *sqlite.Store
	apps     map[string]approval.Application
	appsErr  error
	teams    approval.Directory
	teamsErr error
	// judged is what the gate says; nil takes what was asked for.
	judged *approval.Decision
	tried  []approval.Override
	woken  []string
	past   []history.Deployment
	// stands says how Applications stand whose gate syncs on command.
	stands   map[string]approval.Awaited
	policies []approval.Policy
}

func (w *world) Get(_ context.Context, namespace, name string) (approval.Application, error) {
	if w.appsErr != nil {
		return approval.Application{}, w.appsErr
	}
	a, ok := w.apps[namespace+"/"+name]
	if !ok {
		return a, fmt.Errorf("get: %w", approval.ErrNotFound)
	}
	return a, nil
}

func (w *world) Teams(context.Context, []approval.TeamName) (approval.Directory, error) {
	return w.teams, w.teamsErr
}

func (w *world) Try(_ context.Context, _ string, o approval.Override) (approval.Decision, error) {
	w.tried = append(w.tried, o)
	if w.judged != nil {
		return *w.judged, nil
	}
	return approval.Decision{
		Verdict: approval.Allowed, Candidate: o.Candidate, Override: o.ID,
		Findings: []approval.Finding{{Code: approval.CodeBreakGlassUsed, Verdict: approval.Allowed, Children: []approval.Finding{{Code: approval.CodeHoldActive}}}},
	}, nil
}

func newWorld(t *testing.T) *world {
	t.Helper()
	store, err := sqlite.Create(t.Context(), filepath.Join(t.TempDir(), "record.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	w := &world{t: t, store: store, apps: map[string]approval.Application{}}
	add := func(name, project string) {
		w.apps["argocd/"+name] = approval.Application{
			UID: "uid-" + name, Namespace: "argocd", Name: name, Project: project, SpecDigest: "spec",
			Sources: []approval.Source{{Kind: approval.SourceGit, Repository: "acme/env"}},
		}
	}
	add("shop", "prod")
	add("pay", "prod")
	add("free", "dev")
	add("torn", "both")
	w.teams = approval.Directory{Teams: []approval.Team{
		{Name: "acme/sre", Members: []approval.User{{ID: 1, Login: "alice", Type: approval.UserTypePerson}}},
		{Name: "acme/oncall", Members: []approval.User{{ID: 5, Login: "erin", Type: approval.UserTypePerson}}},
	}}
	requirement := approval.Quorum{Requirements: []approval.Requirement{{Approvals: 1, Teams: []approval.TeamName{"acme/sre"}, Users: []string{"zoe"}}}}
	w.policies = []approval.Policy{
		{Gate: "prod", Config: requirement, Applications: []approval.Selector{{Project: "prod"}, {Project: "both"}},
			BreakGlass: &approval.BreakGlass{Named: approval.Named{Teams: []approval.TeamName{"acme/oncall"}}, ReviewBy: 24 * time.Hour, ValidFor: time.Hour}},
		{Gate: "stage", Config: requirement, Applications: []approval.Selector{{Project: "both"}, {Project: "stage"}}},
	}
	w.operator = operate.New(operate.Options{
		Policies:     func() []approval.Policy { return w.policies },
		Applications: w, People: w, Judge: w, Waiting: w, History: w, Numbers: w,
		Desk: orders.NewDesk(orders.Options{Record: store, Now: func() time.Time { return now }}),
		Wake: func(_ context.Context, a string) { w.woken = append(w.woken, a) }, WakeAll: func() { w.woken = append(w.woken, "all") },
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	return w
}

func (w *world) call(verb string, in, out any) error {
	return w.operator.Verbs().Call(w.t.Context(), verb, in, out)
}

func (w *world) refused(err error, code console.Code, says string) {
	w.t.Helper()
	var e *console.Error
	require.ErrorAs(w.t, err, &e)
	require.Equal(w.t, code, e.Code, e.Text)
	require.Contains(w.t, e.Error(), says)
}

var shop = operate.Target{Application: "argocd/shop"}

func TestHoldAndRelease(t *testing.T) {
	w := newWorld(t)
	var one, whole operate.Held
	require.NoError(t, w.call(operate.VerbHold, operate.HoldRequest{Target: shop, By: "alice", Reason: "incident", For: 2 * time.Hour}, &one))
	require.NoError(t, w.call(operate.VerbHold, operate.HoldRequest{Target: operate.Target{Gate: "prod"}, By: "bob", Reason: "audit"}, &whole))
	require.Equal(t, now.Add(2*time.Hour), one.Expires)
	require.Zero(t, whole.Expires)
	require.Equal(t, []string{"argocd/shop", "all"}, w.woken)

	var all operate.Overview
	require.NoError(t, w.call(operate.VerbHolds, operate.Nothing{}, &all))
	require.Equal(t, []operate.Held{one, whole}, all.Holds)

	var released operate.Released
	w.refused(w.call(operate.VerbRelease, operate.ReleaseRequest{Target: operate.Target{Application: "argocd/pay"}, By: "x", Reason: "y"}, &released), console.CodeNotFound, "the whole gate prod is held")
	require.NoError(t, w.call(operate.VerbRelease, operate.ReleaseRequest{Target: shop, By: "bob", Reason: "over"}, &released))
	require.Equal(t, []operate.Held{one}, released.Released)
	w.refused(w.call(operate.VerbRelease, operate.ReleaseRequest{Hold: one.ID, By: "bob", Reason: "over"}, &released), console.CodeNotFound, "no hold "+one.ID+" is in force")
	require.NoError(t, w.call(operate.VerbRelease, operate.ReleaseRequest{Hold: whole.ID, By: "bob", Reason: "over"}, &released))
	require.NoError(t, w.call(operate.VerbHolds, operate.Nothing{}, &all))
	require.Empty(t, all.Holds)
	w.refused(w.call(operate.VerbRelease, operate.ReleaseRequest{Target: operate.Target{Gate: "prod"}, By: "bob", Reason: "over"}, &released), console.CodeNotFound, "gate prod is not held")
}

func TestHoldRefused(t *testing.T) {
	w := newWorld(t)
	for name, tc := range map[string]struct {
		request operate.HoldRequest
		code    console.Code
		says    string
	}{
		"nothing":         {operate.HoldRequest{By: "a", Reason: "b"}, console.CodeInvalid, "no Application and no gate"},
		"both":            {operate.HoldRequest{Target: operate.Target{Application: "argocd/shop", Gate: "prod"}, By: "a", Reason: "b"}, console.CodeInvalid, "or about both"},
		"no name":         {operate.HoldRequest{Target: operate.Target{Application: "shop"}, By: "a", Reason: "b"}, console.CodeInvalid, "not NAMESPACE/NAME"},
		"no Application":  {operate.HoldRequest{Target: operate.Target{Application: "argocd/x"}, By: "a", Reason: "b"}, console.CodeNotFound, "there is no Application"},
		"no gate":         {operate.HoldRequest{Target: operate.Target{Gate: "x"}, By: "a", Reason: "b"}, console.CodeNotFound, "there is no gate"},
		"not protected":   {operate.HoldRequest{Target: operate.Target{Application: "argocd/free"}, By: "a", Reason: "b"}, console.CodeRefused, "no gate protects"},
		"two gates":       {operate.HoldRequest{Target: operate.Target{Application: "argocd/torn"}, By: "a", Reason: "b"}, console.CodeRefused, "several gates"},
		"no person":       {operate.HoldRequest{Target: shop, Reason: "b"}, console.CodeInvalid, "name is missing"},
		"no reason":       {operate.HoldRequest{Target: shop, By: "a"}, console.CodeInvalid, "reason is missing"},
		"for and until":   {operate.HoldRequest{Target: shop, By: "a", Reason: "b", For: time.Hour, Until: now.Add(time.Hour)}, console.CodeInvalid, "give one of both"},
		"over already":    {operate.HoldRequest{Target: shop, By: "a", Reason: "b", Until: now}, console.CodeInvalid, "ended already"},
		"negative":        {operate.HoldRequest{Target: shop, By: "a", Reason: "b", For: -time.Hour}, console.CodeInvalid, "ended already"},
		"longer than all": {operate.HoldRequest{Target: shop, By: "a", Reason: "b", For: 9000 * time.Hour}, console.CodeInvalid, "longer than"},
	} {
		w.t = t
		w.refused(w.call(operate.VerbHold, tc.request, &operate.Held{}), tc.code, tc.says)
		_ = name
	}
	acts, err := w.store.Acts(t.Context())
	require.NoError(t, err)
	require.Empty(t, acts)
	require.Empty(t, w.woken)
	w.appsErr = errors.New("no answer")
	require.ErrorContains(t, w.call(operate.VerbHold, operate.HoldRequest{Target: shop, By: "a", Reason: "b"}, &operate.Held{}), "no answer")
}

// TestProvenIdentity: who comes by a comment may hold if the gate says so, and by
// default if they may approve.
func TestProvenIdentity(t *testing.T) {
	w := newWorld(t)
	hold := func(p history.Person) error {
		p.Via = history.ViaComment
		_, err := w.operator.Hold(t.Context(), p, operate.HoldRequest{Target: shop, Reason: "b"})
		return err
	}
	require.NoError(t, hold(history.Person{Name: "alice", ID: 1}))
	require.NoError(t, hold(history.Person{Name: "Zoe", ID: 26}))
	w.refused(hold(history.Person{Name: "alice", ID: 2}), console.CodeRefused, "may not hold") // another account of that name
	w.refused(hold(history.Person{Name: "erin", ID: 5}), console.CodeRefused, "may not hold")
	w.refused(hold(history.Person{Name: "zoe"}), console.CodeRefused, "may not hold") // not proven
	w.teamsErr = errors.New("GitHub does not answer")
	require.ErrorContains(t, hold(history.Person{Name: "alice", ID: 1}), "does not answer")
	w.teamsErr = nil

	glass := func(p history.Person) error {
		p.Via = history.ViaComment
		_, err := w.operator.BreakGlass(t.Context(), p, operate.BreakGlassRequest{Application: "argocd/shop", Revisions: []string{full}, Reason: "b"})
		return err
	}
	w.refused(glass(history.Person{Name: "alice", ID: 1}), console.CodeRefused, "may not break the glass")
	require.NoError(t, glass(history.Person{Name: "erin", ID: 5}))
}

func TestBreakGlassAndReview(t *testing.T) {
	w := newWorld(t)
	request := operate.BreakGlassRequest{Application: "argocd/shop", Revisions: []string{full}, By: "erin", Reason: "outage"}
	var broken operate.Broken
	require.NoError(t, w.call(operate.VerbBreakGlass, request, &broken))
	require.Equal(t, now.Add(time.Hour), broken.Expires)
	require.Equal(t, now.Add(24*time.Hour), broken.ReviewBy)
	require.Equal(t, approval.CodeHoldActive, broken.Overrides[0].Code)
	require.Equal(t, approval.Candidate{UID: "uid-shop", SpecDigest: "spec", Revisions: []approval.Revision{{Repository: "acme/env", SHA: full}}}, w.tried[0].Candidate)
	require.Equal(t, "erin", w.tried[0].Person)
	require.Equal(t, []string{"argocd/shop"}, w.woken)

	var all operate.Overview
	require.NoError(t, w.call(operate.VerbHolds, operate.Nothing{}, &all))
	require.Len(t, all.BreakGlass, 1)

	var g operate.Glass
	w.refused(w.call(operate.VerbReview, operate.ReviewRequest{BreakGlass: broken.ID, By: "@Erin", Reason: "fine"}, &g), console.CodeRefused, "cannot review that")
	w.refused(w.call(operate.VerbReview, operate.ReviewRequest{BreakGlass: "x", By: "bob", Reason: "fine"}, &g), console.CodeNotFound, "there is no use")
	require.NoError(t, w.call(operate.VerbReview, operate.ReviewRequest{BreakGlass: broken.ID, By: "bob", Reason: "fine"}, &g))
	w.refused(w.call(operate.VerbReview, operate.ReviewRequest{BreakGlass: broken.ID, By: "carol", Reason: "fine"}, &g), console.CodeChanged, "was reviewed by bob")
	require.NoError(t, w.call(operate.VerbHolds, operate.Nothing{}, &all))
	require.Empty(t, all.BreakGlass)
}

func TestBreakGlassRefused(t *testing.T) {
	w := newWorld(t)
	base := operate.BreakGlassRequest{Application: "argocd/shop", Revisions: []string{full}, By: "erin", Reason: "outage"}
	try := func(change func(*operate.BreakGlassRequest)) error {
		r := base
		change(&r)
		return w.call(operate.VerbBreakGlass, r, &operate.Broken{})
	}
	w.refused(try(func(r *operate.BreakGlassRequest) { r.Revisions = nil }), console.CodeInvalid, "0 revisions are given for 1 sources")
	w.refused(try(func(r *operate.BreakGlassRequest) { r.Revisions = []string{"main"} }), console.CodeInvalid, "not a full commit SHA")
	w.refused(try(func(r *operate.BreakGlassRequest) { r.Revisions = []string{full, full} }), console.CodeInvalid, "2 revisions")
	w.refused(try(func(r *operate.BreakGlassRequest) { r.Application = "argocd/free" }), console.CodeRefused, "no gate protects")
	w.refused(try(func(r *operate.BreakGlassRequest) { r.For = 2 * time.Hour }), console.CodeInvalid, "longer than 1h0m0s")
	w.refused(try(func(r *operate.BreakGlassRequest) { r.Reason = "" }), console.CodeInvalid, "reason is missing")
	require.Empty(t, w.tried)

	for name, tc := range map[string]struct {
		decision approval.Decision
		says     string
	}{
		"void": {approval.Decision{Verdict: approval.Blocked, Findings: []approval.Finding{
			{Code: approval.CodeBreakGlassVoid, Verdict: approval.Blocked, Text: "break-glass this order of mallory is void: mallory is not one of acme/oncall"}}}, "break-glass by mallory is void"},
		"automated": {approval.Decision{Verdict: approval.Blocked, Findings: []approval.Finding{
			{Code: approval.CodeHoldActive, Verdict: approval.Blocked, Text: "held"},
			{Code: approval.CodeApplicationAuto, Verdict: approval.Blocked, Text: "it syncs itself"}}}, "does not override this: it syncs itself"},
		"allowed without": {approval.Decision{Verdict: approval.Allowed, Candidate: approval.Candidate{UID: "uid-shop", Revisions: []approval.Revision{{SHA: full}}}}, "does not help here"},
	} {
		w.judged = &tc.decision
		w.refused(try(func(*operate.BreakGlassRequest) {}), console.CodeRefused, tc.says)
		_ = name
	}
	acts, err := w.store.Acts(t.Context())
	require.NoError(t, err)
	require.Empty(t, acts)

	alone := operate.New(operate.Options{
		Policies: func() []approval.Policy {
			return []approval.Policy{
				{Gate: "prod", Applications: []approval.Selector{{Project: "prod"}}, BreakGlass: &approval.BreakGlass{ValidFor: time.Hour, ReviewBy: time.Hour}},
				{Gate: "dev", Applications: []approval.Selector{{Project: "dev"}}},
			}
		},
		Applications: w, Desk: orders.NewDesk(orders.Options{Record: w.store}), Logger: slog.New(slog.DiscardHandler),
	})
	w.refused(alone.Verbs().Call(t.Context(), operate.VerbBreakGlass, base, &operate.Broken{}), console.CodeRefused, "start gatekeeper serve")
	base.Application = "argocd/free"
	w.refused(alone.Verbs().Call(t.Context(), operate.VerbBreakGlass, base, &operate.Broken{}), console.CodeRefused, "gate dev has no break-glass")
}

func TestPermit(t *testing.T) {
	w := newWorld(t)
	var p operate.Permitted
	require.NoError(t, w.call(operate.VerbPermit, operate.PermitRequest{Application: "argocd/shop", Permit: "delete", By: "alice", Reason: "moved", For: time.Hour}, &p))
	require.Equal(t, now.Add(time.Hour), p.Expires)
	w.refused(w.call(operate.VerbPermit, operate.PermitRequest{Application: "argocd/shop", Permit: "edit", By: "alice", Reason: "moved", For: time.Hour}, &p), console.CodeInvalid, "none of delete, leave")
	w.refused(w.call(operate.VerbPermit, operate.PermitRequest{Application: "argocd/shop", Permit: "leave", By: "alice", Reason: "moved"}, &p), console.CodeInvalid, "has no end")
	w.refused(w.call(operate.VerbPermit, operate.PermitRequest{Application: "argocd/shop", Permit: "leave", By: "alice", Reason: "moved", For: 48 * time.Hour}, &p), console.CodeInvalid, "longer than")
	standing, err := orders.NewBook(w.store).Standing(t.Context())
	require.NoError(t, err)
	_, ok := standing.Permit("uid-shop", history.PermitDelete, now)
	require.True(t, ok)
}
