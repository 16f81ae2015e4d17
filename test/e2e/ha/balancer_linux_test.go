package ha

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// probeEvery is how often a balancer looks which replicas answer.
const (
	probeEvery = 200 * time.Millisecond
	probeLimit = 2 * time.Second
	dialLimit  = time.Second
)

// backend is one replica behind a balancer.
type backend struct {
	address, ready string
	up             bool
	open           map[net.Conn]bool
}

// balancer passes connections on to the replicas that are ready, as a Service does. It ends
// the connections to one that is not ready any more.
type balancer struct {
	listener net.Listener
	work     sync.WaitGroup
	probe    *http.Client

	mu       sync.Mutex
	backends []*backend
	// only restricts it to some of the backends; nil for all.
	only map[*backend]bool
	next int
}

// usable says whether connections go to a backend. The mutex is held.
func (b *balancer) usable(one *backend) bool {
	return one.up && (b.only == nil || b.only[one])
}

// balance listens at an address for backends, of which ready are the URLs that say that
// they are.
func balance(t *testing.T, address string, backends, ready []string) *balancer {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	require.NoError(t, err)
	b := &balancer{listener: listener, probe: &http.Client{Timeout: probeLimit, Transport: &http.Transport{DisableKeepAlives: true}}}
	for i := range backends {
		b.backends = append(b.backends, &backend{address: backends[i], ready: ready[i], open: map[net.Conn]bool{}})
	}
	ctx, cancel := context.WithCancel(t.Context())
	for i := range b.backends {
		b.work.Go(func() { b.watch(ctx, i) })
	}
	b.work.Go(func() { b.accept(ctx) })
	t.Cleanup(func() {
		cancel()
		_ = listener.Close()
		b.mu.Lock()
		for _, one := range b.backends {
			one.cut()
		}
		b.mu.Unlock()
		b.work.Wait()
	})
	return b
}

// restrict lets connections through to some backends alone, and ends the others'; without
// any to all.
func (b *balancer) restrict(to ...int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.only = nil
	for _, i := range to {
		if b.only == nil {
			b.only = map[*backend]bool{}
		}
		b.only[b.backends[i]] = true
	}
	for _, one := range b.backends {
		if b.only != nil && !b.only[one] {
			one.cut()
		}
	}
}

func (b *backend) cut() {
	for c := range b.open {
		_ = c.Close()
	}
}

func (b *balancer) watch(ctx context.Context, i int) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		up := b.ready(ctx, b.backends[i].ready)
		b.mu.Lock()
		b.backends[i].up = up
		if !up {
			b.backends[i].cut()
		}
		b.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (b *balancer) ready(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := b.probe.Do(req)
	if err != nil {
		return false
	}
	return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
}

func (b *balancer) accept(ctx context.Context) {
	for {
		from, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.work.Go(func() { b.pass(ctx, from) })
	}
}

// errNobody says that no replica is ready.
var errNobody = errors.New("no replica is ready")

func (b *balancer) pass(ctx context.Context, from net.Conn) {
	defer func() { _ = from.Close() }()
	to, one, err := b.dial(ctx)
	if err != nil {
		return
	}
	b.mu.Lock()
	one.open[from], one.open[to] = true, true
	usable := b.usable(one) // it may have been excluded while it was dialled
	b.mu.Unlock()
	if usable {
		join(from, to)
	} else {
		_ = to.Close()
	}
	b.mu.Lock()
	delete(one.open, from)
	delete(one.open, to)
	b.mu.Unlock()
}

// join passes on what each of two connections says to the other until both have ended; the
// end of one ends the other.
func join(from, to net.Conn) {
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(from, to)
		_ = from.Close()
	})
	_, _ = io.Copy(to, from)
	_ = to.Close()
	back.Wait()
}

func (b *balancer) dial(ctx context.Context) (net.Conn, *backend, error) {
	for range len(b.backends) {
		b.mu.Lock()
		var one *backend
		for range len(b.backends) {
			b.next = (b.next + 1) % len(b.backends)
			if candidate := b.backends[b.next]; b.usable(candidate) {
				one = candidate
				break
			}
		}
		b.mu.Unlock()
		if one == nil {
			return nil, nil, errNobody
		}
		conn, err := (&net.Dialer{Timeout: dialLimit}).DialContext(ctx, "tcp", one.address)
		if err == nil {
			return conn, one, nil
		}
		b.mu.Lock()
		one.up = false
		b.mu.Unlock()
	}
	return nil, nil, errNobody
}

// line is a TCP connection to the database that can be cut.
type line struct {
	listener net.Listener
	target   string // a Unix socket
	work     sync.WaitGroup

	mu    sync.Mutex
	parts bool
	open  map[net.Conn]bool
}

func newLine(t *testing.T, target string) *line {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := &line{listener: listener, target: target, open: map[net.Conn]bool{}}
	l.work.Go(func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			l.work.Go(func() { l.pass(from) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		l.cut(true)
		l.work.Wait()
	})
	return l
}

func (l *line) port() int { return l.listener.Addr().(*net.TCPAddr).Port }

func (l *line) pass(from net.Conn) {
	defer func() { _ = from.Close() }()
	to, err := (&net.Dialer{Timeout: dialLimit}).Dial("unix", l.target)
	if err != nil {
		return
	}
	defer func() { _ = to.Close() }()
	l.mu.Lock()
	parts := l.parts
	l.open[from], l.open[to] = true, true
	l.mu.Unlock()
	if !parts {
		join(from, to)
	}
	l.mu.Lock()
	delete(l.open, from)
	delete(l.open, to)
	l.mu.Unlock()
}

// cut ends all connections and refuses others, or lets them through again.
func (l *line) cut(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.parts = cut
	if cut {
		for c := range l.open {
			_ = c.Close()
		}
	}
}
