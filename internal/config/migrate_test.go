package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"
)

var update = flag.Bool("update", false, "write the golden files")

// TestMigrate compares with golden files: comments, order, blank lines, quotes and line ends
// stay as they are.
func TestMigrate(t *testing.T) {
	t.Parallel()
	before, err := filepath.Glob("testdata/migrate/*.before.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, before)
	for _, file := range before {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			got, err := Migrate(file, data)
			require.NoError(t, err)
			golden := strings.Replace(file, ".before.", ".after.", 1)
			if *update {
				require.NoError(t, os.WriteFile(golden, got.Text, 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got.Text))
			sameButVersion(t, data, got.Text)
			again, err := Migrate(file, got.Text)
			require.NoError(t, err)
			require.Empty(t, again.Steps)
			require.Equal(t, Version, again.From)
			require.Equal(t, got.Text, again.Text)
		})
	}
}

// sameButVersion requires that two texts say the same.
func sameButVersion(t *testing.T, before, after []byte) {
	t.Helper()
	was, _, err := Parse("before", before)
	require.NoError(t, err)
	is, _, err := Parse("after", after)
	require.NoError(t, err)
	require.Equal(t, Version, is.Version)
	was.Version = is.Version
	require.Equal(t, was, is)
}

func TestMigrations(t *testing.T) {
	t.Parallel()
	require.Len(t, migrations(), Version, "one to each version")
	for i, m := range migrations() {
		require.Equal(t, i, m.from)
	}
}

// TestMigrateChain: every migration from the file's own version on runs, each on what the
// one before wrote, and one that does not name its version is found.
func TestMigrateChain(t *testing.T) {
	t.Parallel()
	rename := func(text []byte, root *yaml.Node) ([]byte, error) {
		require.Equal(t, "1", child(root, "version").Value)
		return []byte(strings.Replace(strings.Replace(string(text), "version: 1", "version: 2", 1), "dataDirectory:", "folder:", 1)), nil
	}
	all := append(migrations(), migration{1, "dataDirectory is called folder", rename})
	got, err := migrate("f", []byte("# mine\ndataDirectory: x # here\n"), all)
	require.NoError(t, err)
	require.Equal(t, "# mine\nversion: 2\nfolder: x # here\n", string(got.Text))
	require.Len(t, got.Steps, 2)
	got, err = migrate("f", []byte("version: 1\ndataDirectory: x\n"), all)
	require.NoError(t, err)
	require.Equal(t, "version: 2\nfolder: x\n", string(got.Text))
	require.Len(t, got.Steps, 1)

	all[1].edit = func(text []byte, _ *yaml.Node) ([]byte, error) { return text, nil }
	_, err = migrate("f", []byte("version: 1\n"), all)
	require.ErrorContains(t, err, "it is of version 1 after it was brought to 2")
}

func TestMigrateRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                 "the file is empty",
		"a: [":                             "this is not YAML",
		"- a":                              "must hold keys",
		"version: 2\n":                     "f:1: version 2 is newer than this gatekeeper, which knows versions up to 1; use the gatekeeper that the file was written for",
		"# c\n\nversion: 99999999999999\n": "f:3: version 99999999999999 is newer",
		"version: 0\n":                     "version must be a whole number from 1 to 1",
		"version: '1'\n":                   "version must be a whole number",
		"version: 1.5\n":                   "version must be a whole number",
		"version: [1]\n":                   "version must be a whole number",
		"{dataDirectory: x}\n":             "write version: 1 into it yourself",
		"--- {dataDirectory: x}\n":         "write version: 1 into it yourself",
	} {
		_, err := Migrate("f", []byte(text))
		require.ErrorContains(t, err, want, "%q", text)
	}
}

// TestNewerVersion: a file of a newer format is refused for that, and not for its keys.
func TestNewerVersion(t *testing.T) {
	t.Parallel()
	_, _, err := Parse("f", []byte("version: 2\nportcullis: true\n"))
	require.ErrorContains(t, err, "newer than this gatekeeper")
	require.NotContains(t, err.Error(), "portcullis")
	cfg, err := Load(write(t, "version: 1\n"+valid))
	require.NoError(t, err)
	require.Equal(t, 1, cfg.File.Version)
}

func FuzzMigrate(f *testing.F) {
	f.Add([]byte(valid))
	f.Add([]byte("# a\r\n# b\r\n\r\n  dataDirectory: x\r\n"))
	f.Add([]byte("---\n# a\ngithub: {}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := Migrate("f", data)
		if err != nil {
			return
		}
		again, err := Migrate("f", got.Text)
		require.NoError(t, err)
		require.Empty(t, again.Steps)
		if _, _, err := Parse("f", data); err == nil {
			sameButVersion(t, data, got.Text)
		}
	})
}
