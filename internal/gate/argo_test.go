package gate

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// request is a sync that reached the API server, and what became of it.
type request struct {
	intent    string
	candidate approval.Candidate
	by        string
	version   string
	app       string
	// stored is true once the API server took it; phase is how it ended.
	stored bool
	phase  string
	// partial and dryRun are what people ask for; began is when the controller began.
	partial, dryRun bool
	began           time.Time
	// admittedAs is the intent that was recorded for a person's.
	admittedAs string
	// arriveBy is when the API server gives up, zero for never.
	arriveBy time.Time
}

func (r request) revision() approval.SHA {
	if len(r.candidate.Revisions) == 0 {
		return ""
	}
	return r.candidate.Revisions[0].SHA
}

// argo is Kubernetes with Argo CD's controller, as far as the gate can tell:
// every write gives a new resource version, a sync is bound to the one it was
// decided on, and an operation is requested, running and finished by explicit
// steps. argosync and the sandbox test the real one.
type argo struct {
	clock *clock

	mu   sync.Mutex
	apps map[string]*approval.Application
	// current is the newest that was stored.
	current *request
	// log holds all syncs that were stored, oldest first.
	log []*request
	// flying are requests whose sender gave up, and that may still arrive.
	flying []*request
	gets   int
	// onStore is asked by the API server before it stores a sync.
	onStore func(r *request, before approval.Application) error
	// sync decides about the fate of a request, store puts it into effect.
	onSync func(store func() error, hold func()) error
	onGet  func()
	// window is what SyncAllowed answers.
	window    string
	windowErr error
	asked     int
}

func newArgo(c *clock, apps ...approval.Application) *argo {
	a := &argo{clock: c, apps: map[string]*approval.Application{}}
	for _, app := range apps {
		a.apps[app.Key()] = &app
	}
	return a
}

func (a *argo) Get(_ context.Context, namespace, name string) (approval.Application, error) {
	a.mu.Lock()
	a.gets++
	app, ok := a.apps[namespace+"/"+name]
	var copied approval.Application
	if ok {
		copied = clone(*app)
	}
	hook := a.onGet
	a.mu.Unlock()
	if hook != nil {
		hook()
	}
	if !ok {
		return approval.Application{}, fmt.Errorf("get %s/%s: %w", namespace, name, approval.ErrNotFound)
	}
	return copied, nil
}

// clone shares nothing with the object that is changed later.
func clone(app approval.Application) approval.Application {
	if app.Operation != nil {
		app.Operation = new(*app.Operation)
	}
	app.Sources, app.Deployed = slices.Clone(app.Sources), slices.Clone(app.Deployed)
	return app
}

func (a *argo) List() []approval.Application {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []approval.Application
	for _, app := range a.apps {
		out = append(out, clone(*app))
	}
	return out
}

func (a *argo) Sync(_ context.Context, r approval.Release) error {
	if !r.Valid() {
		return approval.ErrNotAllowed
	}
	sent := &request{
		intent: r.Intent(), candidate: r.Candidate(), by: r.InitiatedBy(),
		version: r.Application().ResourceVersion, app: r.Application().Key(),
	}
	store := func() error { return a.store(sent) }
	hold := func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.flying = append(a.flying, sent)
	}
	a.mu.Lock()
	fate := a.onSync
	a.mu.Unlock()
	if fate != nil {
		return fate(store, hold)
	}
	return store()
}

func (a *argo) SyncAllowed(context.Context, approval.Application) (bool, string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	return a.window == "", a.window, a.windowErr
}

// store is the API server: the resource version is the lock.
//
// A write is admitted against the stored object, and what changes meanwhile makes it
// fail (k8s.io/apiserver, registry/generic/registry/store.go, Update).
func (a *argo) store(r *request) error {
	if a.onStore != nil {
		if before := a.live(r.app); before.ResourceVersion == r.version {
			if err := a.onStore(r, before); err != nil {
				return err
			}
		}
	}
	return a.put(r)
}

