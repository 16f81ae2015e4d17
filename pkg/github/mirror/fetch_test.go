package mirror

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func (o *origin) requireHead(m *Mirror, branch string, want approval.SHA) {
	o.t.Helper()
	got, err := m.Head(o.t.Context(), branch)
	require.NoError(o.t, err)
	require.Equal(o.t, want, got)
}

func (o *origin) requirePull(m *Mirror, number int, want approval.SHA) {
	o.t.Helper()
	got, ok, err := m.PullHead(o.t.Context(), number)
	require.NoError(o.t, err)
	require.Equal(o.t, want != "", ok)
	require.Equal(o.t, want, got)
}

func TestFetch(t *testing.T) {
	o := newOrigin(t)
	base := o.commit(tree{"f": "0\n"})
	head := o.commit(tree{"f": "1\n"}, base)
	o.branch("main", base)
	o.branch("main2", head)
	o.branch("release/1.2", head)
	o.pull(1, head)
	o.pull(11, base)
	o.git("", "update-ref", "refs/pull/1/merge", string(head))
	m := o.open()
	_, err := m.Head(t.Context(), "main")
	require.ErrorIs(t, err, approval.ErrNotFound)

	require.NoError(t, m.Fetch(t.Context(), "main", 1, 1, 7))
	o.requireHead(m, "main", base)
	o.requirePull(m, 1, head)
	o.requirePull(m, 7, "")
	o.requirePull(m, 11, "")
	_, err = m.Head(t.Context(), "main2")
	require.ErrorIs(t, err, approval.ErrNotFound)
	refs, err := m.git.run(t.Context(), "", "for-each-ref", "--format=%(refname)")
	require.NoError(t, err)
	require.Equal(t, "refs/gatekeeper/heads/main\nrefs/gatekeeper/pull/1/head\n", string(refs))

	// Both move, in ways that are no fast-forward.
	other := o.commit(tree{"f": "2\n"})
	o.branch("main", other)
	o.pull(1, other)
	require.NoError(t, m.Fetch(t.Context(), "main", 1))
	o.requireHead(m, "main", other)
	o.requirePull(m, 1, other)

	// A pull request that is not named stays as it was; one that is gone goes.
	o.pull(1, head)
	o.pull(7, head)
	require.NoError(t, m.Fetch(t.Context(), "main", 7))
	o.requirePull(m, 1, other)
	o.requirePull(m, 7, head)
	o.git("", "update-ref", "-d", "refs/pull/7/head")
	require.NoError(t, m.Fetch(t.Context(), "main", 7))
	o.requirePull(m, 7, "")

	require.NoError(t, m.Fetch(t.Context(), "release/1.2"))
	o.requireHead(m, "release/1.2", head)
	o.requireHead(m, "main", other)
}

func TestFetchMissingBranch(t *testing.T) {
	o := newOrigin(t)
	m := o.open()
	// An empty repository, whose main is unborn.
	require.ErrorIs(t, m.Fetch(t.Context(), "main"), approval.ErrNotFound)
	base := o.commit(tree{"f": "0\n"})
	o.branch("main", base)
	o.branch("next", base)
	o.pull(1, base)
	require.NoError(t, m.Fetch(t.Context(), "main"))
	require.ErrorIs(t, m.Fetch(t.Context(), "mai", 1), approval.ErrNotFound)
	o.requirePull(m, 1, "")
	o.git("", "update-ref", "-d", "refs/heads/main")
	require.ErrorIs(t, m.Fetch(t.Context(), "main"), approval.ErrNotFound)
	_, err := m.Head(t.Context(), "main")
	require.ErrorIs(t, err, approval.ErrNotFound)
	require.NoError(t, m.Fetch(t.Context(), "next"))
}

