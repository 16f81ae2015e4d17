package mirror

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func TestChanges(t *testing.T) {
	o := newOrigin(t)
	gitlink := "sub:" + strings.Repeat("1", 40)
	moved := "sub:" + strings.Repeat("2", 40)
	start := tree{"a/edit": "1\n", "a/gone": "1\n", "mode": "1\n", "link": "1\n", "relink": "link:x", "sub": gitlink, "unsub": gitlink,
		"folder": "1\n", "renamed": "much the same\n"}
	from := o.commit(start)
	to := o.commit(start.without("a/gone", "folder", "renamed").with("a/edit", "2\n", "mode", "exec:1\n", "link", "link:1\n",
		"relink", "link:y", "sub", moved, "unsub", "1\n", "folder/inside", "1\n", "moved", "much the same\n", "ü/ß ", "\n"), from)
	m := o.mirror(to)
	changes, err := m.Changes(t.Context(), from, to)
	require.NoError(t, err)

	blob := func(content string) approval.SHA { return o.sha(o.git(content, "hash-object", "--stdin")) }
	one := blob("1\n")
	want := map[string]approval.Change{
		"a/edit":        {Before: approval.Entry{Mode: "100644", SHA: one}, After: approval.Entry{Mode: "100644", SHA: blob("2\n")}},
		"a/gone":        {Before: approval.Entry{Mode: "100644", SHA: one}},
		"mode":          {Before: approval.Entry{Mode: "100644", SHA: one}, After: approval.Entry{Mode: "100755", SHA: one}},
		"link":          {Before: approval.Entry{Mode: "100644", SHA: one}, After: approval.Entry{Mode: "120000", SHA: blob("1\n")}},
		"relink":        {Before: approval.Entry{Mode: "120000", SHA: blob("x")}, After: approval.Entry{Mode: "120000", SHA: blob("y")}},
		"sub":           {Before: approval.Entry{Mode: "160000", SHA: approval.SHA(strings.Repeat("1", 40))}, After: approval.Entry{Mode: "160000", SHA: approval.SHA(strings.Repeat("2", 40))}},
		"unsub":         {Before: approval.Entry{Mode: "160000", SHA: approval.SHA(strings.Repeat("1", 40))}, After: approval.Entry{Mode: "100644", SHA: one}},
		"folder":        {Before: approval.Entry{Mode: "100644", SHA: one}},
		"folder/inside": {After: approval.Entry{Mode: "100644", SHA: one}},
		"renamed":       {Before: approval.Entry{Mode: "100644", SHA: blob("much the same\n")}},
		"moved":         {After: approval.Entry{Mode: "100644", SHA: blob("much the same\n")}},
		"ü/ß ":          {After: approval.Entry{Mode: "100644", SHA: blob("\n")}},
	}
	require.Len(t, changes, len(want))
	for _, c := range changes {
		expected := want[c.Path]
		expected.Path = c.Path
		require.Equal(t, expected, c)
	}
	// The answer is the caller's own.
	changes[0].Path = "scribbled"
	again, err := m.Changes(t.Context(), from, to)
	require.NoError(t, err)
	require.NotEqual(t, "scribbled", again[0].Path)

	back, err := m.Changes(t.Context(), to, from)
	require.NoError(t, err)
	require.Len(t, back, len(want))
}

func TestChangesOfNothing(t *testing.T) {
	o := newOrigin(t)
	from := o.commit(tree{"f": "1\n"})
	empty := o.commit(tree{"f": "1\n"}, from)
	none := o.commit(tree{}, empty)
	m := o.mirror(none)
	changes, err := m.Changes(t.Context(), from, empty)
	require.NoError(t, err)
	require.Empty(t, changes)
	changes, err = m.Changes(t.Context(), empty, none)
	require.NoError(t, err)
	require.Equal(t, []string{"f"}, paths(changes))
}

func TestChangesRefuses(t *testing.T) {
	o := newOrigin(t)
	from := o.commit(tree{"f": "1\n"})
	to := o.commit(tree{"f": "1\n", "bad\xffname": "1\n"}, from)
	m := o.mirror(to)
	_, err := m.Changes(t.Context(), from, to)
	require.ErrorContains(t, err, "not valid UTF-8")
	_, err = m.Changes(t.Context(), to, from)
	require.ErrorContains(t, err, "not valid UTF-8")
	_, err = m.Changes(t.Context(), from, approval.SHA(strings.Repeat("1", 40)))
	require.ErrorIs(t, err, approval.ErrNotFound)
	_, err = m.Changes(t.Context(), from, o.treeOf(to))
	require.ErrorContains(t, err, "is a tree, not a commit")
	for _, bad := range []approval.SHA{"", "HEAD", "main", to[:12], "--output=x", to + "\n" + to, approval.SHA(strings.ToUpper(string(to)))} {
		_, err = m.Changes(t.Context(), from, bad)
		require.ErrorContains(t, err, "not a full commit SHA", "%q", bad)
	}
	// The process still answers.
	_, err = m.Changes(t.Context(), from, from)
	require.NoError(t, err)
}

