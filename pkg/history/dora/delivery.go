package dora

import (
	"cmp"
	"slices"
	"time"
)

// Delivery is a change that became Healthy in an Application for the first time.
type Delivery struct {
	Change
	Application string
	// SyncedAt is when the first sync that shipped the change began, also if a later
	// deployment took its place before it was Healthy.
	SyncedAt time.Time
	// HealthyAt is when the Application was seen Healthy with it; EarliestHealthyAt is
	// before that when the time between was not watched.
	HealthyAt         time.Time
	EarliestHealthyAt time.Time
}

// deliveries follows each change until it is Healthy. A change whose deployment was
// superseded before goes on with the next one; a rollback ships nothing, and ends what
// was under way.
func (a *Assessed) deliveries() []Delivery {
	var out []Delivery
	var pending []Delivery
	known := map[string]bool{} // pending or delivered
	for _, d := range a.Deployments {
		if !d.Counted {
			continue
		}
		if slices.Contains(d.Rework, Rollback) {
			for _, p := range pending {
				delete(known, p.ID)
			}
			pending = nil
			continue
		}
		for _, c := range d.Changes {
			if !known[c.ID] {
				known[c.ID] = true
				pending = append(pending, Delivery{Change: c, Application: a.Name, SyncedAt: d.StartedAt})
			}
		}
		if d.Phase != Succeeded {
			continue
		}
		healthy, earliest := a.firstHealthy(d)
		for i := range pending {
			if pending[i].EarliestHealthyAt.IsZero() {
				pending[i].EarliestHealthyAt = earliest
			}
			pending[i].HealthyAt = healthy
		}
		if !healthy.IsZero() {
			out = append(out, pending...)
			pending = nil
		}
	}
	slices.SortFunc(out, func(x, y Delivery) int {
		return cmp.Or(x.HealthyAt.Compare(y.HealthyAt), cmp.Compare(x.ID, y.ID))
	})
	return out
}

// firstHealthy is when the Application was seen Healthy first on a deployment, and the
// earliest time at which it may have been; zero when it was not.
func (a *Assessed) firstHealthy(d Deployment) (seen, earliest time.Time) {
	ends := a.until
	if !d.ends.IsZero() {
		ends = earlier(d.ends, ends)
	}
	for s := range a.health.spans(d.FinishedAt, ends) {
		if earliest.IsZero() && maybeHealthy(s.status) {
			earliest = s.from
		}
		if s.status == Healthy {
			return s.from, earliest
		}
	}
	return time.Time{}, earliest
}

// Segment is a part of the way of a change.
type Segment string

// The segments, in their order.
const (
	// SegmentCode: from the first commit to the pull request.
	SegmentCode Segment = "code"
	// SegmentQuorum: from the pull request to its quorum.
	SegmentQuorum Segment = "quorum"
	// SegmentMerge: from the quorum to the merge.
	SegmentMerge Segment = "merge"
	// SegmentSync: from the merge to the first sync that shipped it.
	SegmentSync Segment = "sync"
	// SegmentRollout: from that sync to Healthy.
	SegmentRollout Segment = "rollout"
)

// Segments are all of them, in their order.
func Segments() []Segment {
	return []Segment{SegmentCode, SegmentQuorum, SegmentMerge, SegmentSync, SegmentRollout}
}

// ends are the two times between which a segment is; zero for one that is not known.
func (d Delivery) ends(s Segment) (from, to time.Time) {
	healthy := d.HealthyAt
	if !d.EarliestHealthyAt.Equal(healthy) {
		healthy = time.Time{}
	}
	switch s {
	case SegmentCode:
		return d.Committed, d.Opened
	case SegmentQuorum:
		return d.Opened, d.Quorum
	case SegmentMerge:
		return d.Quorum, d.Merged
	case SegmentSync:
		return d.Merged, d.SyncedAt
	case SegmentRollout:
		return d.SyncedAt, healthy
	default:
		return d.Committed, healthy
	}
}

// lead is the whole of it.
const lead Segment = "lead"
