package errand_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/errand"
)

// runner answers errands and keeps when they were done.
type runner struct {
	mu     sync.Mutex
	start  time.Time
	done   []string
	at     []time.Duration
	answer func(word string, n int) error
}

func (r *runner) do(_ context.Context, word string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done, r.at = append(r.done, word), append(r.at, time.Since(r.start))
	if r.answer == nil {
		return nil
	}
	return r.answer(word, len(r.done))
}

func (r *runner) words() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.done)
}

func (r *runner) times() []time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.at)
}

// written is a log that is read while it is written.
type written struct {
	mu   sync.Mutex
	text strings.Builder
}

func (w *written) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *written) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// play runs a queue in a bubble until play returns.
func play(t *testing.T, answer func(string, int) error, play func(q *errand.Queue[string, string], r *runner), log *written) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &runner{start: time.Now(), answer: answer}
		out := slog.New(slog.NewTextHandler(t.Output(), nil))
		if log != nil {
			out = slog.New(slog.NewTextHandler(log, nil))
		}
		q := errand.New(errand.Options[string, string]{
			Do: r.do, Repository: func(k string) approval.RepositoryName { return approval.RepositoryName("acme/" + k[:1]) },
			Attrs: func(k string) []slog.Attr { return []slog.Attr{slog.String("key", k)} }, What: "things", Remedy: "do this", Logger: out,
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); q.Run(ctx) }()
		synctest.Wait()
		play(q, r)
		cancel()
		<-ended
	})
}

// pass lets time go by in a bubble, and everything happen that is due.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestNewestWord(t *testing.T) {
	t.Parallel()
	q := errand.New(errand.Options[string, string]{Repository: func(string) approval.RepositoryName { return "acme/a" }})
	for range 100 {
		q.Put("a", "first", nil)
		q.Put("a", "second", nil)
		q.Put("b", "other", nil)
	}
	require.Equal(t, 2, q.Len())
	play(t, nil, func(q *errand.Queue[string, string], r *runner) {
		q.Put("a", "first", nil)
		synctest.Wait()
		q.Put("a", "second", nil)
		synctest.Wait()
		require.Equal(t, []string{"first", "second"}, r.words())
		require.Zero(t, q.Len())
	}, nil)
}

// A word that comes while another is written is not lost.
func TestWordMeanwhile(t *testing.T) {
	t.Parallel()
	var again func()
	play(t, func(_ string, n int) error {
		if n == 1 {
			again()
		}
		return nil
	}, func(q *errand.Queue[string, string], r *runner) {
		again = func() { q.Put("a", "second", nil) }
		q.Put("a", "first", nil)
		synctest.Wait()
		require.Equal(t, []string{"first", "second"}, r.words())
		require.Zero(t, q.Len())
	}, nil)
}

func TestTriedAgain(t *testing.T) {
	t.Parallel()
	play(t, func(_ string, n int) error {
		if n < 12 {
			return errors.New("no")
		}
		return nil
	}, func(q *errand.Queue[string, string], r *runner) {
		q.Put("a", "word", nil)
		pass(2 * time.Hour)
		require.Len(t, r.words(), 12)
		require.Equal(t, []time.Duration{0, 2 * time.Second, 6 * time.Second}, r.times()[:3])
		require.Equal(t, 5*time.Minute, r.times()[11]-r.times()[10])
	}, nil)
}

func TestLater(t *testing.T) {
	t.Parallel()
	play(t, func(word string, _ int) error {
		if word == "slow" {
			return errand.Later{At: time.Now().Add(time.Minute)}
		}
		return nil
	}, func(q *errand.Queue[string, string], r *runner) {
		hurry := func(_, now string) bool { return now == "fast" }
		q.Put("a", "slow", hurry)
		synctest.Wait()
		q.Put("a", "other", hurry)
		synctest.Wait()
		require.Equal(t, []string{"slow"}, r.words(), "it waits as the first did")
		q.Put("a", "fast", hurry)
		synctest.Wait()
		require.Equal(t, []string{"slow", "fast"}, r.words())
	}, nil)
}

func TestLimit(t *testing.T) {
	t.Parallel()
	play(t, func(_ string, n int) error {
		if n == 1 {
			return &github.Error{Status: http.StatusForbidden, Limited: true, Retry: 10 * time.Minute}
		}
		return nil
	}, func(q *errand.Queue[string, string], r *runner) {
		q.Put("a", "one", nil)
		q.Put("b", "two", nil)
		pass(9 * time.Minute)
		require.Len(t, r.words(), 1, "nobody writes")
		pass(2 * time.Minute)
		require.Len(t, r.words(), 3)
	}, nil)
}

// What the App may not do is logged once an hour, and other repositories go on.
func TestForbidden(t *testing.T) {
	t.Parallel()
	var log written
	play(t, func(word string, _ int) error {
		if word == "no" {
			return &github.Error{Status: http.StatusForbidden}
		}
		return nil
	}, func(q *errand.Queue[string, string], r *runner) {
		q.Put("a1", "no", nil)
		q.Put("a2", "no", nil)
		q.Put("b", "yes", nil)
		synctest.Wait()
		q.Put("a3", "no", nil)
		q.Put("a1", "no", func(string, string) bool { return true })
		pass(50 * time.Minute)
		require.Len(t, r.words(), 2)
		require.Equal(t, 1, strings.Count(log.String(), "errand_not_permitted"))
		pass(20 * time.Minute)
		require.Equal(t, 2, strings.Count(log.String(), "errand_not_permitted"))
		require.Len(t, r.words(), 3)
	}, &log)
}

func TestRefused(t *testing.T) {
	t.Parallel()
	play(t, func(string, int) error { return &github.Error{Status: http.StatusUnprocessableEntity} },
		func(q *errand.Queue[string, string], r *runner) {
			q.Put("a", "word", nil)
			pass(3 * time.Hour)
			require.Len(t, r.words(), 1)
			require.Zero(t, q.Len())
		}, nil)
}

func TestPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := errand.NewPace(0)
		start := time.Now()
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() { _ = p.Wait(t.Context()) })
		}
		all.Wait()
		require.Equal(t, 4*time.Second, time.Since(start))
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		require.Error(t, p.Wait(ended))
	})
}
