package approval

import (
	"slices"
	"time"
)

// SyncRules say what others than Gatekeeper may ask of Argo CD for a candidate that
// is approved. What they do not name is refused.
type SyncRules struct {
	// Rollback lets people go back to what the record says was deployed before.
	Rollback bool `json:"rollback,omitempty"`
	// Partial lets people sync some of the resources alone.
	Partial bool `json:"partial,omitempty"`
	// Prune lets people prune resources that the candidate does not have any more.
	Prune bool `json:"prune,omitempty"`
	// Force lets people have resources deleted and created anew.
	Force bool `json:"force,omitempty"`
	// Automated lets the Applications sync themselves. Every such sync needs its
	// approval as any other.
	Automated bool `json:"automated,omitempty"`
	// OnCommand has Gatekeeper wait with an approved candidate until somebody says that it
	// is to be synced.
	OnCommand bool `json:"onCommand,omitempty"`
	// Options are sync options that people may add to those of the spec, for example
	// "ApplyOutOfSyncOnly=true".
	Options []string `json:"options,omitempty"`
	// StuckAfter is how long an operation may run before people are told that it hangs;
	// 0 for half an hour.
	StuckAfter time.Duration `json:"stuckAfter,omitempty"`
}

// Permits says whether a sync option that is not in the spec may be used.
func (r SyncRules) Permits(option string) bool { return slices.Contains(r.Options, option) }
