package argo

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

var update = flag.Bool("update", false, "write the golden files of testdata/applications")

// TestFixtures compares the facts of recorded Applications with golden files.
func TestFixtures(t *testing.T) {
	files, err := filepath.Glob("testdata/applications/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		if strings.HasSuffix(file, ".facts.json") {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			facts, err := newTestParser(t).Decode(data)
			require.NoError(t, err)
			var got bytes.Buffer
			encoder := json.NewEncoder(&got)
			encoder.SetIndent("", "  ")
			encoder.SetEscapeHTML(false)
			require.NoError(t, encoder.Encode(facts))
			golden := strings.TrimSuffix(file, ".json") + ".facts.json"
			if *update {
				require.NoError(t, os.WriteFile(golden, got.Bytes(), 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), got.String())
		})
	}
}

func TestNewParserRefusesHosts(t *testing.T) {
	for _, hosts := range [][]string{nil, {""}, {"https://github.com"}, {"github.com/acme"}, {"user@github.com"}, {"github.com", "a b"}} {
		_, err := NewParser(hosts)
		require.Error(t, err, "%q", hosts)
	}
}

func TestDecodeRefusesWhatIsNoObject(t *testing.T) {
	for _, text := range []string{"", "null", "[]", `"x"`, "{", "7"} {
		_, err := newTestParser(t).Decode([]byte(text))
		require.Error(t, err, "%q", text)
	}
}

