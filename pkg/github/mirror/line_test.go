package mirror

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func names(commits []Commit) []approval.SHA {
	var list []approval.SHA
	for _, c := range commits {
		list = append(list, c.SHA)
	}
	return list
}

func TestLine(t *testing.T) {
	o := newOrigin(t)
	root := o.commit(tree{"f": "0\n"})
	base := o.commit(tree{"f": "1\n"}, root)
	side := o.commit(tree{"f": "1\n", "side": ""}, base)
	one := o.commit(tree{"f": "2\n"}, base)
	merge := o.mustLand("merge", one, side)
	head := o.commit(tree{"f": "3\n", "side": ""}, merge)
	m := o.mirror(head, side)
	for _, c := range []struct {
		name     string
		baseline approval.SHA
		want     []approval.SHA
		onLine   bool
	}{
		{"some way back", base, []approval.SHA{one, merge, head}, true},
		{"one back", merge, []approval.SHA{head}, true},
		{"the head", head, nil, true},
		{"the root", root, []approval.SHA{base, one, merge, head}, true},
		{"behind a second parent", side, nil, false},
		{"unknown", approval.SHA(strings.Repeat("1", 40)), nil, false},
		{"a tree", o.treeOf(head), nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			commits, onLine, err := m.Line(t.Context(), "main", c.baseline)
			require.NoError(t, err)
			require.Equal(t, c.onLine, onLine)
			require.Equal(t, c.want, names(commits))
		})
	}
	for _, bad := range []approval.SHA{"", "main", root[:10]} {
		_, _, err := m.Line(t.Context(), "main", bad)
		require.ErrorContains(t, err, "not a full commit SHA")
	}
	_, _, err := m.Line(t.Context(), "elsewhere", base)
	require.ErrorIs(t, err, approval.ErrNotFound)
}

func TestLineAfterForcePush(t *testing.T) {
	o := newOrigin(t)
	root := o.commit(tree{"f": "0\n"})
	baseline := o.commit(tree{"f": "1\n"}, root)
	m := o.mirror(baseline)
	_, onLine, err := m.Line(t.Context(), "main", baseline)
	require.NoError(t, err)
	require.True(t, onLine)

	other := o.commit(tree{"f": "2\n"}, root)
	// The old line is reachable, but not as the line.
	merged := o.commit(tree{"f": "3\n"}, other, baseline)
	for _, head := range []approval.SHA{other, merged, root} {
		o.branch("main", head)
		require.NoError(t, m.Fetch(t.Context(), "main"))
		commits, onLine, err := m.Line(t.Context(), "main", baseline)
		require.NoError(t, err)
		require.False(t, onLine)
		require.Empty(t, commits)
	}
}

// TestLongLine is one that is longer than what is looked up commit by commit.
func TestLongLine(t *testing.T) {
	o := newOrigin(t)
	base := o.commit(tree{"f": "0\n"})
	elsewhere := o.commit(tree{"f": "0\n", "x": ""}, base)
	content := o.treeOf(base)
	var line []approval.SHA
	for at := base; len(line) < maxSteps+40; {
		at = o.commitTree(content, at)
		line = append(line, at)
	}
	m := o.mirror(line[len(line)-1], elsewhere)
	commits, onLine, err := m.Line(t.Context(), "main", base)
	require.NoError(t, err)
	require.True(t, onLine)
	require.Equal(t, line, names(commits))
	commits, onLine, err = m.Line(t.Context(), "main", line[10])
	require.NoError(t, err)
	require.True(t, onLine)
	require.Equal(t, line[11:], names(commits))

	cold := o.mirror(line[len(line)-1], elsewhere)
	commits, onLine, err = cold.Line(t.Context(), "main", elsewhere)
	require.NoError(t, err)
	require.False(t, onLine)
	require.Empty(t, commits)
}

