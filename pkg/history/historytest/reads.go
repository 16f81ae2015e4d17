package historytest

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

func testOpenIntents(t *testing.T, create Create) {
	record := fresh(t, create)
	requireOpen := func(want ...uint64) {
		t.Helper()
		open, err := record.OpenIntents(t.Context())
		require.NoError(t, err)
		require.ElementsMatch(t, want, sequences(open))
		require.IsIncreasing(t, append([]uint64{0}, sequences(open)...))
		for _, application := range []string{"a", "b", "c", ""} {
			own, err := record.OpenIntentsOf(t.Context(), application)
			require.NoError(t, err)
			require.Equal(t, slices.DeleteFunc(slices.Clone(open), func(e history.Entry) bool { return e.Application != application }), append([]history.Entry{}, own...))
		}
	}
	mustAppend(t, record, Decision(t, "a", "prod", approval.Allowed), Decision(t, "b", "prod", approval.Allowed))
	mustAppend(t, record, Intent(t, "a", "prod", "i-1", 1), Intent(t, "b", "prod", "i-2", 2))
	mustAppend(t, record, Intent(t, "a", "prod", "i-3", 1))
	requireOpen(3, 4, 5)

	mustAppend(t, record, Outcome("b", "i-2", history.ResultFailed))
	requireOpen(3, 5)
	mustAppend(t, record, Abandoned("a", "i-1"))
	requireOpen(5)
	// A request that was given up for lost and arrived after all.
	mustAppend(t, record, Outcome("a", "i-1", history.ResultSucceeded))
	requireOpen(5)

	related, err := record.Intent(t.Context(), "i-1")
	require.NoError(t, err)
	require.Equal(t, []uint64{3, 7, 8}, sequences(related))
	require.Equal(t, all(t, record)[2], related[0])
}

func testLatestDecision(t *testing.T, create Create) {
	record := fresh(t, create)
	mustAppend(t, record, Decision(t, "a", "prod", approval.Allowed), Decision(t, "a", "staging", approval.Blocked))
	mustAppend(t, record, Decision(t, "a", "prod", approval.Blocked), Decision(t, "b", "prod", approval.Unknown))
	deploy(t, record, "c", "prod", "i-1", history.ResultSucceeded)
	for _, test := range []struct {
		application, gate string
		want              uint64
	}{
		{"a", "prod", 3},
		{"a", "staging", 2},
		{"b", "prod", 4},
		{"c", "prod", 5},
		{"b", "staging", 0},
		{"a", "PROD", 0},
		{"d", "prod", 0},
		{"a", "", 0},
		{"", "prod", 0},
	} {
		entry, found, err := record.LatestDecision(t.Context(), test.application, test.gate)
		require.NoError(t, err)
		require.Equal(t, test.want, entry.Sequence, "%+v", test)
		require.Equal(t, test.want != 0, found, "%+v", test)
		if found {
			require.Equal(t, all(t, record)[test.want-1], entry)
		}
	}
}

func testOutcomes(t *testing.T, create Create) {
	record := fresh(t, create)
	deploy(t, record, "a", "prod", "i-1", history.ResultSucceeded) // 1, 2, 3
	deploy(t, record, "b", "prod", "i-2", history.ResultSucceeded) // 4, 5, 6
	deploy(t, record, "a", "prod", "i-3", history.ResultFailed)    // 7, 8, 9
	mustAppend(t, record, Decision(t, "a", "prod", approval.Allowed), Intent(t, "a", "prod", "i-4", 10), Abandoned("a", "i-4"))
	for _, test := range []struct {
		application string
		limit       int
		want        []uint64
	}{
		{"a", 10, []uint64{9, 3}},
		{"a", 1, []uint64{9}},
		{"a", 0, []uint64{}},
		{"a", -1, []uint64{}},
		{"b", 10, []uint64{6}},
		{"c", 10, []uint64{}},
	} {
		entries, err := record.Outcomes(t.Context(), test.application, test.limit)
		require.NoError(t, err)
		require.Equal(t, test.want, sequences(entries), "%+v", test)
	}
}

