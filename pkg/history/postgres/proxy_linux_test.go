package postgres_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// direction is which way bytes go.
type direction int

const (
	toServer direction = iota
	toClient
)

// how says what a cut does.
type how int

const (
	// reset ends both connections; the server does not get what was not passed on.
	reset how = iota
	// late ends the client's connection. The server gets what the client had sent after
	// a while.
	late
	// stall ends nothing: nothing is passed on any more, either way, until release.
	stall
)

// cut is what happens to a connection after it has passed on so many bytes more.
type cut struct {
	direction direction
	after     int
	how       how
}

// proxy passes connections on to a server and cuts them.
type proxy struct {
	t        testing.TB
	target   string
	listener net.Listener
	work     sync.WaitGroup

	mu       sync.Mutex
	links    []*link
	released chan struct{}
	refusing bool
}

// lateness is how long a network keeps what it delivers after all.
const lateness = 60 * time.Millisecond

// newProxy listens on loopback, for a server on a Unix socket.
func newProxy(t testing.TB, target string) *proxy {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{t: t, target: target, listener: listener, released: make(chan struct{})}
	p.work.Go(p.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		p.release()
		for _, l := range p.all() {
			l.end()
		}
		p.work.Wait()
	})
	return p
}

func (p *proxy) port() int { return p.listener.Addr().(*net.TCPAddr).Port }

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		server, err := net.Dial("unix", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		l := &link{client: client.(*net.TCPConn), server: server.(*net.UnixConn), released: p.currentRelease, done: make(chan struct{})}
		p.mu.Lock()
		refusing := p.refusing
		if !refusing {
			p.links = append(p.links, l)
		}
		p.mu.Unlock()
		if refusing {
			l.end()
			continue
		}
		p.work.Go(l.run)
	}
}

func (p *proxy) all() []*link {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*link(nil), p.links...)
}

func (p *proxy) currentRelease() chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.released
}

// refuse ends all connections and takes no others, until admit.
func (p *proxy) refuse() {
	p.mu.Lock()
	p.refusing = true
	p.mu.Unlock()
	for _, l := range p.all() {
		l.end()
	}
}

// admit takes connections again.
func (p *proxy) admit() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusing = false
}

// release lets everything go on that has stalled.
func (p *proxy) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.released)
	p.released = make(chan struct{})
}

// arm sets a cut on the connections that are there now, and records what passes.
func (p *proxy) arm(c cut) {
	for _, l := range p.all() {
		l.mu.Lock()
		l.cut, l.armed = c, true
		l.passed = [2]bytes.Buffer{}
		l.mu.Unlock()
	}
}

// settle waits until the connections that were there have ended, and the server has
// done with them.
func (p *proxy) settle(t testing.TB) {
	t.Helper()
	links := p.all()
	for _, l := range links {
		select {
		case <-l.done:
		case <-time.After(patience):
			require.Fail(t, "a connection does not end")
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.links = p.links[len(links):]
}

// link is one connection through the proxy.
type link struct {
	client   *net.TCPConn
	server   *net.UnixConn
	released func() chan struct{}
	done     chan struct{}

	mu     sync.Mutex
	cut    cut
	armed  bool
	passed [2]bytes.Buffer
	// over is set once the cut was made: nothing goes to the client any more.
	over bool
}

func (l *link) end() {
	_ = l.client.Close()
	_ = l.server.Close()
}

func (l *link) run() {
	var both sync.WaitGroup
	both.Go(func() {
		l.pass(l.client, l.server, toServer)
		_ = l.server.CloseWrite()
	})
	both.Go(func() {
		l.pass(l.server, l.client, toClient)
		_ = l.client.Close()
	})
	both.Wait()
	l.end()
	close(l.done)
}

func (l *link) pass(from io.Reader, to io.Writer, d direction) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !l.forward(buffer[:n], to, d) {
			return
		}
		if err != nil {
			return
		}
	}
}

// forward passes bytes on, up to the cut. It is false when nothing more is to be read.
func (l *link) forward(data []byte, to io.Writer, d direction) bool {
	l.mu.Lock()
	if l.over {
		how := l.cut.how
		l.mu.Unlock()
		return l.afterwards(data, to, d, how)
	}
	if l.armed {
		room := l.cut.after - l.passed[d].Len()
		if d == l.cut.direction && room < len(data) {
			l.passed[d].Write(data[:room])
			l.over = true
			how := l.cut.how
			l.mu.Unlock()
			_, _ = to.Write(data[:room])
			if how != stall {
				_ = l.client.SetLinger(0) // A reset, not an end.
				_ = l.client.Close()
			}
			return l.afterwards(data[room:], to, d, how)
		}
		l.passed[d].Write(data)
	}
	l.mu.Unlock()
	_, err := to.Write(data)
	return err == nil
}

// afterwards is what becomes of bytes that come after the cut.
func (l *link) afterwards(data []byte, to io.Writer, d direction, how how) bool {
	switch {
	case how == stall:
		<-l.released()
		l.mu.Lock()
		l.over, l.armed = false, false
		l.mu.Unlock()
		_, err := to.Write(data)
		return err == nil || d == toClient // The server is heard out.
	case d == toClient:
		return true // Nobody hears it.
	case how == late:
		time.Sleep(lateness)
		_, err := to.Write(data)
		return err == nil
	default:
		return false
	}
}

// messages are the offsets at which messages end in what was passed on.
func messages(t testing.TB, stream []byte) []int {
	t.Helper()
	var ends []int
	for at := 0; at < len(stream); {
		require.GreaterOrEqual(t, len(stream)-at, 5)
		at += 1 + int(binary.BigEndian.Uint32(stream[at+1:]))
		ends = append(ends, at)
	}
	require.NotEmpty(t, ends)
	require.Equal(t, len(stream), ends[len(ends)-1])
	return ends
}
