package enforce

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Objects are the live objects. Get returns nil for one that is not there; Apply is a
// server-side apply that takes over fields; Replace fails when live is not the
// present version; Watch returns when the context ends.
type Objects interface {
	Get(ctx context.Context, want *unstructured.Unstructured) (*unstructured.Unstructured, error)
	Apply(ctx context.Context, want *unstructured.Unstructured) (*unstructured.Unstructured, error)
	Replace(ctx context.Context, want, live *unstructured.Unstructured) (*unstructured.Unstructured, error)
	Watch(ctx context.Context, want *unstructured.Unstructured, changed func(), failed func(error)) error
}

// Certificates know which authorities the webhook configuration must have.
type Certificates interface {
	// Bundle is nil as long as there is no certificate.
	Bundle() []byte
	Changed() <-chan struct{}
	// Installed is told which bundle is live, nil for none.
	Installed(caBundle []byte)
}

// Options make an Enforcer.
type Options struct {
	Objects Objects
	// Render builds what should be live, in the order in which it is to be applied.
	// Kinds and names do not depend on the bundle.
	Render       func(caBundle []byte) ([]*unstructured.Unstructured, error)
	Certificates Certificates
	// Manage writes. Without it, drift is only told.
	Manage bool
	// May says whether this process writes now: of several replicas one does. Nil means
	// that it always does.
	May     func() bool
	Metrics *Metrics
	Logger  *slog.Logger
	// Resync is how often everything is compared without an event. Default 1 minute.
	Resync time.Duration
}

const (
	defaultResync = time.Minute
	firstRetry    = time.Second
	// Writes: writeBurst at once, then one per writeEvery, in case others undo them.
	writeBurst = 10
	writeEvery = 5 * time.Second
	// renewalWait is how long reading the certificate's Secret may take.
	renewalWait = 2 * time.Second
)

// Enforcer keeps the objects in place. Make it with New and call Run once.
type Enforcer struct {
	o      Options
	writes *rate.Limiter
	wake   chan struct{}

	// Only Run touches these.
	placed map[string]string // by kind: what was in place last
	told   map[string]string // by kind: what was logged last, to log it once

	mu      sync.Mutex
	once    bool // everything was in place once
	problem error
}

var errNotYet = errors.New("the objects of the enforcement have not been looked at yet")

// New makes an Enforcer.
func New(o Options) *Enforcer {
	if o.Resync == 0 {
		o.Resync = defaultResync
	}
	if o.May == nil {
		o.May = func() bool { return true }
	}
	return &Enforcer{
		o: o, writes: rate.NewLimiter(rate.Every(writeEvery), writeBurst), wake: make(chan struct{}, 1),
		placed: map[string]string{}, told: map[string]string{}, problem: errNotYet,
	}
}

// Ready says why the API server may not be asking yet. It is nil once the objects
// have been in place, and always when they are not managed.
func (e *Enforcer) Ready() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.once || !e.o.Manage || !e.o.May() {
		return nil
	}
	return fmt.Errorf("enforcement is not in place: %w", e.problem)
}

// Run keeps the objects in place until the context ends. What fails is logged and
// tried again.
func (e *Enforcer) Run(ctx context.Context) error {
	objects, err := e.o.Render(nil)
	if err != nil {
		return fmt.Errorf("render the enforcement: %w", err)
	}
	all, ctx := errgroup.WithContext(ctx)
	for _, want := range objects {
		all.Go(func() error {
			return e.o.Objects.Watch(ctx, want, e.changed, func(err error) {
				if ctx.Err() == nil {
					e.o.Logger.LogAttrs(ctx, slog.LevelError, "enforcement_watch_failed", slog.Any("error", err))
				}
			})
		})
	}
	all.Go(func() error {
		e.loop(ctx)
		return nil
	})
	return all.Wait()
}

// Wake has everything compared again, for example when May says something else.
func (e *Enforcer) Wake() { e.changed() }

func (e *Enforcer) changed() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

func (e *Enforcer) loop(ctx context.Context) {
	retry := firstRetry
	for {
		wait := e.o.Resync
		err := e.reconcile(ctx)
		if ctx.Err() != nil {
			return
		}
		e.settle(ctx, err)
		if err == nil {
			retry = firstRetry
		} else {
			wait = min(retry, e.o.Resync)
			retry *= 2
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-e.wake:
		case <-e.o.Certificates.Changed():
		}
		timer.Stop()
	}
}

// settle keeps the outcome, and logs a failure once until it changes.
func (e *Enforcer) settle(ctx context.Context, err error) {
	e.mu.Lock()
	e.problem = err
	first := err == nil && !e.once
	e.once = e.once || err == nil
	e.mu.Unlock()
	switch {
	case first:
		e.o.Logger.LogAttrs(ctx, slog.LevelInfo, "enforcement_in_place", slog.Bool("managed", e.o.Manage))
	case err != nil && (e.o.Manage && e.o.May() || !errors.Is(err, errDrift)):
		e.tell(ctx, "", slog.LevelError, "enforcement_failed", slog.String("error", err.Error()))
	default:
		delete(e.told, "")
	}
}

// tell logs unless the same was logged last under the key.
func (e *Enforcer) tell(ctx context.Context, key string, level slog.Level, event string, attrs ...slog.Attr) {
	text := event + slog.GroupValue(attrs...).String()
	if e.told[key] == text {
		return
	}
	e.told[key] = text
	e.o.Logger.LogAttrs(ctx, level, event, attrs...) //nolint:sloglint // one of three constants, of the callers
}

