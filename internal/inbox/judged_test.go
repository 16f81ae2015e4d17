package inbox_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
)

// TestJudged: what a pull request was judged on is there after a restart, until it is
// closed.
func TestJudged(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		t.Parallel()
		ctx := t.Context()
		path := in.place(t)
		s, err := path(ctx)
		require.NoError(t, err)
		_, found, err := s.Judged(ctx, "acme/env", 7)
		require.NoError(t, err)
		require.False(t, found)
		first := inbox.Judged{Policy: "p1", News: 3, Basis: "b", Concerned: true}
		require.NoError(t, s.SaveJudged(ctx, "Acme/Env", 7, first))
		require.NoError(t, s.SaveJudged(ctx, "acme/env", 8, first))
		second := inbox.Judged{Policy: "p2", News: 5}
		require.NoError(t, s.SaveJudged(ctx, "acme/env", 8, second))
		require.NoError(t, s.Close())

		s, err = path(ctx)
		require.NoError(t, err)
		got, found, err := s.Judged(ctx, "acme/env", 7)
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, first, got)
		got, _, err = s.Judged(ctx, "acme/env", 8)
		require.NoError(t, err)
		require.Equal(t, second, got)
		require.NoError(t, s.ForgetJudged(ctx, "ACME/env", 8))
		_, found, err = s.Judged(ctx, "acme/env", 8)
		require.NoError(t, err)
		require.False(t, found)

		for name, bad := range map[string]inbox.Judged{"no policy": {}, "a long basis": {Policy: "p", Basis: strings.Repeat("b", 257)}, "a number": {Policy: "p", News: 1 << 63}} {
			require.ErrorIs(t, s.SaveJudged(ctx, "acme/env", 7, bad), inbox.ErrInvalid, name)
		}
		require.ErrorIs(t, s.SaveJudged(ctx, "acme/env", 0, first), inbox.ErrInvalid)
		require.ErrorIs(t, s.SaveJudged(ctx, "", 7, first), inbox.ErrInvalid)
		require.NoError(t, s.Close())
		_, _, err = s.Judged(ctx, "acme/env", 7)
		require.Error(t, err)
		require.Error(t, s.ForgetJudged(ctx, "acme/env", 7))
		require.Error(t, s.SaveJudged(ctx, "acme/env", 7, first))
	})
}

// TestNews: each event has a higher number than all before, whatever it is about and
// whatever was restarted.
func TestNews(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		t.Parallel()
		ctx := t.Context()
		path := in.place(t)
		s, err := path(ctx)
		require.NoError(t, err)
		all, err := s.News(ctx)
		require.NoError(t, err)
		require.Empty(t, all)
		for want, about := range []inbox.Scope{{}, {"acme/env", ""}, {"Acme/Env", "main"}, {}, {"acme/env", "Main"}} {
			n, err := s.SaveNews(ctx, about)
			require.NoError(t, err)
			require.EqualValues(t, want+1, n)
		}
		require.NoError(t, s.Close())
		s, err = path(ctx)
		require.NoError(t, err)
		all, err = s.News(ctx)
		require.NoError(t, err)
		require.Equal(t, map[inbox.Scope]uint64{{}: 4, {"acme/env", ""}: 2, {"acme/env", "main"}: 3, {"acme/env", "Main"}: 5}, all)
		n, err := s.SaveNews(ctx, inbox.Scope{"acme/other", "main"})
		require.NoError(t, err)
		require.EqualValues(t, 6, n)
		_, err = s.SaveNews(ctx, inbox.Scope{Branch: "main"})
		require.ErrorIs(t, err, inbox.ErrInvalid)
		require.NoError(t, s.Close())
		_, err = s.News(ctx)
		require.Error(t, err)
		_, err = s.SaveNews(ctx, inbox.Scope{})
		require.Error(t, err)
	})
}
