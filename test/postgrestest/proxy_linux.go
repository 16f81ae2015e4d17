package postgrestest

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Direction is which way bytes go.
type Direction int

const (
	ToServer Direction = iota
	ToClient
)

// How says what a cut does.
type How int

const (
	// Reset ends both connections; the server does not get what was not passed on.
	Reset How = iota
	// Late ends the client's connection. The server gets what the client had sent after
	// a while.
	Late
	// Stall ends nothing: nothing is passed on any more, either way, until Release.
	Stall
)

// Cut is what happens to a connection after it has passed on so many bytes more.
type Cut struct {
	Direction Direction
	After     int
	How       How
}

// Proxy passes connections on to a server and cuts them.
type Proxy struct {
	t        testing.TB
	target   string
	listener net.Listener
	work     sync.WaitGroup

	mu       sync.Mutex
	links    []*Link
	released chan struct{}
	refusing bool
}

// proxyPatience is how long Settle waits.
const proxyPatience = 30 * time.Second

// lateness is how long a network keeps what it delivers after all.
const lateness = 60 * time.Millisecond

// NewProxy listens on loopback, for the server.
func (c *Cluster) NewProxy(t testing.TB) *Proxy {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{t: t, target: filepath.Join(c.folder, ".s.PGSQL."+strconv.Itoa(c.Port)), listener: listener, released: make(chan struct{})}
	p.work.Go(p.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		p.Release()
		for _, l := range p.Links() {
			l.End()
		}
		p.work.Wait()
	})
	return p
}

// Port is that on which it listens.
func (p *Proxy) Port() int { return p.listener.Addr().(*net.TCPAddr).Port }

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		server, err := (&net.Dialer{}).DialContext(p.t.Context(), "unix", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		l := &Link{client: client.(*net.TCPConn), server: server.(*net.UnixConn), released: p.currentRelease, done: make(chan struct{})}
		p.mu.Lock()
		refusing := p.refusing
		if !refusing {
			p.links = append(p.links, l)
		}
		p.mu.Unlock()
		if refusing {
			l.End()
			continue
		}
		p.work.Go(l.run)
	}
}

// Links are the connections that are there.
func (p *Proxy) Links() []*Link {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*Link(nil), p.links...)
}

func (p *Proxy) currentRelease() chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.released
}

// Refuse ends all connections and takes no others, until Admit.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	p.refusing = true
	p.mu.Unlock()
	for _, l := range p.Links() {
		l.End()
	}
}

// Admit takes connections again.
func (p *Proxy) Admit() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusing = false
}

// Release lets everything go on that has stalled.
func (p *Proxy) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.released)
	p.released = make(chan struct{})
}

// Arm sets a cut on the connections that are there now, and records what passes.
func (p *Proxy) Arm(c Cut) {
	for _, l := range p.Links() {
		l.mu.Lock()
		l.cut, l.armed = c, true
		l.passed = [2]bytes.Buffer{}
		l.mu.Unlock()
	}
}

// Settle waits until the connections that were there have ended, and the server has
// done with them.
func (p *Proxy) Settle(t testing.TB) {
	t.Helper()
	links := p.Links()
	for _, l := range links {
		select {
		case <-l.done:
		case <-time.After(proxyPatience):
			t.Fatal("a connection does not end")
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.links = p.links[len(links):]
}

// Link is one connection through the proxy.
type Link struct {
	client   *net.TCPConn
	server   *net.UnixConn
	released func() chan struct{}
	done     chan struct{}

	mu     sync.Mutex
	cut    Cut
	armed  bool
	passed [2]bytes.Buffer
	// over is set once the cut was made: nothing goes to the client any more.
	over bool
}

// End ends both sides of it.
func (l *Link) End() {
	_ = l.client.Close()
	_ = l.server.Close()
}

func (l *Link) run() {
	var both sync.WaitGroup
	both.Go(func() {
		l.pass(l.client, l.server, ToServer)
		_ = l.server.CloseWrite()
	})
	both.Go(func() {
		l.pass(l.server, l.client, ToClient)
		_ = l.client.Close()
	})
	both.Wait()
	l.End()
	close(l.done)
}

func (l *Link) pass(from io.Reader, to io.Writer, d Direction) {
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
func (l *Link) forward(data []byte, to io.Writer, d Direction) bool {
	l.mu.Lock()
	if l.over {
		how := l.cut.How
		l.mu.Unlock()
		return l.afterwards(data, to, d, how)
	}
	if l.armed {
		room := l.cut.After - l.passed[d].Len()
		if d == l.cut.Direction && room < len(data) {
			l.passed[d].Write(data[:room])
			l.over = true
			how := l.cut.How
			l.mu.Unlock()
			_, _ = to.Write(data[:room])
			if how != Stall {
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
func (l *Link) afterwards(data []byte, to io.Writer, d Direction, how How) bool {
	switch {
	case how == Stall:
		<-l.released()
		l.mu.Lock()
		l.over, l.armed = false, false
		l.mu.Unlock()
		_, err := to.Write(data)
		return err == nil || d == ToClient // The server is heard out.
	case d == ToClient:
		return true // Nobody hears it.
	case how == Late:
		<-time.After(lateness)
		_, err := to.Write(data)
		return err == nil
	default:
		return false
	}
}

// Passed is what went either way since the first connection was armed.
func (p *Proxy) Passed() (passed [2][]byte) {
	l := p.Links()[0]
	l.mu.Lock()
	defer l.mu.Unlock()
	for d := range passed {
		passed[d] = bytes.Clone(l.passed[d].Bytes())
	}
	return passed
}

// Messages are the offsets at which messages end in what was passed on.
func Messages(t testing.TB, stream []byte) []int {
	t.Helper()
	var ends []int
	for at := 0; at < len(stream); {
		if len(stream)-at < 5 {
			t.Fatal("a message without its length")
		}
		at += 1 + int(binary.BigEndian.Uint32(stream[at+1:]))
		ends = append(ends, at)
	}
	if len(ends) == 0 || ends[len(ends)-1] != len(stream) {
		t.Fatal("the last message is not whole")
	}
	return ends
}
