package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/util/workqueue"

	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/internal/tracing"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Gate reconciles Applications and pull requests. Make it with New; all methods
// are safe for concurrent use.
type Gate struct {
	inForce   atomic.Pointer[rules]
	enacted   enacted
	running   atomic.Bool
	apps      Applications
	collector Collector
	closures  Closures
	specs     Specs
	record    history.Record
	// book is what people ordered.
	book      *orders.Book
	reporter  Reporter
	followers []Follower
	observers []Observer
	rollouts  rollouts
	reviews   reviews
	stalls    stalls
	asks      asks
	log       *slog.Logger
	metrics   *Metrics
	tracer    *tracing.Tracer
	now       func() time.Time
	workers   int
	resync    time.Duration

	queue   workqueue.TypedRateLimitingInterface[Key]
	waiting *arrivals // in queue
	// raced counts how often in a row somebody else was faster.
	raced   workqueue.TypedRateLimiter[Key]
	memory  memory
	names   names
	tickets tickets
	// causes are the spans that woke keys.
	causes  tracing.Causes[Key]
	waits   patience
	denials *denials
	// warnOnly: see Options.
	warnOnly bool
	// reverter may be nil; reverts are the rollbacks whose pull requests are known.
	reverter Reverter
	reverts  reverts
	// onDenied may be nil.
	onDenied func(ctx context.Context, application, uid, text string)
	// previews may be nil.
	previews     Previews
	previewsMost int
	// rendered is what parents of Applications are rendered to.
	rendered renderings
	// contents are what Applications are rendered from, for reports.
	contents contents
	debts    debts
	open     *openPulls
	// sharing are the Applications of which all that woke them was the same event.
	sharing sharing
	// operations are those that are on record; began is when this process did.
	operations operationsKnown
	began      atomic.Pointer[time.Time]
	// leadership and shared: see Options; own are the entries of this process, following
	// is what it knows from another one.
	leadership Leadership
	shared     Shared
	own        own
	grew       chan struct{}
	following  following
	observe    time.Duration
	// reporting has room for the reports that may be under way at once.
	reporting chan struct{}
}

// New makes a Gate.
func New(o Options) *Gate {
	g := &Gate{
		apps: o.Applications, collector: o.Collector, closures: o.Closures, specs: o.Specs, record: o.Record, book: orders.NewBook(o.Record), reporter: o.Reporter,
		followers: o.Followers, observers: o.Observers,
		log: o.Logger, metrics: o.Metrics, tracer: o.Tracer, now: o.Now, workers: o.Workers, resync: o.Resync,
		denials: newDenials(), warnOnly: o.WarnOnly, onDenied: o.OnDenied, reverter: o.Reverter, previews: o.Previews, previewsMost: o.PreviewsMost,
	}
	g.inForce.Store(newRules(o.Rules, history.CauseStart))
	if g.now == nil {
		g.now = time.Now
	}
	began := g.now()
	g.began.Store(&began)
	g.leadership, g.shared = o.Leadership, o.Shared
	g.grew = make(chan struct{}, 1)
	if g.observe = o.Observe; g.observe == 0 {
		g.observe = observeByDefault
	}
	if g.workers == 0 {
		g.workers = 4
	}
	if g.resync == 0 {
		g.resync = 5 * time.Minute
	}
	g.waiting = &arrivals{now: g.now, waited: g.metrics.waited}
	g.queue = newQueue(g.waiting)
	g.raced = workqueue.NewTypedItemExponentialFailureRateLimiter[Key](50*time.Millisecond, time.Minute)
	g.debts.store, g.debts.log = o.Debts, o.Logger
	g.open = newOpenPulls(g.rules(), o.Judgements, o.Logger)
	g.reporting = make(chan struct{}, max(1, g.workers/2))
	g.metrics.watch(g.queued, g.Outdated, g.oldest)
	return g
}

// Run reconciles until the context ends, then lets running work finish: a
// reconcile that has recorded its intent is not cut off before it has acted.
//
// Before anything else the record is told by which policies is judged from here on, if it
// has others. A Gate that runs is the one that decides.
func (g *Gate) Run(ctx context.Context) error {
	var head history.Head
	if g.leadership != nil {
		g.lead()
		var err error
		if head, err = g.record.Head(ctx); err != nil {
			return fmt.Errorf("read the record's head: %w", err)
		}
	}
	g.running.Store(true)
	defer g.running.Store(false)
	if err := g.enactAll(ctx); err != nil {
		g.queue.ShutDown()
		return nil // stopped before there was anything to do
	}
	g.WakeAll()
	g.wakeLeftOver(ctx)
	var group errgroup.Group
	group.Go(func() error {
		g.tellOwed(ctx)
		return nil
	})
	for range g.workers {
		group.Go(func() error {
			for g.next(ctx) {
			}
			return nil
		})
	}
	group.Go(func() error {
		if g.leadership == nil {
			g.tellDenials(ctx)
		}
		return nil
	})
	group.Go(func() error {
		if g.leadership != nil {
			g.followRecord(ctx, head)
		}
		return nil
	})
	group.Go(func() error {
		g.refresh(ctx)
		return nil
	})
	group.Go(func() error {
		defer g.queue.ShutDown() // ends what waits to be added, which draining does not
		defer g.queue.ShutDownWithDrain()
		tick := time.NewTicker(g.resync)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
				g.wakeWithin(g.resync * 9 / 10)
				g.wakeLeftOver(ctx)
			}
		}
	})
	return group.Wait()
}

