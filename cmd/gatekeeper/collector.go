package main

import (
	"context"
	"log/slog"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

const (
	// garbageRoom is how much garbage there may be before it is collected. Most of what is
	// in use is the Applications, which stay, and a collection takes cores from the
	// answers to the API server: the more room, the fewer answers meet one. It is part of
	// the 256 MiB that ten thousand Applications may take.
	garbageRoom = 128 << 20
	// The bounds of GOGC: no more garbage than four times what is in use, and no less than
	// twice. With ten thousand protected Applications 100 MiB are in use, and 500 reviews a
	// second leave 40 MiB of garbage each second. A collection marks for a tenth of a second,
	// in which answers are late: at Go's own choice, 100, one of twenty was. Of a container's
	// memory there is never more than memoryShare.
	leastPercent, mostPercent = 200, 400
	// tuneEvery is how often the heap is looked at: it grows with the number of
	// Applications, slowly.
	tuneEvery = 10 * time.Second
	// memoryShare is how much of what its container may use the process tries to stay
	// below, by collecting more often.
	memoryShare = 0.9
)

// tuneCollector keeps collections of garbage rare until the context ends, within the
// container's memory. GOGC and GOMEMLIMIT, where somebody set them, hold instead.
func tuneCollector(ctx context.Context, log *slog.Logger) {
	limit, err := memlimit.Set(memlimit.WithRatio(memoryShare))
	switch {
	case err != nil:
		// Without it the container's own limit still holds.
		log.LogAttrs(ctx, slog.LevelWarn, "memory_limit_unknown", slog.Any("error", err))
	case limit < math.MaxInt64:
		log.LogAttrs(ctx, slog.LevelInfo, "memory_limit", slog.Int64("bytes", limit))
	}
	if os.Getenv("GOGC") != "" {
		return
	}
	before := debug.SetGCPercent(mostPercent)
	defer debug.SetGCPercent(before)
	tick := time.NewTicker(tuneEvery)
	defer tick.Stop()
	for {
		debug.SetGCPercent(percentFor(liveHeap()))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// percentFor is the GOGC with which a heap of so many bytes has garbageRoom.
func percentFor(live uint64) int {
	return int(min(max(garbageRoom*100/max(live, 1), leastPercent), mostPercent))
}

// liveHeap is what the last collection left, in bytes.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return math.MaxUint64 // unknown: Go's own choice
	}
	return sample[0].Value.Uint64()
}
