package history_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
)

// list is a Reader of entries that a test has changed. The other reads of a
// record are none of Verify's business.
type list struct {
	history.Reader
	entries []history.Entry
	page    int
	// open are the places of the intents that the store lists as open.
	open []int
	// onEntries and onOpen run before the entries and the open intents are read.
	onEntries func(from uint64) error
	onOpen    func()
}

func (l *list) Head(context.Context) (history.Head, error) {
	if len(l.entries) == 0 {
		return history.Head{}, nil
	}
	return l.entries[len(l.entries)-1].Head(), nil
}

func (l *list) Entries(_ context.Context, from uint64, limit int) ([]history.Entry, error) {
	if l.onEntries != nil {
		if err := l.onEntries(from); err != nil {
			return nil, err
		}
	}
	start := slices.IndexFunc(l.entries, func(e history.Entry) bool { return e.Sequence >= from })
	if start < 0 {
		return nil, nil
	}
	return l.entries[start:min(len(l.entries), start+min(limit, l.page))], nil
}

func (l *list) OpenIntentsOf(ctx context.Context, application string) ([]history.Entry, error) {
	open, err := l.OpenIntents(ctx)
	return slices.DeleteFunc(open, func(e history.Entry) bool { return e.Application != application }), err
}

func (l *list) Select(context.Context, history.Selection, int) ([]history.Entry, error) {
	return nil, nil
}

func (l *list) OpenIntents(context.Context) ([]history.Entry, error) {
	if l.onOpen != nil {
		l.onOpen()
	}
	var open []history.Entry
	for _, place := range l.open {
		open = append(open, l.entries[place-1])
	}
	return open, nil
}

// chain returns n entries, at least two: a decision, and after it decisions and
// intents in turn.
func chain(t testing.TB, n int) []history.Entry {
	t.Helper()
	drafts := []history.Draft{historytest.Decision(t, "a", "prod", approval.Allowed)}
	for len(drafts) < n {
		if len(drafts)%2 == 1 {
			drafts = append(drafts, historytest.Intent(t, "a", "prod", fmt.Sprint("i-", len(drafts)), 1))
		} else {
			drafts = append(drafts, historytest.Decision(t, "a", "prod", approval.Blocked))
		}
	}
	entries, err := history.Seal(history.Head{}, drafts...)
	require.NoError(t, err)
	return entries
}

// evens are the places of the intents of a chain.
func evens(n int) (places []int) {
	for place := 2; place <= n; place += 2 {
		places = append(places, place)
	}
	return places
}

// resealed links the entry to one before it and computes its digest again, as
// somebody who knows how would.
func resealed(t testing.TB, e history.Entry, after history.Head) history.Entry {
	t.Helper()
	e.Sequence, e.Previous = after.Sequence+1, after.Digest
	digest, err := history.DigestOf(map[string]any{
		"application": e.Application, "intent": e.Intent, "kind": e.Kind, "payload": e.Payload,
		"previous": e.Previous, "sequence": e.Sequence, "time": e.Time,
	})
	require.NoError(t, err)
	e.Digest = digest
	return e
}

// renumbered gives the entries from a place on the numbers of their places.
func renumbered(entries []history.Entry, from int) []history.Entry {
	for i := from - 1; i < len(entries); i++ {
		entries[i].Sequence = uint64(i + 1)
	}
	return entries
}

