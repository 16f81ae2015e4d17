package mirror

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// scene is a line with one pull request: base is where it began, main what the
// branch has become since, head the reviewed head.
type scene struct {
	*origin
	content          tree
	base, main, head approval.SHA
}

// newScene makes a pull request of the given number of commits. Main has moved
// on, in another file and at the other end of the same one.
func newScene(t *testing.T, commits int) *scene {
	s := &scene{origin: newOrigin(t)}
	s.content = tree{"app.yaml": lines("replicas: 1", "debug: false"), "other.yaml": "a\n"}
	s.base = s.commit(s.content)
	s.main = s.commit(s.content.with("app.yaml", lines("replicas: 1", "debug: true"), "other.yaml", "b\n"), s.base)
	s.head = s.base
	for n := range commits {
		s.content = s.content.with("app.yaml", lines("replicas: "+string(rune('2'+n)), "debug: false"), "step-"+string(rune('a'+n)), "x\n")
		s.head = s.commit(s.content, s.head)
	}
	return s
}

func TestProveHonestLandings(t *testing.T) {
	for _, c := range []struct {
		name, method string
		commits      int
		kind         approval.LandingKind
		run          int
	}{
		{"merge of one commit", "merge", 1, approval.KindMerge, 1},
		{"merge of three", "merge", 3, approval.KindMerge, 1},
		{"squash of one commit", "squash", 1, approval.KindSquash, 1},
		{"squash of three", "squash", 3, approval.KindSquash, 1},
		{"rebase of one commit is a squash as well", "rebase", 1, approval.KindSquash, 1},
		{"rebase of two", "rebase", 2, approval.KindRebase, 2},
		{"rebase of three", "rebase", 3, approval.KindRebase, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t, c.commits)
			at := s.mustLand(c.method, s.main, s.head)
			m := s.mirror(at, s.head)
			require.Equal(t, Landing{Kind: c.kind, Parent: s.main, Commits: c.run, Proof: approval.Proof{Result: approval.Proven}},
				s.proof(m, at, s.head))
		})
		t.Run(c.name+", base has not moved", func(t *testing.T) {
			s := newScene(t, c.commits)
			at := s.mustLand(c.method, s.base, s.head)
			m := s.mirror(at, s.head)
			require.Equal(t, Landing{Kind: c.kind, Parent: s.base, Commits: c.run, Proof: approval.Proof{Result: approval.Proven}},
				s.proof(m, at, s.head))
		})
	}
}