// reconcileTimeout bounds one reconcile, so that a hanging peer cannot keep a
// key for ever.
const reconcileTimeout = 2 * time.Minute

// next reconciles one key; false when the queue has shut down.
func (g *Gate) next(ctx context.Context) bool {
	key, shutdown := g.queue.Get()
	if shutdown {
		return false
	}
	defer g.queue.Done(key)
	if ctx.Err() != nil {
		return true // drained without work: deliveries stay in the inbox
	}
	leave, ok := g.enter(key)
	if !ok {
		return true
	}
	defer leave()
	tickets, owed := g.tickets.take(key), g.debts.newest(key)
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), reconcileTimeout)
	defer cancel()
	causes := g.causes.Take(key)
	work, span := g.tracer.Reconcile(served(work, tickets), key.kind(), causes)
	defer span.End()
	key.describe(span)

	start := g.now()
	again, err := g.reconcile(work, key)
	g.metrics.reconciled(key, err, g.now().Sub(start))
	if err != nil {
		span.Fail(err)
		g.causes.GiveBack(key, causes)
		g.giveBack(work, key, tickets)
		g.retry(work, key, err)
		return true
	}
	g.queue.Forget(key)
	g.raced.Forget(key)
	if again > 0 {
		g.queue.AddAfter(key, again)
	}
	g.debts.paid(work, key, owed)
	if again > 0 && key.Group.Head != "" {
		// Nothing but its delivery names a merge group, so that stays until the group is
		// told to the end.
		g.giveBack(work, key, tickets)
		return true
	}
	for _, t := range tickets {
		t.done(work)
	}
	return true
}

func (g *Gate) giveBack(ctx context.Context, key Key, back []*ticket) {
	for _, t := range g.tickets.giveBack(key, back) {
		t.done(ctx)
	}
}

func (g *Gate) reconcile(ctx context.Context, key Key) (again time.Duration, err error) {
	if key.Pull != 0 {
		return g.reconcilePull(ctx, key)
	}
	if key.Group.Head != "" {
		return g.reconcileGroup(ctx, key)
	}
	defer g.share(ctx, key.Application)
	return g.reconcileApplication(ctx, key)
}

// retry puts a failed key back: when the peer said how long to wait, exactly
// then, else with exponential back-off.
func (g *Gate) retry(ctx context.Context, key Key, err error) {
	attrs := key.attrs(slog.Any("error", err))
	if errors.Is(err, errNotEnacted) {
		// It may last: another process may decide by another configuration.
		g.metrics.retried(retryPolicy)
		g.log.LogAttrs(ctx, slog.LevelWarn, "policy_not_on_record", attrs...)
		g.queue.AddAfter(key, g.raced.When(key))
		return
	}
	if errors.Is(err, approval.ErrStale) || errors.Is(err, errRaced) {
		// Somebody else was faster; look again at once, but not for ever: each time
		// an intent may be left behind in the record.
		g.metrics.retried(retryRaced)
		g.log.LogAttrs(ctx, slog.LevelDebug, "reconcile_raced", attrs...)
		g.queue.AddAfter(key, g.raced.When(key))
		return
	}
	if errors.Is(err, approval.ErrLater) {
		g.metrics.retried(retryLater)
		g.log.LogAttrs(ctx, slog.LevelDebug, "report_postponed", attrs...)
		g.queue.AddAfter(key, max(retryAfter(err), time.Millisecond))
		return
	}
	if wait := retryAfter(err); wait > 0 {
		g.metrics.retried(retryAsked)
		g.log.LogAttrs(ctx, slog.LevelWarn, "reconcile_postponed", append(attrs, slog.Duration("wait", wait))...)
		g.queue.AddAfter(key, wait)
		return
	}
	g.metrics.retried(retryFailed)
	g.log.LogAttrs(ctx, slog.LevelWarn, "reconcile_failed", append(attrs, slog.Int("attempts", g.queue.NumRequeues(key)+1))...)
	g.queue.AddRateLimited(key)
}

// retryAfter finds the wait that a peer asked for.
func retryAfter(err error) time.Duration {
	var asked interface{ RetryAfter() time.Duration }
	if errors.As(err, &asked) {
		return asked.RetryAfter()
	}
	return 0
}

// policiesFor returns the policies that protect an Application.
func (g *Gate) policiesFor(a approval.Application) []approval.Policy {
	return g.rules().protecting(a)
}
