package mirror

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestUpdates: base is what the branch was before the pull request landed, and
// only clean merges of commits of its line are updates.
func TestUpdates(t *testing.T) {
	// Of the side branch, side landed by a merge, and lost did not.
	type others struct{ main2, side, lost approval.SHA }
	for _, c := range []struct {
		name string
		// head makes a head, and says what it is an update of.
		head func(s *scene, l others) (approval.SHA, []approval.SHA)
	}{
		{"not a merge", func(s *scene, _ others) (approval.SHA, []approval.SHA) { return s.head, nil }},
		{"update", func(s *scene, _ others) (approval.SHA, []approval.SHA) {
			return s.mustLand("merge", s.head, s.main), []approval.SHA{s.head}
		}},
		{"update from the tip", func(s *scene, l others) (approval.SHA, []approval.SHA) {
			return s.mustLand("merge", s.head, l.main2), []approval.SHA{s.head}
		}},
		{"two updates", func(s *scene, l others) (approval.SHA, []approval.SHA) {
			first := s.mustLand("merge", s.head, s.main)
			return s.mustLand("merge", first, l.main2), []approval.SHA{first, s.head}
		}},
		{"an older state of the line after a newer one", func(s *scene, l others) (approval.SHA, []approval.SHA) {
			first := s.mustLand("merge", s.head, l.main2)
			return s.commitTree(s.treeOf(first), first, s.main), []approval.SHA{first, s.head}
		}},
		{"a change after the update", func(s *scene, _ others) (approval.SHA, []approval.SHA) {
			return s.commit(s.content, s.mustLand("merge", s.head, s.main)), nil
		}},
		{"an update after a change", func(s *scene, l others) (approval.SHA, []approval.SHA) {
			first := s.mustLand("merge", s.head, s.main)
			changed := s.commit(s.content.with("app.yaml", "evil\n"), first)
			return s.commit(s.content.with("app.yaml", "evil\n", "side", "s\n", "other.yaml", "a\n"), changed, l.main2), []approval.SHA{changed}
		}},
		{"more than the base", func(s *scene, _ others) (approval.SHA, []approval.SHA) {
			return s.commit(s.content.with("other.yaml", "b\n", "app.yaml", "evil\n"), s.head, s.main), nil
		}},
		{"less than the base", func(s *scene, _ others) (approval.SHA, []approval.SHA) {
			return s.commit(s.content, s.head, s.main), nil
		}},
		{"an update of what has more than the base", func(s *scene, l others) (approval.SHA, []approval.SHA) {
			evil := s.commit(s.content.with("evil", "x\n"), s.head, s.main)
			return s.mustLand("merge", evil, l.main2), []approval.SHA{evil}
		}},
		{"another branch", func(s *scene, l others) (approval.SHA, []approval.SHA) {
			return s.mustLand("merge", s.head, l.lost), nil
		}},
		{"a commit that the base has, but not on its line", func(s *scene, l others) (approval.SHA, []approval.SHA) {
			return s.mustLand("merge", s.head, l.side), nil
		}},
		{"merged into the base instead", func(s *scene, l others) (approval.SHA, []approval.SHA) {
			return s.mustLand("merge", l.main2, s.head), nil
		}},
		{"three parents", func(s *scene, l others) (approval.SHA, []approval.SHA) {
			return s.commit(s.content, s.head, s.main, l.main2), nil
		}},
		{"of no common history", func(s *scene, _ others) (approval.SHA, []approval.SHA) {
			alone := s.commit(s.content)
			return s.commit(s.content, alone, s.main), nil
		}},
		{"more than are looked at", func(s *scene, _ others) (approval.SHA, []approval.SHA) {
			head := s.mustLand("merge", s.head, s.main)
			want := []approval.SHA{s.head}
			for range MaxUpdates + 3 { // nothing is new in them, so they change nothing
				want, head = append([]approval.SHA{head}, want...), s.commitTree(s.treeOf(head), head, s.main)
			}
			return head, want[:MaxUpdates]
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t, 1)
			var l others
			base := tree{"app.yaml": lines("replicas: 1", "debug: false"), "other.yaml": "a\n"}
			l.side, l.lost = s.commit(base.with("side", "s\n"), s.base), s.commit(base.with("lost", "s\n"), s.base)
			l.main2 = s.mustLand("merge", s.main, l.side)
			head, want := c.head(s, l)
			landed := s.commit(s.content.with("landed", string(head)), l.main2, head) // all of it is part of the branch now
			m := s.mirror(landed, head, l.lost)
			for range 2 {
				got, err := m.Updates(t.Context(), head, l.main2)
				require.NoError(t, err)
				require.Equal(t, want, got)
			}
		})
	}
	s := newScene(t, 1)
	m := s.mirror(s.main)
	_, err := m.Updates(t.Context(), s.head, s.main)
	require.ErrorIs(t, err, approval.ErrNotFound)
	_, err = m.Updates(t.Context(), "", s.main)
	require.Error(t, err)
}
