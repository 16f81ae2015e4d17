package election

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordination "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// Times of the Lease. Another replica leads at the latest Lease + 2 × 2.2 × Retry after the
// last renewal of one that died: client-go looks after Retry and up to 1.2 times that more
// (leaderelection.JitterFactor), once to see the last renewal, and once to see that none
// came.
type Times struct {
	// Lease is how long it holds without a renewal.
	Lease time.Duration
	// Renew is how long a leader tries to renew before it gives up, and how old its last
	// renewal may be for it to act.
	Renew time.Duration
	// Retry is how often it renews, and how often others look.
	Retry time.Duration
}

// DefaultTimes bound a takeover to 12.4 seconds, at one request a second of each replica.
func DefaultTimes() Times {
	return Times{Lease: 8 * time.Second, Renew: 5 * time.Second, Retry: time.Second}
}

// Takeover is how long nobody may lead after the last renewal of a leader that died.
func (t Times) Takeover() time.Duration {
	look := time.Duration(float64(t.Retry) * (1 + leaderelection.JitterFactor))
	return t.Lease + 2*look
}

var (
	// ErrLost says that the Lease was lost. What this process has begun may be begun by
	// another one, so it has to end.
	ErrLost = errors.New("this replica leads no more: it could not renew its Lease in time")
	// ErrFollows says that this replica does not lead.
	ErrFollows = errors.New("this replica does not lead")
	// ErrNobody says that no replica is known to lead.
	ErrNobody = errors.New("no replica leads")
)

// Options make an Election.
type Options struct {
	// Leases are those of Kubernetes.
	Leases coordination.LeasesGetter
	// Namespace and Name are those of the Lease.
	Namespace, Name string
	// Identity is this process's alone, also after a restart.
	Identity string
	// Times default to DefaultTimes.
	Times Times
	// Fit says why this process could not do the work. It is asked before each renewal
	// and before the Lease is taken, and has until the context ends.
	Fit     func(ctx context.Context) error
	Metrics *Metrics
	Logger  *slog.Logger
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Election is one process's part in it. Make it with New and call Run once; the other
// methods are safe for concurrent use.
type Election struct {
	o       Options
	elector *leaderelection.LeaderElector
	lock    *lock
	terms   chan struct{}

	mu      sync.Mutex
	leading bool
}

// New makes an Election and no request.
func New(o Options) (*Election, error) {
	if o.Times == (Times{}) {
		o.Times = DefaultTimes()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	e := &Election{o: o, terms: make(chan struct{}, 1)}
	e.lock = &lock{
		Interface: &resourcelock.LeaseLock{
			LeaseMeta: metav1.ObjectMeta{Namespace: o.Namespace, Name: o.Name}, Client: o.Leases,
			LockConfig: resourcelock.ResourceLockConfig{Identity: o.Identity},
		},
		o: o,
	}
	var err error
	e.elector, err = leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: e.lock, LeaseDuration: o.Times.Lease, RenewDeadline: o.Times.Renew, RetryPeriod: o.Times.Retry,
		ReleaseOnCancel: true, Name: o.Name,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { e.terms <- struct{}{} },
			OnStoppedLeading: func() {},
			OnNewLeader: func(identity string) {
				o.Logger.LogAttrs(context.Background(), slog.LevelInfo, "leader_changed", slog.String("leader", identity), slog.Bool("self", identity == o.Identity))
			},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("set up the election: %w", err)
	}
	return e, nil
}

// Run takes part until the context ends. Once this process leads, lead is called; its
// context ends with that of Run, or when the Lease was lost.
//
// When the context of Run ends, the Lease is renewed until lead has returned, and then
// given up, so that another replica begins only when this one has ended. When the Lease was
// lost, Run returns ErrLost at once and does not wait for lead.
func (e *Election) Run(ctx context.Context, lead func(context.Context) error) error {
	campaign, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	stopped := make(chan struct{})
	e.o.Logger.LogAttrs(ctx, slog.LevelInfo, "campaigning", slog.String("lease", e.o.Namespace+"/"+e.o.Name), slog.String("identity", e.o.Identity))
	go func() {
		defer close(stopped)
		e.elector.Run(campaign)
	}()
	select {
	case <-ctx.Done():
		end()
		<-stopped
		return nil
	case <-stopped:
		return ErrLost // so soon that nothing was begun
	case <-e.terms:
	}
	e.set(true)
	e.o.Logger.LogAttrs(ctx, slog.LevelInfo, "leading", slog.String("lease", e.o.Namespace+"/"+e.o.Name), slog.String("identity", e.o.Identity))
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- lead(work) }()
	select {
	case err := <-done:
		e.set(false)
		end()
		<-stopped
		e.o.Logger.LogAttrs(ctx, slog.LevelInfo, "leadership_released", slog.String("identity", e.o.Identity))
		return err
	case <-stopped:
		e.set(false)
		e.o.Logger.LogAttrs(ctx, slog.LevelError, "leadership_lost", slog.String("identity", e.o.Identity))
		return ErrLost
	}
}

func (e *Election) set(leading bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.leading = leading
	e.o.Metrics.lead(leading)
}

// Leads is nil while this process leads and has renewed the Lease so lately that nobody
// else can have it. Otherwise the error wraps ErrFollows.
func (e *Election) Leads() error {
	e.mu.Lock()
	leading := e.leading
	e.mu.Unlock()
	if !leading {
		return ErrFollows
	}
	if age := e.lock.age(); age >= e.o.Times.Renew {
		return fmt.Errorf("%w for certain: its Lease was renewed %s ago", ErrFollows, age.Round(time.Millisecond))
	}
	return nil
}

// Renewed is when a renewal of whoever leads was noticed last; the zero time for never. A
// leader renews only what it is fit for.
func (e *Election) Renewed() time.Time {
	e.lock.mu.Lock()
	defer e.lock.mu.Unlock()
	if e.lock.seen.HolderIdentity == "" {
		return time.Time{}
	}
	return e.lock.at
}

// Led is nil while some replica is seen to lead. Otherwise the error wraps ErrNobody.
func (e *Election) Led() error { return e.lock.held() }
