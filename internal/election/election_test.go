package election

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	coordination "k8s.io/client-go/kubernetes/typed/coordination/v1"
)

// server keeps Leases as the API server does: a write is bound to the version that was read.
type server struct {
	coordination.LeaseInterface

	mu    sync.Mutex
	lease *coordinationv1.Lease
	n     int64
}

// leases is how one replica reaches the server; it can be cut off.
type leases struct {
	*server

	mu  sync.Mutex
	cut bool
}

var errCut = errors.New("connection refused")

func (l *leases) Leases(string) coordination.LeaseInterface { return l }

func (l *leases) sever(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
}

func (l *leases) reach() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		return errCut
	}
	return nil
}

func resource() schema.GroupResource {
	return schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}
}

func (l *leases) Get(_ context.Context, name string, _ metav1.GetOptions) (*coordinationv1.Lease, error) {
	if err := l.reach(); err != nil {
		return nil, err
	}
	l.server.mu.Lock()
	defer l.server.mu.Unlock()
	if l.lease == nil {
		return nil, apierrors.NewNotFound(resource(), name)
	}
	return l.lease.DeepCopy(), nil
}

func (l *leases) Create(_ context.Context, lease *coordinationv1.Lease, _ metav1.CreateOptions) (*coordinationv1.Lease, error) {
	return l.write(lease, func() error {
		if l.lease != nil {
			return apierrors.NewAlreadyExists(resource(), lease.Name)
		}
		return nil
	})
}

func (l *leases) Update(_ context.Context, lease *coordinationv1.Lease, _ metav1.UpdateOptions) (*coordinationv1.Lease, error) {
	return l.write(lease, func() error {
		if l.lease == nil || l.lease.ResourceVersion != lease.ResourceVersion {
			return apierrors.NewConflict(resource(), lease.Name, errors.New("it was written since"))
		}
		return nil
	})
}

func (l *leases) write(lease *coordinationv1.Lease, check func() error) (*coordinationv1.Lease, error) {
	if err := l.reach(); err != nil {
		return nil, err
	}
	l.server.mu.Lock()
	defer l.server.mu.Unlock()
	if err := check(); err != nil {
		return nil, err
	}
	l.n++
	l.lease = lease.DeepCopy()
	l.lease.ResourceVersion = time.Duration(l.n).String()
	return l.lease.DeepCopy(), nil
}

// part is one replica's.
type part struct {
	*Election
	leases  *leases
	metrics *Metrics

	mu    sync.Mutex
	unfit error
	// worked is closed once its work has ended; drain keeps it from ending.
	worked, drain chan struct{}
	began         chan time.Time
	ended         chan error
	stop          context.CancelFunc
}

func (p *part) fit(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.unfit
}

func (p *part) be(unfit error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unfit = unfit
}

// join makes a replica take part.
func join(t *testing.T, s *server, identity string) *part {
	t.Helper()
	p := &part{
		leases: &leases{server: s}, metrics: NewMetrics(), worked: make(chan struct{}), drain: make(chan struct{}),
		began: make(chan time.Time, 1), ended: make(chan error, 1),
	}
	var err error
	p.Election, err = New(Options{
		Leases: p.leases, Namespace: "gatekeeper", Name: "gatekeeper", Identity: identity, Fit: p.fit, Metrics: p.metrics,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)).With(slog.String("replica", identity)),
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	p.stop = cancel
	go func() {
		p.ended <- p.Run(ctx, func(ctx context.Context) error {
			p.began <- time.Now()
			<-ctx.Done()
			<-p.drain
			close(p.worked)
			return nil
		})
	}()
	t.Cleanup(cancel)
	return p
}

// pair is a replica that leads, and one that would.
func pair(t *testing.T) (first, second *part) {
	t.Helper()
	s := &server{}
	first = join(t, s, "first")
	first.leads()
	return first, join(t, s, "second")
}

// quit lets a replica end, and says with which error it did.
func (p *part) quit() error {
	close(p.drain)
	p.stop()
	return <-p.ended
}

// leads waits until a replica leads, and says since when.
func (p *part) leads() time.Time { return <-p.began }

// gauge reads a metric.
func gauge(t *testing.T, c prometheus.Collector, name string) float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	require.NoError(t, registry.Register(c))
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	require.Fail(t, "there is no metric "+name)
	return 0
}

// TestTakeover: one leads, and when it is cut off from the API server another one does
// within the promised time, after the first one has stopped to act.
func TestTakeover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := pair(t)
		third := join(t, first.leases.server, "third")
		time.Sleep(30 * time.Second)
		require.NoError(t, first.Leads())
		require.InDelta(t, 1, gauge(t, first.metrics, "gatekeeper_leader"), 0)
		for _, p := range []*part{second, third} {
			require.ErrorIs(t, p.Leads(), ErrFollows)
			require.NoError(t, p.Led())
			require.InDelta(t, 0, gauge(t, p.metrics, "gatekeeper_leader"), 0)
		}

		cut := time.Now()
		first.leases.sever(true)
		require.ErrorIs(t, <-first.ended, ErrLost)
		lost := time.Now()
		require.ErrorIs(t, first.Leads(), ErrFollows)
		var next *part
		var began time.Time
		select {
		case began = <-second.began:
			next = second
		case began = <-third.began:
			next = third
		}
		require.NoError(t, next.Leads())
		require.True(t, lost.Before(began), "the first one gave up before")
		require.LessOrEqual(t, began.Sub(cut), DefaultTimes().Takeover())
		require.LessOrEqual(t, DefaultTimes().Takeover(), 15*time.Second)
		select {
		case <-first.worked:
			require.Fail(t, "Run has waited for the work of one that lost")
		default:
		}
		for _, p := range []*part{first, second, third} {
			close(p.drain)
			p.stop()
		}
		synctest.Wait()
	})
}

