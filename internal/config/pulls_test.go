package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLoadPulls(t *testing.T) {
	cfg, err := Load(write(t, valid))
	require.NoError(t, err)
	g := cfg.File.Gates[0]
	require.Equal(t, "prod", g.Environment())
	require.Equal(t, Deployments{}, g.Deployments, "they are shown, as production")
	require.Empty(t, g.ReviewRequests)
	require.False(t, g.Labels)
	require.False(t, g.ApplicationLinks)
	require.False(t, g.ApplicationNotices)

	cfg, err = Load(write(t, strings.Replace(valid, "  tokenFile: argocd-token\n", "  tokenFile: argocd-token\n  url: https://argo.example.com/cd\n", 1)+`    deployments: {environment: Payments (EU), testing: true, url: "https://pay.example.com/"}
    reviewRequests: people
    labels: true
    applicationLinks: true
    applicationNotices: true
`))
	require.NoError(t, err)
	g = cfg.File.Gates[0]
	require.Equal(t, "https://argo.example.com/cd", cfg.File.ArgoCD.URL)
	require.Equal(t, "Payments (EU)", g.Environment())
	require.Equal(t, []any{true, "https://pay.example.com/", "people", true, true, true}, []any{g.Deployments.Testing, g.Deployments.URL, g.ReviewRequests, g.Labels, g.ApplicationLinks, g.ApplicationNotices})
}

func TestLoadRefusesPulls(t *testing.T) {
	other := strings.Replace(valid[strings.Index(valid, "  - name: prod"):], "name: prod", "name: stage", 1)
	for name, test := range map[string]struct{ more, want string }{
		"environment":      {`    deployments: {environment: "a\nb"}`, "deployments.environment must be one line"},
		"long environment": {`    deployments: {environment: ` + strings.Repeat("x", 256) + `}`, "at most 255 bytes"},
		"url":              {`    deployments: {url: "javascript:alert(1)"}`, "deployments.url must be an address"},
		"password":         {`    deployments: {url: "https://a:b@shop.example.com"}`, "without a password"},
		"requests":         {`    reviewRequests: everybody`, `reviewRequests "everybody" is none of none, people, team`},
		"same environment": {other + `    deployments: {environment: prod}`, "under the same environment"},
		"unknown key":      {`    deployments: {env: prod}`, "env"},
	} {
		_, err := Load(write(t, valid+test.more+"\n"))
		require.ErrorContains(t, err, test.want, name)
	}
	long := strings.Repeat("x", maxLabelled+1)
	_, err := Load(write(t, strings.Replace(valid, "name: prod", "name: "+long, 1)+"    labels: true\n"))
	require.ErrorContains(t, err, "too long for labels")
	_, err = Load(write(t, strings.Replace(valid, "  tokenFile: argocd-token\n", "  tokenFile: argocd-token\n  url: argo.example.com\n", 1)))
	require.ErrorContains(t, err, "argocd.url must be an address")

	// Gates that show nothing, or different repositories, may have the same name.
	_, err = Load(write(t, valid+other+"    deployments: {environment: prod, off: true}\n"))
	require.NoError(t, err)
}
