package main

import (
	"context"
	"log/slog"
	"math"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPercentFor(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		live uint64
		want int
	}{
		{0, 400},
		{10 << 20, 400},
		{32 << 20, 400},
		{48 << 20, 266},
		{64 << 20, 200},
		{128 << 20, 200},
		{4 << 30, 200},
		{math.MaxUint64, 200},
	} {
		require.Equal(t, test.want, percentFor(test.live), "%d bytes", test.live)
	}
	require.NotEqual(t, uint64(math.MaxUint64), liveHeap(), "the runtime has this metric")
}

// TestTuneCollector: what somebody set holds, and the setting ends with the context.
func TestTuneCollector(t *testing.T) { //nolint:paralleltest // GOGC is of the process
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	before := debug.SetGCPercent(123)
	defer debug.SetGCPercent(before)
	tuneCollector(ended, slog.New(slog.DiscardHandler))
	require.Equal(t, 123, debug.SetGCPercent(123))
	t.Setenv("GOGC", "50")
	tuneCollector(t.Context(), slog.New(slog.DiscardHandler)) // returns at once
	require.Equal(t, 123, debug.SetGCPercent(123))
}