var (
	errNoBundle = errors.New("there is no certificate yet")
	errDrift    = errors.New("an object is not as it should be")
)

// reconcile brings every object in place, as far as it can.
func (e *Enforcer) reconcile(ctx context.Context) error {
	bundle := e.o.Certificates.Bundle()
	if bundle == nil {
		return errNoBundle
	}
	objects, err := e.o.Render(bundle)
	if err != nil {
		return fmt.Errorf("render the enforcement: %w", err)
	}
	var failed error
	for _, want := range objects {
		live, known, err := e.one(ctx, want)
		e.o.Metrics.set(want.GetKind(), err == nil)
		failed = errors.Join(failed, err)
		if want.GetKind() == kindWebhook && known {
			e.o.Certificates.Installed(bundleOf(live))
		}
	}
	return failed
}

// one brings one object in place and returns what is live then, nil for nothing, and
// whether that is known. After a write that failed it is what was live before.
func (e *Enforcer) one(ctx context.Context, want *unstructured.Unstructured) (live *unstructured.Unstructured, known bool, err error) {
	get, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if live, err = e.o.Objects.Get(get, want); err != nil {
		return nil, false, err
	}
	differences, err := Compare(want, live)
	if err != nil {
		return live, true, err
	}
	kind, content := want.GetKind(), show(contentOf(want))
	if len(differences) == 0 {
		e.placed[kind] = content
		delete(e.told, kind)
		e.warnings(ctx, live)
		return live, true, nil
	}
	attrs := []slog.Attr{slog.String("kind", kind), slog.String("name", want.GetName()), slog.Any("differences", texts(differences))}
	// It is drift when it was in place before, and this is what it should be still.
	drift := e.placed[kind] == content
	if drift && e.renewed(ctx, want, live) {
		return live, true, nil
	}
	manage := e.o.Manage && e.o.May()
	if drift && manage {
		e.o.Metrics.drift.WithLabelValues(kind).Inc()
		e.o.Logger.LogAttrs(ctx, slog.LevelWarn, "enforcement_drift", attrs...)
		delete(e.placed, kind) // told once, should the repair have to be tried again
	}
	if !manage {
		if drift && !e.o.Manage {
			e.o.Metrics.drift.WithLabelValues(kind).Inc()
			delete(e.placed, kind) // counted once
		}
		if !e.o.Manage { // else the replica that writes says so
			e.tell(ctx, kind, slog.LevelWarn, "enforcement_drift", attrs...)
		}
		return live, true, fmt.Errorf("%w: %s %s: %s", errDrift, kind, want.GetName(), differences[0])
	}
	if err := e.writes.Wait(ctx); err != nil {
		return live, true, fmt.Errorf("wait to write %s: %w", kind, err)
	}
	written, err := e.write(ctx, want, live)
	if err != nil {
		return live, true, err
	}
	e.placed[kind] = content
	if !drift {
		e.o.Logger.LogAttrs(ctx, slog.LevelInfo, "enforcement_applied", attrs...)
	}
	return written, true, nil
}

// renewed says whether the live bundle differs because another replica has begun to
// renew the certificate, which this one has not seen yet: then it must not be taken
// back. What is live is told, upon which the certificates are looked at again.
func (e *Enforcer) renewed(ctx context.Context, want, live *unstructured.Unstructured) bool {
	if want.GetKind() != kindWebhook || live == nil || bytes.Equal(bundleOf(want), bundleOf(live)) {
		return false
	}
	e.o.Certificates.Installed(bundleOf(live))
	wait := time.NewTimer(renewalWait)
	defer wait.Stop()
	select {
	case <-e.o.Certificates.Changed():
		e.changed() // look again with the new bundle
		return true
	case <-wait.C:
		return false
	case <-ctx.Done():
		return true
	}
}

// write applies an object, and replaces what the apply leaves of others. That can
// make the apply itself invalid: a binding's Warn, put there by somebody else, stays
// beside our Deny, which Kubernetes does not permit (seen with 1.34, 2026-11-21).
func (e *Enforcer) write(ctx context.Context, want, before *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*requestTimeout)
	defer cancel()
	live, err := e.o.Objects.Apply(ctx, want)
	switch {
	case err != nil && before != nil && apierrors.IsInvalid(err):
		live = before
	case err != nil:
		return nil, err
	}
	differences, err := Compare(want, live)
	if err != nil || len(differences) == 0 {
		return live, err
	}
	if live, err = e.o.Objects.Replace(ctx, want, live); err != nil {
		return nil, err
	}
	if differences, err = Compare(want, live); err != nil || len(differences) == 0 {
		return live, err
	}
	return live, fmt.Errorf("%w after it was written: %s %s: %s", errDrift, want.GetKind(), want.GetName(), differences[0])
}

// warnings tells what the API server says about the policy's expressions.
func (e *Enforcer) warnings(ctx context.Context, live *unstructured.Unstructured) {
	found, _, _ := unstructured.NestedSlice(live.Object, "status", "typeChecking", "expressionWarnings")
	if len(found) == 0 {
		delete(e.told, "warnings")
		return
	}
	e.tell(ctx, "warnings", slog.LevelWarn, "enforcement_type_warnings", slog.String("name", live.GetName()), slog.String("warnings", show(found)))
}

func contentOf(o *unstructured.Unstructured) map[string]any {
	out := map[string]any{}
	for _, key := range contentKeys(o.Object) {
		out[key] = o.Object[key]
	}
	return out
}

func texts(differences []Difference) []string {
	out := make([]string, len(differences))
	for i, d := range differences {
		out[i] = d.String()
	}
	return out
}
