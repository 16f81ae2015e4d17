package deployments_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// BenchmarkModel measures pages and comparisons of an Application with 100,000 deployments.
// The budget is 50 ms each.
func BenchmarkModel(b *testing.B) {
	w := newWorld(b)
	const total, each = 100_000, 200
	for range 20 {
		w.lands(approval.ClassImage, moves("1", "2"))
	}
	head, err := w.store.Head(b.Context())
	require.NoError(b, err)
	for range total / each {
		var drafts []history.Draft
		for range each {
			drafts = append(drafts, history.Draft{Time: w.at, Application: uid, Payload: history.ObservedPayload{
				Gate: "prod", Application: shop, Phase: "Succeeded", Revisions: []string{string(sha(len(drafts)))}, StartedAt: w.at,
			}})
		}
		head, err = w.store.Append(b.Context(), head, drafts...)
		require.NoError(b, err)
	}
	for i := range 20 {
		w.deploys(i, i+1, history.ResultSucceeded)
	}
	for name, do := range map[string]func() error{
		"list newest": func() error { _, err := w.model.List(b.Context(), uid, 0, 20); return err },
		"list middle": func() error { _, err := w.model.List(b.Context(), uid, total/2, 20); return err },
		"get middle":  func() error { _, err := w.model.Get(b.Context(), uid, total/2); return err },
		"compare near": func() error {
			_, err := w.model.Compare(b.Context(), uid, total+1, total+19)
			return err
		},
		"compare far": func() error { _, err := w.model.Compare(b.Context(), uid, 3, total+19); return err },
		"find":        func() error { _, err := w.model.UID(b.Context(), shop); return err },
	} {
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				if err := do(); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
		})
	}
}
