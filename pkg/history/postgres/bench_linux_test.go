package postgres_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
)

// BenchmarkAppend measures one durable append, of a small decision and of one
// with the facts of about fifty landings, to a server on this machine.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{0, 64 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			store := create(b, at(b))
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

// BenchmarkVerify measures the verification of a record of deployments.
func BenchmarkVerify(b *testing.B) {
	store := create(b, at(b))
	head := history.Head{}
	const batches, each = 100, 300
	for i := range batches {
		drafts := historytest.Deployment(b, head, "a", "prod", fmt.Sprintf("i-%d", i), history.ResultSucceeded)
		for len(drafts) < each {
			drafts = append(drafts, historytest.Intent(b, "a", "prod", fmt.Sprintf("i-%d-%d", i, len(drafts)), head.Sequence+1))
		}
		var err error
		head, err = store.Append(b.Context(), head, drafts...)
		require.NoError(b, err)
	}
	b.ReportAllocs()
	for b.Loop() {
		report, err := history.Verify(b.Context(), store, head)
		if err != nil || !report.Intact() {
			b.Fatal(err, report.Fault)
		}
	}
	b.ReportMetric(float64(batches*each*b.N)/b.Elapsed().Seconds(), "entries/s")
}

// BenchmarkReads measures what a reconcile of one Application reads, in a record
// of 10,000 entries.
func BenchmarkReads(b *testing.B) {
	store := create(b, at(b))
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