// TestFetchBranchNames has branches that would be in each other's way as files.
func TestFetchBranchNames(t *testing.T) {
	o := newOrigin(t)
	m := o.open()
	heads, previous := map[string]approval.SHA{}, ""
	for _, name := range []string{"a", "a/b", "A", "refs/heads/a", "a%2fb", "ünï/cödé", "heads", "tags/x", strings.Repeat("long", 20)} {
		// The origin itself can have only one of them at a time.
		if previous != "" {
			o.git("", "update-ref", "-d", "refs/heads/"+previous)
		}
		previous = name
		heads[name] = o.commit(tree{"f": name})
		o.branch(name, heads[name])
		require.NoError(t, m.Fetch(t.Context(), name), name)
	}
	for name, head := range heads {
		o.requireHead(m, name, head)
	}
}

func TestHostileNames(t *testing.T) {
	o := newOrigin(t)
	o.branch("main", o.commit(tree{"f": ""}))
	m := o.open()
	for _, name := range []string{"", "-", "--upload-pack=touch /tmp/x", "-x", "a..b", "a b", "a~1", "a^", "a:b", "+a", "a?", "a*", "a[", `a\b`, "/a", "a/",
		"a//b", ".a", "a/.b", "a.", "a.lock", "a.lock/b", "@", "a@{1}", "HEAD", "a\nb", "a\x00b", "a\x7f", "main:refs/heads/x", "\tmain",
		strings.Repeat("x", 241), strings.Repeat("/x", 80)[1:]} {
		if name == "+a" {
			continue // is a valid name, and is tested below
		}
		require.Error(t, m.Fetch(t.Context(), name), "%q", name)
		_, err := m.Head(t.Context(), name)
		require.Error(t, err, "%q", name)
		require.NotErrorIs(t, err, approval.ErrNotFound, "%q", name)
		_, _, err = m.Line(t.Context(), name, emptyTree)
		require.Error(t, err, "%q", name)
	}
	o.branch("+main", o.commit(tree{"f": "plus"}))
	require.NoError(t, m.Fetch(t.Context(), "+main"))
	for _, number := range []int{0, -1, maxPull + 1} {
		require.ErrorContains(t, m.Fetch(t.Context(), "main", number), "is not the number of a pull request")
		_, _, err := m.PullHead(t.Context(), number)
		require.Error(t, err)
	}
	require.ErrorContains(t, m.Fetch(t.Context(), "main", make([]int, maxPulls+1)...), "more than 5000")
}

// FuzzBranch: what is taken for a branch name, git takes for one too, and two
// names never share a ref.
func FuzzBranch(f *testing.F) {
	for _, name := range []string{"main", "a/b", "a%2fb", "-x", "a..b", "@", "a.lock", "ü", "A", "a\xff"} {
		f.Add(name, "main")
	}
	f.Fuzz(func(t *testing.T, name, other string) {
		ref, err := branchRef(name)
		if err != nil {
			return
		}
		if otherRef, err := branchRef(other); err == nil {
			require.Equal(t, name == other, ref == otherRef)
		}
		require.LessOrEqual(t, len(ref), len(refFolder)+len("heads/")+maxBranch)
		for _, args := range [][]string{{"--branch", name}, {"refs/heads/" + name}, {ref}} {
			require.NoError(t, exec.CommandContext(t.Context(), "git", append([]string{"check-ref-format"}, args...)...).Run(), "%q", args)
		}
	})
}

// waitFor waits until something that another goroutine does has happened.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, time.Minute, time.Millisecond, what)
}

func (q *fetchQueue) callersWaiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for _, r := range q.waiting {
		n += r.callers
	}
	return n
}

// hang keeps a request waiting, at most for as long as its client is there.
func hang(r *http.Request, until <-chan struct{}) {
	select {
	case <-until:
	case <-r.Context().Done():
	}
}

// gate holds the first fetch up at its beginning, after it has told the client
// nothing yet, until it is opened.
type gate struct {
	reached, open chan struct{}
	taken         atomic.Bool
}

