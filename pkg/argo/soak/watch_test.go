package soak_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/soak"
)

// cluster holds Applications, and tells a Watch of them as a watch of Argo CD's
// would: the status of each is renewed every three minutes.
type cluster struct {
	mu      sync.Mutex
	objects map[string]map[string]any
	version int
	err     error
	reads   int
}

func newCluster() *cluster { return &cluster{objects: map[string]map[string]any{}, version: 1} }

func (c *cluster) Object(_ context.Context, namespace, name string) (map[string]any, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads++
	if c.err != nil {
		return nil, c.err
	}
	if object := c.objects[namespace+"/"+name]; object != nil {
		return object, nil
	}
	return nil, approval.ErrNotFound
}

// write stores payments-stage as it is now, with a merge patch, and returns it.
func (c *cluster) write(t testing.TB, patch string, images ...string) map[string]any {
	t.Helper()
	object := raw(t, time.Since(start).Minutes()+1, patch, images...)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.version++
	merge(object, map[string]any{"metadata": map[string]any{"resourceVersion": strconv.Itoa(c.version)}})
	c.objects["argocd/payments-stage"] = object
	return object
}

// faulty is the real store with a switch.
type faulty struct {
	*inbox.Store
	mu  sync.Mutex
	err error
}

func (f *faulty) SaveSoaks(ctx context.Context, memories map[string][]byte) error {
	f.mu.Lock()
	err := f.err
	f.mu.Unlock()
	if err != nil {
		return err
	}
	return f.Store.SaveSoaks(ctx, memories)
}

func (f *faulty) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// world is a running Watch on a real store.
type world struct {
	t       *testing.T
	path    string
	cluster *cluster
	store   *faulty
	watch   *soak.Watch
	woken   chan string
	stop    func()
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, path: filepath.Join(t.TempDir(), "inbox.db"), cluster: newCluster(), woken: make(chan string, 100)}
	// The clock of a bubble begins in 2000; times in the objects are from 2026 on.
	time.Sleep(time.Until(start))
	return w
}

func (w *world) start() {
	w.t.Helper()
	store, err := inbox.Open(w.t.Context(), w.path)
	require.NoError(w.t, err)
	w.store = &faulty{Store: store}
	w.watch, err = soak.Open(w.t.Context(), soak.Options{
		Store: w.store, Reader: w.cluster, Rules: rules,
		Wake:   func(asker string) { w.woken <- asker },
		Logger: slog.New(slog.NewTextHandler(w.t.Output(), nil)),
	})
	require.NoError(w.t, err)
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- w.watch.Run(ctx) }()
	w.stop = func() {
		cancel()
		require.NoError(w.t, <-done)
		require.NoError(w.t, store.Close())
	}
	synctest.Wait()
}

// pass lets time pass, with what a watch tells of an Application that is well.
func (w *world) pass(d time.Duration, patch string, images ...string) {
	w.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(min(3*time.Minute, time.Until(end)))
		w.watch.Object(w.cluster.write(w.t, patch, images...))
	}
	synctest.Wait()
}

func (w *world) ask(asker, text string) soak.Evidence {
	w.t.Helper()
	answers, err := w.watch.Ask(w.t.Context(), soak.Question{For: asker, Namespace: "argocd", Name: "payments-stage",
		Images: []soak.Image{image(w.t, text)}, Soak: 30 * time.Minute})
	require.NoError(w.t, err)
	require.Len(w.t, answers, 1)
	return answers[0]
}

func (w *world) wakes() []string {
	synctest.Wait()
	var askers []string
	for {
		select {
		case asker := <-w.woken:
			askers = append(askers, asker)
		default:
			return askers
		}
	}
}

