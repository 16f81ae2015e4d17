package admission_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/admission"
)

var update = flag.Bool("update", false, "write the table of rules in docs/enforcement.md anew")

// TestDocumentation: docs/enforcement.md tells the rules as they are.
func TestDocumentation(t *testing.T) {
	rules, err := admission.Rules(prodSettings)
	require.NoError(t, err)
	var table strings.Builder
	table.WriteString("\n| rule | what is refused, and why | what it says | where |\n| --- | --- | --- | --- |\n")
	names := map[string]bool{}
	for _, rule := range rules {
		require.False(t, names[rule.Name], "%s is there twice", rule.Name)
		names[rule.Name] = true
		require.NotEmpty(t, rule.Rows, rule.Name)
		where := "policy, webhook"
		if rule.Expression == "" {
			where = "webhook"
		}
		for _, cell := range []string{rule.Name, rule.Doc, rule.Message} {
			require.NotEmpty(t, cell, rule.Name)
			require.NotContains(t, cell, "|", rule.Name)
			require.NotContains(t, cell, "\n", rule.Name)
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", rule.Name, rule.Doc, rule.Message, where)
	}
	table.WriteString("\n")

	path := filepath.Join("..", "..", "..", "docs", "enforcement.md")
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	const begin, end = "<!-- rules:begin -->\n", "<!-- rules:end -->"
	before, rest, found := strings.Cut(string(content), begin)
	require.True(t, found)
	_, after, found := strings.Cut(rest, end)
	require.True(t, found)
	want := before + begin + table.String() + end + after
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o600))
		return
	}
	require.Equal(t, want, string(content), "run go test ./pkg/argo/admission -run TestDocumentation -update")
}