func (h *host) holdFirst() *gate {
	g := &gate{reached: make(chan struct{}), open: make(chan struct{})}
	h.intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		if g.taken.CompareAndSwap(false, true) {
			close(g.reached)
			hang(r, g.open)
		}
		return false
	})
	return g
}

func TestFetchIsShared(t *testing.T) {
	o := newOrigin(t)
	base := o.commit(tree{"f": "0\n"})
	newer := o.commit(tree{"f": "1\n"}, base)
	o.branch("main", base)
	h := o.serve("", "")
	m := o.openWith(Options{URL: h.repository()})
	g := h.holdFirst()
	first := make(chan error, 1)
	go func() { first <- m.Fetch(t.Context(), "main") }()
	<-g.reached

	// These ask while a fetch is under way. It must not be the one that serves
	// them: it may have read the refs already.
	var waiting sync.WaitGroup
	results := make(chan error, 20)
	for i := range 20 {
		waiting.Go(func() { results <- m.Fetch(t.Context(), "main", 1+i%3) })
	}
	waitFor(t, "twenty callers wait", func() bool { return m.fetches.callersWaiting() == 20 })
	o.branch("main", newer)
	for n := range 3 {
		o.pull(n+1, newer)
	}
	close(g.open)
	require.NoError(t, <-first)
	waiting.Wait()
	for range 20 {
		require.NoError(t, <-results)
	}
	require.Equal(t, 2, h.discoveries(), "one fetch for the first caller, one for all others")
	o.requireHead(m, "main", newer)
	for n := range 3 {
		o.requirePull(m, n+1, newer)
	}
}

func TestFetchOfOtherBranchWaits(t *testing.T) {
	o := newOrigin(t)
	base := o.commit(tree{"f": "0\n"})
	o.branch("main", base)
	o.branch("next", base)
	h := o.serve("", "")
	m := o.openWith(Options{URL: h.repository()})
	g := h.holdFirst()
	results := make(chan error, 3)
	go func() { results <- m.Fetch(t.Context(), "main") }()
	<-g.reached
	go func() { results <- m.Fetch(t.Context(), "next") }()
	go func() { results <- m.Fetch(t.Context(), "missing") }()
	waitFor(t, "two callers wait", func() bool { return m.fetches.callersWaiting() == 2 })
	close(g.open)
	missing := 0
	for range 3 {
		if err := <-results; err != nil {
			require.ErrorIs(t, err, approval.ErrNotFound)
			missing++
		}
	}
	require.Equal(t, 1, missing, "the branch that is missing fails alone")
	o.requireHead(m, "next", base)
}

