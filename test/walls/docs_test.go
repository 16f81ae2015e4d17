package walls

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSecurityNamesTests: every test that docs/security.md names exists, so that
// the table cannot promise what nothing shows.
func TestSecurityNamesTests(t *testing.T) {
	root := filepath.Join("..", "..")
	doc, err := os.ReadFile(filepath.Join(root, "docs", "security.md"))
	require.NoError(t, err)
	named := regexp.MustCompile("`(Test[A-Za-z0-9]+)(/[^`]+)?`").FindAllStringSubmatch(string(doc), -1)
	require.NotEmpty(t, named)

	var tests strings.Builder
	for _, dir := range []string{"cmd", "internal", "pkg", "test"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			tests.Write(text)
			return err
		})
		require.NoError(t, err)
	}
	all := tests.String()
	for _, n := range named {
		require.Contains(t, all, "func "+n[1]+"(", "docs/security.md names a test that does not exist")
		if n[2] != "" {
			// Names of subtests are written with spaces or dashes.
			name := strings.TrimPrefix(n[2], "/")
			require.True(t, strings.Contains(all, `"`+name+`"`) || strings.Contains(all, `"`+strings.ReplaceAll(name, "-", " ")+`"`),
				"docs/security.md names %s/%s, which does not exist", n[1], name)
		}
	}
}

// TestSecurityHasEveryAttack: the catalogue of attacks is answered number by
// number, each with a test.
func TestSecurityHasEveryAttack(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "security.md"))
	require.NoError(t, err)
	rows := regexp.MustCompile(`(?m)^\| (\d+) \|([^|]+)\|([^|]+)\|([^|]+)\|$`).FindAllStringSubmatch(string(doc), -1)
	require.Len(t, rows, 66)
	for i, row := range rows {
		require.Equal(t, strconv.Itoa(i+1), row[1])
		for _, cell := range row[2:] {
			require.NotEmpty(t, strings.TrimSpace(cell), row[0])
		}
		require.Contains(t, row[4], "`Test", row[0])
	}
}
