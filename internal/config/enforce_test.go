package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const enforced = `enforcement:
  service:
    namespace: gatekeeper
    name: gatekeeper
  argocdNamespace: argo
`

func TestEnforcement(t *testing.T) {
	cfg, err := Load(write(t, valid))
	require.NoError(t, err)
	require.Nil(t, cfg.File.Enforcement)
	require.Equal(t, "not-enforced", cfg.DescribeEnforcement().Warnings[0].Code)

	cfg, err = Load(write(t, valid+enforced))
	require.NoError(t, err)
	e := cfg.File.Enforcement
	require.Equal(t, ":8443", e.Listen)
	require.Equal(t, ModeEnforce, e.Mode)
	require.True(t, e.Managed())
	require.Equal(t, 443, e.Service.Port)
	require.Equal(t, []string{"gatekeeper.gatekeeper.svc"}, e.Hosts())
	require.Empty(t, e.WebhookURL())
	require.Equal(t, []string{"system:serviceaccount:argo:argocd-application-controller"}, e.Controllers)
	require.Equal(t, []string{"system:serviceaccount:argo:argocd-server"}, e.Servers)
	namespace, name := e.SecretName()
	require.Equal(t, "gatekeeper/gatekeeper-admission", namespace+"/"+name)
	require.Empty(t, cfg.DescribeEnforcement().Warnings)

	const files = "enforcement:\n  url: %s\n  manage: false\n  mode: warn\n  certificate: {certFile: a, keyFile: b, caFile: c}\n"
	for _, url := range []string{"https://127.0.0.1:8443", "https://127.0.0.1:8443/", "https://127.0.0.1:8443/admission"} {
		cfg, err = Load(write(t, valid+strings.Replace(files, "%s", url, 1)))
		require.NoError(t, err)
		e = cfg.File.Enforcement
		require.Equal(t, "https://127.0.0.1:8443/admission", e.WebhookURL())
		require.Equal(t, []string{"127.0.0.1"}, e.Hosts())
		require.False(t, e.Managed())
		require.Len(t, cfg.DescribeEnforcement().Warnings, 1)
	}
}

func TestRefusedEnforcement(t *testing.T) {
	for name, c := range map[string]struct {
		text, want string
		line       int
	}{
		"empty":                  {"enforcement: {}\n", "the API server needs to know how to reach Gatekeeper", 1},
		"both ways":              {enforced + "  url: https://a\n", "exclude each other", 6},
		"no certificate":         {"enforcement:\n  url: https://a:8443\n", "there is no certificate", 2},
		"plain http":             {"enforcement:\n  url: http://127.0.0.1:8443\n  certificate: {secret: a/b}\n", "must be https://", 2},
		"a path":                 {"enforcement:\n  url: https://a/x\n  certificate: {secret: a/b}\n", "must be https://", 2},
		"a password":             {"enforcement:\n  url: https://a:b@c\n  certificate: {secret: a/b}\n", "must be https://", 2},
		"mode":                   {enforced + "  mode: audit\n", "none of enforce, warn", 6},
		"name":                   {enforced + "  name: Gate.Keeper\n", "lower-case letters, digits and dashes", 6},
		"listen":                 {enforced + "  listen: '8443'\n", "must be an address", 6},
		"namespace":              {enforced[:strings.Index(enforced, "  argocd")] + "  argocdNamespace: Argo\n", "is no name of a namespace", 5},
		"service without name":   {"enforcement:\n  service: {namespace: gatekeeper}\n", "must be the name of the service", 2},
		"service of nowhere":     {"enforcement:\n  service: {name: gatekeeper}\n", "must be the namespace of the service", 2},
		"port":                   {"enforcement:\n  service: {name: a, namespace: b, port: 70000}\n", "a number from 1 to 65535", 2},
		"half a certificate":     {enforced + "  certificate: {certFile: a}\n", "all of certFile, keyFile and caFile", 6},
		"two certificates":       {enforced + "  certificate: {secret: a/b, certFile: a, keyFile: b, caFile: c}\n", "exclude each other", 6},
		"secret of no namespace": {enforced + "  certificate: {secret: tls}\n", "must be namespace/name", 6},
		"controller":             {enforced + "  controllers: ['']\n", "is no user name", 6},
		"unknown key":            {enforced + "  manages: true\n", `did you mean "manage"`, 6},
		"manage in words":        {enforced + "  manage: perhaps\n", "must be true or false", 6},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, valid+c.text)
			_, err := Load(path)
			var refused *Error
			require.ErrorAs(t, err, &refused)
			require.Contains(t, err.Error(), c.want)
			require.Equal(t, strings.Count(valid, "\n")+c.line, refused.Mistakes[0].Line, err)
		})
	}
}