// TestUnsupported changes a good Application in one way, and expects to be told.
func TestUnsupported(t *testing.T) {
	require.Empty(t, newTestParser(t).Application(fixture(t, "helm-2.14")).Unsupported)
	require.Empty(t, newTestParser(t).Application(fixture(t, "multi-3.2")).Unsupported)
	tests := []struct{ name, base, patch, want string }{
		{"another kind", "helm-2.14", `{"kind": "AppProject"}`, "this is not an Application of argoproj.io/v1alpha1"},
		{"another version", "helm-2.14", `{"apiVersion": "argoproj.io/v2"}`, "this is not an Application of argoproj.io/v1alpha1"},
		{"no uid", "helm-2.14", `{"metadata": {"uid": null}}`, "metadata has no uid, name or namespace"},
		{"uid of a wrong type", "helm-2.14", `{"metadata": {"uid": 7}}`, "metadata.uid is not a string"},
		{"no spec", "helm-2.14", `{"spec": null}`, "spec has no source"},
		{"spec of a wrong type", "helm-2.14", `{"spec": "x"}`, "spec is not an object"},
		{"project of a wrong type", "helm-2.14", `{"spec": {"project": []}}`, "spec.project is not a string"},
		{"unknown field of the spec", "helm-2.14", `{"spec": {"postRenderer": {}}}`, "spec.postRenderer is not a field that Gatekeeper knows"},
		{"hydrator", "helm-2.14", `{"spec": {"sourceHydrator": {}}}`, "spec.sourceHydrator is set"},
		{"no destination", "helm-2.14", `{"spec": {"destination": null}}`, "spec.destination has neither server nor name"},
		{"two destinations", "helm-2.14", `{"spec": {"destination": {"name": "prod"}}}`, "spec.destination has both server and name"},
		{"destination with a shard", "helm-2.14", `{"spec": {"destination": {"shard": "1"}}}`, "spec.destination.shard is not a field that Gatekeeper knows"},
		{"retry refresh", "helm-2.14", `{"spec": {"syncPolicy": {"retry": {"refresh": true}}}}`, "spec.syncPolicy.retry.refresh is true"},
		{"unknown retry", "helm-2.14", `{"spec": {"syncPolicy": {"retry": {"until": "x"}}}}`, "spec.syncPolicy.retry.until is not a field"},
		{"unknown automated", "helm-2.14", `{"spec": {"syncPolicy": {"automated": {"revision": "main"}}}}`, "spec.syncPolicy.automated.revision is not a field"},
		{"automated of a wrong type", "helm-2.14", `{"spec": {"syncPolicy": {"automated": true}}}`, "spec.syncPolicy.automated is not an object"},
		{"sync options of a wrong type", "helm-2.14", `{"spec": {"syncPolicy": {"syncOptions": [1]}}}`, "spec.syncPolicy.syncOptions[0] is not a string"},
		{"source and sources", "multi-3.2", `{"spec": {"source": {"repoURL": "https://github.com/acme/other"}}}`, "spec has both source and sources"},
		{"sources of a wrong type", "multi-3.2", `{"spec": {"sources": {"0": {}}}}`, "spec.sources is not a list"},
		{"one source of a wrong type", "multi-3.2", `{"spec": {"sources": ["x"]}}`, "spec.sources[0] is not an object"},
		{"null source", "multi-3.2", `{"spec": {"sources": [null]}}`, "spec.sources[0] is not an object"},
		{"no repoURL", "helm-2.14", `{"spec": {"source": {"repoURL": null}}}`, "spec.source has no repoURL"},
		{"nothing to render", "helm-2.14", `{"spec": {"source": {"path": null}}}`, "spec.source has no path, chart or ref"},
		{"unknown field of a source", "helm-2.14", `{"spec": {"source": {"overlay": "x"}}}`, "spec.source.overlay is not a field"},
		{"path out of the repository", "helm-2.14", `{"spec": {"source": {"path": "a/../../b"}}}`, "spec.source.path leads out of the repository"},
		{"absolute path", "helm-2.14", `{"spec": {"source": {"path": "/charts"}}}`, `spec.source.path "/charts" is absolute`},
		{"path with a line end", "helm-2.14", `{"spec": {"source": {"path": "a\nb"}}}`, "has characters that no path should have"},
		{"two tools", "helm-2.14", `{"spec": {"source": {"kustomize": {"namePrefix": "x"}}}}`, "spec.source has options of several tools at once: helm, kustomize"},
		{"unknown helm option", "helm-2.14", `{"spec": {"source": {"helm": {"postRenderer": "x"}}}}`, "spec.source.helm.postRenderer is not a field"},
		{"value file out of the repository", "helm-2.14", `{"spec": {"source": {"helm": {"valueFiles": ["../../../x.yaml"]}}}}`, "spec.source.helm.valueFiles leads out of the repository"},
		{"value file from a URL", "helm-2.14", `{"spec": {"source": {"helm": {"valueFiles": ["https://u:p@example.com/v.yaml"]}}}}`, `"https://example.com/v.yaml" is fetched from a URL`},
		{"value file of a secrets plugin", "helm-2.14", `{"spec": {"source": {"helm": {"valueFiles": ["secrets+age-import:///x"]}}}}`, "is fetched from a URL"},
		{"value file that is the root", "helm-2.14", `{"spec": {"source": {"helm": {"valueFiles": ["/"]}}}}`, "is not a file"},
		{"variable that is a URL", "helm-2.14", `{"spec": {"source": {"helm": {"valueFiles": ["$ARGOCD_APP_SOURCE_REPO_URL/raw/x"]}}}}`, "uses $ARGOCD_APP_SOURCE_REPO_URL"},
		{"dollar without a name", "helm-2.14", `{"spec": {"source": {"helm": {"valueFiles": ["a$/b"]}}}}`, "uses $$"},
		{"file parameter from a URL", "helm-2.14", `{"spec": {"source": {"helm": {"fileParameters": [{"name": "a", "path": "http://x/y"}]}}}}`, "spec.source.helm.fileParameters[0].path"},
		{"values that are no object", "helm-2.14", `{"spec": {"source": {"helm": {"valuesObject": "x"}}}}`, "spec.source.helm.valuesObject is not an object"},
		{"null in values", "helm-2.14", `{"spec": {"source": {"helm": {"valuesObject": {"a": {"b": [1, {"c": null}]}}}}}}`, "spec.source.helm.valuesObject.a.b[1].c is null"},
		{"null in a list", "multi-3.2", `{"spec": {"sources": [{"repoURL": "https://github.com/a/b", "path": "x", "plugin": {"env": [{"name": "A", "value": null}]}}]}}`, "spec.sources[0].plugin.env[0].value is null"},
		{"unknown ref", "multi-3.2", `{"spec": {"sources": [{"repoURL": "https://github.com/a/b", "path": "x", "helm": {"valueFiles": ["$other/x"]}}, {"repoURL": "https://github.com/a/b", "ref": "values"}]}}`, `"$other/x" refers to a source that is not there`},
		{"ref of a chart", "multi-3.2", `{"spec": {"sources": [{"repoURL": "https://github.com/a/b", "path": "x", "helm": {"valueFiles": ["$values/x"]}}, {"repoURL": "https://charts.example.com", "chart": "c", "ref": "values"}]}}`, "refers to a source that is not in git"},
		{"ref twice", "multi-3.2", `{"spec": {"sources": [{"repoURL": "https://github.com/a/b", "ref": "v"}, {"repoURL": "https://github.com/a/c", "ref": "v"}]}}`, `spec.sources[1].ref "v" is used twice`},
		{"ref with a slash", "multi-3.2", `{"spec": {"sources": [{"repoURL": "https://github.com/a/b", "ref": "v/w"}]}}`, "has characters that Argo CD refuses"},
		{"remote component", "kustomize-failed-3.2", `{"spec": {"source": {"kustomize": {"components": ["github.com/acme/base?ref=main"]}}}}`, "may be fetched from elsewhere"},
		{"remote component without a query", "kustomize-failed-3.2", `{"spec": {"source": {"kustomize": {"components": ["github.com/acme/base"]}}}}`, "may be fetched from elsewhere"},
		{"remote patch", "kustomize-failed-3.2", `{"spec": {"source": {"kustomize": {"patches": [{"path": "https://x/y.yaml"}]}}}}`, "may be fetched from elsewhere"},
		{"unknown kustomize option", "kustomize-failed-3.2", `{"spec": {"source": {"kustomize": {"resources": ["x"]}}}}`, "spec.source.kustomize.resources is not a field"},
		{"unknown directory option", "helm-2.14", `{"spec": {"source": {"directory": {"git": "x"}}}}`, "spec.source.directory.git is not a field"},
		{"unknown plugin option", "helm-2.14", `{"spec": {"source": {"plugin": {"init": "x"}}}}`, "spec.source.plugin.init is not a field"},
		{"generate paths", "helm-2.14", `{"metadata": {"annotations": {"argocd.argoproj.io/manifest-generate-paths": "."}}}`, "so Argo CD may deploy manifests of another revision"},
		{"generate paths with the root and more", "helm-2.14", `{"metadata": {"annotations": {"argocd.argoproj.io/manifest-generate-paths": ".;/"}}}`, "so Argo CD may deploy manifests of another revision"},
		{"skip reconcile", "helm-2.14", `{"metadata": {"annotations": {"argocd.argoproj.io/skip-reconcile": "true"}}}`, "makes Argo CD leave the Application alone"},
		{"annotations of a wrong type", "helm-2.14", `{"metadata": {"annotations": "x"}}`, "metadata.annotations is not an object"},
		{"status of a wrong type", "helm-2.14", `{"status": []}`, "status is not an object"},
		{"history of a wrong type", "helm-2.14", `{"status": {"history": [{"id": "x"}]}}`, "status.history[0].id is not an integer"},
		{"time of a wrong form", "helm-2.14", `{"status": {"operationState": {"finishedAt": "yesterday"}}}`, "status.operationState.finishedAt is not a time"},
		{"two intents", "helm-2.14", `{"status": {"operationState": {"operation": {"info": [{"name": "gatekeeper-intent", "value": "a"}, {"name": "gatekeeper-intent", "value": "b"}]}}}}`, "names two intents"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			facts := newTestParser(t).Application(fixture(t, test.base, test.patch))
			require.Contains(t, strings.Join(facts.Unsupported, "\n"), test.want)
		})
	}
}