func TestVerify(t *testing.T) {
	t.Parallel()
	const n = 10
	type entries = []history.Entry
	for _, test := range []struct {
		name     string
		change   func(t *testing.T, e entries) entries
		kind     history.FaultKind
		sequence uint64
		// unlessKnown is true when only a known head shows the change.
		unlessKnown bool
	}{
		{name: "intact", change: func(_ *testing.T, e entries) entries { return e }},
		{name: "changed", kind: history.FaultChanged, sequence: 4, change: func(_ *testing.T, e entries) entries {
			e[3].Application = "b"
			return e
		}},
		{name: "changed twice", kind: history.FaultChanged, sequence: 2, change: func(_ *testing.T, e entries) entries {
			e[1].Application, e[6].Application = "b", "b"
			return e
		}},
		{name: "last changed", kind: history.FaultChanged, sequence: n, change: func(_ *testing.T, e entries) entries {
			e[n-1].Intent = "other"
			return e
		}},
		{name: "changed and sealed anew", kind: history.FaultChanged, sequence: 4, change: func(t *testing.T, e entries) entries {
			e[3].Application = "b"
			e[3] = resealed(t, e[3], e[2].Head())
			return e
		}},
		{name: "first changed and sealed anew", kind: history.FaultChanged, sequence: 1, change: func(t *testing.T, e entries) entries {
			e[0].Application = "b"
			e[0] = resealed(t, e[0], history.Head{})
			return e
		}},
		{name: "payload not canonical", kind: history.FaultChanged, sequence: n, change: func(_ *testing.T, e entries) entries {
			// With its digest computed over the very bytes.
			e[n-1].Payload = []byte(" " + string(e[n-1].Payload))
			e[n-1] = history.Reseal(e[n-1])
			return e
		}},
		{name: "all sealed anew from the fourth on", kind: history.FaultChanged, sequence: n, unlessKnown: true, change: func(t *testing.T, e entries) entries {
			e[3].Application = "b"
			for i := 3; i < n; i++ {
				e[i] = resealed(t, e[i], e[i-1].Head())
			}
			return e
		}},
		{name: "first dropped", kind: history.FaultDropped, sequence: 1, change: func(_ *testing.T, e entries) entries { return e[1:] }},
		{name: "first dropped, all renumbered and sealed", kind: history.FaultDropped, sequence: 1, change: func(t *testing.T, e entries) entries {
			e = renumbered(e[1:], 1)
			e[0] = history.Reseal(e[0])
			return e
		}},
		{name: "dropped", kind: history.FaultDropped, sequence: 5, change: func(_ *testing.T, e entries) entries { return slices.Delete(e, 4, 7) }},
		{name: "dropped and closed up", kind: history.FaultDropped, sequence: 5, change: func(_ *testing.T, e entries) entries {
			return renumbered(slices.Delete(e, 4, 7), 5)
		}},
		{name: "inserted", kind: history.FaultInserted, sequence: 5, change: func(t *testing.T, e entries) entries {
			forged := e[6]
			forged.Application = "b"
			return renumbered(slices.Insert(e, 4, resealed(t, forged, e[3].Head())), 6)
		}},
		{name: "copy inserted", kind: history.FaultInserted, sequence: 7, change: func(_ *testing.T, e entries) entries {
			return renumbered(slices.Insert(e, 6, e[2]), 7)
		}},
		{name: "an entry 0", kind: history.FaultInserted, sequence: 1, change: func(_ *testing.T, e entries) entries {
			hidden := e[0]
			hidden.Sequence = 0
			return slices.Insert(e, 0, history.Reseal(hidden))
		}},
		{name: "swapped", kind: history.FaultReordered, sequence: 3, change: func(_ *testing.T, e entries) entries {
			e[2], e[7] = e[7], e[2]
			return renumbered(e, 3)
		}},
		{name: "moved back", kind: history.FaultReordered, sequence: 3, change: func(_ *testing.T, e entries) entries {
			moved := e[8]
			return renumbered(slices.Insert(slices.Delete(e, 8, 9), 2, moved), 3)
		}},
		{name: "out of order", kind: history.FaultDropped, sequence: 3, change: func(_ *testing.T, e entries) entries {
			e[2], e[3] = e[3], e[2]
			return e
		}},
		{name: "cut off", kind: history.FaultTruncated, sequence: 8, unlessKnown: true, change: func(_ *testing.T, e entries) entries { return e[:7] }},
		{name: "emptied", kind: history.FaultTruncated, sequence: 1, unlessKnown: true, change: func(_ *testing.T, e entries) entries { return nil }},
	} {
		for _, page := range []int{1, 3, 100} {
			t.Run(fmt.Sprintf("%s, page %d", test.name, page), func(t *testing.T) {
				t.Parallel()
				entries := chain(t, n)
				known := entries[n-1].Head()
				reader := &list{entries: test.change(t, entries), page: page}
				reader.open = evens(len(reader.entries))

				report, err := history.Verify(t.Context(), reader, known)
				require.NoError(t, err)
				if test.kind == "" {
					require.True(t, report.Intact(), "%+v", report.Fault)
					require.Equal(t, known, report.Head)
					require.Equal(t, n/2, report.Open)
					return
				}
				require.False(t, report.Intact())
				require.NotNil(t, report.Fault)
				require.Equal(t, test.kind, report.Fault.Kind, report.Fault.Text)
				require.Equal(t, test.sequence, report.Fault.Sequence, report.Fault.Text)
				require.NotEmpty(t, report.Fault.Text)
				require.Less(t, report.Head.Sequence, test.sequence, "the head of what is intact")

				report, err = history.Verify(t.Context(), reader)
				require.NoError(t, err)
				require.Equal(t, test.unlessKnown, report.Intact(), "without a known head: %+v", report.Fault)
			})
		}
	}
}

