package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Examination is a decision with what it was made of.
type Examination struct {
	Policy   approval.Policy
	Facts    approval.Facts
	Decision approval.Decision
}

// Examiner decides as a Gate does, but records nothing, syncs nothing and tells
// nobody. The record is read for what was deployed last.
type Examiner struct {
	Policies     []approval.Policy
	Applications interface {
		Get(ctx context.Context, namespace, name string) (approval.Application, error)
	}
	Collector Collector
	Closures  Closures
	// Images may be nil when no gate has an image quorum.
	Images Images
	// Specs may be nil when no gate asks for approved specs.
	Specs  Specs
	Record history.Reader
	// Logger may be nil: then what could not be read, and is no part of a decision, is not
	// told.
	Logger *slog.Logger
}

// ErrNotProtected is returned for an Application that no gate protects.
var ErrNotProtected = errors.New("no gate protects the Application")

// Examine collects the facts of one Application ("namespace/name") now and
// decides. Facts that could not be collected are in the examination's decision,
// as they are in a Gate's.
func (e Examiner) Examine(ctx context.Context, application string) (Examination, error) {
	log := e.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	g := &Gate{
		apps: examined{e.Applications}, collector: e.Collector, closures: e.Closures, specs: e.Specs,
		record: readOnly{e.Record}, book: orders.NewBook(e.Record), log: log, now: time.Now,
	}
	g.inForce.Store(newRules(Rules{Policies: e.Policies, Images: e.Images}, history.CauseStart))
	namespace, name := splitKey(application)
	app, err := e.Applications.Get(ctx, namespace, name)
	if err != nil {
		return Examination{}, fmt.Errorf("read application %s: %w", application, err)
	}
	policies := g.policiesFor(app)
	switch {
	case len(policies) == 0:
		return Examination{}, fmt.Errorf("%s: %w", application, ErrNotProtected)
	case len(policies) > 1:
		return Examination{}, fmt.Errorf("%s is protected by several gates, so it is blocked: %s", application, gateNames(policies))
	}
	ordered, err := g.readStanding(ctx, app)
	if err != nil {
		return Examination{}, err
	}
	last, err := g.lastDeployed(ctx, app, ordered)
	if err != nil {
		return Examination{}, err
	}
	facts, err := g.collect(ctx, policies[0], app, last, ordered, false)
	// Nobody has watched the Application's parent: it is seen for the first time now.
	if wait, _ := unready(err); wait > 0 && rest(ctx, wait) {
		facts, err = g.collect(ctx, policies[0], app, last, ordered, false)
	}
	if err != nil && ctx.Err() != nil {
		return Examination{}, fmt.Errorf("collect facts of %s: %w", application, err)
	}
	live, err := g.liveOperation(ctx, app)
	if err != nil {
		return Examination{}, err
	}
	facts.Ungated = ungated(live, last)
	return Examination{Policy: policies[0], Facts: facts, Decision: approval.Explain(policies[0], facts)}, nil
}

// rest waits, and says whether the context lasted.
func rest(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// readOnly is a record to which nothing can be appended.
type readOnly struct{ history.Reader }

var errReadOnly = errors.New("the record is open for reading alone")

func (readOnly) Append(context.Context, history.Head, ...history.Draft) (history.Head, error) {
	return history.Head{}, errReadOnly
}

// examined are Applications of which none is synced.
type examined struct {
	reader interface {
		Get(ctx context.Context, namespace, name string) (approval.Application, error)
	}
}

func (e examined) Get(ctx context.Context, namespace, name string) (approval.Application, error) {
	return e.reader.Get(ctx, namespace, name)
}

func (examined) List() []approval.Application { return nil }

func (examined) Sync(context.Context, approval.Release) error { return errReadOnly }

func (examined) Nudge(context.Context, string, string) error { return errReadOnly }

func (examined) SyncAllowed(context.Context, approval.Application) (bool, string, error) {
	return false, "", errReadOnly
}