// TestSupported holds what looks odd but is well defined.
func TestSupported(t *testing.T) {
	tests := []struct{ name, base, patch string }{
		{"empty generate paths", "helm-2.14", `{"metadata": {"annotations": {"argocd.argoproj.io/manifest-generate-paths": ""}}}`},
		{"skip reconcile off", "helm-2.14", `{"metadata": {"annotations": {"argocd.argoproj.io/skip-reconcile": "false"}}}`},
		{"retry refresh off", "helm-2.14", `{"spec": {"syncPolicy": {"retry": {"refresh": false}}}}`},
		{"field of 3.5", "helm-2.14", `{"spec": {"source": {"tagPrefix": "v"}}}`},
		{"null fields", "multi-3.2", `{"spec": {"sources": [{"repoURL": "https://github.com/a/b", "path": "x", "chart": null, "helm": null, "unknown": null}]}}`},
		{"empty sources next to a source", "helm-2.14", `{"spec": {"sources": []}}`},
		{"plugin", "helm-2.14", `{"spec": {"source": {"helm": null, "plugin": {"name": "x", "env": [{"name": "A", "value": "b"}]}}}}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			require.Empty(t, newTestParser(t).Application(fixture(t, test.base, test.patch)).Unsupported)
		})
	}
}

// TestUnsupportedIsBounded: an Application's author cannot make the list long.
func TestUnsupportedIsBounded(t *testing.T) {
	object := fixture(t, "helm-2.14")
	spec, ok := object["spec"].(map[string]any)
	require.True(t, ok)
	for i := range 1000 {
		spec[strings.Repeat("x", i+1)] = "y"
	}
	facts := newTestParser(t).Application(object)
	require.Len(t, facts.Unsupported, maxProblems+1)
	require.Contains(t, facts.Unsupported[maxProblems], "more")
	for _, line := range facts.Unsupported {
		require.Less(t, len(line), 200)
	}
}

func TestAutomated(t *testing.T) {
	tests := []struct {
		policy string
		want   bool
	}{
		{`null`, false},
		{`{}`, false},
		{`{"automated": null}`, false},
		{`{"automated": {}}`, true},
		{`{"automated": {"prune": true}}`, true},
		{`{"automated": {"enabled": true}}`, true},
		{`{"automated": {"enabled": null}}`, true},
		{`{"automated": {"enabled": false}}`, false},
		{`{"automated": {"enabled": "false"}}`, true},
		{`{"automated": "no"}`, true},
	}
	for _, test := range tests {
		object := fixture(t, "helm-2.14", `{"spec": {"syncPolicy": null}}`)
		spec, ok := object["spec"].(map[string]any)
		require.True(t, ok)
		spec["syncPolicy"] = decode(t, `{"p": `+test.policy+`}`)["p"]
		require.Equal(t, test.want, newTestParser(t).Application(object).Automated, test.policy)
	}
}

// TestDestination: what a selector sees must not depend on how the destination is
// spelled, and an unclear one must match every selector (Server empty).
func TestDestination(t *testing.T) {
	tests := []struct{ destination, server, name string }{
		{`{"server": "https://kubernetes.default.svc"}`, "https://kubernetes.default.svc", "in-cluster"},
		{`{"server": "https://kubernetes.default.svc/"}`, "https://kubernetes.default.svc", "in-cluster"},
		{`{"name": "in-cluster"}`, "https://kubernetes.default.svc", "in-cluster"},
		{`{"server": "https://prod:6443"}`, "https://prod:6443", ""},
		{`{"name": "prod"}`, "", "prod"},
		{`{"name": "in-cluster", "server": "https://dev"}`, "", "in-cluster"},
		{`{"name": "prod", "server": "https://dev"}`, "", "prod"},
		{`{}`, "", ""},
		{`"https://dev"`, "", ""},
	}
	for _, test := range tests {
		object := fixture(t, "helm-2.14", `{"spec": {"destination": null}}`, `{"spec": {"destination": `+test.destination+`}}`)
		facts := newTestParser(t).Application(object)
		require.Equal(t, test.server, facts.Server, test.destination)
		require.Equal(t, test.name, facts.DestinationName, test.destination)
	}
}

// TestParserLeavesTheObjectAlone, because informers share their objects.
func TestParserLeavesTheObjectAlone(t *testing.T) {
	for _, name := range []string{"helm-2.14", "multi-3.2", "kustomize-failed-3.2", "hydrator-3.2", "chart-2.14"} {
		object, untouched := fixture(t, name), fixture(t, name)
		newTestParser(t).Application(object)
		ContentOf(object)
		require.Equal(t, untouched, object, name)
	}
}

func TestContentOf(t *testing.T) {
	content := ContentOf(fixture(t, "multi-3.2"))
	require.True(t, content.MultiSource)
	require.True(t, content.Prune)
	require.Nil(t, content.Retry)
	require.Len(t, content.Sources, 2)
	require.Equal(t, "chart", content.Sources[0]["name"])

	content = ContentOf(fixture(t, "helm-2.14", `{"spec": {"source": {"tagPrefix": "v", "chart": "", "kustomize": {"namePrefix": ""}}}}`))
	require.False(t, content.MultiSource)
	require.False(t, content.Prune)
	require.Equal(t, []string{"CreateNamespace=true"}, content.SyncOptions)
	require.EqualValues(t, 5, content.Retry["limit"])
	require.Equal(t, "v", content.Sources[0]["tagPrefix"], "a field that 2.14 does not know survives")
	require.NotContains(t, content.Sources[0], "chart")
	require.NotContains(t, content.Sources[0], "kustomize")
	values, ok := content.Sources[0]["helm"].(map[string]any)["valuesObject"].(map[string]any)
	require.True(t, ok)
	require.Contains(t, values, "limits", "an empty object in valuesObject is content")
}

// BenchmarkApplication measures what each event of a watch costs.
func BenchmarkApplication(b *testing.B) {
	parser, object := newTestParser(b), fixture(b, "multi-3.2")
	var facts approval.Application
	for b.Loop() {
		facts = parser.Application(object)
	}
	require.NotEmpty(b, facts.SpecDigest)
}