// TestVerifyNeverMisses changes one thing at random, and sometimes hides that by
// new numbers and a new digest: whatever it is, the record is not intact.
func TestVerifyNeverMisses(t *testing.T) {
	t.Parallel()
	const n = 12
	original := chain(t, n)
	for seed := range uint64(3000) {
		random := rand.New(rand.NewPCG(seed, 2))
		entries := slices.Clone(original)
		i, j := random.IntN(n), random.IntN(n)
		switch random.IntN(5) {
		case 0:
			payload := slices.Clone(entries[i].Payload)
			payload[random.IntN(len(payload))] ^= 1 << random.IntN(8)
			entries[i].Payload = payload
		case 1:
			entries[i].Time = entries[i].Time.Add(1)
		case 2:
			entries = slices.Delete(entries, i, i+1)
		case 3:
			entries = slices.Insert(entries, i, entries[j])
		case 4:
			if i == j {
				continue
			}
			entries[i], entries[j] = entries[j], entries[i]
		}
		if random.IntN(2) == 0 {
			entries = renumbered(entries, 1)
		}
		if random.IntN(2) == 0 && len(entries) > i {
			entries[i] = history.Reseal(entries[i])
		}
		report, err := history.Verify(t.Context(), &list{entries: entries, page: 5, open: evens(len(entries))}, original[n-1].Head())
		require.NoError(t, err)
		require.False(t, report.Intact(), "seed %d", seed)
		require.LessOrEqual(t, report.Fault.Sequence, uint64(n+1), "seed %d: %s", seed, report.Fault.Text)
	}
}

// TestVerifySameNumberTwice is for a store that does not keep numbers apart.
func TestVerifySameNumberTwice(t *testing.T) {
	t.Parallel()
	entries := chain(t, 10)
	report, err := history.Verify(t.Context(), &list{entries: slices.Insert(entries, 5, entries[4]), page: 100})
	require.NoError(t, err)
	require.False(t, report.Intact())
	require.Equal(t, history.FaultInserted, report.Fault.Kind)
	require.Equal(t, uint64(6), report.Fault.Sequence)
}

func TestVerifyIndex(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		open     []int
		sequence uint64
	}{
		"one missing":  {[]int{2, 6}, 4},
		"all missing":  {nil, 2},
		"one too many": {[]int{2, 3, 4, 6}, 3},
		"one twice":    {[]int{2, 2, 4, 6}, 2},
	} {
		report, err := history.Verify(t.Context(), &list{entries: chain(t, 6), page: 100, open: test.open})
		require.NoError(t, err)
		require.False(t, report.Intact(), name)
		require.Equal(t, history.FaultIndex, report.Fault.Kind, name)
		require.Equal(t, test.sequence, report.Fault.Sequence, name)
		require.Equal(t, uint64(6), report.Head.Sequence, name)
	}
}

// TestVerifyWhileAppending: entries that come while the record is verified are
// verified too, and do not look like a fault.
func TestVerifyWhileAppending(t *testing.T) {
	t.Parallel()
	entries := chain(t, 10)
	reader := &list{entries: entries[:4], page: 100, open: evens(4)}
	reader.onOpen = func() {
		grown := min(len(reader.entries)+3, len(entries))
		reader.entries, reader.open = entries[:grown], evens(grown)
	}
	report, err := history.Verify(t.Context(), reader)
	require.NoError(t, err)
	require.True(t, report.Intact(), "%+v", report.Fault)
	require.Equal(t, entries[9].Head(), report.Head)
	require.Equal(t, 5, report.Open)

	reader.onOpen = func() { reader.entries, reader.open = entries[:6], nil }
	report, err = history.Verify(t.Context(), reader)
	require.NoError(t, err)
	require.False(t, report.Intact())
	require.Equal(t, history.FaultTruncated, report.Fault.Kind)
	require.Equal(t, uint64(7), report.Fault.Sequence)
}

// TestVerifyCannotRead: what could not be read is neither intact nor at fault.
func TestVerifyCannotRead(t *testing.T) {
	t.Parallel()
	require.False(t, history.Report{}.Intact())

	broken := errors.New("disk on fire")
	report, err := history.Verify(t.Context(), &list{entries: chain(t, 10), page: 3, onEntries: func(from uint64) error {
		if from > 5 {
			return broken
		}
		return nil
	}})
	require.ErrorIs(t, err, broken)
	require.False(t, report.Intact())
	require.Nil(t, report.Fault)

	ctx, cancel := context.WithCancel(t.Context())
	report, err = history.Verify(ctx, &list{entries: chain(t, 10), page: 1, open: evens(10), onEntries: func(from uint64) error {
		if from > 5 {
			cancel()
		}
		return nil
	}})
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, report.Intact())
	require.Nil(t, report.Fault)
}

func TestFaultTextsNameTheEntry(t *testing.T) {
	t.Parallel()
	entries := chain(t, 6)
	entries[3].Application = "b"
	report, err := history.Verify(t.Context(), &list{entries: entries, page: 2})
	require.NoError(t, err)
	require.Contains(t, report.Fault.Text, "entry 4")
}
