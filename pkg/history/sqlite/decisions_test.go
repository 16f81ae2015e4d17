package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
)

// TestDecisionsKnown: what is known of decisions without the file is what the file says, and what
// was not recorded is not known.
func TestDecisionsKnown(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "record.db")
	store, err := Create(t.Context(), path)
	require.NoError(t, err)
	decision := func(app string, verdict approval.Verdict, edit func(*approval.Decision)) history.Draft {
		draft := historytest.Decision(t, app, "prod", verdict)
		payload, ok := draft.Payload.(history.DecisionPayload)
		require.True(t, ok)
		edit(&payload.Decision)
		draft.Payload = payload
		return draft
	}
	asItIs := func(*approval.Decision) {}
	at, err := store.Append(t.Context(), history.Head{},
		decision("a", approval.Allowed, asItIs),
		decision("b", approval.Blocked, func(d *approval.Decision) { d.Baseline = approval.Candidate{UID: "b", SpecDigest: "sha256:1"} }),
		decision("c", approval.Allowed, func(d *approval.Decision) { d.Override = "bg-1" }),
		decision("d", approval.Allowed, func(d *approval.Decision) { d.Waits = true }),
		decision("e", approval.Allowed, func(d *approval.Decision) { d.Asked = "s-1" }),
	)
	require.NoError(t, err)
	require.Equal(t, 5, store.decisions.known.Len())
	at, err = store.Append(t.Context(), at, historytest.Intent(t, "a", "prod", "i-1", 1))
	require.NoError(t, err)
	require.Equal(t, 5, store.decisions.known.Len())
	for sequence := range uint64(8) {
		told, ok, err := inside{store.tables, store.decisions}.Decided(t.Context(), sequence)
		require.NoError(t, err)
		require.Equal(t, 1 <= sequence && sequence <= 5, ok, sequence)
		read, _, err := store.Decided(t.Context(), sequence)
		require.NoError(t, err)
		require.Equal(t, read, told, sequence)
	}

	_, err = store.Append(t.Context(), at, decision("f", approval.Allowed, asItIs), historytest.Intent(t, "f", "prod", "i-2", 1))
	require.ErrorIs(t, err, history.ErrInvalid, "it rests on the decision about another")
	require.Equal(t, 5, store.decisions.known.Len(), "it was not recorded")
	require.NoError(t, store.Close())

	store, err = Open(t.Context(), path)
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	require.Zero(t, store.decisions.known.Len())
	_, err = store.Append(t.Context(), at, historytest.Intent(t, "a", "prod", "i-3", 1))
	require.NoError(t, err)
	require.Equal(t, 1, store.decisions.known.Len(), "it was read")
}
