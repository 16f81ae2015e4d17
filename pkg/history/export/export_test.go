package export_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/export"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/merkle"
)

func newSigner(t testing.TB) merkle.Signer {
	t.Helper()
	private, _, err := merkle.GenerateKey(rand.Reader, "gatekeeper.example.com/prod")
	require.NoError(t, err)
	signer, err := merkle.NewSigner(private)
	require.NoError(t, err)
	return signer
}

// drafts are n drafts of all kinds, some with unusual text.
func drafts(t testing.TB, n int) []history.Draft {
	t.Helper()
	var all []history.Draft
	for i := 0; len(all) < n; i++ {
		at := history.Head{Sequence: uint64(len(all))}
		all = append(all, historytest.Deployment(t, at, fmt.Sprintf("app-%d <ü\U0001F680>", i%3), "prod", fmt.Sprintf("i-%d \\ \" \u2028", i), history.ResultSucceeded)...)
		all = append(all, historytest.Decision(t, "b", "prod", approval.Blocked))
	}
	return all[:n]
}

func entries(t testing.TB, n int) list {
	t.Helper()
	if n == 0 {
		return nil
	}
	sealed, err := history.Seal(history.Head{}, drafts(t, n)...)
	require.NoError(t, err)
	return sealed
}

type list []history.Entry

func (l list) Entries(_ context.Context, from uint64, limit int) ([]history.Entry, error) {
	start := slices.IndexFunc(l, func(e history.Entry) bool { return e.Sequence >= from })
	if start < 0 {
		return nil, nil
	}
	return l[start:min(len(l), start+min(limit, 7))], nil
}

// checkpoint signs the record as it is.
func checkpoint(t testing.TB, signer merkle.Signer, record list) merkle.Signed {
	t.Helper()
	c := merkle.Compare()
	for _, e := range record {
		c.Add(e, e.AppendSealed(nil))
	}
	signed, err := signer.Sign(c.Tree())
	require.NoError(t, err)
	return signed
}

func write(t testing.TB, signer merkle.Signer, record list) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, export.Write(t.Context(), &out, record, checkpoint(t, signer, record)))
	return out.Bytes()
}

func TestExport(t *testing.T) {
	t.Parallel()
	signer := newSigner(t)
	for _, n := range []int{0, 1, 2, 40} {
		record := entries(t, n)
		text := write(t, signer, record)
		require.Equal(t, n+1, bytes.Count(text, []byte("\n")))
		report, end, err := export.Verify(t.Context(), bytes.NewReader(text), signer.Verifier(), checkpoint(t, signer, record[:n/2]).Checkpoint)
		require.NoError(t, err)
		require.True(t, report.Intact(), "%+v", report.Fault)
		require.EqualValues(t, n, report.Head.Sequence)
		require.Equal(t, checkpoint(t, signer, record), end)

		var plain bytes.Buffer
		require.NoError(t, export.WriteEntries(t.Context(), &plain, record, 3))
		require.Equal(t, max(0, n-2), bytes.Count(plain.Bytes(), []byte("\n")))
		require.True(t, bytes.Contains(text, plain.Bytes()))
	}
}

// TestWriteContradicted: a checkpoint of another record is not put under entries.
func TestWriteContradicted(t *testing.T) {
	t.Parallel()
	signer := newSigner(t)
	record := entries(t, 10)
	changed := slices.Clone(record)
	changed[3].Application = "other"
	for name, bad := range map[string]list{"truncated": record[:9], "changed": changed, "dropped": slices.Delete(slices.Clone(record), 4, 5), "empty": {}} {
		err := export.Write(t.Context(), &bytes.Buffer{}, bad, checkpoint(t, signer, record))
		require.ErrorIs(t, err, merkle.ErrContradicts, name)
	}
	// What was appended meanwhile is left out.
	var out bytes.Buffer
	require.NoError(t, export.Write(t.Context(), &out, record, checkpoint(t, signer, record[:6])))
	require.Equal(t, write(t, signer, record[:6]), out.Bytes())
}