// TestChangesSubmoduleIgnored: .gitmodules can ask git to hide a submodule's
// moves from diffs, which would hide them from the gate.
func TestChangesSubmoduleIgnored(t *testing.T) {
	o := newOrigin(t)
	modules := "[submodule \"s\"]\n\tpath = s\n\turl = https://example.com/s.git\n\tignore = all\n"
	from := o.commit(tree{".gitmodules": modules, "s": "sub:" + strings.Repeat("1", 40)})
	to := o.commit(tree{".gitmodules": modules, "s": "sub:" + strings.Repeat("2", 40)}, from)
	m := o.mirror(to)
	// As if the file were where git looks for it in a bare repository.
	_, err := m.git.run(t.Context(), "", "update-ref", "HEAD", string(to))
	require.NoError(t, err)
	changes, err := m.Changes(t.Context(), from, to)
	require.NoError(t, err)
	require.Equal(t, []string{"s"}, paths(changes))
}

// TestChangesMissingTree: a tree that git cannot read is an error, never an
// empty list, and the next question is answered.
func TestChangesMissingTree(t *testing.T) {
	o := newOrigin(t)
	from := o.commit(tree{"a/f": "1\n", "b/g": "1\n"})
	to := o.commit(tree{"a/f": "2\n", "b/g": "1\n"}, from)
	other := o.commit(tree{"a/f": "2\n", "b/g": "2\n"}, to)
	m := o.mirror(other)
	o.damage(m, o.git("", "rev-parse", string(to)+":a"))
	_, err := m.Changes(t.Context(), from, to)
	require.Error(t, err)
	o.damage(m, string(o.treeOf(from)))
	_, err = m.Changes(t.Context(), from, other)
	require.ErrorIs(t, err, errNoDiff)
	require.ErrorContains(t, err, "git diff-tree failed")
	changes, err := m.Changes(t.Context(), to, other)
	require.NoError(t, err)
	require.Equal(t, []string{"b/g"}, paths(changes))
}

func TestParseDiffRefuses(t *testing.T) {
	const h, z, a, b = "x y\n", "0000000000000000000000000000000000000000", "1111111111111111111111111111111111111111", "2222222222222222222222222222222222222222"
	good := ":100644 100755 " + a + " " + b + " M\x00f\x00"
	changes, err := parseDiff(bufio.NewReader(strings.NewReader(h+good+endOfDiff)), h)
	require.NoError(t, err)
	require.Len(t, changes, 1)
	for name, answer := range map[string]string{
		"nothing":              "",
		"other header":         "x z\n" + good + endOfDiff,
		"header missing":       endOfDiff,
		"cut after header":     h,
		"cut in a record":      h + good[:20],
		"cut in a path":        h + good[:len(good)-1],
		"cut before the end":   h + good,
		"cut in the end":       h + good + "en",
		"other end":            h + good + "x y\n",
		"unknown mode":         h + ":100664 100755 " + a + " " + b + " M\x00f\x00" + endOfDiff,
		"a folder":             h + ":040000 040000 " + a + " " + b + " M\x00f\x00" + endOfDiff,
		"abbreviated":          h + ":100644 100755 1111111 2222222 M\x00f\x00" + endOfDiff,
		"rename":               h + ":100644 100644 " + a + " " + a + " R100\x00f\x00g\x00" + endOfDiff,
		"unmerged":             h + ":100644 100644 " + a + " " + b + " U\x00f\x00" + endOfDiff,
		"added but there":      h + ":100644 100644 " + a + " " + b + " A\x00f\x00" + endOfDiff,
		"deleted but there":    h + ":100644 100644 " + a + " " + b + " D\x00f\x00" + endOfDiff,
		"modified but absent":  h + ":000000 100644 " + z + " " + b + " M\x00f\x00" + endOfDiff,
		"absent with a name":   h + ":000000 100644 " + a + " " + b + " A\x00f\x00" + endOfDiff,
		"there without a name": h + ":000000 100644 " + z + " " + z + " A\x00f\x00" + endOfDiff,
		"no change":            h + ":100644 100644 " + a + " " + a + " M\x00f\x00" + endOfDiff,
		"no path":              h + ":100644 100755 " + a + " " + b + " M\x00\x00" + endOfDiff,
		"endless path":         h + good[:len(good)-2] + strings.Repeat("p", maxPath+1) + "\x00" + endOfDiff,
		"endless record":       h + ":" + strings.Repeat("1", 300) + "\x00f\x00" + endOfDiff,
	} {
		t.Run(name, func(t *testing.T) {
			changes, err := parseDiff(bufio.NewReader(strings.NewReader(answer)), h)
			require.Error(t, err)
			require.Nil(t, changes)
		})
	}
}

