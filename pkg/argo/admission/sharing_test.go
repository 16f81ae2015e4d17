package admission

import (
	"math"
	"testing"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/stretchr/testify/require"
)

// TestSharing: the very same is equal without being looked at, which a number shows that is not
// equal to itself; anything else is compared.
func TestSharing(t *testing.T) {
	t.Parallel()
	s := sharing{}
	value := func(v any) ref.Val { return s.NativeToValue(v) }
	odd := map[string]any{"a": []any{math.NaN()}}
	require.Equal(t, types.True, value(odd).Equal(value(odd)))
	require.Equal(t, types.True, value(odd["a"]).Equal(value(odd["a"])))
	require.NotEqual(t, types.True, value(odd).Equal(value(map[string]any{"a": []any{math.NaN()}})))
	for _, test := range []struct {
		a, b any
		want ref.Val
	}{
		{map[string]any{"a": []any{int64(1)}}, map[string]any{"a": []any{int64(1)}}, types.True},
		{map[string]any{"a": []any{int64(1)}}, map[string]any{"a": []any{int64(2)}}, types.False},
		{map[string]any{"a": []any{int64(1)}}, map[string]any{"b": []any{int64(1)}}, types.False},
		{[]any{"a"}, []any{"a"}, types.True},
		{[]any{"a", "b"}, []any{"a"}, types.False},
		{[]any{}, []any{}, types.True},
		{[]any{}, map[string]any{}, types.False},
	} {
		require.Equal(t, test.want, value(test.a).Equal(value(test.b)), "%v %v", test.a, test.b)
	}
	require.NotPanics(t, func() { _ = map[ref.Val]bool{value(odd): true, value(odd["a"]): true} }, "as \"x in [...]\" does")
	same := []any{"a", "b"}
	require.Equal(t, types.False, value(same).Equal(value(same[:1])))
}
