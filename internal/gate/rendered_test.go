package gate

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestFailedRenderingIsRemembered: however long it took to fail.
func TestFailedRenderingIsRemembered(t *testing.T) {
	t.Parallel()
	var r renderings
	now, renders := start, 0
	for range 4 {
		_, err := r.of(parent(), []approval.Revision{{SHA: sha(1)}}, func() time.Time { return now }, func() (*brood, error) {
			renders++
			now = now.Add(45 * time.Second)
			return nil, errors.New("no answer")
		})
		require.EqualError(t, err, "no answer")
	}
	require.Equal(t, 1, renders)
}

// TestRenderingsAreBounded: neither many revisions nor Applications that are gone fill
// the memory.
func TestRenderingsAreBounded(t *testing.T) {
	t.Parallel()
	var r renderings
	for i := range 3 * renderedKept {
		_, err := r.of(parent(), []approval.Revision{{SHA: sha(i)}}, func() time.Time { return start.Add(time.Duration(i)) }, func() (*brood, error) { return broodOf(nil), nil })
		require.NoError(t, err)
	}
	require.Len(t, r.answers, renderedKept)
	_, kept := r.known(renderingKey(parent(), []approval.Revision{{SHA: sha(3*renderedKept - 1)}}), start)
	require.True(t, kept)
	r.child("a", []string{"p"})
	r.child("b", []string{"q", "p"})
	r.seen(parent(), start)
	require.ElementsMatch(t, []string{"a", "b"}, r.children("p"))
	r.sweep(map[string]bool{"b": true}, nil)
	require.Equal(t, []string{"b"}, r.children("p"))
	require.Empty(t, r.specs)
}