// TestFetchGivenUp: a caller that gives up takes nothing away from the others,
// and the last one ends the fetch.
func TestFetchGivenUp(t *testing.T) {
	o := newOrigin(t)
	base := o.commit(tree{"f": "0\n"})
	o.branch("main", base)
	h := o.serve("", "")
	events := &recorder{}
	m := o.openWith(Options{URL: h.repository(), Logger: slog.New(slog.NewTextHandler(events, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	g := h.holdFirst()
	impatient, giveUp := context.WithCancelCause(t.Context())
	reason := errors.New("enough")
	results := make(chan error, 1)
	go func() { results <- m.Fetch(impatient, "main") }()
	<-g.reached
	patient := make(chan error, 1)
	go func() { patient <- m.Fetch(t.Context(), "main", 1) }()
	other := make(chan error, 1)
	go func() { other <- m.Fetch(impatient, "main", 1) }()
	waitFor(t, "two callers wait", func() bool { return m.fetches.callersWaiting() == 2 })
	giveUp(reason)
	require.ErrorIs(t, <-results, reason)
	require.ErrorIs(t, <-other, reason)
	// Nobody waits for the fetch that is held, so it ends and the next one
	// begins, which is not held.
	require.NoError(t, <-patient)
	require.Contains(t, events.String(), "level=DEBUG msg=mirror.fetch_given_up")
	require.Contains(t, events.String(), errNobodyWaits.Error())
	require.NotContains(t, events.String(), "level=WARN", "nothing is wrong")
	close(g.open)
	o.requireHead(m, "main", base)
	require.ErrorIs(t, m.Fetch(impatient, "main"), reason)
}

func TestFetchTimeout(t *testing.T) {
	o := newOrigin(t)
	base := o.commit(tree{"f": "0\n"})
	o.branch("main", base)
	h := o.serve("", "")
	m := o.openWith(Options{URL: h.repository()})
	h.intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		hang(r, nil)
		return true
	})
	m.git.timeout = 300 * time.Millisecond
	err := m.Fetch(t.Context(), "main")
	require.ErrorIs(t, err, errTimeout)
	require.ErrorContains(t, err, "timed out after 300ms")
	m.git.timeout = time.Minute
	h.intercept(nil)
	require.NoError(t, m.Fetch(t.Context(), "main"))
	o.requireHead(m, "main", base)
}

// TestFetchMalformed: git checks what it fetches. The pull request that holds
// such an object fails alone.
func TestFetchMalformed(t *testing.T) {
	o := newOrigin(t)
	base := o.commit(tree{"f": "0\n"})
	o.branch("main", base)
	blob := o.git("x", "hash-object", "-w", "--stdin")
	evil := o.git("100644 blob "+blob+"\t.git\n", "mktree")
	o.pull(1, o.commitTree(o.sha(evil), base))
	o.pull(2, base)
	h := o.serve("", "")
	m := o.openWith(Options{URL: h.repository()})
	require.ErrorContains(t, m.Fetch(t.Context(), "main", 1), "hasDotgit")
	o.requirePull(m, 1, "")

	g := h.holdFirst()
	results := make(chan error, 3)
	go func() { results <- m.Fetch(t.Context(), "main") }()
	<-g.reached
	bad, good := make(chan error, 3), make(chan error, 1)
	for range 3 {
		go func() { bad <- m.Fetch(t.Context(), "main", 1) }()
	}
	go func() { good <- m.Fetch(t.Context(), "main", 2) }()
	waitFor(t, "four callers wait", func() bool { return m.fetches.callersWaiting() == 4 })
	before := h.discoveries()
	close(g.open)
	require.NoError(t, <-results)
	for range 3 {
		require.ErrorContains(t, <-bad, "hasDotgit")
	}
	require.NoError(t, <-good)
	require.Equal(t, 3, h.discoveries()-before, "one fetch for all, and one for each of the two requests")
	o.requirePull(m, 2, base)
}

// TestFetchOldDefects: what old histories really have does not keep a repository
// from being mirrored.
func TestFetchOldDefects(t *testing.T) {
	o := newOrigin(t)
	content := o.treeOf(o.commit(tree{"f": "0\n"}))
	object := "tree " + string(content) + "\nauthor A <a@example.com> 1 +51800\ncommitter A <a@example.com> 1 +51800\n\nold\n"
	sha := o.sha(o.git(object, "hash-object", "-w", "--literally", "-t", "commit", "--stdin"))
	o.branch("main", sha)
	m := o.open()
	require.NoError(t, m.Fetch(t.Context(), "main"))
	c, err := m.commit(t.Context(), sha)
	require.NoError(t, err)
	require.True(t, c.Author.When.IsZero())
}

// TestFetchShallow: a remote that hides its history is refused.
func TestFetchShallow(t *testing.T) {
	o := newOrigin(t)
	base := o.commit(tree{"f": "0\n"})
	head := o.commit(tree{"f": "1\n"}, base)
	o.branch("main", head)
	cut := filepath.Join(o.root, "acme", "cut.git")
	o.git("", "clone", "--quiet", "--bare", "--depth=1", "file://"+o.dir, cut)
	h := o.serve("", "")
	m := o.openWith(Options{URL: h.URL + "/acme/cut.git"})
	require.ErrorContains(t, m.Fetch(t.Context(), "main"), "shallow")
	_, err := m.Head(t.Context(), "main")
	require.ErrorIs(t, err, approval.ErrNotFound)
	require.NoFileExists(t, filepath.Join(m.git.dir, "shallow"))
}

func TestClose(t *testing.T) {
	o := newOrigin(t)
	base := o.commit(tree{"f": "0\n"})
	o.branch("main", base)
	h := o.serve("", "")
	m := o.openWith(Options{URL: h.repository()})
	require.NoError(t, m.Fetch(t.Context(), "main"))
	o.requireHead(m, "main", base)
	reached := make(chan struct{})
	h.intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		close(reached)
		hang(r, nil)
		return true
	})
	result, queued := make(chan error, 1), make(chan error, 1)
	go func() { result <- m.Fetch(t.Context(), "main") }()
	<-reached
	go func() { queued <- m.Fetch(t.Context(), "main", 1) }()
	waitFor(t, "one caller waits", func() bool { return m.fetches.callersWaiting() == 1 })
	require.NoError(t, m.Close())
	require.ErrorIs(t, <-result, ErrClosed)
	require.ErrorIs(t, <-queued, ErrClosed)
	require.ErrorIs(t, m.Fetch(t.Context(), "main"), ErrClosed)
	_, err := m.Head(t.Context(), "main")
	require.ErrorIs(t, err, ErrClosed)
	_, _, err = m.Line(t.Context(), "main", base)
	require.ErrorIs(t, err, ErrClosed)
	_, err = m.merge(t.Context(), base, base)
	require.ErrorIs(t, err, ErrClosed)
	require.NoError(t, m.Close())
}

