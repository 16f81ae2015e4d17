package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// valid is a complete configuration; tests replace one line of it.
const valid = `github:
  url: https://github.com
  appID: 12345
  privateKeyFile: private-key.pem
  webhookSecretFiles: [webhook-secret]
argocd:
  server: argocd-server.argocd.svc:443
  tokenFile: argocd-token
dataDirectory: /var/lib/gatekeeper
gates:
  - name: prod
    applications:
      - project: payments-prod
    repositories:
      - repository: acme/env-overrides
        branch: main
        enrolledAt: 8f14e45fceea167a5a36dedd4bea2543b1b2c3d4
        paths: ["charts/**", "envs/prod/**"]
    config:
      requirements:
        - name: sre
          approvals: 2
          teams: [acme/sre]
`

// write puts a configuration and its secrets into a folder.
func write(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"private-key.pem": "key\n", "webhook-secret": "s3cret\n", "argocd-token": "token", "empty": "\n", "config.yaml": text,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return filepath.Join(dir, "config.yaml")
}

func TestLoadValid(t *testing.T) {
	cfg, err := Load(write(t, valid))
	require.NoError(t, err)
	require.Equal(t, "https://api.github.com/", cfg.File.GitHub.APIURL)
	require.Equal(t, ":8080", cfg.File.Server.Listen)
	require.Equal(t, 30*time.Second, cfg.File.GitHub.IndexGrace)
	require.Len(t, cfg.Policies, 1)
	require.Equal(t, 2, cfg.Policies[0].Config.Requirements[0].Approvals)
	require.Equal(t, "s3cret", string(cfg.Secrets.WebhookSecrets[0].Reveal()))
}

func TestLoadEnterpriseServer(t *testing.T) {
	cfg, err := Load(write(t, strings.Replace(valid, "https://github.com", "https://ghes.example.org/", 1)))
	require.NoError(t, err)
	require.Equal(t, "https://ghes.example.org/api/v3/", cfg.File.GitHub.APIURL)
}

