package deployments

import (
	"context"
	"fmt"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// stale is for how long after the end of a sync Argo CD may show the health from before
// it: it assesses the resources anew after the operation.
const stale = 30 * time.Second

// unwatched is how long after its end an operation is recorded at most while somebody
// watches. Argo CD's clock and ours may differ by less.
const unwatched = 5 * time.Minute

// health reads how the Application fared until the entry of the operation that followed, 0
// for none: only the newest one that is live is watched.
func (m *Model) health(ctx context.Context, d *Deployment, first string, followed uint64) error {
	if first != "" {
		d.Health = []Health{{Health: first, At: d.FinishedAt}}
		if d.Late || d.FinishedAt.IsZero() || d.Recorded.Sub(d.FinishedAt) > unwatched {
			d.Health[0].Late = true
			if d.Recorded.After(d.FinishedAt) { // Argo CD's clock may be ahead
				d.Health[0].At = d.Recorded
			}
		}
	}
	d.Watched = d.Recorded
	s := history.Selection{Kinds: []history.Kind{history.KindHealth}, Application: d.UID, From: d.Sequence + 1, Before: followed}
	for ended := false; !ended; {
		entries, err := m.record.Select(ctx, s, healthRead)
		if err != nil {
			return fmt.Errorf("read the health after entry %d: %w", d.Sequence, err)
		}
		ended = len(entries) == 0
		for _, entry := range entries {
			s.From = entry.Sequence + 1
			if entry.Archived() && !d.Succeeded() {
				continue // what fails is not watched, so it is not its own
			}
			h, err := history.Decode[history.HealthPayload](entry)
			if err != nil {
				return err
			}
			if h.Of != d.Sequence {
				ended = ended || h.Of > d.Sequence
				continue
			}
			d.Health = append(d.Health, Health{Health: h.Health, At: h.At, Late: h.Late, End: h.End})
			d.Watched = h.At
			ended = ended || h.End
		}
	}
	if !d.Succeeded() {
		return nil
	}
	for i, h := range d.Health {
		switch {
		case h.Health != healthy:
		case h.Late && (i == 0 || d.Health[i-1].Health != healthy):
			return nil // some time before, and nobody knows when
		case i == 0 && len(d.Health) > 1 && d.Health[1].Health == "Progressing" && d.Health[1].At.Sub(h.At) <= stale:
			continue // that was the health from before
		default:
			d.HealthyAt = h.At
			return nil
		}
	}
	return nil
}

const (
	healthy    = "Healthy"
	healthRead = 25
)
