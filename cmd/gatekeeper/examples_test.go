package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/appset"
)

// That every example is loaded without a warning, and that its policy tests pass and
// can fail, is shown by TestExamplesAreClean and TestExamplePolicyTests.

func example(parts ...string) string {
	return filepath.Join(append([]string{"..", "..", "examples"}, parts...)...)
}

// TestExamplesSayWhatTheyAre: each has a README whose links exist, which names every
// file of it, and whose commands are those that the tests run.
func TestExamplesSayWhatTheyAre(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#]+)(?:#[^)]*)?\)`)
	for _, name := range []string{"single-team", "regulated-bank", "monorepo", "multi-source", "ghes"} {
		t.Run(name, func(t *testing.T) {
			readme, err := os.ReadFile(example(name, "README.md"))
			require.NoError(t, err)
			text := string(readme)
			for _, m := range link.FindAllStringSubmatch(text, -1) {
				_, err := os.Stat(example(name, m[1]))
				require.NoError(t, err, "README.md links to %s", m[1])
			}
			entries, err := os.ReadDir(example(name))
			require.NoError(t, err)
			for _, e := range entries {
				if e.Name() != "README.md" {
					require.Contains(t, text, "("+e.Name()+")", "README.md does not name %s", e.Name())
				}
			}
			require.Contains(t, text, "gatekeeper config check gatekeeper.yaml --strict\n")
			require.Contains(t, text, "gatekeeper config test policy-test.yaml --config gatekeeper.yaml\n")
		})
	}
}

// TestExampleManifestsFitTheirGates: the Applications of an example are protected by
// its gates, take what they deploy from repositories that are judged, do not sync
// themselves, and belong to projects that allow just that.
func TestExampleManifestsFitTheirGates(t *testing.T) {
	dirs, err := filepath.Glob(example("*", "argocd"))
	require.NoError(t, err)
	require.Len(t, dirs, 5)
	for _, dir := range dirs {
		t.Run(filepath.Base(filepath.Dir(dir)), func(t *testing.T) {
			cfg, err := config.LoadGates(filepath.Join(filepath.Dir(dir), "gatekeeper.yaml"))
			require.NoError(t, err)
			projects := map[string]unstructured.Unstructured{}
			var applications []unstructured.Unstructured
			for _, o := range manifests(t, dir) {
				switch o.GetKind() {
				case "AppProject":
					projects[o.GetName()] = o
				case "Application":
					applications = append(applications, o)
				case "ApplicationSet":
					generated, err := appset.Expand(o.Object, o.GetNamespace(), nil)
					require.NoError(t, err, "what the set generates cannot be known from the commit")
					for _, g := range generated {
						applications = append(applications, unstructured.Unstructured{Object: g})
					}
				}
			}
			gated := map[string]bool{}
			for _, a := range applications {
				project, server, namespace := text(a, "spec", "project"), text(a, "spec", "destination", "server"), text(a, "spec", "destination", "namespace")
				p, ok := projects[project]
				require.True(t, ok, "%s is of the project %s, which is not there", a.GetName(), project)
				allowed, _, err := unstructured.NestedSlice(p.Object, "spec", "destinations")
				require.NoError(t, err)
				require.Contains(t, allowed, map[string]any{"server": server, "namespace": namespace}, a.GetName())
				repositories, _, err := unstructured.NestedStringSlice(p.Object, "spec", "sourceRepos")
				require.NoError(t, err)
				sources := sourcesOf(t, a)
				for _, s := range sources {
					require.Contains(t, repositories, s, a.GetName())
				}
				_, automated, err := unstructured.NestedMap(a.Object, "spec", "syncPolicy", "automated")
				require.NoError(t, err)
				for _, policy := range cfg.Policies {
					if !policy.Protects(approval.Application{Project: project, Server: server, DestinationNamespace: namespace}) {
						continue
					}
					gated[policy.Gate] = true
					require.False(t, automated, "%s syncs itself", a.GetName())
					for _, s := range sources {
						require.True(t, judges(cfg, policy, s), "gate %s does not judge %s, from which %s is rendered", policy.Gate, s, a.GetName())
					}
				}
			}
			for _, policy := range cfg.Policies {
				require.True(t, gated[policy.Gate], "no Application of the example is protected by the gate %s", policy.Gate)
			}
		})
	}
}