func testLastDeployed(t *testing.T, create Create) {
	record := fresh(t, create)
	deploy(t, record, "a", "prod", "i-1", history.ResultSucceeded)
	deploy(t, record, "a", "prod", "i-2", history.ResultSucceeded)
	deploy(t, record, "a", "prod", "i-3", history.ResultFailed)
	deploy(t, record, "a", "prod", "i-4", history.ResultMismatch)
	deploy(t, record, "b", "prod", "i-5", history.ResultFailed)
	deploy(t, record, "c", "prod", "i-6", history.ResultSucceeded)

	intent, outcome, found, err := record.LastDeployed(t.Context(), "a")
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, "i-2", intent.ID)
	require.Equal(t, candidate("a"), intent.Candidate)
	require.Equal(t, Outcome("a", "i-2", history.ResultSucceeded).Payload, outcome)

	_, _, found, err = record.LastDeployed(t.Context(), "b")
	require.NoError(t, err)
	require.False(t, found)
}

func testReopen(t *testing.T, create Create) {
	open := create(t)
	record := open(t)
	deploy(t, record, "a", "prod", "i-1", history.ResultSucceeded)
	mustAppend(t, record, Intent(t, "a", "prod", "i-2", 1))
	head, entries := mustHead(t, record), all(t, record)
	require.NoError(t, record.Close())

	record = open(t)
	defer func() { require.NoError(t, record.Close()) }()
	require.Equal(t, head, mustHead(t, record))
	require.Equal(t, entries, all(t, record))
	unsettled, err := record.OpenIntents(t.Context())
	require.NoError(t, err)
	require.Equal(t, []uint64{4}, sequences(unsettled))

	mustAppend(t, record, Outcome("a", "i-2", history.ResultFailed))
	report, err := history.Verify(t.Context(), record, head)
	require.NoError(t, err)
	require.True(t, report.Intact(), "%+v", report.Fault)
	require.Equal(t, uint64(5), report.Head.Sequence)
}

func testPaging(t *testing.T, create Create) {
	record := fresh(t, create)
	for range 5 {
		mustAppend(t, record, Decision(t, "a", "prod", approval.Blocked))
	}
	for _, test := range []struct {
		from  uint64
		limit int
		want  []uint64
	}{
		{0, 2, []uint64{1, 2}},
		{1, 2, []uint64{1, 2}},
		{4, 10, []uint64{4, 5}},
		{5, 1, []uint64{5}},
		{6, 10, []uint64{}},
		{math.MaxUint64, 10, []uint64{}},
		{1, 0, []uint64{}},
		{1, -1, []uint64{}},
	} {
		page, err := record.Entries(t.Context(), test.from, test.limit)
		require.NoError(t, err)
		require.Equal(t, test.want, sequences(page), "%+v", test)
	}
}

// testLargePayloads also shows that a page of large entries is cut short and
// never empty, so that a reader holds a bounded amount of memory.
func testLargePayloads(t *testing.T, create Create) {
	record := fresh(t, create)
	message := make([]byte, 1<<20)
	for i := range message {
		message[i] = "0123456789abcdef\n\""[i*7919%18]
	}
	drafts := Deployment(t, history.Head{}, "a", "prod", "i-1", history.ResultFailed)
	drafts[2] = edited(t, drafts[2], func(p *history.OutcomePayload) { p.Message = string(message) })
	mustAppend(t, record, drafts...)

	entries, err := record.Outcomes(t.Context(), "a", 1)
	require.NoError(t, err)
	decoded, err := history.Decode[history.OutcomePayload](entries[0])
	require.NoError(t, err)
	require.Equal(t, drafts[2].Payload, decoded)

	const many = 10
	for range many {
		mustAppend(t, record, edited(t, Decision(t, "a", "prod", approval.Blocked),
			func(p *history.DecisionPayload) { p.Decision.Findings = []approval.Finding{{Text: string(message)}} }))
	}
	pages, next := 0, uint64(1)
	for ; next <= 3+many; pages++ {
		page, err := record.Entries(t.Context(), next, 1000)
		require.NoError(t, err)
		require.NotEmpty(t, page)
		for _, entry := range page {
			require.Equal(t, next, entry.Sequence)
			next++
		}
	}
	require.Greater(t, pages, 1)

	_, err = record.Append(t.Context(), mustHead(t, record), edited(t, Decision(t, "a", "prod", approval.Blocked),
		func(p *history.DecisionPayload) {
			p.Decision.Findings = []approval.Finding{{Text: strings.Repeat("x", history.MaxPayload)}}
		}))
	require.ErrorIs(t, err, history.ErrInvalid)
}
