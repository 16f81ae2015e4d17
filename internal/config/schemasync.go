package config

import "time"

// Sync says what people may ask of Argo CD for content that is approved: by its UI,
// its command line or its API. What is not approved they cannot sync in any way.
type Sync struct {
	// Rollback to what was deployed before: allow or refuse. Default allow.
	Rollback string `yaml:"rollback" enum:"allow,refuse"`
	// Partial syncs, of some of the resources alone: allow or refuse. Such a sync is
	// recorded, and is no deployment. Default allow.
	Partial string `yaml:"partial" enum:"allow,refuse"`
	// Prune by hand what the approved content does not have any more: allow or refuse.
	// Default allow.
	Prune string `yaml:"prune" enum:"allow,refuse"`
	// Force, which deletes resources and creates them anew: allow or refuse. Default
	// refuse.
	Force string `yaml:"force" enum:"allow,refuse"`
	// GatedAutoSync lets the Applications sync themselves. Every such sync needs its
	// approval as any other. Default false: enabling it is refused, and an Application
	// that has it is blocked.
	GatedAutoSync bool `yaml:"gatedAutoSync"`
	// OnCommand has Gatekeeper wait with what is approved until somebody who may write to
	// the repository says "/gk sync" on a pull request, presses "Sync now", or an operator
	// gives the order gatekeeper sync. Default false: what is approved is synced at once.
	// It cannot be combined with gatedAutoSync.
	OnCommand bool `yaml:"onCommand"`
	// Options are sync options that people may add to those of the Application's spec,
	// for example "ApplyOutOfSyncOnly=true".
	Options []string `yaml:"options"`
	// StuckAfter is how long a sync may run before it is reported to hang: on the pull
	// request, in the log, and as a metric. At least 1m. One that Argo CD does not pick up
	// is reported after 5 minutes. Default 30m.
	StuckAfter time.Duration `yaml:"stuckAfter"`
}
