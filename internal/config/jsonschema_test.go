package config

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"
)

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(JSONSchema()))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("schema.json", document))
	s, err := c.Compile("schema.json")
	require.NoError(t, err)
	require.Equal(t, 2020, s.DraftVersion)
	return s
}

// validate checks a YAML text as an editor does.
func validate(t *testing.T, s *jsonschema.Schema, text string) error {
	t.Helper()
	var value any
	require.NoError(t, yaml.Unmarshal([]byte(text), &value))
	asJSON, err := json.Marshal(value)
	require.NoError(t, err)
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	require.NoError(t, err)
	return s.Validate(document)
}

// TestSchemaTakesExamples: what Load takes, an editor does not mark.
func TestSchemaTakesExamples(t *testing.T) {
	t.Parallel()
	s := compiled(t)
	require.NoError(t, validate(t, s, valid))
	require.NoError(t, validate(t, s, "version: 1\n"+valid))
	examples, err := filepath.Glob("../../examples/*/gatekeeper.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, examples)
	for _, file := range examples {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, validate(t, s, string(text)), file)
		require.Contains(t, string(text), "# yaml-language-server: $schema=https://", file)
	}
	docs, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	whole := 0
	for _, file := range docs {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for block := range strings.SplitSeq(string(text), "```yaml\n") {
			block, _, ended := strings.Cut(block, "```")
			if !ended || !strings.HasPrefix(block, "github:") || !strings.Contains(block, "\ngates:") || strings.Contains(block, "…") {
				continue
			}
			whole++
			require.NoError(t, validate(t, s, block), file)
		}
	}
	t.Logf("%d whole configurations in docs", whole)
}

// everything has each key that can be, with values that Load takes as far as it is about
// their shape.
const everything = valid + `    image:
      requirements: [{approvals: 1, users: [bob]}]
      signers: [{name: renovate, ssh: [k]}, {name: gh, githubTrusted: true, users: [x], openpgp: [k], allowedSigners: [k]}]
      downgrade: refuse
      mutableTag: allow
      requireDigest: true
      paths: [spec.image]
      values: ["envs/**"]
      verify: [{name: c, repositories: ["ghcr.io/a/**"], keys: [k]}]
      provenIn: {from: "{{ .Service }}-prod", application: "{{ .Service }}-stage", namespace: argocd, soak: 1h30m}
    distinctApprovers: true
    checks: [{name: scan, appID: 15368}]
    exclude: {groups: [g], teams: [acme/t], users: [x], pushers: true, rerequested: true, unwitnessed: true}
    lateReviews: ignore
    veto: {who: writers, dismissedBy: {groups: [g], teams: [acme/t], users: [x]}}
    sync: {rollback: refuse, partial: refuse, prune: refuse, force: allow, gatedAutoSync: true, onCommand: false, options: [A=b], stuckAfter: 45m}
    windows: [{name: w, kind: deny, timezone: UTC, rrule: "FREQ=DAILY;BYHOUR=9", duration: 8h, from: "2026-12-20T00:00", until: "2027-01-06T00:00"}]
    holds: {users: [x]}
    adopts: {users: [x]}
    breakGlass: {groups: [g], teams: [acme/t], users: [x], reviewBy: 24h, validFor: 1h}
    spec: any
    deployments: {off: false, environment: production, testing: true, url: "https://shop.example.com"}
    reviewRequests: people
    labels: true
    applicationLinks: true
    applicationNotices: true
groups: [{name: g, teams: [acme/t], users: [x]}]
kubernetes: {kubeconfig: k}
server: {listen: ":8080"}
registries: {dockerConfigFile: d, hosts: [{host: h, caFile: c, redirects: [r], plaintext: true}]}
enforcement: {name: g, mode: warn, service: {namespace: n, name: s, port: 443}, manage: false, certificate: {secret: n/s}, controllers: [c], servers: [s], argocdNamespace: argocd}
previews: {enabled: false, plugins: true, applications: 7}
checkpoints: {keyFile: k}
record: {postgres: {dsnFile: d, schema: s, connections: 3, timeout: 5s}}
api: {listen: ":8082", certFile: c, keyFile: k, tokens: [{name: n, file: f}], kubernetes: true}
`

