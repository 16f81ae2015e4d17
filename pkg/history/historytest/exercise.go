package historytest

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Record is a record that can be closed.
type Record interface {
	history.Record
	io.Closer
}

// Create makes a new, empty record and returns what opens it, after it was
// closed as well. The test closes what it opens; it opens one at a time.
type Create func(t *testing.T) (open func(t *testing.T) Record)

// Exercise tests every guarantee of history.Record against a store.
func Exercise(t *testing.T, create Create) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Create){
		"empty":             testEmpty,
		"append":            testAppend,
		"unusual text":      testUnusualText,
		"conflict":          testConflict,
		"atomic":            testAtomic,
		"invalid drafts":    testInvalidDrafts,
		"references":        testReferences,
		"open intents":      testOpenIntents,
		"latest decision":   testLatestDecision,
		"outcomes":          testOutcomes,
		"last deployed":     testLastDeployed,
		"acts":              testActs,
		"invalid acts":      testInvalidActs,
		"on command":        testOnCommand,
		"denied":            testDenied,
		"observed":          testObserved,
		"marks":             testMarks,
		"resources":         testResources,
		"select":            testSelect,
		"policies":          testPolicies,
		"deployments":       testDeployments,
		"reopen":            testReopen,
		"paging":            testPaging,
		"large payloads":    testLargePayloads,
		"one append wins":   testOneAppendWins,
		"competing writers": testCompetingWriters,
		"whole appends":     testWholeAppends,
		"cancelled":         testCancelled,
		"failed":            testFailed,
		"failed, persisted": testFailedPersisted,
		"verify":            testVerify,
		"closed":            testClosed,
	} {
		t.Run(name, func(t *testing.T) { test(t, create) })
	}
}

// fresh opens a new record that is closed when the test ends.
func fresh(t *testing.T, create Create) Record {
	t.Helper()
	record := create(t)(t)
	t.Cleanup(func() { require.NoError(t, record.Close()) })
	return record
}

// mustAppend appends after the head and returns the new one.
func mustAppend(t *testing.T, record history.Record, drafts ...history.Draft) history.Head {
	t.Helper()
	head, err := record.Append(t.Context(), mustHead(t, record), drafts...)
	require.NoError(t, err)
	return head
}

func mustHead(t *testing.T, record history.Reader) history.Head {
	t.Helper()
	head, err := record.Head(t.Context())
	require.NoError(t, err)
	return head
}

// deploy appends a whole deployment.
func deploy(t *testing.T, record history.Record, application, gate, id string, result history.Result) {
	t.Helper()
	mustAppend(t, record, Deployment(t, mustHead(t, record), application, gate, id, result)...)
}

// all reads every entry.
func all(t *testing.T, record history.Reader) []history.Entry {
	t.Helper()
	var entries []history.Entry
	for next := uint64(1); ; next = entries[len(entries)-1].Sequence + 1 {
		page, err := record.Entries(t.Context(), next, 100)
		require.NoError(t, err)
		if len(page) == 0 {
			return entries
		}
		entries = append(entries, page...)
	}
}

func sequences(entries []history.Entry) []uint64 {
	found := []uint64{}
	for _, entry := range entries {
		found = append(found, entry.Sequence)
	}
	return found
}

func testEmpty(t *testing.T, create Create) {
	record := fresh(t, create)
	ctx := t.Context()
	require.Zero(t, mustHead(t, record))
	require.Empty(t, all(t, record))
	for name, read := range map[string]func(context.Context) ([]history.Entry, error){
		"open intents": record.OpenIntents,
		"intent":       func(ctx context.Context) ([]history.Entry, error) { return record.Intent(ctx, "i-1") },
		"no intent":    func(ctx context.Context) ([]history.Entry, error) { return record.Intent(ctx, "") },
		"outcomes":     func(ctx context.Context) ([]history.Entry, error) { return record.Outcomes(ctx, "a", 10) },
	} {
		entries, err := read(ctx)
		require.NoError(t, err, name)
		require.Empty(t, entries, name)
	}
	_, found, err := record.LatestDecision(ctx, "a", "prod")
	require.NoError(t, err)
	require.False(t, found)
	_, _, found, err = record.LastDeployed(ctx, "a")
	require.NoError(t, err)
	require.False(t, found)
	report, err := history.Verify(ctx, record)
	require.NoError(t, err)
	require.True(t, report.Intact())
}