// mutation is one change of an export, by somebody who has not got the key, with what is
// to be said of it.
type mutation struct {
	text  []byte
	kinds []history.FaultKind
	// at is the place that is to be named.
	at int
	// say names the mutation.
	say string
}

// mutate changes an export at random. It knows lines, and nothing of how they are
// verified.
func mutate(r *mathrand.Rand, text []byte, forge func(line []byte, place int, previous []byte) []byte) mutation {
	lines := slices.Collect(bytes.Lines(text)) // with their ends; the last one is the checkpoint
	n := len(lines) - 1
	join := func(lines ...[]byte) []byte { return slices.Concat(lines...) }
	kinds := func(k ...history.FaultKind) []history.FaultKind { return k }
	i, j := r.IntN(n), r.IntN(n)
	if i > j {
		i, j = j, i
	}
	garbage := [][]byte{[]byte("\n"), []byte("{}\n"), []byte("x\n"), append(bytes.TrimSuffix(lines[i], []byte("}\n")), ",\"x\":1}\n"...)}[r.IntN(4)]
	switch r.IntN(12) {
	default: // a bit, anywhere
		at := r.IntN(len(text))
		line := bytes.Count(text[:at], []byte("\n"))
		bad := slices.Clone(text)
		bad[at] ^= 1 << r.IntN(8)
		m := mutation{bad, kinds(history.FaultChanged), line + 1, fmt.Sprintf("bit in byte %d of line %d", at, line+1)}
		if line == n {
			m.kinds = append(m.kinds, history.FaultCheckpoint, history.FaultTruncated)
		}
		return m
	case 0: // some lines are gone
		m := mutation{join(append(slices.Clone(lines[:i]), lines[j+1:]...)...), kinds(history.FaultDropped), i + 1, fmt.Sprintf("lines %d to %d dropped", i+1, j+1)}
		if j == n-1 {
			m.kinds = kinds(history.FaultTruncated)
		}
		return m
	case 1: // cut off anywhere
		at := r.IntN(len(text))
		return mutation{text[:at], kinds(history.FaultTruncated), bytes.Count(text[:at], []byte("\n")) + 1, fmt.Sprintf("cut off at byte %d", at)}
	case 2: // two lines change places; the checkpoint may be one
		j = r.IntN(n + 1)
		if i == j {
			j = n
		}
		bad := slices.Clone(lines)
		bad[i], bad[j] = bad[j], bad[i]
		return mutation{join(bad...), kinds(history.FaultReordered), min(i, j) + 1, fmt.Sprintf("lines %d and %d swapped", i+1, j+1)}
	case 3: // one line moves
		if i == j {
			return mutate(r, text, forge)
		}
		if r.IntN(2) == 0 { // back
			bad := slices.Insert(slices.Delete(slices.Clone(lines), j, j+1), i, lines[j])
			return mutation{join(bad...), kinds(history.FaultReordered), i + 1, fmt.Sprintf("line %d moved to %d", j+1, i+1)}
		}
		bad := slices.Insert(slices.Delete(slices.Clone(lines), i, i+1), j, lines[i])
		return mutation{join(bad...), kinds(history.FaultReordered), i + 1, fmt.Sprintf("line %d moved to %d", i+1, j+1)}
	case 4: // a copy
		from, to := r.IntN(n), r.IntN(n+1)
		m := mutation{join(slices.Insert(slices.Clone(lines), to, lines[from])...), kinds(history.FaultInserted), to + 1, fmt.Sprintf("a copy of line %d before %d", from+1, to+1)}
		if from == to {
			m.at++ // the second one is the copy
		}
		return m
	case 5: // something
		return mutation{join(slices.Insert(slices.Clone(lines), i, garbage)...), kinds(history.FaultInserted), i + 1, fmt.Sprintf("%q before line %d", garbage, i+1)}
	case 6: // something at the end
		if r.IntN(2) == 0 {
			return mutation{join(append(slices.Clone(lines), garbage)...), kinds(history.FaultInserted), n + 1, "something after the checkpoint"}
		}
		return mutation{join(slices.Insert(slices.Clone(lines), n, garbage)...), kinds(history.FaultInserted), n + 1, "something before the checkpoint"}
	case 7: // another entry, with a digest that fits; the last one shows by the checkpoint alone
		bad := slices.Clone(lines)
		i = r.IntN(n - 1)
		bad[i] = forge(lines[i], i+1, nil)
		return mutation{join(bad...), kinds(history.FaultChanged), i + 1, fmt.Sprintf("line %d written anew", i+1)}
	case 8: // one more entry that follows the one before
		bad := slices.Insert(slices.Clone(lines), i, forge(lines[i], i+1, nil))
		return mutation{join(bad...), kinds(history.FaultInserted), i + 1, fmt.Sprintf("another line %d", i+1)}
	case 9: // one entry is gone and the others are numbered anew
		bad := slices.Delete(slices.Clone(lines), i, i+1)
		for k := i; k < n-1; k++ {
			bad[k] = renumber(bad[k], k+1)
		}
		m := mutation{join(bad...), kinds(history.FaultDropped), i + 1, fmt.Sprintf("line %d dropped and closed up", i+1)}
		if i == n-1 {
			m.kinds = kinds(history.FaultTruncated)
		}
		return m
	case 10: // two entries change places and numbers
		if i == j {
			return mutate(r, text, forge)
		}
		bad := slices.Clone(lines)
		bad[i], bad[j] = renumber(lines[j], i+1), renumber(lines[i], j+1)
		return mutation{join(bad...), kinds(history.FaultReordered), i + 1, fmt.Sprintf("lines %d and %d swapped with numbers", i+1, j+1)}
	}
}

