package mirror

import (
	"bufio"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// current is the process that a worker has now; nil when it has none.
func (w *worker) current() *process {
	<-w.turn
	defer func() { w.turn <- struct{}{} }()
	return w.proc
}

func TestWorkerIsKept(t *testing.T) {
	s := newScene(t, 1)
	m := s.mirror(s.main, s.head)
	s.requireHead(m, "main", s.main)
	first := m.objects.current()
	require.NotNil(t, first)
	s.requireHead(m, "main", s.main)
	_, err := m.Blob(t.Context(), approval.SHA(strings.Repeat("1", 40)), 1)
	require.ErrorIs(t, err, approval.ErrNotFound)
	require.Same(t, first, m.objects.current(), "a question that has no answer costs the process")
}

// TestWorkerDied: a process that died while nobody used it is replaced.
func TestWorkerDied(t *testing.T) {
	s := newScene(t, 1)
	m := s.mirror(s.main, s.head)
	s.requireHead(m, "main", s.main)
	_, err := m.Changes(t.Context(), s.base, s.main)
	require.NoError(t, err)
	for _, w := range []*worker{m.objects, m.differ} {
		p := w.current()
		p.kill()
		<-p.waited
	}
	s.requireHead(m, "main", s.main)
	_, err = m.Changes(t.Context(), s.base, s.head)
	require.NoError(t, err)
}

func TestWorkerRests(t *testing.T) {
	s := newScene(t, 1)
	m := s.mirror(s.main, s.head)
	s.requireHead(m, "main", s.main)
	p := m.objects.current()
	m.objects.rest()
	<-p.waited
	require.Nil(t, m.objects.current())
	s.requireHead(m, "main", s.main)

	// After many requests it is replaced.
	p = m.objects.current()
	m.objects.served = maxServed - 1
	s.requireHead(m, "main", s.main)
	require.Nil(t, m.objects.current())
	<-p.waited
	s.requireHead(m, "main", s.main)
}

// TestWorkerInterrupted: who gives up gets the reason at once, also while git
// does not answer, and the others are served.
func TestWorkerInterrupted(t *testing.T) {
	s := newScene(t, 1)
	m := s.mirror(s.main, s.head)
	reason := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	asked := make(chan struct{})
	result := make(chan error, 1)
	go func() {
		// git answers a complete request only.
		result <- m.objects.ask(ctx, "info ", func(r *bufio.Reader) error {
			close(asked)
			_, err := r.ReadByte()
			return err
		})
	}()
	<-asked
	waiting, stop := context.WithCancelCause(t.Context())
	stop(reason)
	_, err := m.Head(waiting, "main")
	require.ErrorIs(t, err, reason)
	cancel(reason)
	require.ErrorIs(t, <-result, reason)
	s.requireHead(m, "main", s.main)

	m.git.timeout = 50 * time.Millisecond
	err = m.objects.ask(t.Context(), "info ", func(r *bufio.Reader) error {
		_, err := r.ReadByte()
		return err
	})
	require.ErrorIs(t, err, errTimeout)
	m.git.timeout = time.Minute
	s.requireHead(m, "main", s.main)
}

// TestWorkerBadRequest: a request that ends git is an error with git's words.
func TestWorkerBadRequest(t *testing.T) {
	s := newScene(t, 1)
	m := s.mirror(s.main, s.head)
	for range 2 {
		err := m.objects.ask(t.Context(), "nonsense\n", func(r *bufio.Reader) error {
			_, err := r.ReadByte()
			return err
		})
		require.ErrorContains(t, err, "git cat-file failed")
		require.ErrorContains(t, err, "unknown command")
		s.requireHead(m, "main", s.main)
	}
}

// TestNoProcessIsLeft: closing ends what is kept running, and a command that is
// given up ends what it started.
func TestNoProcessIsLeft(t *testing.T) {
	s := newScene(t, 1)
	m := s.mirror(s.main, s.head)
	s.requireHead(m, "main", s.main)
	_, err := m.Changes(t.Context(), s.base, s.head)
	require.NoError(t, err)
	workers := []*process{m.objects.current(), m.differ.current()}
	require.NoError(t, m.Close())
	for _, p := range workers {
		<-p.waited
	}

	// A git that starts a child, which does not care to be asked to end.
	folder := t.TempDir()
	program := filepath.Join(folder, "git")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\n(trap '' TERM; exec /bin/sleep 600 >/dev/null 2>&1) &\necho $! > "+folder+"/child\nwait\n"), 0o700))
	life, end := context.WithCancel(t.Context())
	defer end()
	g := newGit(life, program, folder, time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		_, err := g.run(ctx, "", "anything")
		result <- err
	}()
	child := 0
	waitFor(t, "the child runs", func() bool {
		text, _ := os.ReadFile(filepath.Join(folder, "child"))
		child = 0
		for _, c := range strings.TrimSpace(string(text)) {
			child = child*10 + int(c-'0')
		}
		return strings.HasSuffix(string(text), "\n")
	})
	cancel()
	require.ErrorIs(t, <-result, context.Canceled)
	waitFor(t, "the child has ended", func() bool { return gone(child) })
}

// gone says whether a process has ended; one that nobody has waited for yet
// counts.
func gone(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err == nil && strings.Contains(string(stat), ") Z ")
}

func TestOutputIsBounded(t *testing.T) {
	folder := t.TempDir()
	program := filepath.Join(folder, "git")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\nexec /usr/bin/yes\n"), 0o700))
	g := newGit(t.Context(), program, folder, time.Minute)
	_, err := g.run(t.Context(), "", "anything")
	require.ErrorContains(t, err, "longer than 64 MiB")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\n/usr/bin/yes tell | /usr/bin/head -n 100000 >&2\nexit 3\n"), 0o700))
	_, err = g.run(t.Context(), "", "anything")
	require.ErrorContains(t, err, "git anything exited with 3: ")
	require.Less(t, len(err.Error()), 2*maxMessage)
}

func TestLRU(t *testing.T) {
	c := newLRU[string](10, func(s string) int { return len(s) })
	c.put("a", "1234")
	c.put("b", "1234")
	_, ok := c.get("a")
	require.True(t, ok)
	c.put("c", "1234")
	_, ok = c.get("b")
	require.False(t, ok, "the one that was not used for longest goes")
	c.put("a", "12")
	require.Equal(t, 6, c.total)
	c.put("d", "12345678901")
	_, ok = c.get("d")
	require.False(t, ok)
	value, ok := c.get("a")
	require.True(t, ok)
	require.Equal(t, "12", value)
	c.put("e", "1234567890")
	require.Equal(t, 10, c.total)
	require.Len(t, c.items, 1)
	require.Equal(t, 1, c.order.Len())
}

// TestMaintain: many fetches make few packs, and nothing is lost: also not what
// no ref leads to any more.
func TestMaintain(t *testing.T) {
	o := newOrigin(t)
	at := o.commit(tree{"f": "0\n"})
	lost := o.commit(tree{"f": "lost\n"}, at)
	m := o.mirror(at, lost)
	o.pull(1, at)
	var readers sync.WaitGroup
	done := make(chan struct{})
	readers.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				if _, err := m.CommitObject(t.Context(), lost); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	for range manyPacks + 5 {
		at = o.commitTree(o.treeOf(at), at)
		o.branch("main", at)
		require.NoError(t, m.Fetch(t.Context(), "main", 1))
	}
	waitFor(t, "maintenance", func() bool {
		packs, err := filepath.Glob(filepath.Join(m.git.dir, "objects", "pack", "*.pack"))
		return err == nil && len(packs) < manyPacks/2
	})
	close(done)
	readers.Wait()
	require.NoError(t, m.Close())
	m, err := open(t, m.git.dir)
	require.NoError(t, err)
	changes, err := m.Changes(t.Context(), lost, at)
	require.NoError(t, err)
	require.Equal(t, []string{"f"}, paths(changes))
	commits, err := m.Commits(t.Context(), at)
	require.NoError(t, err)
	require.Len(t, commits, manyPacks+6)
}
