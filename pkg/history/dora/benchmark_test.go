package dora_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history/dora"
)

func TestBenchmarks(t *testing.T) {
	all, err := dora.Benchmarks()
	require.NoError(t, err)
	require.Equal(t, 2023, all[0].Year)
	latest := all[len(all)-1]
	require.Equal(t, 2024, latest.Year)
	text, err := json.Marshal(all)
	require.NoError(t, err)
	again, err := dora.ParseBenchmarks(text)
	require.NoError(t, err)
	require.Equal(t, all, again)

	require.Zero(t, latest.Compare(report(nil, 0, 14*day)), "what is not defined has no level")
	rate, perDay, took, healed := 0.15, 0.2, 26*time.Hour, 50*time.Minute
	r := dora.Report{}
	r.ChangeFailRate.Rate, r.Frequency.PerDay, r.Frequency.Deployments = &rate, &perDay, 3
	r.LeadTime.Length.Median, r.Recovery.Length.Median = &took, &healed
	require.Equal(t, dora.Levels{DeploymentFrequency: dora.High, ChangeLeadTime: dora.High, ChangeFailRate: dora.High, RecoveryTime: dora.Elite}, latest.Compare(r))
	require.Equal(t, dora.Medium, all[0].Compare(r).ChangeFailRate)
	rate, perDay, took, healed = 0.3, 0.01, 1000*time.Hour, 24*time.Hour
	require.Equal(t, dora.Levels{DeploymentFrequency: dora.Low, ChangeLeadTime: dora.Low, ChangeFailRate: dora.Low, RecoveryTime: dora.Low}, latest.Compare(r))
}

func TestParseBenchmarksRefuses(t *testing.T) {
	all, err := dora.Benchmarks()
	require.NoError(t, err)
	good, err := json.Marshal(all[:1])
	require.NoError(t, err)
	for name, broken := range map[string]string{
		"no list":     `{}`,
		"more":        string(good) + `[]`,
		"unknown key": strings.Replace(string(good), `"year"`, `"month":1,"year"`, 1),
		"no source":   strings.Replace(string(good), all[0].Source, "", 1),
		"no figure":   strings.Replace(string(good), `"elite":0.05`, `"elite":0`, 1),
		"no length":   strings.Replace(string(good), `"24h0m0s"`, `"a day"`, 1),
		"a number":    strings.Replace(string(good), `"24h0m0s"`, `24`, 1),
		"twice":       `[` + strings.Trim(string(good), "[]") + `,` + strings.Trim(string(good), "[]") + `]`,
	} {
		_, err := dora.ParseBenchmarks([]byte(broken))
		require.Error(t, err, name)
	}
}

func FuzzParseBenchmarks(f *testing.F) {
	all, err := dora.Benchmarks()
	require.NoError(f, err)
	good, err := json.Marshal(all)
	require.NoError(f, err)
	f.Add(good)
	f.Add([]byte(`[{"year":1}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		parsed, err := dora.ParseBenchmarks(data)
		if err != nil {
			return
		}
		for _, b := range parsed {
			require.Positive(t, b.ChangeLeadTime.Elite)
			require.Positive(t, b.ChangeFailRate.Medium)
			require.NotEmpty(t, b.Source)
		}
	})
}
