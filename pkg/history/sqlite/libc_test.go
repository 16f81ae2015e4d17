package sqlite_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestLibcMatches: modernc.org/sqlite is C translated to Go against one version
// of modernc.org/libc, and its authors support no other. A dependency that asks
// for a newer libc would replace it without a word.
func TestLibcMatches(t *testing.T) {
	t.Parallel()
	list := func(format, module string) string {
		output, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", format, module).Output()
		require.NoError(t, err)
		return strings.TrimSpace(string(output))
	}
	require.Equal(t, "v1.45.0", list("{{.Version}}", "modernc.org/sqlite"),
		"newer versions have a test dependency that go mod tidy cannot get")
	wanted, err := os.ReadFile(list("{{.GoMod}}", "modernc.org/sqlite"))
	require.NoError(t, err)
	match := regexp.MustCompile(`(?m)^\s*modernc\.org/libc (v\S+)`).FindSubmatch(wanted)
	require.NotNil(t, match)
	require.Equal(t, string(match[1]), list("{{.Version}}", "modernc.org/libc"))
}