// renumber changes the number in a line and nothing else.
func renumber(line []byte, n int) []byte {
	at := bytes.LastIndex(line, []byte(`"sequence":`)) + len(`"sequence":`)
	end := at + bytes.IndexByte(line[at:], ',')
	return slices.Concat(line[:at], fmt.Append(nil, n), line[end:])
}

// forged is a line with another Application and a digest that fits.
func forged(t testing.TB) func(line []byte, place int, previous []byte) []byte {
	return func(line []byte, _ int, _ []byte) []byte {
		e, err := (&history.LineParser{}).Parse(bytes.TrimSuffix(line, []byte("\n")))
		require.NoError(t, err)
		e.Application = "forged"
		e.Digest = history.Digest("sha256:" + sha256Hex(e.AppendSealed(nil)))
		return append(e.AppendLine(nil), '\n')
	}
}

// TestAnyChangeIsNamed changes an export anywhere at random.
func TestAnyChangeIsNamed(t *testing.T) {
	t.Parallel()
	signer := newSigner(t)
	text := write(t, signer, entries(t, 23))
	seed := mathrand.Uint64()
	t.Logf("seed %d", seed)
	r := mathrand.New(mathrand.NewPCG(seed, 1))
	forge := forged(t)
	for range 2000 {
		m := mutate(r, text, forge)
		if bytes.Equal(m.text, text) {
			continue
		}
		report, end, err := export.Verify(t.Context(), bytes.NewReader(m.text), signer.Verifier())
		require.NoError(t, err)
		require.False(t, report.Intact(), m.say)
		require.Empty(t, end)
		require.EqualValues(t, m.at, report.Fault.Sequence, "%s: %+v", m.say, report.Fault)
		require.Contains(t, m.kinds, report.Fault.Kind, "%s: %+v", m.say, report.Fault)
		require.Less(t, report.Head.Sequence, report.Fault.Sequence, m.say)
	}
}