// TestStaleLease: the moment at which a leader does not act any more comes before the one
// at which another may take its Lease, whether it notices or not.
func TestStaleLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		var offset time.Duration
		var mu sync.Mutex
		l := &leases{server: s}
		e, err := New(Options{
			Leases: l, Namespace: "gatekeeper", Name: "gatekeeper", Identity: "zombie", Logger: slog.New(slog.DiscardHandler),
			Fit: func(context.Context) error { return nil },
			Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return time.Now().Round(0).Add(offset) },
		})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		led, ended := make(chan struct{}), make(chan error, 1)
		go func() {
			ended <- e.Run(ctx, func(ctx context.Context) error { close(led); <-ctx.Done(); return nil })
		}()
		<-led
		require.NoError(t, e.Leads())
		mu.Lock()
		offset = DefaultTimes().Renew // the process was stopped for as long
		mu.Unlock()
		require.ErrorIs(t, e.Leads(), ErrFollows)
		require.ErrorContains(t, e.Leads(), "its Lease was renewed 5")
		require.Less(t, DefaultTimes().Renew, DefaultTimes().Lease)
		cancel()
		require.NoError(t, <-ended)
	})
}

// TestReleased: a replica that is asked to end keeps the Lease until its work has ended, and
// then another one leads at once.
func TestReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := pair(t)
		time.Sleep(5 * time.Second)
		first.stop()
		time.Sleep(30 * time.Second) // longer than the Lease
		require.NoError(t, first.Leads(), "what was begun is finished")
		require.ErrorIs(t, second.Leads(), ErrFollows)
		ended := time.Now()
		close(first.drain)
		require.NoError(t, <-first.ended)
		s := first.leases.server
		s.mu.Lock()
		require.Empty(t, *s.lease.Spec.HolderIdentity, "given up before Run returns")
		s.mu.Unlock()
		<-first.worked
		require.Less(t, second.leads().Sub(ended), 3*time.Second)
		require.NoError(t, second.quit())
	})
}

// TestUnfit: a leader that cannot do the work gives the Lease up, and who cannot do it does
// not take it.
func TestUnfit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := pair(t)
		second.be(errors.New("the record cannot be read"))
		time.Sleep(5 * time.Second)

		first.be(errors.New("the record cannot be read"))
		time.Sleep(2 * time.Second)
		first.be(nil)
		time.Sleep(20 * time.Second)
		require.NoError(t, first.Leads(), "a short time without it does no harm")

		unfit := time.Now()
		first.be(errors.New("the record cannot be read"))
		require.ErrorIs(t, <-first.ended, ErrLost)
		require.LessOrEqual(t, time.Since(unfit), DefaultTimes().Renew+2*DefaultTimes().Retry)
		time.Sleep(time.Minute)
		require.ErrorIs(t, second.Leads(), ErrFollows, "nobody can")
		require.ErrorIs(t, second.Led(), ErrNobody)
		fit := time.Now()
		second.be(nil)
		require.Less(t, second.leads().Sub(fit), 3*time.Second)
		require.NoError(t, second.Led())
		close(first.drain)
		require.NoError(t, second.quit())
	})
}

// TestNeverLed: who ends before it led has nothing to give up.
func TestNeverLed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := join(t, &server{}, "only")
		require.ErrorIs(t, p.Led(), ErrNobody)
		p.leases.sever(true)
		require.NoError(t, p.quit())
		require.ErrorIs(t, p.Leads(), ErrFollows)
	})
}

// TestNobodyRenews: a Lease that its holder renews no more is nobody's, although nobody
// takes it.
func TestNobodyRenews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := pair(t)
		second.be(errors.New("the record cannot be read"))
		time.Sleep(5 * time.Second)
		require.NoError(t, second.Led())
		require.WithinDuration(t, time.Now(), second.Renewed(), 3*time.Second)
		first.leases.sever(true)
		cut := time.Now()
		time.Sleep(time.Minute)
		require.ErrorIs(t, second.Led(), ErrNobody)
		require.ErrorContains(t, second.Led(), "first has not renewed")
		require.False(t, second.Renewed().After(cut.Add(3*time.Second)))
		// That is what the alert sees: neither says that it leads.
		for _, p := range []*part{first, second} {
			require.InDelta(t, 0, gauge(t, p.metrics, "gatekeeper_leader"), 0)
		}
		for _, p := range []*part{first, second} {
			if err := p.quit(); err != nil {
				require.ErrorIs(t, err, ErrLost)
			}
		}
	})
}
