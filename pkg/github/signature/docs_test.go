package signature

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDocs: the example of docs/signatures.md can be copied, for ssh-keygen too, and
// its table has every state.
func TestDocs(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "signatures.md"))
	require.NoError(t, err)
	examples := regexp.MustCompile("(?s)```allowed_signers\n(.*?)```").FindAllSubmatch(doc, -1)
	require.Len(t, examples, 1)
	lines, err := parseAllowedSigners(examples[0][1], "")
	require.NoError(t, err)
	require.Len(t, lines, 3)
	require.True(t, lines[2].authority)
	for _, name := range stateNames {
		require.Contains(t, string(doc), "`"+name+"`")
	}

	installed(t, "ssh-keygen")
	file := filepath.Join(t.TempDir(), "allowed")
	require.NoError(t, os.WriteFile(file, examples[0][1], 0o600))
	for principal, n := range map[string]int{"alice@example.com": 2, "robert@example.com": 2, "carol@example.com": 1, "intern@example.com": 0} {
		out, _, _ := program(t, nil, "", "ssh-keygen", "-Y", "match-principals", "-I", principal, "-f", file)
		require.Equal(t, n > 0, out != "", principal)
		found := 0
		for _, l := range lines {
			if matchList(principal, l.principals) {
				found++
			}
		}
		require.Equal(t, n, found, principal)
	}
}