// TestWakes: whoever asked is woken in the moment in which it is proven, and not
// before.
func TestWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.cluster.write(t, "", pay1)
		w.start()
		defer w.stop()
		e := w.ask("argocd/payments-prod", pay1)
		require.Equal(t, soak.StateRunning, e.State, e.Reason)
		require.Equal(t, start.Add(30*time.Minute), e.Ready.UTC())
		w.pass(30*time.Minute-time.Nanosecond, "", pay1)
		require.Empty(t, w.wakes())
		time.Sleep(time.Nanosecond)
		require.Equal(t, []string{"argocd/payments-prod"}, w.wakes())
		e = w.ask("argocd/payments-prod", pay1)
		require.True(t, e.Proven(), e.Reason)
		require.Equal(t, 30*time.Minute, e.Ran)
		w.pass(time.Hour, "", pay1)
		require.Empty(t, w.wakes(), "what is proven stays so")
		w.pass(time.Second, `{"status": {"health": {"status": "Degraded"}}}`, pay1)
		require.Equal(t, []string{"argocd/payments-prod"}, w.wakes())
	})
}

// TestWakesOnChange: the end of a run and the begin of one wake who asked, once.
func TestWakesOnChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.cluster.write(t, "", pay1)
		w.start()
		defer w.stop()
		w.ask("a", pay1)
		w.ask("b", pay2)
		w.ask("gone", pay1)
		w.watch.Forget("gone")
		w.pass(10*time.Minute, "", pay1)
		require.Empty(t, w.wakes())
		w.pass(time.Second, `{"status": {"health": {"status": "Degraded"}}}`, pay1)
		require.Equal(t, []string{"a"}, w.wakes())
		require.Equal(t, "ran Healthy in payments-stage for 0 of 30 minutes, and now its time does not count: it is Degraded", w.ask("a", pay1).Reason)
		w.pass(time.Second, "", pay2)
		require.ElementsMatch(t, []string{"b"}, w.wakes(), "for a nothing has changed: it did not count, and does not")
		w.pass(time.Second, "", pay1)
		require.Equal(t, []string{"a"}, w.wakes())
		w.pass(time.Hour, "", pay1)
		require.Empty(t, w.wakes(), "nobody has asked since")

		// All images of a question have to be proven.
		question := soak.Question{For: "both", Namespace: "argocd", Name: "payments-stage", Images: []soak.Image{image(t, side), image(t, pay1)}, Soak: 90 * time.Minute}
		w.pass(time.Minute, "", pay1, side)
		_, err := w.watch.Ask(t.Context(), question)
		require.NoError(t, err)
		w.pass(89*time.Minute, "", pay1, side)
		require.Empty(t, w.wakes(), "one of them is proven")
		w.pass(time.Minute+time.Second, "", pay1, side)
		require.Equal(t, []string{"both"}, w.wakes())
		answers, err := w.watch.Ask(t.Context(), question)
		require.NoError(t, err)
		require.True(t, answers[0].Proven() && answers[1].Proven())

		// Time alone does not help when one of them does not run.
		question.For, question.Images, question.Soak = "half", []soak.Image{image(t, pay1), image(t, pay2)}, 3*time.Hour
		answers, err = w.watch.Ask(t.Context(), question)
		require.NoError(t, err)
		require.False(t, answers[0].Ready.IsZero())
		w.pass(4*time.Hour, "", pay1, side)
		require.Empty(t, w.wakes())
	})
}

// TestRestart: what was watched before counts afterwards, if nothing says otherwise.
func TestRestart(t *testing.T) {
	for _, tt := range []struct {
		name   string
		down   time.Duration
		patch  string
		images []string
		ran    time.Duration
	}{
		{"short", 5 * time.Minute, "", []string{pay1}, 20 * time.Minute},
		{"longer than a status is fresh", 11 * time.Minute, "", []string{pay1}, 0},
		{"another health in between", 5 * time.Minute, `{"status": {"health": {"lastTransitionTime": "2026-11-21T12:17:00Z"}}}`, []string{pay1}, 0},
		{"a sync in between", 5 * time.Minute, `{"status": {"operationState": {"startedAt": "2026-11-21T12:16:00Z", "finishedAt": "2026-11-21T12:16:09Z"}}}`, []string{pay1}, 0},
		{"another one of this name", 5 * time.Minute, `{"metadata": {"uid": "uid-2"}}`, []string{pay1}, 0},
		{"another image beside it", 5 * time.Minute, "", []string{pay1, pay2}, 0},
		{"not well", 5 * time.Minute, `{"status": {"health": {"status": "Progressing"}}}`, []string{pay1}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.cluster.write(t, "", pay1)
				w.start()
				w.watch.Follow("argocd", "payments-stage")
				synctest.Wait()
				w.pass(15*time.Minute, "", pay1)
				w.stop()
				time.Sleep(tt.down)
				w.cluster.write(t, tt.patch, tt.images...)
				w.start() // nobody has to follow it again
				defer w.stop()
				require.Equal(t, tt.ran, w.ask("", pay1).Ran)
				w.pass(10*time.Minute, tt.patch, tt.images...)
				require.Equal(t, tt.ran != 0, w.ask("", pay1).Proven())
			})
		})
	}
}