func judges(cfg config.Config, policy approval.Policy, url string) bool {
	for _, r := range policy.Repositories {
		if url == strings.TrimSuffix(cfg.File.GitHub.URL, "/")+"/"+string(r.Name)+".git" {
			return true
		}
	}
	return false
}

func text(o unstructured.Unstructured, fields ...string) string {
	s, _, _ := unstructured.NestedString(o.Object, fields...)
	return s
}

func sourcesOf(t *testing.T, a unstructured.Unstructured) []string {
	t.Helper()
	list, _, err := unstructured.NestedSlice(a.Object, "spec", "sources")
	require.NoError(t, err)
	if one := text(a, "spec", "source", "repoURL"); one != "" {
		return []string{one}
	}
	var out []string
	for _, s := range list {
		source, ok := s.(map[string]any)
		require.True(t, ok)
		url, ok := source["repoURL"].(string)
		require.True(t, ok)
		out = append(out, url)
	}
	require.NotEmpty(t, out, a.GetName())
	return out
}

func manifests(t *testing.T, dir string) []unstructured.Unstructured {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	require.NoError(t, err)
	var out []unstructured.Unstructured
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		for document := range bytes.SplitSeq(raw, []byte("\n---\n")) {
			var object map[string]any
			require.NoError(t, yaml.UnmarshalStrict(document, &object), file)
			out = append(out, unstructured.Unstructured{Object: object})
		}
	}
	require.NotEmpty(t, out)
	return out
}

// TestRegulatedBankWindows: what the README of that example says of times.
func TestRegulatedBankWindows(t *testing.T) {
	for at, open := range map[string]bool{
		"2026-11-24T08:00:00Z": true,  // Tuesday, 09:00 in Frankfurt
		"2026-11-24T07:59:59Z": false, // a second earlier
		"2026-11-26T14:59:59Z": true,  // Thursday, a second before 16:00
		"2026-11-26T15:00:00Z": false,
		"2026-11-27T10:00:00Z": false, // Friday
		"2026-07-07T07:00:00Z": true,  // 09:00 in summer
		"2026-12-29T10:00:00Z": false, // Tuesday to Thursday, the quarter's end
		"2026-12-31T10:00:00Z": false,
		"2026-07-01T10:00:00Z": false, // Wednesday, of the quarter that began
		"2026-12-24T10:00:00Z": true,  // Thursday before it
	} {
		code, stdout, stderr := call(t, t.Context(), "windows", "--config", example("regulated-bank", "gatekeeper.yaml"), "--at", at, "-o", "json")
		require.Zero(t, code, stderr)
		var gates []gateCalendar
		require.NoError(t, json.Unmarshal([]byte(stdout), &gates))
		require.Len(t, gates, 1)
		require.Equal(t, open, gates[0].Open, at)
	}
}

// TestExampleRules: what no policy test can show, as config check says it.
func TestExampleRules(t *testing.T) {
	for name, rules := range map[string][]string{
		"regulated-bank": {
			"break-glass by bank/duty-managers, valid for 30m, reviewed by somebody else within 8h",
			"they may not sync single resources, prune, use force",
			"holds by comment of bank/change-board, bank/duty-managers",
			"reviews after the merge do not count",
			"whoever may write can block by requesting changes; head-of-change may dismiss that",
			"Applications of cluster https://prod.clusters.bank.example, namespace payments",
		},
		"multi-source": {"acme/charts, branch main", "acme/env-overrides, branch main", "nobody fills more than one requirement"},
		"monorepo":     {"of the code owners of each changed path, or of platform (acme/platform) where a path has none"},
	} {
		code, stdout, stderr := call(t, t.Context(), "config", "check", example(name, "gatekeeper.yaml"))
		require.Zero(t, code, stderr)
		for _, rule := range rules {
			require.Contains(t, stdout, rule, name)
		}
	}
	bank, err := config.LoadGates(example("regulated-bank", "gatekeeper.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, bank.File.Checkpoints.KeyFile)
	ghes, err := config.LoadGates(example("ghes", "gatekeeper.yaml"))
	require.NoError(t, err)
	require.Equal(t, "https://github.corp.example", ghes.File.GitHub.URL)
	require.Equal(t, "https://github.corp.example/api/v3/", ghes.File.GitHub.APIURL)
	require.Equal(t, "2m0s", ghes.File.GitHub.IndexGrace.String())
}
