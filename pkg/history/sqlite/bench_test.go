package sqlite_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
)

// BenchmarkAppend measures one durable append, of a small decision and of one
// with the facts of about fifty landings.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{0, 64 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			store := create(b, filepath.Join(b.TempDir(), "record.db"))
			draft := historytest.Decision(b, "a", "prod", approval.Blocked)
			payload, ok := draft.Payload.(history.DecisionPayload)
			require.True(b, ok)
			payload.Decision.Findings = []approval.Finding{{Text: strings.Repeat("x", size)}}
			draft.Payload = payload
			var head history.Head
			var err error
			var took []time.Duration
			b.ReportAllocs()
			for b.Loop() {
				start := time.Now()
				if head, err = store.Append(b.Context(), head, draft); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
		})
	}
}

// BenchmarkVerify measures the verification of a record of deployments, of which few are
// under way, as in every record: a decision, an intent and an outcome each.
func BenchmarkVerify(b *testing.B) {
	store := create(b, filepath.Join(b.TempDir(), "record.db"))
	head := history.Head{}
	const batches, each = 200, 50
	for i := range batches {
		var drafts []history.Draft
		for j := range each {
			at := history.Head{Sequence: head.Sequence + uint64(len(drafts))}
			drafts = append(drafts, historytest.Deployment(b, at, fmt.Sprintf("app-%d", j), "prod", fmt.Sprintf("i-%d-%d", i, j), history.ResultSucceeded)...)
		}
		var err error
		head, err = store.Append(b.Context(), head, drafts...)
		require.NoError(b, err)
	}
	b.ReportAllocs()
	before := processor(b)
	for b.Loop() {
		report, err := history.Verify(b.Context(), store, head)
		if err != nil || !report.Intact() {
			b.Fatal(err, report.Fault)
		}
	}
	entries := float64(head.Sequence) * float64(b.N)
	b.ReportMetric(entries/b.Elapsed().Seconds(), "entries/s")
	// What it takes of a processor, however busy the machine is. Reading and verifying run
	// side by side.
	b.ReportMetric(float64((processor(b)-before).Nanoseconds())/1000/entries, "cpu-µs/entry")
}

// processor is the time that this process has had of processors.
func processor(tb testing.TB) time.Duration {
	tb.Helper()
	var used syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkReads measures what a reconcile of one Application reads, in a record
// of 10,000 entries.
func BenchmarkReads(b *testing.B) {
	store := create(b, filepath.Join(b.TempDir(), "record.db"))
	head := history.Head{}
	for i := range 100 {
		var drafts []history.Draft
		for j := range 33 {
			at := history.Head{Sequence: head.Sequence + uint64(len(drafts))}
			drafts = append(drafts, historytest.Deployment(b, at, fmt.Sprintf("app-%d", j), "prod", fmt.Sprintf("i-%d-%d", i, j), history.ResultSucceeded)...)
		}
		var err error
		head, err = store.Append(b.Context(), head, drafts...)
		require.NoError(b, err)
	}
	b.Run("LastDeployed", func(b *testing.B) {
		for b.Loop() {
			if _, _, found, err := store.LastDeployed(b.Context(), "app-7"); err != nil || !found {
				b.Fatal(found, err)
			}
		}
	})
	b.Run("LatestDecision", func(b *testing.B) {
		for b.Loop() {
			if _, found, err := store.LatestDecision(b.Context(), "app-7", "prod"); err != nil || !found {
				b.Fatal(found, err)
			}
		}
	})
	b.Run("OpenIntents", func(b *testing.B) {
		for b.Loop() {
			if _, err := store.OpenIntents(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
