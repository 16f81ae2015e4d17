package config

import "time"

// Metrics say how the metrics of DORA are computed. Nothing is decided by them.
type Metrics struct {
	// Observe is for how long after its sync the health of a deployment is watched.
	// Default 1h.
	Observe time.Duration `yaml:"observe"`
	// Grace is for how long without a break an Application has to be Degraded or Missing
	// within that time for its deployment to have failed. At most observe. Default 5m.
	Grace time.Duration `yaml:"grace"`
	// ProgressDeadline is for how long a deployment may be Progressing before it is
	// Healthy for the first time; time in Suspended does not count. Default 30m.
	ProgressDeadline time.Duration `yaml:"progressDeadline"`
	// Stable is for how long without a break an Application has to be Healthy to have
	// recovered from a failed deployment. Default 5m.
	Stable time.Duration `yaml:"stable"`
	// Attribution is for how long after its sync a deployment can be blamed by a rollback,
	// a revert or a hotfix. Default 168h, at most 8784h.
	Attribution time.Duration `yaml:"attribution"`
	// Timezone is a name of the IANA database such as Europe/Berlin, in which days and
	// weeks are counted. Default UTC.
	Timezone string `yaml:"timezone"`
	// Teams say whose the Applications are, so that metrics can be had for a team. An
	// Application may be of several.
	Teams []MetricsTeam `yaml:"teams"`
	// Applications is for how many Applications of each gate /metrics has series of their
	// own, those with the most deployments in 90 days first; the others are taken together
	// as "other". Default 50, at most 500.
	Applications int `yaml:"applications"`
}

// MetricsTeam is a team whose metrics can be asked for.
type MetricsTeam struct {
	// Name is what the team is called, for example payments. Required.
	Name string `yaml:"name"`
	// Applications are patterns of namespace/name, in which * stands for anything but a
	// slash and ? for one character, for example argocd/payments-*. At least one.
	Applications []string `yaml:"applications"`
}

const (
	defaultMetricsApplications = 50
	maxMetricsApplications     = 500
	maxAttribution             = 366 * 24 * time.Hour
)
