package images

import (
	"errors"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestNotes: the lines that make a claimed bump a config change are noted, at the head
// and nowhere else.
func TestNotes(t *testing.T) {
	t.Parallel()
	more := func(f files) files {
		f = maps.Clone(f)
		f["prod/web.yaml"] += "replicas: 3\n"
		return f
	}
	lines := func(s string) int {
		n := 0
		for _, r := range s {
			if r == '\n' {
				n++
			}
		}
		return n
	}
	for name, tt := range map[string]struct {
		title         string
		before, after files
		closed        bool
		head          files // of the pull request, if it is not after
		want          []int // lines
		says          string
	}{
		"a bump":             {title: "Bump web to v2", before: base(), after: bumped()},
		"one line more":      {title: "Bump web to v2", before: base(), after: more(bumped()), want: []int{lines(bumped()["prod/web.yaml"]) + 1}, says: "it changes at replicas"},
		"no claim":           {title: "Scale web", before: base(), after: more(bumped())},
		"a downgrade":        {title: "Bump web to v1", before: bumped(), after: base(), want: []int{3}, says: "it goes back from v2 to v1"},
		"merged":             {title: "Bump web to v2", before: base(), after: more(bumped()), closed: true},
		"merged differently": {title: "Bump web to v2", before: base(), after: more(bumped()), head: more(more(bumped()))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			parent := w.commit("", tt.before)
			at := w.commit("renovate", tt.after, parent)
			head := at
			if tt.head != nil {
				head = w.commit("renovate", tt.head, parent)
			}
			w.fetched(at, head)
			collector, _ := w.collector(map[string]Gate{"prod": {Verifier: w.signers("renovate")}})
			p := policy()
			answer, _, err := collector.CompletePull(t.Context(), p, p.Repositories[0], approval.PullAnswer{
				Pull: *pull(1, head), Open: !tt.closed, BaseHead: parent, Changes: w.landing(parent, at, nil).Changes,
			})
			require.NoError(t, err)
			answer.Pull.Title = tt.title
			notes, err := collector.Notes(t.Context(), p, p.Repositories[0], answer)
			require.NoError(t, err)
			require.Len(t, notes, len(tt.want))
			for i, n := range notes {
				require.Equal(t, "prod/web.yaml", n.Path)
				require.Equal(t, tt.want[i], n.First)
				require.Contains(t, n.Text, tt.says)
			}
		})
	}
}

func TestNotesFail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	parent := w.commit("", base())
	changed := bumped()
	changed["prod/web.yaml"] += "x: 1\n"
	at := w.commit("renovate", changed, parent)
	w.fetched(at, at)
	collector, _ := w.collector(map[string]Gate{"prod": {Verifier: w.signers("renovate")}})
	p := policy()
	answer, _, err := collector.CompletePull(t.Context(), p, p.Repositories[0], approval.PullAnswer{
		Pull: *pull(1, at), Open: true, BaseHead: parent, Changes: w.landing(parent, at, nil).Changes,
	})
	require.NoError(t, err)
	answer.Pull.Title = "Bump web to v2"
	w.mirror.err = errors.New("the disk is gone")
	_, err = collector.Notes(t.Context(), p, p.Repositories[0], answer)
	require.ErrorContains(t, err, "the disk is gone")
	_, err = collector.Notes(t.Context(), p, approval.ProtectedRepository{}, approval.PullAnswer{})
	require.NoError(t, err)
}