func TestParseDiffIsBounded(t *testing.T) {
	const a, b = "1111111111111111111111111111111111111111", "2222222222222222222222222222222222222222"
	record := ":100644 100644 " + a + " " + b + " M\x00" + strings.Repeat("p", maxPath-1) + "\x00"
	endless := io.MultiReader(strings.NewReader("x y\n"), &repeater{record: record})
	_, err := parseDiff(bufio.NewReader(endless), "x y\n")
	require.ErrorIs(t, err, errTooLong)
}

// repeater is the same record for ever.
type repeater struct {
	record string
	at     int
}

func (r *repeater) Read(p []byte) (int, error) {
	n := copy(p, r.record[r.at:])
	r.at = (r.at + n) % len(r.record)
	return n, nil
}

func TestDescribePaths(t *testing.T) {
	require.Equal(t, "a", describePaths([]string{"a"}))
	require.Equal(t, "a, b, c, d, e", describePaths([]string{"a", "b", "c", "d", "e"}))
	require.Equal(t, "a, b, c, d, e (+1 more)", describePaths([]string{"a", "b", "c", "d", "e", "f"}))
	require.Equal(t, `"a\nb"`, describePaths([]string{"a\nb"}))
	require.Len(t, describePaths([]string{strings.Repeat("x", 5000)}), 120+len("…"))
}

func FuzzParseDiff(f *testing.F) {
	const h = "x y\n"
	f.Add([]byte(h + endOfDiff))
	f.Add([]byte(h + ":100644 100755 1111111111111111111111111111111111111111 2222222222222222222222222222222222222222 M\x00f\x00" + endOfDiff))
	f.Add([]byte(h + ":000000 160000 0000000000000000000000000000000000000000 2222222222222222222222222222222222222222 A\x00end\n\x00" + endOfDiff))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bufio.NewReader(strings.NewReader(string(data)))
		changes, err := parseDiff(r, h)
		if err != nil {
			require.Nil(t, changes)
			return
		}
		// Writing down what was read gives what was there.
		rest, err := io.ReadAll(r)
		require.NoError(t, err)
		written := h
		for _, c := range changes {
			require.NotEmpty(t, c.Path)
			written += formatChange(c)
		}
		got := string(data[:len(data)-len(rest)])
		require.Equal(t, strings.NewReplacer(" M\x00", " ?\x00", " T\x00", " ?\x00", " A\x00", " ?\x00", " D\x00", " ?\x00").Replace(got), written+endOfDiff)
	})
}

// formatChange is the record of a change, with "?" for its status.
func formatChange(c approval.Change) string {
	entry := func(e approval.Entry) (string, string) {
		if e == (approval.Entry{}) {
			return "000000", strings.Repeat("0", 40)
		}
		return e.Mode, string(e.SHA)
	}
	m1, s1 := entry(c.Before)
	m2, s2 := entry(c.After)
	return ":" + m1 + " " + m2 + " " + s1 + " " + s2 + " ?\x00" + c.Path + "\x00"
}

func FuzzReadInfo(f *testing.F) {
	const sha = "1111111111111111111111111111111111111111"
	f.Add(sha+" commit 12\n", sha)
	f.Add("refs/gatekeeper/heads/x missing\n", "refs/gatekeeper/heads/x")
	f.Fuzz(func(t *testing.T, line, name string) {
		o, ok, err := readInfo(bufio.NewReaderSize(strings.NewReader(line), 1<<10), name)
		if err != nil || !ok {
			require.Zero(t, o)
			return
		}
		require.GreaterOrEqual(t, o.size, int64(0))
		_, err = approval.ParseSHA(string(o.sha))
		require.NoError(t, err)
		require.True(t, utf8.ValidString(string(o.sha)))
	})
}

func TestReadInfoRefuses(t *testing.T) {
	for _, line := range []string{"", "x", "x missing\n", "n ambiguous\n", "1111 commit 3\n", "1111111111111111111111111111111111111111 commit -3\n",
		"1111111111111111111111111111111111111111 commit x\n", "1111111111111111111111111111111111111111 commit\n"} {
		_, ok, err := readInfo(bufio.NewReader(strings.NewReader(line)), "n")
		require.Error(t, err, line)
		require.False(t, ok)
	}
	_, ok, err := readInfo(bufio.NewReader(strings.NewReader("n missing\n")), "n")
	require.NoError(t, err)
	require.False(t, ok)
	_, _, err = readInfo(bufio.NewReader(strings.NewReader("")), "n")
	require.ErrorIs(t, err, io.EOF)
}
