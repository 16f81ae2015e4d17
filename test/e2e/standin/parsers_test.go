package standin_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

func TestPatternsOfRefs(t *testing.T) {
	for _, c := range []struct {
		pattern, ref string
		want         bool
	}{
		{"refs/heads/main", "refs/heads/main", true},
		{"refs/heads/main", "refs/heads/mainly", false},
		{"refs/heads/*", "refs/heads/a/b", false},
		{"refs/heads/**", "refs/heads/a/b", true},
		{"refs/heads/**/x", "refs/heads/x", true},
		{"refs/heads/**/x", "refs/heads/a/b/x", true},
		{"refs/heads/**/x", "refs/heads/a/bx", false},
		{"refs/heads/v?.0", "refs/heads/v1.0", true},
		{"refs/heads/v?.0", "refs/heads/v/.0", false},
		{"a.b", "axb", false},
		{strings.Repeat("**/", 2000) + "x", strings.Repeat("a/", 2000), false},
	} {
		require.Equal(t, c.want, standin.MatchRef(c.pattern, c.ref), "%.40s %.40s", c.pattern, c.ref)
	}
}

func TestOwnersOfPaths(t *testing.T) {
	const file = "# comment\n* @all\n*.js @js # trailing\n/build/logs/ @logs\ndocs/* @docs\napps/ @apps\n/apps/github\n**/deep @deep\nteam.txt a@example.com @org/team\n"
	for path, want := range map[string]string{
		"x":              "@all",
		"a/b/c.js":       "@js",
		"build/logs/x/y": "@logs",
		"a/build/logs/x": "@all",
		"docs/a":         "@docs",
		"docs/a/b":       "@all",
		"x/apps/y":       "@apps",
		"apps/github/a":  "", // a line without owners takes ownership away
		"a/b/deep":       "@deep",
		"a/deep/x":       "@deep",
		"sub/team.txt":   "a@example.com @org/team",
	} {
		require.Equal(t, want, strings.Join(standin.OwnersOf(file, path), " "), path)
	}
}

// FuzzOwners: every owner is a word of the file, and every path of a file with "*" alone has its owners.
func FuzzOwners(f *testing.F) {
	for _, seed := range []string{"* @a", "/a/** @b @c", "#", "a\\ b @c", "[a-z] @x", "**/**/* @y", "/ @z"} {
		f.Add(seed, "a/b.c")
	}
	f.Fuzz(func(t *testing.T, file, path string) {
		if len(file)+len(path) > 1<<12 {
			t.Skip("long")
		}
		for _, owner := range standin.OwnersOf(file, path) {
			require.Contains(t, strings.Fields(file), owner)
		}
		if path != "" && !strings.HasSuffix(path, "/") && !strings.Contains(path, "\n") {
			require.Equal(t, []string{"@a"}, standin.OwnersOf("* @a", path), path)
		}
	})
}

// FuzzPush: what is read as a push was made of pkt-lines, up to a flush.
func FuzzPush(f *testing.F) {
	zero, one := strings.Repeat("0", 40), strings.Repeat("1", 40)
	for _, seed := range []string{"0000", "", "0003", "zzzz", "ffff", "0005a0000", "0068" + zero + " " + one + " refs/heads/x\x00 a b\n0000PACK", "0001" + one} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		n, _, pack, err := standin.ReadPush(body)
		if err != nil {
			return
		}
		require.True(t, bytes.HasSuffix(body, pack))
		require.GreaterOrEqual(t, len(body)-len(pack), 4+n*(4+40+1+40+1))
		require.True(t, bytes.HasSuffix(bytes.TrimSuffix(body, pack), []byte("0000")))
	})
}

// FuzzPatch: a line that is found is in the patch, and its hunk ends there.
func FuzzPatch(f *testing.F) {
	f.Add("@@ -1,2 +1,2 @@\n a\n-b\n+c", 2, "RIGHT")
	f.Add("@@ -1 +1 @@\n-b\n\\ No newline at end of file\n+c", 1, "LEFT")
	f.Add("@@ -99999999999999999999 +1 @@", 1, "RIGHT")
	f.Fuzz(func(t *testing.T, patch string, line int, side string) {
		position, hunk, err := standin.PlaceLine(patch, line, side)
		if err != nil {
			return
		}
		require.Positive(t, line)
		require.Contains(t, patch, hunk)
		require.True(t, strings.HasSuffix(strings.Join(strings.Split(patch, "\n")[:position+1], "\n"), hunk))
	})
}