func TestCommits(t *testing.T) {
	o := newOrigin(t)
	base := o.commit(tree{"f": "0\n"})
	o.who = "Ann <ann@example.com>"
	one := o.commit(tree{"f": "1\n"}, base)
	o.who, o.text = "Bob <bob@example.com>", "Help\n\nCo-authored-by: Cid <cid@example.com>"
	side := o.commit(tree{"f": "0\n", "g": ""}, base)
	o.who, o.text = "", ""
	head := o.mustLand("merge", one, side)
	m := o.mirror(base, head)
	commits, err := m.Commits(t.Context(), head, base)
	require.NoError(t, err)
	require.ElementsMatch(t, []approval.SHA{head, one, side}, names(commits))
	require.Equal(t, head, commits[0].SHA)
	for _, c := range commits {
		if c.SHA == side {
			require.Equal(t, "Bob", c.Author.Name)
			require.Equal(t, "Help", c.Subject)
			require.Equal(t, []Signature{{Name: "Cid", Email: "cid@example.com"}}, c.CoAuthors)
			raw, err := m.CommitObject(t.Context(), side)
			require.NoError(t, err)
			require.Equal(t, o.git("", "cat-file", "commit", string(side)), strings.TrimSpace(string(raw)))
		}
	}
	commits, err = m.Commits(t.Context(), head, base, side)
	require.NoError(t, err)
	require.ElementsMatch(t, []approval.SHA{head, one}, names(commits))
	commits, err = m.Commits(t.Context(), base, head)
	require.NoError(t, err)
	require.Empty(t, commits)
	commits, err = m.Commits(t.Context(), head)
	require.NoError(t, err)
	require.Len(t, commits, 4)

	unknown := approval.SHA(strings.Repeat("1", 40))
	_, err = m.Commits(t.Context(), unknown)
	require.ErrorIs(t, err, approval.ErrNotFound)
	_, err = m.Commits(t.Context(), head, unknown)
	require.ErrorIs(t, err, approval.ErrNotFound)
	for _, bad := range []approval.SHA{"", "--all", "main", head + "\n--all"} {
		_, err = m.Commits(t.Context(), bad)
		require.ErrorContains(t, err, "not a full commit SHA")
		_, err = m.Commits(t.Context(), head, bad)
		require.ErrorContains(t, err, "not a full commit SHA")
	}
}

func TestBlob(t *testing.T) {
	o := newOrigin(t)
	content := strings.Repeat("x", 100)
	head := o.commit(tree{"f": content})
	m := o.mirror(head)
	blob := o.sha(o.git("", "rev-parse", string(head)+":f"))
	got, err := m.Blob(t.Context(), blob, 100)
	require.NoError(t, err)
	require.Equal(t, content, string(got))
	_, err = m.Blob(t.Context(), blob, 99)
	require.ErrorContains(t, err, "has 100 bytes, more than 99")
	_, err = m.Blob(t.Context(), head, 100)
	require.ErrorContains(t, err, "is a commit, not a blob")
	_, err = m.Blob(t.Context(), approval.SHA(strings.Repeat("1", 40)), 100)
	require.ErrorIs(t, err, approval.ErrNotFound)
	_, err = m.CommitObject(t.Context(), blob)
	require.ErrorContains(t, err, "is a blob, not a commit")
}

// TestWarm: once read, nothing that cannot change starts a git process again.
func TestWarm(t *testing.T) {
	s := newScene(t, 3)
	at := s.mustLand("rebase", s.main, s.head)
	merge := s.mustLand("merge", at, s.commit(s.content.with("more", ""), s.head))
	m := s.mirror(merge, s.head)
	everything := func() {
		commits, onLine, err := m.Line(t.Context(), "main", s.main)
		require.NoError(t, err)
		require.True(t, onLine)
		require.Len(t, commits, 4)
		for _, c := range commits {
			_, err = m.Changes(t.Context(), c.Parents[0], c.SHA)
			require.NoError(t, err)
		}
		_, err = m.Commits(t.Context(), s.head, s.main)
		require.NoError(t, err)
		l, err := m.Prove(t.Context(), commits[2], s.head)
		require.NoError(t, err)
		require.Equal(t, landing{approval.KindRebase, s.main, 3, approval.Proven}, short(l))
		neutral, err := m.NeutralMerge(t.Context(), commits[3])
		require.NoError(t, err)
		require.True(t, neutral)
		head, ok, err := m.PullHead(t.Context(), 1)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, s.head, head)
	}
	everything()
	m.git.program = "/nonexistent"
	everything()
}
