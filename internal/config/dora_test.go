package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"
)

func TestMetrics(t *testing.T) {
	for text, want := range map[string][]string{
		"{}": nil,
		"{observe: 2h, grace: 2h, timezone: Europe/Berlin, applications: 500, attribution: 8784h}": nil,
		"grace: 61m":                          {"metrics.grace must be between 1s and 1h"},
		"observe: 1ms":                        {"metrics.observe must be between", "metrics.grace must be between 1s and 1ms"},
		"stable: -1m":                         {"metrics.stable must be between"},
		"progressDeadline: 200h":              {"metrics.progressDeadline must be between 1s and 168h"},
		"attribution: 8785h":                  {"metrics.attribution must be between"},
		"timezone: Mars/Olympus":              {`metrics.timezone "Mars/Olympus" is no time zone`},
		"timezone: Local":                     {"is no time zone"},
		"applications: 501":                   {"metrics.applications must be between 1 and 500"},
		"applications: -1":                    {"metrics.applications must be between 1 and 500"},
		"teams: [{name: pay}]":                {`team "pay" has no Application`},
		"teams: [{applications: [argocd/a]}]": {"the team's name"},
		"teams: [{name: a, applications: [b]}, {name: a, applications: ['[/b', c/d, e/*]}]": {"exists twice", `"b" is no pattern`, `"[/b" is no pattern`},
	} {
		var document yaml.Node
		require.NoError(t, yaml.Unmarshal([]byte(text), &document))
		var m Metrics
		require.NoError(t, document.Content[0].Decode(&m))
		m.setDefaults()
		c := &checker{}
		c.metrics(m, document.Content[0])
		require.Len(t, c.mistakes, len(want), "%s: %v", text, c.mistakes)
		for _, w := range want {
			require.ErrorContains(t, c.err(), w, text)
		}
	}
}

func TestMetricsDefaults(t *testing.T) {
	var m Metrics
	m.setDefaults()
	require.Equal(t, Metrics{
		Observe: time.Hour, Grace: 5 * time.Minute, ProgressDeadline: 30 * time.Minute, Stable: 5 * time.Minute,
		Attribution: 168 * time.Hour, Timezone: "UTC", Applications: 50,
	}, m)
}

func TestTeamsOf(t *testing.T) {
	m := Metrics{Teams: []MetricsTeam{
		{Name: "pay", Applications: []string{"argocd/payments-*", "shop/cart"}}, {Name: "all", Applications: []string{"*/*"}},
	}}
	require.Equal(t, []string{"pay", "all"}, m.TeamsOf("argocd/payments-eu"))
	require.Equal(t, []string{"pay", "all"}, m.TeamsOf("shop/cart"))
	require.Equal(t, []string{"all"}, m.TeamsOf("shop/cart-2"))
	require.Empty(t, m.TeamsOf("nothing"))
}
