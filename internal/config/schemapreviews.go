package config

// Previews are the rendered diffs on pull requests: what a pull request changes in the
// cluster, and what a sync would ship. Argo CD renders them; decisions never wait for
// them.
type Previews struct {
	// Enabled has Argo CD render the heads of pull requests. They are rendered by the
	// repo-server that renders them after the merge, before anybody has reviewed them,
	// and only when they are in the repository itself, which takes the right to write to
	// it; heads in forks never are. With false nothing is rendered but by
	// "gatekeeper diff". Default true.
	Enabled *bool `yaml:"enabled"`
	// Plugins also has Applications rendered that use a config management plugin, which
	// runs whatever it is made to run. Default false.
	Plugins bool `yaml:"plugins"`
	// Applications is for how many Applications one pull request is rendered at most;
	// each costs two renderings. Default 50, at most 500.
	Applications int `yaml:"applications"`
}

const (
	defaultPreviews = 50
	maxPreviews     = 500
)

// On says whether pull requests are rendered.
func (p Previews) On() bool { return p.Enabled == nil || *p.Enabled }