// put is store after admission.
func (a *argo) put(r *request) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	app, ok := a.apps[r.app]
	switch {
	case !ok:
		return fmt.Errorf("sync %s: %w", r.app, approval.ErrNotFound)
	case app.ResourceVersion != r.version:
		return fmt.Errorf("sync %s: %w", r.app, approval.ErrStale)
	}
	app.Operation = &approval.Operation{
		Intent: r.intent, Requested: true, InitiatedBy: r.by, Revisions: shas(r.candidate), DryRun: r.dryRun, Partial: r.partial,
	}
	a.current = r
	bump(app)
	r.stored = true
	a.log = append(a.log, r)
	return nil
}

// arrive lets the oldest request that its sender gave up arrive after all.
func (a *argo) arrive() bool {
	a.mu.Lock()
	if len(a.flying) == 0 {
		a.mu.Unlock()
		return false
	}
	r := a.flying[0]
	a.flying = a.flying[1:]
	a.mu.Unlock()
	switch {
	case r.arriveBy.IsZero():
		return a.store(r) == nil
	case a.clock.now().After(r.arriveBy):
		return false
	default:
		return a.put(r) == nil // it was admitted before
	}
}

func shas(c approval.Candidate) []string {
	var out []string
	for _, r := range c.Revisions {
		out = append(out, string(r.SHA))
	}
	return out
}

func bump(app *approval.Application) {
	n, err := strconv.Atoi(app.ResourceVersion)
	if err != nil {
		panic(err)
	}
	app.ResourceVersion = strconv.Itoa(n + 1)
}

// edit is a write by somebody else.
func (a *argo) edit(key string, change func(app *approval.Application)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	app := a.apps[key]
	change(app)
	bump(app)
}

// pick lets the controller begin with what is requested.
func (a *argo) pick(key string) {
	a.edit(key, func(app *approval.Application) {
		if app.Operation != nil && app.Operation.Requested && app.Operation.Phase == "" {
			app.Operation.Phase, app.Operation.StartedAt = "Running", a.clock.now()
			if a.current != nil {
				a.current.began = a.clock.now()
			}
		}
	})
}

// finish lets the controller end what is running. Only a success makes an entry
// of the history, of which the newest ten are kept.
func (a *argo) finish(key, phase string) {
	a.edit(key, func(app *approval.Application) {
		op := app.Operation
		if op == nil || op.Phase != "Running" {
			return
		}
		op.Phase, op.Requested, op.FinishedAt = phase, false, a.clock.now()
		if phase == phaseSucceeded && !op.DryRun && !op.Partial {
			app.Deployed = append(app.Deployed, approval.DeployedRevision{
				ID: int64(len(app.Deployed)), Revisions: op.Revisions,
				StartedAt: op.StartedAt, DeployedAt: op.FinishedAt, InitiatedBy: op.InitiatedBy,
			})
			app.Deployed = app.Deployed[max(0, len(app.Deployed)-10):]
		}
		if a.current != nil {
			a.current.phase = phase
		}
	})
}

// run is pick and finish.
func (a *argo) run(key, phase string) {
	a.pick(key)
	a.finish(key, phase)
}

// foreign is a sync that somebody else asked for in Argo CD's UI.
func (a *argo) foreign(key string, revision approval.SHA) {
	a.edit(key, func(app *approval.Application) {
		a.current = nil
		app.Operation = &approval.Operation{Requested: true, InitiatedBy: "mallory", Revisions: []string{string(revision)}}
	})
}

func (a *argo) live(key string) approval.Application {
	a.mu.Lock()
	defer a.mu.Unlock()
	return clone(*a.apps[key])
}

// stored is a copy of the log.
func (a *argo) stored() []request {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []request
	for _, r := range a.log {
		out = append(out, *r)
	}
	return out
}

func (a *argo) last() request {
	log := a.stored()
	if len(log) == 0 {
		return request{}
	}
	return log[len(log)-1]
}

// reads counts how often an Application was read.
func (a *argo) reads() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.gets
}
