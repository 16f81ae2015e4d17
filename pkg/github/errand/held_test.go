package errand_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/errand"
)

// TestHeld: what is not done is held, whoever puts it hears when it is, and what was dropped
// is not done, not even when it was under way.
func TestHeld(t *testing.T) {
	t.Parallel()
	var did, done []string
	var during func(word string) error
	q := errand.New(errand.Options[string, string]{
		Do:         func(_ context.Context, word string) error { did = append(did, word); return during(word) },
		Repository: func(string) approval.RepositoryName { return "acme/a" },
		Attrs:      func(string) []slog.Attr { return nil },
		What:       "things", Logger: slog.New(slog.DiscardHandler),
		Done: func(_ context.Context, key string) { done = append(done, key) },
	})
	is := func(key string) func(string) bool { return func(k string) bool { return k == key } }
	now := time.Now()
	during = func(string) error { require.True(t, q.Holds(is("a")), "until it is done"); return nil }
	q.Put("a", "first", nil)
	require.True(t, q.Holds(is("a")))
	require.False(t, q.Holds(is("b")))
	require.Zero(t, q.Step(t.Context(), now))
	require.False(t, q.Holds(is("a")))
	require.Equal(t, []string{"a"}, done)

	during = func(string) error { return errors.New("no") }
	q.Put("a", "fails", nil)
	q.Step(t.Context(), now)
	require.Len(t, done, 1, "it is tried again")
	q.Drop(is("a"))
	require.False(t, q.Holds(is("a")))
	require.Positive(t, q.Step(t.Context(), now.Add(time.Hour)))

	during = func(string) error { return &github.Error{Status: 422} }
	q.Put("a", "refused", nil)
	q.Step(t.Context(), now)
	require.Equal(t, []string{"a", "a"}, done, "GitHub will never take it")

	// What is put after a drop is not taken for what was dropped.
	during = func(word string) error {
		if word == "dropped" {
			q.Drop(is("a"))
			q.Put("a", "anew", nil)
		}
		return nil
	}
	q.Put("a", "dropped", nil)
	q.Step(t.Context(), now)
	require.Len(t, done, 2)
	require.Zero(t, q.Step(t.Context(), time.Now()))
	require.Equal(t, "anew", did[len(did)-1])
	require.Len(t, done, 3)

	during = func(string) error { q.Drop(is("a")); return errors.New("no") }
	q.Put("a", "dropped for good", nil)
	q.Step(t.Context(), now)
	require.False(t, q.Holds(is("a")))
	require.Len(t, done, 4)
}
