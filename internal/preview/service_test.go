package preview

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// world stands for Argo CD. What is rendered is one ConfigMap with the SHA.
type world struct {
	mu      sync.Mutex
	calls   []string // "app@sha"
	running map[string]int
	most    int
	took    time.Duration
	fails   func(app, sha string) error
	wakes   map[string]int
}

type unavailable struct{ text string }

func (u unavailable) Error() string   { return u.text }
func (unavailable) Unavailable() bool { return true }

func (w *world) Render(ctx context.Context, app approval.Application, revisions []approval.Revision) ([]string, error) {
	w.mu.Lock()
	w.calls = append(w.calls, app.Name+"@"+revisions[0].SHA.Short())
	w.running[app.UID]++
	total := 0
	for _, n := range w.running {
		total += n
	}
	w.most = max(w.most, total)
	twice := w.running[app.UID] > 1
	took, fails := w.took, w.fails
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.running[app.UID]--
	}()
	if twice {
		panic("rendered twice at a time")
	}
	select {
	case <-time.After(took):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if fails != nil {
		if err := fails(app.Name, revisions[0].SHA.Short()); err != nil {
			return nil, err
		}
	}
	return []string{fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"sha":"%s"}}`, revisions[0].SHA)}, nil
}

func (w *world) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.calls)
}

func (w *world) mostAtOnce() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.most
}

func (w *world) woken(name string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.wakes[name]
}

func (w *world) set(took time.Duration, fails func(app, sha string) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.took, w.fails = took, fails
}

// play runs a story with a Service in a bubble of time.
func play(t *testing.T, story func(t *testing.T, s *Service, w *world, ask func(name string, wanted ...approval.Comparison) []approval.Preview)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{running: map[string]int{}, wakes: map[string]int{}}
		s := New(Options{Renderer: w, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Run(ctx) }()
		story(t, s, w, func(name string, wanted ...approval.Comparison) []approval.Preview {
			return s.Ask(name, func() {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.wakes[name]++
			}, wanted)
		})
		cancel()
		require.NoError(t, <-ended)
	})
}

func sha(n int) approval.SHA { return approval.SHA(fmt.Sprintf("%07d%033d", n, 0)) }

func comparison(app string, from, to int) approval.Comparison {
	return approval.Comparison{
		Application: approval.Application{UID: "uid-" + app, Namespace: "argocd", Name: app, SpecDigest: "one"},
		From:        []approval.Revision{{Repository: "acme/env", SHA: sha(from)}},
		To:          []approval.Revision{{Repository: "acme/env", SHA: sha(to)}},
	}
}

func states(previews []approval.Preview) string {
	var out []string
	for _, p := range previews {
		out = append(out, string(p.State))
	}
	return strings.Join(out, " ")
}

// TestAsk: nothing waits, who asked is woken once, and what is known costs nothing.
func TestAsk(t *testing.T) {
	play(t, func(t *testing.T, _ *Service, w *world, ask func(string, ...approval.Comparison) []approval.Preview) {
		w.set(10*time.Second, nil)
		wanted := []approval.Comparison{comparison("a", 1, 2), comparison("b", 1, 2), comparison("a", 2, 2)}
		began := time.Now()
		require.Equal(t, "pending pending pending", states(ask("#1", wanted...)))
		require.Equal(t, began, time.Now())
		time.Sleep(15 * time.Second)
		require.Zero(t, w.woken("#1"))
		time.Sleep(15 * time.Second)
		require.Equal(t, 1, w.woken("#1"))
		got := ask("#1", wanted...)
		require.Equal(t, "ready ready ready", states(got))
		require.Equal(t, 1, got[0].Diff.Changed)
		require.Contains(t, got[0].Diff.Resources[0].Lines, "+  sha: \""+string(sha(2)))
		require.False(t, got[2].Diff.Differs())
		require.Equal(t, 4, w.count(), "a at 2 was rendered once")

		// Another asker gets it at once; a new head shares the old base.
		require.Equal(t, "ready", states(ask("#2", wanted[0])))
		require.Equal(t, "pending", states(ask("#2", comparison("a", 1, 3))))
		time.Sleep(time.Minute)
		require.Equal(t, []int{5, 1, 1}, []int{w.count(), w.woken("#2"), w.woken("#1")})

		// After an hour it is looked at again, and nobody is woken for the same.
		time.Sleep(freshFor)
		require.Equal(t, "ready", states(ask("#1", wanted[0])))
		time.Sleep(time.Minute)
		require.Equal(t, 1, w.woken("#1"))
	})
}

// TestFour: at most four at a time, and never two of one Application; world.Render
// panics for the latter, which would show as unavailable.
func TestFour(t *testing.T) {
	play(t, func(t *testing.T, _ *Service, w *world, ask func(string, ...approval.Comparison) []approval.Preview) {
		w.set(time.Second, nil)
		var wanted []approval.Comparison
		for i := range 20 {
			wanted = append(wanted, comparison(fmt.Sprintf("app-%d", i%10), 1, 10+i))
		}
		ask("#1", wanted...)
		time.Sleep(2 * time.Minute)
		require.Equal(t, 4, w.mostAtOnce())
		require.Equal(t, 1, w.woken("#1"))
		for _, p := range ask("#1", wanted...) {
			require.Equal(t, approval.PreviewReady, p.State, p.Reason)
		}
		require.Equal(t, 30, w.count())
	})
}

// TestAway: Argo CD is down. People are told, it is left alone more and more, and
// everything comes once it is back.
func TestAway(t *testing.T) {
	play(t, func(t *testing.T, _ *Service, w *world, ask func(string, ...approval.Comparison) []approval.Preview) {
		w.set(time.Second, func(string, string) error {
			return fmt.Errorf("render: %w", unavailable{"Argo CD cannot render at the moment"})
		})
		var wanted []approval.Comparison
		for i := range 100 {
			wanted = append(wanted, comparison(fmt.Sprintf("app-%d", i), 1, 2))
		}
		ask("#1", wanted...)
		time.Sleep(time.Minute)
		require.Equal(t, 1, w.woken("#1"), "once for all")
		for _, p := range ask("#1", wanted...) {
			require.Equal(t, []string{"unavailable", "Argo CD cannot render at the moment"}, []string{string(p.State), p.Reason})
		}
		time.Sleep(time.Hour)
		require.LessOrEqual(t, w.count(), 100, "of 7200 that asking every second for each would be")
		require.Equal(t, 1, w.woken("#1"), "nothing new")
		w.set(time.Second, nil)
		time.Sleep(time.Hour)
		require.NotEqual(t, 1, w.woken("#1"))
		for _, p := range ask("#1", wanted...) {
			require.Equal(t, approval.PreviewReady, p.State)
		}
	})
}

// TestSlow: a rendering that hangs is given up.
func TestSlow(t *testing.T) {
	play(t, func(t *testing.T, _ *Service, w *world, ask func(string, ...approval.Comparison) []approval.Preview) {
		w.set(time.Hour, nil)
		ask("#1", comparison("a", 1, 2))
		time.Sleep(jobTimeout + time.Second)
		require.Equal(t, 1, w.woken("#1"))
		require.Equal(t, "Argo CD did not answer in time", ask("#1", comparison("a", 1, 2))[0].Reason)
	})
}

// TestBroken: what cannot be rendered is said, without what is not known to be
// harmless, and tried again only when somebody asks after a while.
func TestBroken(t *testing.T) {
	play(t, func(t *testing.T, _ *Service, w *world, ask func(string, ...approval.Comparison) []approval.Preview) {
		w.set(0, func(app, sha string) error {
			switch {
			case app == "panic":
				panic("a bug")
			case app == "stale":
				return fmt.Errorf("render: %w", approval.ErrStale)
			case app == "unfit":
				return Unfit("it has a plugin")
			case app == "base" && sha == "0000001":
				return Unfit("it has a plugin")
			case app == "odd":
				return errors.New("the password is hunter2")
			}
			return nil
		})
		names := []string{"panic", "stale", "unfit", "base", "odd", "fine"}
		var wanted []approval.Comparison
		for _, name := range names {
			wanted = append(wanted, comparison(name, 1, 2))
		}
		ask("#1", wanted...)
		time.Sleep(time.Second)
		var reasons []string
		for _, p := range ask("#1", wanted...) {
			reasons = append(reasons, p.Reason)
		}
		require.Equal(t, []string{"it could not be rendered", "what it is compared with: its spec changed meanwhile", "what it is compared with: it has a plugin",
			"what it is compared with: it has a plugin", "it could not be rendered", ""}, reasons)
		unfit := func() int {
			w.mu.Lock()
			defer w.mu.Unlock()
			return len(slices.DeleteFunc(slices.Clone(w.calls), func(c string) bool { return !strings.HasPrefix(c, "unfit") }))
		}
		before := unfit()
		time.Sleep(time.Hour)
		require.Equal(t, before, unfit())
		ask("#1", wanted...)
		time.Sleep(time.Second)
		require.Equal(t, before+1, unfit())
	})
}

// TestSpec: another spec is another comparison, and one that was just changed is not
// asked for at once.
func TestSpec(t *testing.T) {
	play(t, func(t *testing.T, _ *Service, w *world, ask func(string, ...approval.Comparison) []approval.Preview) {
		c := comparison("a", 1, 2)
		ask("#1", c)
		time.Sleep(time.Second)
		require.Equal(t, 2, w.count())
		c.Application.SpecDigest = "two"
		require.Equal(t, "pending", states(ask("#1", c)))
		time.Sleep(settledAfter - time.Second)
		require.Equal(t, 2, w.count())
		time.Sleep(2 * time.Second)
		require.Equal(t, 4, w.count())
		require.Equal(t, "ready", states(ask("#1", c)))
	})
}

// TestUnwanted: what nobody wants any more is not rendered, and there is a bound.
func TestUnwanted(t *testing.T) {
	play(t, func(t *testing.T, s *Service, w *world, ask func(string, ...approval.Comparison) []approval.Preview) {
		w.set(time.Second, nil)
		var wanted []approval.Comparison
		for i := range maxWanted + 1 {
			wanted = append(wanted, comparison(fmt.Sprintf("app-%d", i), 1, 2))
		}
		got := ask("#1", wanted...)
		require.Equal(t, approval.PreviewPending, got[maxWanted-1].State)
		require.Equal(t, "too much is waiting to be rendered", got[maxWanted].Reason)
		ask("#1", wanted[0])
		time.Sleep(time.Minute)
		require.LessOrEqual(t, w.count(), 8, "but for what had begun")
		require.Equal(t, 1, w.woken("#1"))
		ask("#1")
		require.Empty(t, s.askers)
		ask("#2", wanted[0])
		time.Sleep(forgetAfter + time.Minute)
		s.sweep()
		require.Empty(t, s.askers)
	})
}

func TestStore(t *testing.T) {
	s := newStore[int](3, 100)
	for i := range 4 {
		s.put(fmt.Sprint(i), i, 10)
	}
	_, ok := s.get("0")
	require.False(t, ok, "the oldest went")
	_, ok = s.get("1")
	require.True(t, ok)
	s.put("4", 4, 90)
	_, ok = s.get("2")
	require.False(t, ok)
	_, ok = s.get("1")
	require.True(t, ok, "it was used last")
	s.put("1", 1, 20)
	require.Equal(t, 20, s.size, "nothing but itself fits")
	s.put("5", 5, 101)
	_, ok = s.get("5")
	require.False(t, ok)
}
