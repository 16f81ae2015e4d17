package access_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/github/access"
)

// documented is the list of permissions and events as docs/install.md has it.
func documented() string {
	var b strings.Builder
	b.WriteString("| permission | level | what for |\n| --- | --- | --- |\n")
	row := func(n access.Need, when string) {
		fmt.Fprintf(&b, "| `%s` | %s | %s%s |\n", n.Name, n.Level, n.For, when)
	}
	for _, n := range access.Permissions() {
		if n.Optional {
			row(n, " (`--with "+n.Name+"`)")
		} else {
			row(n, "")
		}
	}
	row(access.Promotion(), " (`--profile write`)")
	b.WriteString("\n| event | what for |\n| --- | --- |\n")
	for _, e := range access.Events() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", e.Name, e.For)
	}
	return b.String()
}

// The documentation has the same list as doctor and setup.
func TestDocumentedPermissions(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "install.md"))
	require.NoError(t, err)
	_, after, found := strings.Cut(string(text), "<!-- begin permissions -->\n")
	require.True(t, found)
	list, _, found := strings.Cut(after, "<!-- end permissions -->")
	require.True(t, found)
	require.Equal(t, documented(), list)
}

// What a profile asks for is what the doctor asks for: nothing is lacking, nothing is
// too much, whatever is chosen besides.
func TestProfiles(t *testing.T) {
	t.Parallel()
	have := func(p access.Profile, extras ...string) map[string]string {
		needs, err := p.Needs(extras...)
		require.NoError(t, err)
		out := map[string]string{}
		for _, n := range needs {
			out[n.Name] = n.Level
		}
		return out
	}
	for _, extras := range [][]string{nil, {"deployments"}, access.Extras()} {
		read, write := have(access.Read, extras...), have(access.Write, extras...)
		for _, n := range slices.Concat(access.Lacking(read), access.Lacking(write)) {
			require.True(t, n.Optional, n.Name)
			require.NotContains(t, extras, n.Name)
		}
		require.Empty(t, access.Excess(read, false))
		require.Empty(t, access.Excess(write, true))
		require.Equal(t, []string{"contents:write"}, access.Excess(write, false))
		require.Len(t, write, len(read))
	}
	require.Equal(t, map[string]string{"metadata": "read", "contents": "read", "pull_requests": "write", "checks": "write", "issues": "read", "members": "read"}, have(access.Read))
	_, err := access.Profile("admin").Needs()
	require.Error(t, err)
	_, err = access.Read.Needs("secrets")
	require.Error(t, err)
	_, err = access.Read.Needs("contents")
	require.Error(t, err, "it is not optional")

	// An event is asked for when its permission is.
	events := func(extras ...string) (names []string) {
		needs, err := access.Read.Needs(extras...)
		require.NoError(t, err)
		for _, s := range access.Subscriptions(needs) {
			names = append(names, s.Name)
		}
		return names
	}
	require.Empty(t, access.Unsubscribed(events()))
	require.NotContains(t, events(), "merge_group")
	require.Contains(t, events("merge_queues"), "merge_group")
}