// TestRestartAfterTheEnd: that a run has ended is remembered too.
func TestRestartAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.cluster.write(t, "", pay1)
		w.start()
		w.ask("", pay1)
		w.pass(29*time.Minute, "", pay1)
		w.pass(time.Second, "", pay1, pay2)
		w.stop()
		w.cluster.write(t, "", pay1)
		w.start()
		defer w.stop()
		w.pass(5*time.Minute, "", pay1)
		require.Equal(t, 5*time.Minute, w.ask("", pay1).Ran)
	})
}

// TestNotKept: what cannot be kept is not told.
func TestNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.cluster.write(t, "", pay1)
		w.start()
		w.ask("a", pay1)
		full := errors.New("the disk is full")
		w.store.fail(full)
		w.pass(31*time.Minute, "", pay1)
		question := soak.Question{For: "a", Namespace: "argocd", Name: "payments-stage", Images: []soak.Image{image(t, pay1)}, Soak: 30 * time.Minute}
		_, err := w.watch.Ask(t.Context(), question)
		require.ErrorIs(t, err, full)
		synctest.Wait() // Run has tried and failed as well
		w.store.fail(nil)
		time.Sleep(11 * time.Second) // it is tried again without anything happening
		synctest.Wait()
		kept, err := w.store.Soaks(t.Context())
		require.NoError(t, err)
		memory, err := soak.Decode(kept["argocd/payments-stage"])
		require.NoError(t, err)
		require.Equal(t, start.Add(31*time.Minute), memory.Seen.UTC())
		require.True(t, w.ask("a", pay1).Proven())
		w.stop()
	})
}

func TestReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		defer w.stop()
		question := soak.Question{For: "a", Namespace: "argocd", Name: "payments-stage", Images: []soak.Image{image(t, pay1)}, Soak: 30 * time.Minute}
		answers, err := w.watch.Ask(t.Context(), question)
		require.NoError(t, err)
		require.Equal(t, soak.StateAbsent, answers[0].State)
		require.Equal(t, "does not run in payments-stage: there is no such Application; it ran Healthy there for 0 of 30 minutes", answers[0].Reason)
		w.pass(time.Second, "", pay1)
		require.Equal(t, []string{"a"}, w.wakes(), "it is there now")

		down := errors.New("connection refused")
		w.cluster.err = down
		_, err = w.watch.Ask(t.Context(), question)
		require.ErrorIs(t, err, down)
		w.cluster.err = nil

		// What a watch delivers after a read that has shown more is the past.
		old := maps.Clone(w.cluster.write(t, `{"status": {"health": {"status": "Progressing"}}}`, pay1))
		w.cluster.write(t, "", pay1)
		require.Equal(t, soak.StateRunning, w.ask("a", pay1).State)
		w.watch.Object(old)
		require.Empty(t, w.wakes())
		require.Equal(t, soak.StateRunning, w.ask("a", pay1).State)

		// Who learns of a change by asking need not be woken for it.
		w.cluster.write(t, `{"status": {"health": {"status": "Progressing"}}}`, pay1)
		require.Equal(t, soak.StateInterrupted, w.ask("a", pay1).State)
		w.cluster.write(t, "", pay1)
		require.Equal(t, soak.StateRunning, w.ask("a", pay1).State)
		require.Empty(t, w.wakes())

		// Of Applications that nobody asked for nothing is kept.
		other := maps.Clone(old)
		other["metadata"] = map[string]any{"namespace": "argocd", "name": "other", "uid": "uid-9"}
		w.watch.Object(other)
		w.watch.Gone("argocd", "other", "uid-9")
		w.watch.Object(map[string]any{})
		synctest.Wait()
		kept, err := w.store.Soaks(t.Context())
		require.NoError(t, err)
		require.Len(t, kept, 1)

		// Gone, but only the one that is meant.
		w.watch.Gone("argocd", "payments-stage", "uid-0")
		require.Empty(t, w.wakes())
		w.watch.Gone("argocd", "payments-stage", "uid-1")
		require.Equal(t, []string{"a"}, w.wakes())
		kept, err = w.store.Soaks(t.Context())
		require.NoError(t, err)
		require.Empty(t, kept)
	})
}