// TestProveMismatch has what was not reviewed, or not merged by GitHub.
func TestProveMismatch(t *testing.T) {
	moved := tree{"app.yaml": lines("replicas: 2", "debug: true"), "other.yaml": "b\n", "step-a": "x\n"}
	for _, c := range []struct {
		name   string
		land   func(s *scene) approval.SHA
		kind   approval.LandingKind
		detail string
	}{
		{"evil merge", func(s *scene) approval.SHA {
			return s.commit(moved.with("other.yaml", "evil\n", "new.yaml", "evil\n"), s.main, s.head)
		}, approval.KindMerge, "differs from the merge of MAIN and HEAD at: new.yaml, other.yaml"},
		{"evil merge of many files names five", func(s *scene) approval.SHA {
			return s.commit(moved.with("1", "", "2", "", "3", "", "4", "", "5", "", "6", "", "7", ""), s.main, s.head)
		}, approval.KindMerge, "at: 1, 2, 3, 4, 5 (+2 more)"},
		{"merge that keeps ours", func(s *scene) approval.SHA {
			return s.commitTree(s.treeOf(s.main), s.main, s.head)
		}, approval.KindMerge, "at: app.yaml, step-a"},
		{"merge that takes theirs", func(s *scene) approval.SHA {
			return s.commitTree(s.treeOf(s.head), s.main, s.head)
		}, approval.KindMerge, "at: app.yaml, other.yaml"},
		{"merge with a changed mode", func(s *scene) approval.SHA {
			return s.commit(moved.with("app.yaml", "exec:"+moved["app.yaml"]), s.main, s.head)
		}, approval.KindMerge, "at: app.yaml"},
		{"merge with a file turned into a link", func(s *scene) approval.SHA {
			return s.commit(moved.with("other.yaml", "link:/etc/passwd"), s.main, s.head)
		}, approval.KindMerge, "at: other.yaml"},
		{"merge of another commit", func(s *scene) approval.SHA {
			other := s.commit(s.content, s.head)
			return s.mustLand("merge", s.main, other)
		}, approval.KindMerge, "not the reviewed head HEAD"},
		{"parents the wrong way round", func(s *scene) approval.SHA {
			return s.commit(moved, s.head, s.main)
		}, approval.KindMerge, "not the reviewed head HEAD"},
		{"octopus", func(s *scene) approval.SHA {
			third := s.commit(s.content.with("third", ""), s.base)
			return s.commit(moved.with("third", ""), s.main, s.head, third)
		}, approval.KindMerge, "3 parents"},
		{"evil squash", func(s *scene) approval.SHA {
			return s.commit(moved.with("app.yaml", lines("replicas: 99", "debug: true")), s.main)
		}, approval.KindSquash, "differs from the merge of MAIN and HEAD at: app.yaml"},
		{"squash with a hidden file", func(s *scene) approval.SHA {
			return s.commit(moved.with("deep/er/secret.yaml", "x"), s.main)
		}, approval.KindSquash, "at: deep/er/secret.yaml"},
		{"squash of the head's tree over a newer base", func(s *scene) approval.SHA {
			return s.commitTree(s.treeOf(s.head), s.main)
		}, approval.KindSquash, "at: app.yaml, other.yaml"},
		{"head pushed to the branch", func(s *scene) approval.SHA {
			return s.head
		}, approval.KindDirect, "only marked the pull request as merged"},
		{"nothing of the pull request", func(s *scene) approval.SHA {
			return s.commit(tree{"app.yaml": "x"}, s.main)
		}, approval.KindSquash, "differs from the merge"},
		{"no parent", func(s *scene) approval.SHA {
			return s.commit(moved)
		}, approval.KindDirect, "no parent"},
		{"name that could be mistaken for two", func(s *scene) approval.SHA {
			return s.commit(moved.with("a, b", "", "tab\there", ""), s.main)
		}, approval.KindSquash, `at: "a, b", "tab\there"`},
		{"name that is not UTF-8", func(s *scene) approval.SHA {
			return s.commit(moved.with("bad\xff", ""), s.main)
		}, approval.KindSquash, `at: "bad\xff"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t, 1)
			at := c.land(s)
			m := s.mirror(at, s.head)
			l := s.proof(m, at, s.head)
			require.Equal(t, approval.Mismatch, l.Proof.Result)
			require.Equal(t, c.kind, l.Kind)
			require.Equal(t, 1, l.Commits)
			detail := strings.NewReplacer("MAIN", s.main.Short(), "HEAD", s.head.Short()).Replace(c.detail)
			require.Contains(t, l.Proof.Detail, detail)
		})
	}
}

func TestProveConflict(t *testing.T) {
	o := newOrigin(t)
	base := o.commit(tree{"f": "1\n", "g": "1\n"})
	main := o.commit(tree{"f": "main\n", "g": "1\n"}, base)
	head := o.commit(tree{"f": "head\n", "g": "2\n"}, base)
	for name, parents := range map[string][]approval.SHA{"merge": {main, head}, "squash": {main}} {
		at := o.commit(tree{"f": "head\n", "g": "2\n"}, parents...)
		l := o.proof(o.mirror(at, head), at, head)
		require.Equal(t, approval.Mismatch, l.Proof.Result, name)
		require.Contains(t, l.Proof.Detail, "has conflicts, so what landed was made by hand: f", name)
	}
}

func TestProveUnrelatedHistory(t *testing.T) {
	o := newOrigin(t)
	main := o.commit(tree{"f": "1\n"})
	head := o.commit(tree{"g": "1\n"})
	at := o.commit(tree{"f": "1\n", "g": "1\n"}, main, head)
	l := o.proof(o.mirror(at, head), at, head)
	require.Equal(t, approval.Mismatch, l.Proof.Result)
	require.Contains(t, l.Proof.Detail, "no common history")
	squash := o.commit(tree{"f": "1\n", "g": "1\n"}, main)
	l = o.proof(o.mirror(squash, head), squash, head)
	require.Contains(t, l.Proof.Detail, "no common history")
}

// TestProveQueue has what a merge queue does: several pull requests land in one
// push, each on the one before it.
func TestProveQueue(t *testing.T) {
	for _, method := range []string{"merge", "squash", "rebase"} {
		o := newOrigin(t)
		base := o.commit(tree{"f": lines("0", "0")})
		heads := []approval.SHA{
			o.commit(tree{"f": lines("1", "0")}, base),
			o.commit(tree{"f": lines("0", "1")}, base),
			o.commit(tree{"f": lines("0", "0"), "g": ""}, base),
		}
		at, landed := base, []approval.SHA{base}
		for _, head := range heads {
			at = o.mustLand(method, at, head)
			landed = append(landed, at)
		}
		m := o.mirror(at, heads...)
		for i, head := range heads {
			l := o.proof(m, landed[i+1], head, landed...)
			require.Equal(t, approval.Proven, l.Proof.Result, method)
			require.Equal(t, landed[i], l.Parent)
			require.Equal(t, 1, l.Commits)
			for j, other := range heads {
				if i != j {
					require.Equal(t, approval.Mismatch, o.proof(m, landed[i+1], other).Proof.Result, "proven with another's head")
				}
			}
		}
	}
}

// TestProveCrissCross has two merge bases, which git merges first. The result
// differs from a merge over either base alone.
func TestProveCrissCross(t *testing.T) {
	o := newOrigin(t)
	root := o.commit(tree{"f": lines("0", "0")})
	a := o.commit(tree{"f": lines("a", "0")}, root)
	b := o.commit(tree{"f": lines("0", "b")}, root)
	main := o.commit(tree{"f": lines("a", "b"), "main": ""}, a, b)
	head := o.commit(tree{"f": lines("a", "b"), "head": ""}, b, a)
	main = o.commit(tree{"f": lines("a2", "b"), "main": ""}, main)
	head = o.commit(tree{"f": lines("a", "b2"), "head": ""}, head)
	bases := strings.Fields(o.git("", "merge-base", "--all", string(main), string(head)))
	require.Len(t, bases, 2, "the scene is no criss-cross")
	for _, method := range []string{"merge", "squash"} {
		at := o.mustLand(method, main, head)
		require.Equal(t, approval.Proven, o.proof(o.mirror(at, head), at, head).Proof.Result, method)
		evil := o.commit(tree{"f": lines("a2", "b"), "main": "", "head": ""}, main, head)
		require.Equal(t, approval.Mismatch, o.proof(o.mirror(evil, head), evil, head).Proof.Result)
	}
}

// TestProveRename has a file that one side renames and the other one edits.
func TestProveRename(t *testing.T) {
	s := newScene(t, 1)
	head := s.commit(s.content.without("app.yaml").with("moved.yaml", s.content["app.yaml"]), s.head)
	for _, method := range []string{"merge", "squash", "rebase"} {
		at := s.mustLand(method, s.main, head)
		l := s.proof(s.mirror(at, head), at, head)
		require.Equal(t, approval.Proven, l.Proof.Result, method)
	}
}

// TestProveMissingObject: what git cannot read is an error, not a mismatch.
func TestProveMissingObject(t *testing.T) {
	s := newScene(t, 1)
	at := s.mustLand("merge", s.main, s.head)
	m := s.mirror(at, s.head)
	blob := s.git("", "rev-parse", string(s.base)+":app.yaml")
	s.damage(m, blob)
	c, err := m.commit(t.Context(), at)
	require.NoError(t, err)
	l, err := m.Prove(t.Context(), c, s.head)
	require.Error(t, err)
	require.Zero(t, l)
	_, err = m.Prove(t.Context(), Commit{SHA: at}, approval.SHA(strings.Repeat("1", 40)))
	require.ErrorIs(t, err, approval.ErrNotFound)
	_, err = m.Prove(t.Context(), Commit{SHA: approval.SHA(strings.Repeat("1", 40))}, s.head)
	require.ErrorIs(t, err, approval.ErrNotFound)
	_, err = m.Prove(t.Context(), Commit{SHA: at}, "main")
	require.ErrorContains(t, err, "not a full commit SHA")
}

// damage removes one object from the mirror, by unpacking everything else.
func (o *origin) damage(m *Mirror, object string) {
	o.t.Helper()
	packs, err := filepath.Glob(filepath.Join(m.git.dir, "objects", "pack", "*"))
	require.NoError(o.t, err)
	for _, p := range packs {
		if strings.HasSuffix(p, ".pack") {
			content, err := os.ReadFile(p)
			require.NoError(o.t, err)
			require.NoError(o.t, os.Remove(p))
			_, err = m.git.run(o.t.Context(), string(content), "unpack-objects", "-q")
			require.NoError(o.t, err)
		} else {
			require.NoError(o.t, os.Remove(p))
		}
	}
	require.NoError(o.t, os.Remove(filepath.Join(m.git.dir, "objects", object[:2], object[2:])))
}

// TestProveReadsTheCommit: what a caller says about the commit is not believed.
func TestProveReadsTheCommit(t *testing.T) {
	s := newScene(t, 1)
	honest := s.mustLand("merge", s.main, s.head)
	evil := s.commit(s.content.with("evil", ""), s.main, s.head)
	m := s.mirror(evil, s.head, honest)
	c, err := m.commit(t.Context(), honest)
	require.NoError(t, err)
	c.SHA = evil
	l, err := m.Prove(t.Context(), c, s.head)
	require.NoError(t, err)
	require.Equal(t, approval.Mismatch, l.Proof.Result)
}

func TestNeutralMerge(t *testing.T) {
	s := newScene(t, 1)
	neutral := s.mustLand("merge", s.head, s.main)
	evil := s.commit(s.content.with("app.yaml", "evil\n"), s.head, s.main)
	conflicting := s.commit(tree{"app.yaml": "c\n"}, s.base)
	resolved := s.commit(tree{"app.yaml": "c\n"}, s.head, conflicting)
	octopus := s.commit(s.content, s.head, s.main, s.base)
	alone := s.commit(s.content)
	unrelated := s.commit(s.content, s.head, alone)
	m := s.mirror(s.main, neutral, evil, resolved, octopus, unrelated)
	for _, c := range []struct {
		name string
		sha  approval.SHA
		want bool
	}{
		{"clean", neutral, true}, {"evil", evil, false}, {"resolved by hand", resolved, false},
		{"octopus", octopus, false}, {"not a merge", s.head, false}, {"unrelated", unrelated, false},
	} {
		got, err := m.NeutralMerge(t.Context(), Commit{SHA: c.sha})
		require.NoError(t, err, c.name)
		require.Equal(t, c.want, got, c.name)
	}
	_, err := m.NeutralMerge(t.Context(), Commit{})
	require.Error(t, err)
}

func TestPreview(t *testing.T) {
	s := newScene(t, 1)
	conflicting := s.commit(tree{"app.yaml": "c\n"}, s.base)
	m := s.mirror(s.main, s.head, conflicting)
	changes, ok, err := m.Preview(t.Context(), s.main, s.head)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, []string{"app.yaml", "step-a"}, paths(changes))
	_, ok, err = m.Preview(t.Context(), s.main, conflicting)
	require.NoError(t, err)
	require.False(t, ok)
}

func TestMergeBase(t *testing.T) {
	s := newScene(t, 1)
	stranger := s.commit(tree{"other.yaml": "x\n"})
	m := s.mirror(s.main, s.head, stranger)
	base, err := m.MergeBase(t.Context(), s.main, s.head)
	require.NoError(t, err)
	require.Equal(t, s.base, base)
	base, err = m.MergeBase(t.Context(), s.main, stranger)
	require.NoError(t, err)
	require.Empty(t, base)
	_, err = m.MergeBase(t.Context(), s.main, approval.SHA(strings.Repeat("0", 39)+"1"))
	require.Error(t, err)
}

func paths(changes []approval.Change) []string {
	var list []string
	for _, c := range changes {
		list = append(list, c.Path)
	}
	return list
}