func TestConcurrentUse(t *testing.T) {
	s := newScene(t, 2)
	first := s.mustLand("rebase", s.main, s.head)
	next := s.commit(s.content.with("next", ""), s.head)
	second := s.mustLand("merge", first, next)
	m := s.mirror(second, s.head, next)
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			for range 5 {
				switch i % 4 {
				case 0:
					check(t, m.Fetch(t.Context(), "main", 1, 2))
				case 1:
					commits, onLine, err := m.Line(t.Context(), "main", s.main)
					check(t, err)
					if len(commits) != 3 || !onLine {
						t.Errorf("line has %d commits", len(commits))
					}
				case 2:
					_, err := m.Changes(t.Context(), s.base, second)
					check(t, err)
				default:
					l, err := m.Prove(t.Context(), Commit{SHA: second}, next)
					check(t, err)
					if l.Proof.Result != approval.Proven {
						t.Errorf("not proven: %s", l.Proof.Detail)
					}
				}
			}
		})
	}
	group.Wait()
}

func check(t *testing.T, err error) {
	if err != nil {
		t.Error(err)
	}
}

func TestParseFetchHead(t *testing.T) {
	const a, b = "1111111111111111111111111111111111111111", "2222222222222222222222222222222222222222"
	require.Equal(t, map[string]approval.SHA{"branch 'it's'": a, "'refs/pull/1/head'": b}, parseFetchHead(
		a+"\t\tbranch 'it's' of https://example.com/x of y\n"+b+"\tnot-for-merge\t'refs/pull/1/head' of https://example.com/x\n"))
	for _, bad := range []string{"", "\n", a, a + "\n", a + "\t\t'x'\n", "1111\t\t'x' of y\n", a + " \t\t'x' of y\n"} {
		require.Empty(t, parseFetchHead(bad), "%q", bad)
	}
}

func FuzzParseFetchHead(f *testing.F) {
	f.Add("1111111111111111111111111111111111111111\t\tbranch 'main' of https://example.com/x\n")
	f.Fuzz(func(t *testing.T, report string) {
		for source, sha := range parseFetchHead(report) {
			_, err := approval.ParseSHA(string(sha))
			require.NoError(t, err)
			require.Contains(t, report, string(sha)+"\t")
			require.Contains(t, report, "\t"+source+" of ")
		}
	})
}