// TestKeep: what no gate asks about any more is forgotten, here and in the store.
func TestKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.cluster.write(t, "", pay1)
		w.start()
		defer w.stop()
		w.ask("a", pay1)
		w.pass(10*time.Minute, "", pay1)
		w.watch.Keep(func(namespace, name string) bool { return namespace == "argocd" && name == "payments-stage" })
		require.Equal(t, 10*time.Minute, w.ask("a", pay1).Ran)
		w.watch.Keep(func(string, string) bool { return false })
		synctest.Wait()
		kept, err := w.store.Soaks(t.Context())
		require.NoError(t, err)
		require.Empty(t, kept)
		w.pass(10*time.Minute, "", pay1)
		kept, err = w.store.Soaks(t.Context())
		require.NoError(t, err)
		require.Empty(t, kept, "it is not followed")
		require.Zero(t, w.ask("a", pay1).Ran)
	})
}

// TestFollow begins to count at once.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.cluster.write(t, "", pay1)
		w.start()
		defer w.stop()
		w.watch.Follow("argocd", "payments-stage")
		w.watch.Follow("argocd", "not-there")
		synctest.Wait()
		require.Equal(t, 2, w.cluster.reads)
		w.watch.Follow("argocd", "payments-stage")
		synctest.Wait()
		require.Equal(t, 2, w.cluster.reads)
		time.Sleep(2 * time.Minute)
		require.Equal(t, 2*time.Minute, w.ask("", pay1).Ran)
	})
}

func TestOpen(t *testing.T) {
	t.Parallel()
	store, err := inbox.Open(t.Context(), filepath.Join(t.TempDir(), "inbox.db"))
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	for _, options := range []soak.Options{{}, {Rules: rules}, {Rules: rules, Store: store}, {Rules: rules, Reader: newCluster()}, {Store: store, Reader: newCluster()}} {
		_, err := soak.Open(t.Context(), options)
		require.Error(t, err)
	}
	// What cannot be read is forgotten, and the rest is not.
	require.NoError(t, store.SaveSoaks(t.Context(), map[string][]byte{"argocd/a": []byte("{")}))
	w, err := soak.Open(t.Context(), soak.Options{Rules: rules, Store: store, Reader: newCluster()})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, w.Run(ctx))
	kept, err := store.Soaks(t.Context())
	require.NoError(t, err)
	require.Empty(t, kept)
	_, err = soak.Open(ctx, soak.Options{Rules: rules, Store: store, Reader: newCluster()})
	require.ErrorIs(t, err, context.Canceled)
}

// TestConcurrent is for the race detector.
func TestConcurrent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.cluster.write(t, "", pay1)
		w.start()
		defer w.stop()
		wanted := image(t, pay1)
		var group sync.WaitGroup
		for i := range 4 {
			group.Go(func() {
				for range 50 {
					_, err := w.watch.Ask(t.Context(), soak.Question{For: strconv.Itoa(i), Namespace: "argocd", Name: "payments-stage",
						Images: []soak.Image{wanted}, Soak: time.Hour})
					if err != nil {
						t.Error(err)
					}
					w.watch.Object(w.cluster.write(t, "", pay1))
					time.Sleep(time.Second)
				}
			})
		}
		go func() {
			for range w.woken {
				continue // emptied, so that nobody blocks
			}
		}()
		group.Wait()
		require.Equal(t, 50*time.Second, w.ask("", pay1).Ran)
		close(w.woken)
	})
}
