package main

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite the outputs in testdata/config")

// TestConfigGolden runs the command lines of testdata/config/*.txtar. A section
// "$ args" holds what is printed; its last line is the exit status. The other
// sections are files.
func TestConfigGolden(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "config", "*.txtar"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			require.NoError(t, err)
			golden, err := filepath.Abs(file)
			require.NoError(t, err)
			require.NotEmpty(t, strings.TrimSpace(string(archive.Comment)), "say what the case shows")
			t.Chdir(t.TempDir())
			ran := 0
			for i, f := range archive.Files {
				args, ok := strings.CutPrefix(f.Name, "$ ")
				if !ok {
					require.NoError(t, os.WriteFile(f.Name, f.Data, 0o600))
					continue
				}
				ran++
				code, stdout, stderr := call(t, t.Context(), strings.Fields(args)...)
				got := stdout + stderr + "status " + string(rune('0'+code)) + "\n"
				if *update {
					archive.Files[i].Data = []byte(got)
					continue
				}
				require.Equal(t, string(f.Data), got, f.Name)
			}
			require.Positive(t, ran)
			if *update {
				require.NoError(t, os.WriteFile(golden, txtar.Format(archive), 0o600))
			}
		})
	}
}

// TestExamplePolicyTests runs the tests that stand beside the examples, and makes
// sure that each of them can fail.
func TestExamplePolicyTests(t *testing.T) {
	tables, err := filepath.Glob(filepath.Join("..", "..", "examples", "*", "policy-test.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, tables)
	for _, table := range tables {
		cfg := filepath.Join(filepath.Dir(table), "gatekeeper.yaml")
		code, stdout, stderr := call(t, t.Context(), "config", "test", table, "--config", cfg, "-o", "json", "-v")
		require.Zero(t, code, stdout+stderr)
		var report testReport
		require.NoError(t, json.Unmarshal([]byte(stdout), &report))
		require.Positive(t, report.Passed)
		require.Zero(t, report.Failed)
		for _, r := range report.Tests {
			require.NotEmpty(t, r.Decision.Findings, r.Name)
			require.NotNil(t, r.Facts, r.Name)
		}

		text, err := os.ReadFile(table)
		require.NoError(t, err)
		wrong := strings.NewReplacer("want: allowed", "want: blocked", "want: blocked", "want: allowed", "want: unknown", "want: allowed", "    target: limits\n", "").Replace(string(text))
		path := filepath.Join(t.TempDir(), "wrong.yaml")
		require.NoError(t, os.WriteFile(path, []byte(wrong), 0o600))
		code, stdout, _ = call(t, t.Context(), "config", "test", path, "--config", cfg, "-o", "json")
		require.Equal(t, exitFailed, code)
		var other testReport
		require.NoError(t, json.Unmarshal([]byte(stdout), &other))
		require.Equal(t, report.Passed, other.Failed, "every test fails when it expects the contrary")
		require.Zero(t, other.Passed)
	}
}

// TestExamplesAreClean: nothing that people copy is warned about.
func TestExamplesAreClean(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "examples", "*", "gatekeeper.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		code, stdout, stderr := call(t, t.Context(), "config", "check", file, "--strict")
		require.Zero(t, code, "%s: %s%s", file, stdout, stderr)
	}
}

// TestPolicyTestsDocument: the examples in the manual are some that run.
func TestPolicyTestsDocument(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "policy-tests.md"))
	require.NoError(t, err)
	var blocks []string
	for rest := string(text); ; {
		_, after, ok := strings.Cut(rest, "```yaml\n")
		if !ok {
			break
		}
		block, after, ok := strings.Cut(after, "```")
		require.True(t, ok)
		blocks, rest = append(blocks, block), after
	}
	require.Len(t, blocks, 4, "a configuration's gates and a table, twice")
	config, err := os.ReadFile(filepath.Join("..", "..", "examples", "single-team", "gatekeeper.yaml"))
	require.NoError(t, err)
	head, _, ok := strings.Cut(string(config), "gates:\n")
	require.True(t, ok)
	for ; len(blocks) > 0; blocks = blocks[2:] {
		dir := t.TempDir()
		for name, content := range map[string]string{"gatekeeper.yaml": head + blocks[0], "tests.yaml": blocks[1]} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
		}
		code, stdout, stderr := call(t, t.Context(), "config", "test", filepath.Join(dir, "tests.yaml"), "--config", filepath.Join(dir, "gatekeeper.yaml"))
		require.Zero(t, code, stdout+stderr)
	}
}

func TestConfigCheckSecrets(t *testing.T) {
	file, _ := configure(t)
	code, stdout, stderr := call(t, t.Context(), "config", "check", file, "--secrets")
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "its secrets too")
	require.NotContains(t, stdout+stderr, "s3cret")

	require.NoError(t, os.Remove(filepath.Join(filepath.Dir(file), "token")))
	code, _, stderr = call(t, t.Context(), "config", "check", file, "--secrets")
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "argocd.tokenFile")
	code, _, _ = call(t, t.Context(), "config", "check", file)
	require.Zero(t, code, "without --secrets the files are not looked for")
}
