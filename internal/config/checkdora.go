package config

import (
	"path"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// setDefaults fills in what is not written.
func (m *Metrics) setDefaults() {
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{
		{&m.Observe, time.Hour}, {&m.Grace, 5 * time.Minute}, {&m.ProgressDeadline, 30 * time.Minute},
		{&m.Stable, 5 * time.Minute}, {&m.Attribution, 7 * 24 * time.Hour},
	} {
		if *d.value == 0 {
			*d.value = d.fallback
		}
	}
	if m.Timezone == "" {
		m.Timezone = "UTC"
	}
	if m.Applications == 0 {
		m.Applications = defaultMetricsApplications
	}
}

// metrics checks how the metrics are computed.
func (c *checker) metrics(m Metrics, n *yaml.Node) {
	for _, d := range []struct {
		key   string
		value time.Duration
		most  time.Duration
	}{
		{"observe", m.Observe, 7 * 24 * time.Hour}, {"grace", m.Grace, m.Observe}, {"progressDeadline", m.ProgressDeadline, 7 * 24 * time.Hour},
		{"stable", m.Stable, 7 * 24 * time.Hour}, {"attribution", m.Attribution, maxAttribution},
	} {
		if d.value < time.Second || d.value > d.most {
			c.add(at(n, d.key), "metrics.%s must be between 1s and %s", d.key, brief(d.most))
		}
	}
	if _, err := time.LoadLocation(m.Timezone); err != nil || m.Timezone == "Local" {
		c.add(at(n, "timezone"), "metrics.timezone %q is no time zone; write a name such as Europe/Berlin", m.Timezone)
	}
	if m.Applications < 1 || m.Applications > maxMetricsApplications {
		c.add(at(n, "applications"), "metrics.applications must be between 1 and %d", maxMetricsApplications)
	}
	for i, t := range m.Teams {
		node := at(n, "teams", i)
		if !windowName.MatchString(t.Name) {
			c.add(at(node, "name"), "the team's name %q must be at most 60 letters, digits, spaces, dots and dashes, for example payments", t.Name)
		}
		if slices.ContainsFunc(m.Teams[:i], func(o MetricsTeam) bool { return o.Name == t.Name }) {
			c.add(at(node, "name"), "team %q exists twice; give each team a name of its own", t.Name)
		}
		if len(t.Applications) == 0 {
			c.add(at(node, "applications"), "team %q has no Application; write a pattern such as argocd/payments-*", t.Name)
		}
		for j, pattern := range t.Applications {
			if _, err := path.Match(pattern, ""); err != nil || strings.Count(pattern, "/") != 1 {
				c.add(at(node, "applications", j), "%q is no pattern of namespace/name, for example argocd/payments-*", pattern)
			}
		}
	}
}

// TeamsOf are the teams of an Application, by its "namespace/name", in the order of the file.
func (m Metrics) TeamsOf(application string) []string {
	var out []string
	for _, t := range m.Teams {
		if slices.ContainsFunc(t.Applications, func(pattern string) bool {
			matched, err := path.Match(pattern, application)
			return err == nil && matched
		}) {
			out = append(out, t.Name)
		}
	}
	return out
}
