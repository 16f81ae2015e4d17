package archive

import (
	"context"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Keeping is Make for records that are too small for what it keeps.
func Keeping(ctx context.Context, r history.Reader, before, now time.Time, operations int) (Plan, error) {
	return keeping(ctx, r, before, now, operations)
}

// Held is how many intents Keeping has in memory at most.
func Held(ctx context.Context, r history.Reader, before, now time.Time, operations int) (most int, err error) {
	s := newSurvey(r, before, now, 1, operations)
	for next := uint64(1); ; {
		entries, err := r.Entries(ctx, next, page)
		if err != nil || len(entries) == 0 {
			return most, err
		}
		for _, e := range entries {
			if err := s.add(ctx, e); err != nil {
				return 0, err
			}
			most, next = max(most, len(s.intents)), e.Sequence+1
		}
	}
}
