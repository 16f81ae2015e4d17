package sparkline_test

import (
	"math"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/sparkline"
)

func numbers(values ...float64) []*float64 {
	out := make([]*float64, len(values))
	for i, v := range values {
		if v >= 0 {
			out[i] = &v
		}
	}
	return out
}

func TestLine(t *testing.T) {
	require.Empty(t, sparkline.Line(nil, false))
	require.Equal(t, "▁▂▃▄▅▆▇█", sparkline.Line(numbers(0, 1, 2, 3, 4, 5, 6, 7), false))
	require.Equal(t, "_.:-=+*#", sparkline.Line(numbers(0, 1, 2, 3, 4, 5, 6, 7), true))
	require.Equal(t, "▁▁", sparkline.Line(numbers(0, 0), false), "nothing was deployed")
	require.Equal(t, " █ ▅", sparkline.Line(numbers(-1, 2, -1, 1), false), "what is not defined is a gap")
	require.Equal(t, " █ ", sparkline.Line(numbers(math.NaN(), 3, math.Inf(1)), false))
}

func TestBar(t *testing.T) {
	require.Equal(t, "█████", sparkline.Bar(5, 10, 10, false))
	require.Equal(t, "#", sparkline.Bar(0.001, 10, 10, true), "something is not nothing")
	require.Equal(t, "##########", sparkline.Bar(20, 10, 10, true))
	for _, nothing := range []string{
		sparkline.Bar(0, 10, 10, false), sparkline.Bar(-1, 10, 10, false), sparkline.Bar(1, 0, 10, false), sparkline.Bar(1, 1, 0, false),
		sparkline.Bar(math.NaN(), 1, 5, false), sparkline.Bar(math.Inf(1), math.Inf(1), 5, false),
	} {
		require.Empty(t, nothing)
	}
}

func FuzzLine(f *testing.F) {
	f.Add(1.0, 2.0, 3.0, true)
	f.Add(math.NaN(), math.Inf(-1), math.MaxFloat64, false)
	f.Fuzz(func(t *testing.T, a, b, c float64, ascii bool) {
		line := sparkline.Line([]*float64{&a, &b, nil, &c}, ascii)
		require.Equal(t, 4, utf8.RuneCountInString(line))
		require.Equal(t, ' ', []rune(line)[2])
		require.LessOrEqual(t, utf8.RuneCountInString(sparkline.Bar(a, b, 7, ascii)), 7)
	})
}