func testAppend(t *testing.T, create Create) {
	record := fresh(t, create)
	drafts := Deployment(t, history.Head{}, "a", "prod", "i-1", history.ResultSucceeded)
	want, err := history.Seal(history.Head{}, drafts...)
	require.NoError(t, err)

	head, err := record.Append(t.Context(), history.Head{}, drafts...)
	require.NoError(t, err)
	require.Equal(t, want[2].Head(), head)
	require.Equal(t, head, mustHead(t, record))
	require.Equal(t, want, all(t, record))

	next := Decision(t, "b", "prod", approval.Blocked)
	want, err = history.Seal(head, next)
	require.NoError(t, err)
	head, err = record.Append(t.Context(), head, next)
	require.NoError(t, err)
	require.Equal(t, history.Head{Sequence: 4, Digest: want[0].Digest}, head)
	require.Equal(t, want, all(t, record)[3:])
}

func testUnusualText(t *testing.T, create Create) {
	record := fresh(t, create)
	const text = "quote \" back\\slash <html> & nul \x00 bell \a line\u2028paragraph\u2029 del \x7f ü \U0001F680 \ufffd"
	deploy(t, record, "a-ü\"", "prod <&>", "i-1 '; --", history.ResultSucceeded)
	mustAppend(t, record, edited(t, Decision(t, "a-ü\"", "prod <&>", approval.Blocked),
		func(p *history.DecisionPayload) { p.Decision.Findings = []approval.Finding{{Text: text}} }))

	entry, found, err := record.LatestDecision(t.Context(), "a-ü\"", "prod <&>")
	require.NoError(t, err)
	require.True(t, found)
	decoded, err := history.Decode[history.DecisionPayload](entry)
	require.NoError(t, err)
	require.Equal(t, text, decoded.Decision.Findings[0].Text)
	related, err := record.Intent(t.Context(), "i-1 '; --")
	require.NoError(t, err)
	require.Equal(t, []uint64{2, 3}, sequences(related))
	report, err := history.Verify(t.Context(), record)
	require.NoError(t, err)
	require.True(t, report.Intact(), "%+v", report.Fault)
}

func testConflict(t *testing.T, create Create) {
	record := fresh(t, create)
	first := mustAppend(t, record, Decision(t, "a", "prod", approval.Blocked))
	second := mustAppend(t, record, Decision(t, "b", "prod", approval.Blocked))
	for name, expect := range map[string]history.Head{
		"empty":        {},
		"older":        first,
		"newer":        {Sequence: 3, Digest: second.Digest},
		"other digest": {Sequence: 2, Digest: first.Digest},
		"no digest":    {Sequence: 2},
	} {
		_, err := record.Append(t.Context(), expect, Decision(t, "c", "prod", approval.Blocked))
		require.ErrorIs(t, err, history.ErrConflict, name)
	}
	require.Equal(t, second, mustHead(t, record))
	require.Len(t, all(t, record), 2)
}

func testAtomic(t *testing.T, create Create) {
	record := fresh(t, create)
	head := mustAppend(t, record, Decision(t, "a", "prod", approval.Allowed))
	for name, drafts := range map[string][]history.Draft{
		"last is unknown":       {Decision(t, "a", "prod", approval.Blocked), Outcome("a", "i-9", history.ResultFailed)},
		"last is incomplete":    {Decision(t, "a", "prod", approval.Blocked), {Application: "a"}},
		"repeats itself":        {Intent(t, "a", "prod", "i-1", 1), Intent(t, "a", "prod", "i-1", 1)},
		"settles before intent": {Outcome("a", "i-1", history.ResultFailed), Intent(t, "a", "prod", "i-1", 1)},
	} {
		_, err := record.Append(t.Context(), head, drafts...)
		require.ErrorIs(t, err, history.ErrInvalid, name)
		require.Equal(t, head, mustHead(t, record), name)
	}
	open, err := record.OpenIntents(t.Context())
	require.NoError(t, err)
	require.Empty(t, open)
}
