// Package bench measures Gatekeeper as a whole, in the sandbox.
package bench

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// delayVariable sets what is added to each GitHub call, in milliseconds.
const delayVariable = "GATEKEEPER_BENCH_DELAY_MS"

// BenchmarkWebhookToSync measures from the moment at which the stand-in has the
// deciding review, and sends its webhook, until the API server has the operation.
// Each round is a pull request that was merged with one approval of two. It
// reports the 50th and 99th percentile and the GitHub calls made in between.
func BenchmarkWebhookToSync(b *testing.B) {
	if os.Getenv("GATEKEEPER_E2E") != "1" {
		b.Skip("needs a whole cluster: set GATEKEEPER_E2E=1 or run make bench")
	}
	delay := 100 * time.Millisecond
	if text := os.Getenv(delayVariable); text != "" {
		ms, err := strconv.Atoi(text)
		require.NoError(b, err, delayVariable)
		delay = time.Duration(ms) * time.Millisecond
	}
	ctx := b.Context()
	sb, err := sandbox.Start(ctx, sandbox.Options{Progress: os.Stderr})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, sb.Close()) })
	w, err := payments.Open(ctx, sb, payments.Options{Name: "bench", Services: []string{payments.Ledger}})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, w.Close()) })
	gatekeeper, err := w.StartGatekeeper(ctx)
	require.NoError(b, err)
	b.Cleanup(func() {
		if b.Failed() {
			b.Logf("log of gatekeeper:\n%s", gatekeeper.Logs())
		}
		gatekeeper.Kill()
	})
	w.GitHub.SetDelay(delay)

	var took []time.Duration
	var reads, writes, git int
	round := 0
	for b.Loop() {
		round++
		b.StopTimer()
		limit := strconv.Itoa(2000 + round)
		pull := merged(b, w, limit)
		watch, err := w.WatchOperation(ctx, payments.Ledger)
		require.NoError(b, err)
		w.GitHub.ResetCalls()
		b.StartTimer()

		begin := time.Now()
		_, err = w.Approve(payments.Carol, pull.Number)
		require.NoError(b, err)
		set, err := watch.Next(ctx)
		require.NoError(b, err)

		b.StopTimer()
		took = append(took, set.Sub(begin))
		r, wr, g := count(w.GitHub.Calls(), set)
		reads, writes, git = reads+r, writes+wr, git+g
		_, err = w.AwaitLive(ctx, "prod", payments.Ledger, pull.Merged, limit)
		require.NoError(b, err)
		b.StartTimer()
	}
	slices.Sort(took)
	n := float64(len(took))
	b.ReportMetric(percentile(took, 50), "p50-ms")
	b.ReportMetric(percentile(took, 99), "p99-ms")
	b.ReportMetric(float64(reads)/n, "github-reads/op")
	b.ReportMetric(float64(writes)/n, "github-writes/op")
	b.ReportMetric(float64(git)/n, "git-requests/op")
	b.ReportMetric(0, "ns/op")
	b.Logf("%d rounds, %s added to each GitHub call", len(took), delay)
}

type mergedPull struct {
	payments.Pull
	Merged string
}

// merged lands a change with one of two approvals and waits until Gatekeeper has
// decided on it and said so.
func merged(b *testing.B, w *payments.World, limit string) mergedPull {
	b.Helper()
	ctx := b.Context()
	pull, err := w.Propose(payments.Alice, payments.Ledger, limit)
	require.NoError(b, err)
	_, err = w.Approve(payments.Bob, pull.Number)
	require.NoError(b, err)
	sha, err := w.Merge(payments.Alice, pull.Number, "merge")
	require.NoError(b, err)
	err = payments.Await(ctx, "the decision on "+sha, func(ctx context.Context) (bool, string, error) {
		d, err := w.Decision(ctx, payments.Ledger)
		return d.Verdict == "blocked" && d.Names(sha), d.Verdict, err
	})
	require.NoError(b, err)
	require.NoError(b, w.Quiet(ctx))
	return mergedPull{Pull: pull, Merged: sha}
}

// count tells the calls that were made before the operation was set.
func count(calls []standin.Call, until time.Time) (reads, writes, git int) {
	for _, c := range calls {
		switch {
		case c.Time.After(until):
		case c.Kind == "git":
			git++
		case c.Method == "GET":
			reads++
		default:
			writes++
		}
	}
	return reads, writes, git
}

// percentile of sorted durations, in milliseconds, by the nearest rank.
func percentile(sorted []time.Duration, p int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	rank := (len(sorted)*p + 99) / 100
	return float64(sorted[max(rank, 1)-1].Microseconds()) / 1000
}

func TestPercentile(t *testing.T) {
	ms := func(n ...int) (out []time.Duration) {
		for _, i := range n {
			out = append(out, time.Duration(i)*time.Millisecond)
		}
		return out
	}
	for _, tt := range []struct {
		in   []time.Duration
		p    int
		want float64
	}{
		{nil, 50, 0}, {ms(7), 50, 7}, {ms(7), 99, 7}, {ms(1, 2, 3, 4), 50, 2}, {ms(1, 2, 3, 4), 99, 4},
	} {
		require.InDelta(t, tt.want, percentile(tt.in, tt.p), 0.001, fmt.Sprint(tt.in, tt.p))
	}
}
