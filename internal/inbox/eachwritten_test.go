package inbox_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEachWritten(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		s := in.fresh(t)
		each := func(name string) map[int][2]any {
			found := map[int][2]any{}
			require.NoError(t, s.EachWritten(t.Context(), "acme/Deploy", name, func(pull int, id int64, digest string) {
				require.NotContains(t, found, pull)
				found[pull] = [2]any{id, digest}
			}))
			return found
		}
		require.Empty(t, each("a"))
		require.NoError(t, s.SaveWritten(t.Context(), "acme/deploy", 1, "a", 11, "one"))
		require.NoError(t, s.SaveWritten(t.Context(), "acme/deploy", 2, "a", 12, "two"))
		require.NoError(t, s.SaveWritten(t.Context(), "acme/deploy", 2, "a", 13, "three"))
		require.NoError(t, s.SaveWritten(t.Context(), "acme/deploy", 3, "b", 14, "four"))
		require.NoError(t, s.SaveWritten(t.Context(), "acme/other", 4, "a", 15, "five"))
		require.Equal(t, map[int][2]any{1: {int64(11), "one"}, 2: {int64(13), "three"}}, each("a"))
	})
}
