package errand

import (
	"context"
	"log/slog"
	"time"
)

// Forbidden is returned by a Do that is refused until somebody changes a permission or a
// policy. It is tried again after an hour, then two, up to six, together with all else of
// that place; what to do is logged once until it is permitted.
type Forbidden struct {
	Err error
	// Remedy is what somebody has to change.
	Remedy string
}

func (f Forbidden) Error() string { return f.Err.Error() }

func (f Forbidden) Unwrap() error { return f.Err }

const maxMute = 6 * time.Hour

// refuse keeps a place from being written to for longer each time. The lock is held.
func (q *Queue[K, W]) refuse(ctx context.Context, key K, f Forbidden, attrs []slog.Attr, now time.Time) {
	place := q.o.Repository(key)
	q.refused[place]++
	wait := min(muteFor<<min(q.refused[place]-1, 10), maxMute)
	level := slog.LevelDebug
	if q.refused[place] == 1 {
		level = slog.LevelError
	}
	q.o.Logger.LogAttrs(ctx, level, "errand_not_permitted", append(attrs, slog.String("remedy", f.Remedy), slog.Duration("wait", wait))...)
	q.silence(place, now.Add(wait))
}

// permitted says that a place takes what is written. The lock is held.
func (q *Queue[K, W]) permitted(ctx context.Context, key K) {
	place := q.o.Repository(key)
	if q.refused[place] == 0 {
		return
	}
	delete(q.refused, place)
	q.o.Logger.LogAttrs(ctx, slog.LevelInfo, "errand_permitted", append(q.o.Attrs(key), slog.String("what", q.o.What))...)
	for k, j := range q.jobs { // the others waited for the same
		if q.o.Repository(k) == place && !j.due.After(q.mute[place]) {
			j.due = time.Time{}
		}
	}
	delete(q.mute, place)
}