func TestLoadRefuses(t *testing.T) {
	const enrolled = "8f14e45fceea167a5a36dedd4bea2543b1b2c3d4"
	tests := []struct {
		name, old, new string
		line           int
		want           string
	}{
		{"unknown key", "  appID: 12345", "  appID: 12345\n  appid: 1", 4, `unknown key "appid" in github; did you mean "appID"?`},
		{"unknown key without a neighbour", "dataDirectory:", "telemetry: {}\ndataDirectory:", 9, "possible are: version, github, argocd"},
		{"wrong kind: number", "appID: 12345", "appID: twelve", 3, `github.appID must be a whole number, but is "twelve"`},
		{"wrong kind: text", "branch: main", "branch: 1.0", 16, "gates[0].repositories[0].branch must be text (put it in quotes)"},
		{"wrong kind: a SHA of digits alone", `enrolledAt: ` + enrolled, "enrolledAt: 12345", 17, "must be text (put it in quotes)"},
		{"wrong kind: list", "teams: [acme/sre]", "teams: acme/sre", 23, "must be a list"},
		{"wrong kind: mapping", "argocd:\n  server: argocd-server.argocd.svc:443\n  tokenFile: argocd-token", "argocd: yes", 6, "argocd must hold keys: server, tokenFile"},
		{"wrong kind: duration", "  appID: 12345", "  appID: 12345\n  indexGrace: 30", 4, "must be a duration such as 30s or 5m"},
		{"repeated key", "  appID: 12345", "  appID: 12345\n  appID: 1", 4, "was already given in line 3"},
		{"anchor", "branch: main", "branch: &b main", 16, "uses an anchor or an alias"},
		{"second document", "          teams: [acme/sre]\n", "          teams: [acme/sre]\n---\na: b\n", 25, "there is a second document"},
		{"not YAML", "github:", "github: [", 0, "this is not YAML"},
		{"missing App ID", "  appID: 12345\n", "", 2, "github.appID is missing"},
		{"missing key file", "  privateKeyFile: private-key.pem\n", "", 2, "github.privateKeyFile is missing"},
		{"key file that does not exist", "private-key.pem", "nowhere.pem", 4, "create the file, or name the right one"},
		{"empty secret", "[webhook-secret]", "[empty]", 5, "is empty"},
		{"no webhook secret", "  webhookSecretFiles: [webhook-secret]\n", "", 2, "without a secret anybody could send webhooks"},
		{"no Argo CD token", "  tokenFile: argocd-token\n", "", 7, "argocd.tokenFile is missing"},
		{"plain http to another host", "https://github.com", "http://ghes.example.org", 2, "must begin with https://"},
		{"credentials in the URL", "https://github.com", "https://a:b@github.com", 2, "must be a URL such as"},
		{"no data directory", "dataDirectory: /var/lib/gatekeeper\n", "", 1, "dataDirectory is missing"},
		{"no gate", valid[strings.Index(valid, "gates:"):], "gates: []\n", 10, "there is no gate, so nothing would be protected"},
		{"gate without requirements", valid[strings.Index(valid, "      requirements:"):], "      requirements: []\n", 20, "it would let everything through"},
		{"requirement of zero approvals", "approvals: 2", "approvals: 0", 22, "a requirement of 0 approvals would let everything through"},
		{"requirement without a number", "          approvals: 2\n", "", 21, "a requirement of 0 approvals would let everything through"},
		{"requirement of nobody", "          teams: [acme/sre]\n", "", 21, "names nobody"},
		{"requirement that cannot be reached", "teams: [acme/sre]", "users: [alice, Alice]", 22, "2 approvals of 1 people can never be reached"},
		{"team without an organisation", "acme/sre]", "sre]", 23, "must be org/slug"},
		{"user with an at sign", "teams: [acme/sre]", "users: ['@alice', bob]", 23, "must be a GitHub login"},
		{"gate that selects nothing", "      - project: payments-prod\n", "      []\n", 13, "selects no Application"},
		{"empty selector", "- project: payments-prod", "- {}", 13, "this selector is empty"},
		{"gate name", "name: prod", "name: Prod Env", 11, "lower-case letters, digits and dashes"},
		{"repository name", "acme/env-overrides", "acme/../x", 15, "must be owner/name"},
		{"branch that is a ref", "branch: main", "branch: refs/heads/main", 16, "branch must be the name"},
		{"short SHA", enrolled, "'0123456'", 17, "enrolledAt must be the full SHA"},
		{"no enrolment", "        enrolledAt: " + enrolled + "\n", "", 15, "enrolledAt must be the full SHA"},
		{"path pattern", `"charts/**"`, `"/charts/**"`, 18, "is not a pattern such as envs/prod/**"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Contains(t, valid, tt.old, "the test replaces nothing")
			text := strings.Replace(valid, tt.old, tt.new, 1)
			path := write(t, text)
			_, err := Load(path)
			var refused *Error
			require.ErrorAs(t, err, &refused)
			require.Contains(t, err.Error(), tt.want)
			if tt.line > 0 {
				require.Contains(t, err.Error(), fmt.Sprintf("%s:%d: ", path, tt.line))
			}
			require.NotContains(t, err.Error(), "s3cret")
		})
	}
}

func TestLoadReportsEveryMistake(t *testing.T) {
	text := strings.NewReplacer("appID: 12345", "appID: 0", "approvals: 2", "approvals: 0", "branch: main", "branch: ''").Replace(valid)
	_, err := Load(write(t, text))
	var refused *Error
	require.ErrorAs(t, err, &refused)
	require.Len(t, refused.Mistakes, 3)
}

func TestLoadEmptyFile(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n"} {
		_, err := Load(write(t, text))
		var refused *Error
		require.ErrorAs(t, err, &refused, "%q", text)
	}
}

func TestSecretNeverShows(t *testing.T) {
	s := Secret{value: []byte("s3cret")}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		require.NotContains(t, fmt.Sprintf(format, s), "s3cret", format)
		require.NotContains(t, fmt.Sprintf(format, struct{ S Secret }{s}), "s3cret", format)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(valid))
	f.Add([]byte("gates: [{name: *x}]"))
	f.Add([]byte("a: &a [*a]\n---\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, root, err := Parse("fuzz.yaml", data)
		if err != nil {
			var refused *Error
			require.ErrorAs(t, err, &refused)
			return
		}
		c := &checker{file: "fuzz.yaml"}
		for _, p := range c.check(&file, root) {
			if c.err() == nil {
				require.NotEmpty(t, p.Config.Requirements)
				require.NotEmpty(t, p.Applications)
			}
		}
	})
}
