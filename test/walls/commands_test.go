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

// TestCommandsHasEveryAttack: the catalogue of attacks on commands is answered number by
// number, and each test that is named exists.
func TestCommandsHasEveryAttack(t *testing.T) {
	root := filepath.Join("..", "..")
	doc, err := os.ReadFile(filepath.Join(root, "docs", "commands.md"))
	require.NoError(t, err)
	rows := regexp.MustCompile(`(?m)^\| (\d+) \|([^|]+)\|([^|]+)\|([^|]+)\|$`).FindAllStringSubmatch(string(doc), -1)
	require.Len(t, rows, 33)
	tests := testSources(t, root)
	for i, row := range rows {
		require.Equal(t, strconv.Itoa(i+1), row[1])
		for _, cell := range row[2:] {
			require.NotEmpty(t, strings.TrimSpace(cell), row[0])
		}
		named := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)(/[^`]+)?`").FindAllStringSubmatch(row[4], -1)
		require.NotEmpty(t, named, row[0])
		for _, n := range named {
			require.Contains(t, tests, "func "+n[1]+"(", "row %d names %s, which does not exist", i+1, n[1])
			if name := strings.TrimPrefix(n[2], "/"); name != "" {
				require.True(t, strings.Contains(tests, `"`+name+`"`) || strings.Contains(tests, `"`+strings.ReplaceAll(name, "-", " ")+`"`),
					"row %d names %s/%s, which does not exist", i+1, n[1], name)
			}
		}
	}
}

// testSources are all tests, as one text.
func testSources(t *testing.T, root string) string {
	t.Helper()
	var out strings.Builder
	for _, dir := range []string{"cmd", "internal", "pkg", "test"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			out.Write(text)
			return err
		})
		require.NoError(t, err)
	}
	return out.String()
}