// TestSchemaAgrees: what the strict decoder says of the shape, the schema says too, of each
// kind of mistake.
func TestSchemaAgrees(t *testing.T) {
	t.Parallel()
	s := compiled(t)
	_, _, err := Parse("f", []byte(everything))
	require.NoError(t, err)
	require.NoError(t, validate(t, s, everything))
	for name, edit := range map[string][2]string{
		"unknown key at the top":   {"dataDirectory:", "dataDirektory:"},
		"unknown key below":        {"  appID:", "  appId:"},
		"unknown key in a list":    {"      - project:", "      - projekt:"},
		"unknown key in a quorum":  {"          approvals: 2", "          aprovals: 2"},
		"text instead of a number": {"appID: 12345", "appID: 'x'"},
		"number instead of text":   {"dataDirectory: /var/lib/gatekeeper", "dataDirectory: 7"},
		"one instead of a list":    {"webhookSecretFiles: [webhook-secret]", "webhookSecretFiles: webhook-secret"},
		"list instead of one":      {"tokenFile: argocd-token", "tokenFile: [argocd-token]"},
		"keys instead of a text":   {"branch: main", "branch: {name: main}"},
		"text instead of keys":     {"previews: {enabled: false, plugins: true, applications: 7}", "previews: no previews"},
		"text instead of a truth":  {"labels: true", "labels: 'yes'"},
		"a fraction":               {"applications: 7}", "applications: 7.5}"},
		"a duration without unit":  {"soak: 1h30m", "soak: 90"},
		"an unknown unit":          {"soak: 1h30m", "soak: 3d"},
		"an empty duration":        {"soak: 1h30m", "soak: ''"},
	} {
		text := strings.Replace(everything, edit[0], edit[1], 1)
		require.NotEqual(t, everything, text, name)
		_, _, err := Parse("f", []byte(text))
		require.Error(t, err, name)
		require.Error(t, validate(t, s, text), name)
	}
	// What Load refuses by its meaning, and the schema by its words.
	for name, edit := range map[string][2]string{
		"no gate":             {"gates:\n", "gates: []\nx:\n"},
		"no Application":      {"    applications:\n      - project: payments-prod\n", "    applications: []\n"},
		"no key of the App":   {"  privateKeyFile: private-key.pem\n", ""},
		"unknown downgrade":   {"downgrade: refuse", "downgrade: forbid"},
		"unknown lateReviews": {"lateReviews: ignore", "lateReviews: never"},
		"unknown veto":        {"who: writers", "who: everybody"},
		"unknown rollback":    {"rollback: refuse", "rollback: deny"},
		"unknown window":      {"kind: deny", "kind: refuse"},
		"unknown spec":        {"spec: any", "spec: some"},
		"unknown mode":        {"mode: warn", "mode: dryrun"},
		"unknown request":     {"reviewRequests: people", "reviewRequests: all"},
	} {
		text := strings.Replace(everything, edit[0], edit[1], 1)
		require.NotEqual(t, everything, text, name)
		_, err := Load(write(t, text))
		require.Error(t, err, name)
		require.Error(t, validate(t, s, text), name)
	}
}

// TestSchemaWords: each word that the schema offers is one that Load takes.
func TestSchemaWords(t *testing.T) {
	t.Parallel()
	gate := func(text string) string { return valid + text }
	for text, words := range map[string]string{
		"    lateReviews: %":       "count,ignore",
		"    veto: {who: %}":       "approvers,writers",
		"    spec: %":              "adopted,any",
		"    reviewRequests: %":    "none,people,team",
		"    sync: {rollback: %}":  "allow,refuse",
		"    sync: {partial: %}":   "allow,refuse",
		"    sync: {prune: %}":     "allow,refuse",
		"    sync: {force: %}":     "allow,refuse",
		"          minimumRole: %": "write,maintain,admin",
		"          methods: [%]":   "review,comment",
		"enforcement: {mode: %, url: 'https://127.0.0.1:1', certificate: {secret: a/b}}":                                                "enforce,warn",
		"    windows: [{name: w, kind: %, timezone: UTC, from: '2027-01-01T00:00', until: '2028-01-01T00:00'}]":                         "allow,deny",
		"    image: {requirements: [{approvals: 1, users: [b]}], signers: [{name: g, githubTrusted: true, users: [x]}], downgrade: %}":  "allow,escalate,refuse",
		"    image: {requirements: [{approvals: 1, users: [b]}], signers: [{name: g, githubTrusted: true, users: [x]}], mutableTag: %}": "allow,escalate,refuse",
	} {
		for word := range strings.SplitSeq(words, ",") {
			_, err := Load(write(t, gate(strings.ReplaceAll(text, "%", word)+"\n")))
			require.NoError(t, err, "%s with %s", text, word)
			require.Contains(t, string(JSONSchema()), `"`+word+`"`)
		}
	}
	require.Equal(t, 14, strings.Count(string(JSONSchema()), `"enum"`), "a list of words that this test does not know")
}
