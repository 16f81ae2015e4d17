package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/contract/wanted"
)

// pack writes a package file as npm does.
func pack(t *testing.T, files map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	archive := tar.NewWriter(zipped)
	for _, name := range []string{"package/LICENSE", "package/package.json", "package/generated/api.github.com.json"} {
		if text, ok := files[name]; ok {
			require.NoError(t, archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg}))
			_, err := io.WriteString(archive, text)
			require.NoError(t, err)
		}
	}
	require.NoError(t, archive.Close())
	require.NoError(t, zipped.Close())
	path := filepath.Join(t.TempDir(), "x.tgz")
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o600))
	return path
}

// published is a small description with every wanted endpoint, or event.
func published(t *testing.T, change func(doc map[string]any)) (openapi, webhooks map[string]string) {
	t.Helper()
	list, err := wanted.Read()
	require.NoError(t, err)
	const operation = `{"summary":"prose","x-github":{},"parameters":[{"$ref":"#/components/parameters/owner"}],
		"responses":{"200":{"description":"prose","content":{"application/json":{"schema":{"$ref":"#/components/schemas/thing"},"examples":{}}}}}}`
	paths := map[string]any{"/unwanted": map[string]any{"get": json.RawMessage(operation)}}
	for _, o := range list.Operations {
		if paths[o.Path] == nil {
			paths[o.Path] = map[string]any{}
		}
		paths[o.Path].(map[string]any)[strings.ToLower(o.Method)] = json.RawMessage(operation)
	}
	hooks := map[string]any{}
	for _, e := range list.Events {
		id := strings.TrimSuffix(strings.ReplaceAll(e.Name+"/"+e.Action, "_", "-"), "/")
		hooks[strings.ReplaceAll(id, "/", "-")] = map[string]any{"post": map[string]any{"operationId": id,
			"parameters":  []any{map[string]any{"name": "X-GitHub-Event", "in": "header", "example": e.Name}},
			"requestBody": json.RawMessage(`{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/thing"}}}}`)}}
	}
	const repeated = `{"type":"object","required":["description"],"properties":{"description":{"type":"string","description":"prose","enum":["b","a"]},"title":{"type":"integer","example":1},"parameters":{"type":"object"}}}`
	components := json.RawMessage(`{"parameters":{"owner":{"name":"owner","in":"path","required":true,"schema":{"type":"string"},"description":"prose"},"unused":{}},
		"schemas":{"thing":{"title":"prose","type":"object","properties":{"next":{"$ref":"#/components/schemas/thing"},"one":` + repeated + `,"two":` + repeated + `}},"unused":{}}}`)
	file := func(name string, doc map[string]any) map[string]string {
		raw, err := json.Marshal(doc)
		require.NoError(t, err)
		var plain map[string]any
		require.NoError(t, json.Unmarshal(raw, &plain))
		if change != nil {
			change(plain)
		}
		text, err := json.Marshal(plain)
		require.NoError(t, err)
		return map[string]string{"package/LICENSE": "MIT License\nCopyright somebody\n", "package/generated/api.github.com.json": string(text),
			"package/package.json": `{"name":"` + name + `","version":"1.2.3","license":"MIT"}`}
	}
	return file("@octokit/openapi", map[string]any{"openapi": "3.0.3", "paths": paths, "components": components}),
		file("@octokit/openapi-webhooks", map[string]any{"openapi": "3.1.0", "webhooks": hooks, "components": components})
}

func TestPrune(t *testing.T) {
	openapi, webhooks := published(t, nil)
	var out []map[string]string
	for range 2 {
		dir := t.TempDir()
		var stdout, stderr bytes.Buffer
		require.Zero(t, run([]string{"-openapi", pack(t, openapi), "-webhooks", pack(t, webhooks), "-out", dir}, &stdout, &stderr), stderr.String())
		require.Contains(t, stdout.String(), "api.json: ")
		files := map[string]string{}
		for _, name := range []string{"api.json", "webhooks.json", "LICENSE.octokit"} {
			text, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			files[name] = string(text)
		}
		out = append(out, files)
	}
	require.Equal(t, out[0], out[1], "the same packages give the same files")
	api := out[0]["api.json"]
	require.NotContains(t, api, "prose")
	require.NotContains(t, api, "unwanted")
	require.NotContains(t, api, "unused")
	require.Contains(t, api, `"description":{"enum":["b","a"],"type":"string"}`, "a property may be called description; values keep their order")
	require.Contains(t, api, `"title":{"type":"integer"}`)
	require.Contains(t, api, `"version":"1.2.3"`)
	require.Equal(t, 1, strings.Count(api, `"enum":["b","a"]`), "what is repeated is written once")
	require.Equal(t, 1, strings.Count(out[0]["webhooks.json"], "X-GitHub-Event"))
	require.Contains(t, out[0]["LICENSE.octokit"], "Copyright somebody")
	for line := range strings.SplitSeq(strings.TrimSpace(api), "\n") {
		if strings.Contains(line, `"thing":`) {
			require.True(t, strings.HasPrefix(line, `"thing":{`), "one schema on a line: %s", line)
		}
	}
}

func TestPruneRefuses(t *testing.T) {
	drop := func(key, name string) func(map[string]any) {
		return func(doc map[string]any) {
			if of, ok := doc[key].(map[string]any); ok {
				delete(of, name)
			}
		}
	}
	for name, c := range map[string]struct {
		change func(doc map[string]any)
		files  func(openapi, webhooks map[string]string)
		want   string
	}{
		"no endpoint":   {change: drop("paths", "/meta"), want: "no GET /meta"},
		"no event":      {change: drop("webhooks", "push"), want: "no event push"},
		"no component":  {change: drop("components", "parameters"), want: "no component"},
		"other package": {files: func(a, _ map[string]string) { a["package/package.json"] = `{"name":"x","license":"MIT"}` }, want: "not @octokit/openapi under MIT"},
		"other licence": {files: func(a, _ map[string]string) { a["package/package.json"] = `{"name":"@octokit/openapi"}` }, want: "under MIT"},
		"two licences":  {files: func(a, _ map[string]string) { a["package/LICENSE"] = "other" }, want: "different licence"},
		"no licence":    {files: func(_, w map[string]string) { delete(w, "package/LICENSE") }, want: "only 2 are there"},
		"no JSON":       {files: func(_, w map[string]string) { w["package/generated/api.github.com.json"] = "{" }, want: "read description"},
		"different header": {change: func(doc map[string]any) {
			if hooks, ok := doc["webhooks"].(map[string]any); ok {
				hooks["push"].(map[string]any)["post"].(map[string]any)["parameters"] = []any{}
			}
		}, want: "other headers"},
	} {
		t.Run(name, func(t *testing.T) {
			openapi, webhooks := published(t, c.change)
			if c.files != nil {
				c.files(openapi, webhooks)
			}
			var stdout, stderr bytes.Buffer
			require.Equal(t, 1, run([]string{"-openapi", pack(t, openapi), "-webhooks", pack(t, webhooks), "-out", t.TempDir()}, &stdout, &stderr))
			require.Contains(t, stderr.String(), c.want)
		})
	}
	var stdout, stderr bytes.Buffer
	require.Equal(t, 2, run([]string{"-openapi", "x"}, &stdout, &stderr))
	require.Equal(t, 1, run([]string{"-openapi", "x", "-webhooks", "x", "-out", t.TempDir()}, &stdout, &stderr))
}
