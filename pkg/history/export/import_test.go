package export_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/export"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
)

// memory is a record in memory, with the rules of every store.
type memory struct {
	history.Record
	list
	fail error
}

func (m *memory) Entries(ctx context.Context, from uint64, limit int) ([]history.Entry, error) {
	return m.list.Entries(ctx, from, limit)
}

func (m *memory) Head(context.Context) (history.Head, error) {
	if len(m.list) == 0 {
		return history.Head{}, m.fail
	}
	return m.list[len(m.list)-1].Head(), m.fail
}

func (m *memory) Intent(_ context.Context, id string) ([]history.Entry, error) {
	return slices.DeleteFunc(slices.Clone(m.list), func(e history.Entry) bool { return e.Intent != id }), nil
}

func (m *memory) Decided(ctx context.Context, sequence uint64) (history.Decided, bool, error) {
	return history.DecidedAt(ctx, m, sequence)
}

func (m *memory) Acts(context.Context) ([]history.Entry, error) { return nil, nil }

func (m *memory) Append(ctx context.Context, expect history.Head, drafts ...history.Draft) (history.Head, error) {
	sealed, err := history.Seal(expect, drafts...)
	if err != nil {
		return history.Head{}, err
	}
	if err := errors.Join(m.fail, history.CheckReferences(ctx, m, sealed)); err != nil {
		return history.Head{}, err
	}
	m.list = append(m.list, sealed...)
	return m.Head(ctx)
}

func TestImport(t *testing.T) {
	t.Parallel()
	signer := newSigner(t)
	for _, n := range []int{0, 1, 199, 200, 201, 450} {
		text := write(t, signer, entries(t, n))
		var record memory
		report, _, err := export.Import(t.Context(), bytes.NewReader(text), signer.Verifier(), &record)
		require.NoError(t, err)
		require.True(t, report.Intact(), "%+v", report.Fault)
		require.Equal(t, string(text), string(write(t, signer, record.list)), "the same to the byte")
	}
}

func TestImportRefuses(t *testing.T) {
	t.Parallel()
	signer := newSigner(t)
	all := entries(t, 12)
	text := write(t, signer, all)
	_, _, err := export.Import(t.Context(), bytes.NewReader(text), signer.Verifier(), &memory{list: all[:1]})
	require.ErrorIs(t, err, export.ErrNotEmpty)
	broken := errors.New("the disk is full")
	_, _, err = export.Import(t.Context(), bytes.NewReader(text), signer.Verifier(), &memory{fail: broken})
	require.ErrorIs(t, err, broken)

	report, _, err := export.Import(t.Context(), bytes.NewReader(bytes.Replace(text, []byte("Healthy"), []byte("healthy"), 1)), signer.Verifier(), &memory{})
	require.NoError(t, err)
	require.False(t, report.Intact())
	require.EqualValues(t, 3, report.Fault.Sequence)

	// Entries that no Gatekeeper writes, although somebody signed them: an outcome without
	// an intent, and a payload with a field that nobody knows.
	alone, err := history.Seal(history.Head{}, historytest.Outcome("a", "i-9", history.ResultFailed))
	require.NoError(t, err)
	_, _, err = export.Import(t.Context(), bytes.NewReader(write(t, signer, alone)), signer.Verifier(), &memory{})
	require.ErrorIs(t, err, history.ErrInvalid)
	strange, err := history.Seal(history.Head{}, historytest.Decision(t, "a", "prod", approval.Blocked))
	require.NoError(t, err)
	strange[0].Payload = append(bytes.TrimSuffix(strange[0].Payload, []byte("}")), `,"zzz":1}`...)
	strange[0].Digest = history.Digest("sha256:" + sha256Hex(strange[0].AppendSealed(nil)))
	_, _, err = export.Import(t.Context(), bytes.NewReader(write(t, signer, strange)), signer.Verifier(), &memory{})
	require.ErrorContains(t, err, "unknown field")
}

// TestImportOlder: an earlier version wrote fewer fields; the entry stays as it is.
func TestImportOlder(t *testing.T) {
	t.Parallel()
	signer := newSigner(t)
	older := entries(t, 3)
	fewer := bytes.Replace(older[2].Payload, []byte(`"phase":"Succeeded",`), nil, 1)
	require.NotEqual(t, string(older[2].Payload), string(fewer))
	older[2].Payload = fewer
	older[2].Digest = history.Digest("sha256:" + sha256Hex(older[2].AppendSealed(nil)))
	var record memory
	report, _, err := export.Import(t.Context(), bytes.NewReader(write(t, signer, older)), signer.Verifier(), &record)
	require.NoError(t, err)
	require.True(t, report.Intact(), "%+v", report.Fault)
	require.Equal(t, older, record.list)
}