// TestRewritten: what somebody without the key wrote anew to the end is shown by the
// checkpoint, and placed by those that were kept elsewhere.
func TestRewritten(t *testing.T) {
	t.Parallel()
	signer := newSigner(t)
	record := entries(t, 20)
	other, err := history.Seal(record[11].Head(), append([]history.Draft{historytest.Decision(t, "x", "prod", approval.Blocked)}, drafts(t, 7)...)...)
	require.NoError(t, err)
	anew := slices.Concat(record[:12], other)
	text := append(bytes.Join(slices.Collect(bytes.Lines(write(t, signer, anew)))[:20], nil), slices.Collect(bytes.Lines(write(t, signer, record)))[20]...)
	var known []merkle.Checkpoint
	verify := func(text []byte) *history.Fault {
		report, _, err := export.Verify(t.Context(), bytes.NewReader(text), signer.Verifier(), known...)
		require.NoError(t, err)
		require.False(t, report.Intact())
		require.Less(t, report.Head.Sequence, report.Fault.Sequence)
		return report.Fault
	}
	require.Equal(t, &history.Fault{Sequence: 1, Kind: history.FaultChanged, Text: "the record is not the one of the checkpoint of 20 entries: it was written anew from one of the entries 1 to 20 on"}, verify(text))
	known = append(known, checkpoint(t, signer, record[:9]).Checkpoint)
	require.EqualValues(t, 10, verify(text).Sequence)
	known = append(known, checkpoint(t, signer, record[:15]).Checkpoint, checkpoint(t, signer, record[:3]).Checkpoint)
	require.Equal(t, "the record is not the one of the checkpoint of 15 entries: it was written anew from one of the entries 10 to 15 on", verify(text).Text)
	known = append(known, checkpoint(t, signer, record[:12]).Checkpoint, checkpoint(t, signer, record[:13]).Checkpoint)
	require.Equal(t, "entry 13 is not the one of the checkpoint of 13 entries: it was written anew", verify(text).Text)

	// Even with the key.
	require.EqualValues(t, 13, verify(write(t, signer, anew)).Sequence)
	// And a whole export that is too old.
	found := verify(write(t, signer, record[:14]))
	require.Equal(t, history.FaultTruncated, found.Kind)
	require.EqualValues(t, 15, found.Sequence)
}

func TestOtherKey(t *testing.T) {
	t.Parallel()
	report, _, err := export.Verify(t.Context(), bytes.NewReader(write(t, newSigner(t), entries(t, 5))), newSigner(t).Verifier())
	require.NoError(t, err)
	require.Equal(t, history.FaultCheckpoint, report.Fault.Kind)
	require.ErrorContains(t, errors.New(report.Fault.Text), merkle.ErrSignature.Error())
}

// TestUnreadable: what cannot be read is not judged.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	signer := newSigner(t)
	text := write(t, signer, entries(t, 30))
	for _, at := range []int{0, 1, 5000, len(text) - 1} {
		_, _, err := export.Verify(t.Context(), iotest.TimeoutReader(iotest.OneByteReader(bytes.NewReader(text[:at]))), signer.Verifier())
		if at > 1 {
			require.ErrorIs(t, err, iotest.ErrTimeout)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := export.Verify(ctx, bytes.NewReader(text), signer.Verifier())
	require.ErrorIs(t, err, context.Canceled)
}

// TestLongLine: memory is bounded whatever is in the file.
func TestLongLine(t *testing.T) {
	t.Parallel()
	signer := newSigner(t)
	text := write(t, signer, entries(t, 3))
	long := strings.Repeat("x", history.MaxLine+100)
	report, _, err := export.Verify(t.Context(), strings.NewReader(string(text)[:bytes.IndexByte(text, '\n')+1]+long+"\n"+string(text)), signer.Verifier())
	require.NoError(t, err)
	require.EqualValues(t, 2, report.Fault.Sequence)
	require.Contains(t, report.Fault.Text, "longer")
}

// FuzzVerify: nothing but the export itself is intact.
func FuzzVerify(f *testing.F) {
	signer := newSigner(f)
	text := write(f, signer, entries(f, 2))
	f.Add(text)
	f.Add([]byte("{\"checkpoint\":\"\"}\n"))
	f.Fuzz(func(t *testing.T, other []byte) {
		report, _, err := export.Verify(t.Context(), bytes.NewReader(other), signer.Verifier())
		require.NoError(t, err)
		require.Equal(t, bytes.Equal(text, other), report.Intact())
	})
}
