package config

import "go.yaml.in/yaml/v4"

// previews checks how much is rendered, and fills in the default.
func (c *checker) previews(p *Previews, n *yaml.Node) {
	if p.Applications == 0 {
		p.Applications = defaultPreviews
	}
	if p.Applications < 1 || p.Applications > maxPreviews {
		c.add(at(n, "applications"), "previews.applications must be between 1 and %d; to render nothing write enabled: false", maxPreviews)
	}
}
