package inbox

import (
	"context"
	"fmt"
	"time"
)

// Backlog is what waits in the inbox.
type Backlog struct {
	// Pending deliveries are still to be processed, and Oldest is when the first of them
	// was received, zero when there is none.
	Pending int
	Oldest  time.Time
	// Parked deliveries failed too often.
	Parked int
	// Asked is what was asked for by comments and not finished.
	Asked int
}

// Backlog counts what waits.
func (s *Store) Backlog(ctx context.Context) (Backlog, error) {
	var b Backlog
	var oldest int64
	if _, err := s.row(ctx, []any{&b.Pending, &oldest, &b.Parked, &b.Asked}, `SELECT
		(SELECT count(*) FROM deliveries WHERE state = 'pending'), (SELECT coalesce(min(received), 0) FROM deliveries WHERE state = 'pending'),
		(SELECT count(*) FROM deliveries WHERE state = 'parked'), (SELECT count(*) FROM asked WHERE state = 'pending')`); err != nil {
		return Backlog{}, fmt.Errorf("count what waits in the inbox: %w", err)
	}
	if oldest > 0 {
		b.Oldest = time.Unix(0, oldest).UTC()
	}
	return b, nil
}
