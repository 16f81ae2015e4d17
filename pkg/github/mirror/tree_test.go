package mirror

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func TestEntryAndTree(t *testing.T) {
	o := newOrigin(t)
	gitlink := strings.Repeat("1", 40)
	head := o.commit(tree{
		"a/b/file": "1\n", "a/run": "exec:2\n", "a/link": "link:b", "sub": "sub:" + gitlink, "file": "3\n", "ü/ß ": "4\n",
	})
	m := o.mirror(head)
	folder := approval.SHA(o.git("", "rev-parse", string(head)+":a"))
	blob := func(content string) approval.SHA { return o.sha(o.git(content, "hash-object", "--stdin")) }
	for path, want := range map[string]TreeEntry{
		"":         {Mode: "40000", SHA: approval.SHA(o.git("", "rev-parse", string(head)+"^{tree}"))},
		"a":        {Name: "a", Mode: "40000", SHA: folder},
		"a/b/file": {Name: "file", Mode: "100644", SHA: blob("1\n")},
		"a/run":    {Name: "run", Mode: "100755", SHA: blob("2\n")},
		"a/link":   {Name: "link", Mode: "120000", SHA: blob("b")},
		"sub":      {Name: "sub", Mode: "160000", SHA: approval.SHA(gitlink)},
		"ü/ß ":     {Name: "ß ", Mode: "100644", SHA: blob("4\n")},
	} {
		got, ok, err := m.Entry(t.Context(), head, path)
		require.NoError(t, err, path)
		require.True(t, ok, path)
		require.Equal(t, want, got, path)
		require.Equal(t, want.Mode == "40000", got.IsFolder())
	}
	for _, path := range []string{"A", "a/b/FILE", "a/link/file", "file/x", "sub/x", "a/", "/a", "a//b", ".", "..", "a/../file", "a/b/file/x"} {
		_, ok, err := m.Entry(t.Context(), head, path)
		require.NoError(t, err, path)
		require.False(t, ok, "there is nothing at %q, and no link is followed", path)
	}
	_, _, err := m.Entry(t.Context(), head, strings.Repeat("a/", maxDepth)+"a")
	require.ErrorContains(t, err, "deeper")
	_, _, err = m.Entry(t.Context(), approval.SHA(strings.Repeat("2", 40)), "a")
	require.ErrorIs(t, err, approval.ErrNotFound)

	entries, err := m.Tree(t.Context(), folder)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name)
	}
	require.Equal(t, []string{"b", "link", "run"}, names)
	entries, err = m.Tree(t.Context(), emptyTree)
	require.NoError(t, err)
	require.Empty(t, entries)
	_, err = m.Tree(t.Context(), head)
	require.Error(t, err, "a commit is no folder")
	_, err = m.Tree(t.Context(), blob("1\n"))
	require.Error(t, err, "a file is no folder")
}

func rawTree(entries ...string) []byte {
	var b bytes.Buffer
	for _, e := range entries {
		b.WriteString(e + "\x00" + strings.Repeat("\x11", 20))
	}
	return b.Bytes()
}

func TestParseTree(t *testing.T) {
	got, err := parseTree(rawTree("100664 old", "040000 padded"))
	require.NoError(t, err)
	sha := approval.SHA(strings.Repeat("11", 20))
	require.Equal(t, []TreeEntry{{"old", "100644", sha}, {"padded", "40000", sha}}, got)
	for name, data := range map[string][]byte{
		"cut name":     []byte("100644 a"),
		"cut object":   rawTree("100644 a")[:20],
		"no name":      rawTree("100644 "),
		"slash":        rawTree("100644 a/b"),
		"no mode":      rawTree(" a"),
		"other mode":   rawTree("100600 a"),
		"long mode":    rawTree("0100644 a"),
		"not in UTF-8": rawTree("100644 \xff"),
		"rest":         append(rawTree("100644 a"), 'x'),
	} {
		_, err := parseTree(data)
		require.Error(t, err, name)
	}
}

// FuzzParseTree: whatever is read can be written again, so nothing was left out.
func FuzzParseTree(f *testing.F) {
	f.Add(rawTree("100644 a", "40000 b", "120000 c", "160000 d", "100664 e"))
	f.Add([]byte("100644 a\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := parseTree(data)
		if err != nil {
			require.Nil(t, entries)
			return
		}
		length := 0
		for _, e := range entries {
			require.True(t, utf8.ValidString(e.Name))
			require.NotContains(t, e.Name, "/")
			sha, err := hex.DecodeString(string(e.SHA))
			require.NoError(t, err)
			require.Contains(t, string(data), e.Name+"\x00"+string(sha))
			length += len(e.Name) + 2 + len(sha)
		}
		require.LessOrEqual(t, length+5*len(entries), len(data))
		require.GreaterOrEqual(t, length+6*len(entries), len(data))
	})
}
