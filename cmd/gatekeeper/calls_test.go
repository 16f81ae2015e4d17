package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// cost is what one thing that happens to a pull request costs.
type cost struct {
	what          string
	reads, writes int64
}

// count plays one step, and counts the calls of GitHub's API until all is quiet.
func (w *town) count(what string, step func()) cost {
	w.t.Helper()
	reads, writes := w.reads.Load(), w.writes.Load()
	step()
	require.NoError(w.t, w.WaitDelivered(w.t.Context()))
	last, since := int64(-1), time.Now()
	// A report that waits for its turn does so for a second.
	require.Eventually(w.t, func() bool {
		pending, err := w.box.Pending(w.t.Context(), 1)
		now := w.reads.Load() + w.writes.Load()
		if err != nil || len(pending) > 0 || now != last || w.outdated() > 0 || w.queued() > 0 {
			last, since = now, time.Now()
			return false
		}
		return time.Since(since) > 1500*time.Millisecond
	}, 2*time.Minute, 20*time.Millisecond, what)
	return cost{what, w.reads.Load() - reads, w.writes.Load() - writes}
}

// queued is how many keys wait to be worked on.
func (w *town) queued() int {
	found, err := w.metrics.Gather()
	require.NoError(w.t, err)
	for _, family := range found {
		if family.GetName() == "gatekeeper_queue_depth" {
			return int(family.GetMetric()[0].GetGauge().GetValue())
		}
	}
	require.Fail(w.t, "there is no depth of the queue")
	return 0
}

// lifeOfAPull is what the calls go to: a pull request from its proposal to its
// deployment to so many Applications.
func lifeOfAPull(t testing.TB, applications int) []cost {
	t.Helper()
	w := newTownOf(t, time.Hour, applications)
	must := func(err error) {
		t.Helper()
		require.NoError(t, err)
	}
	var all []cost
	step := func(what string, do func()) { all = append(all, w.count(what, do)) }
	step("start", func() {})
	var p standin.OpenedPull
	step("opened", func() {
		var err error
		p, err = w.As("alice").OpenPull(townRepo, standin.PullOptions{Change: pick(2)})
		must(err)
	})
	step("labelled", func() { must(w.As("alice").Label(townRepo, p.Number, "bug")) })
	step("somebody comments", func() { _, err := w.As("carol").Comment(townRepo, p.Number, "Why?"); must(err) })
	step("an opinion that changes nothing", func() { _, err := w.As("carol").Review(townRepo, p.Number, "COMMENT", "Hm."); must(err) })
	step("pushed, requested changes, pushed, approved, all within a second", func() {
		_, err := w.As("alice").PushToPull(townRepo, p.Number, pick(3))
		must(err)
		_, err = w.As("carol").Review(townRepo, p.Number, "REQUEST_CHANGES", "No.")
		must(err)
		w.ahead.Add(int64(2 * time.Second)) // of two opinions in one second the stricter one counts
		_, err = w.As("alice").PushToPull(townRepo, p.Number, pick(4))
		must(err)
		_, err = w.As("carol").Review(townRepo, p.Number, "APPROVE", "")
		must(err)
	})
	step("the comment is deleted", func() {
		comments, err := w.Comments(townRepo, p.Number)
		must(err)
		must(w.As("carol").EditComment(townRepo, comments[0].ID, ""))
	})
	step("all deliveries once more", func() {
		for _, d := range w.Deliveries(w.app.ID) {
			must(w.Redeliver(w.app.ID, d.ID))
		}
	})
	w.ahead.Add(int64(2 * time.Second))
	step("merged and synced", func() {
		_, err := w.As("bob").Merge(townRepo, p.Number, "squash")
		must(err)
		require.Eventually(t, func() bool {
			comments, err := w.Comments(townRepo, p.Number)
			return err == nil && len(comments) == 2 && strings.Contains(comments[1].Body, "merged and synced") &&
				strings.Contains(comments[1].Body, fmt.Sprintf("%d of %d synced", applications, applications))
		}, 2*time.Minute, 50*time.Millisecond)
	})
	step("one that concerns no gate", func() {
		_, err := w.As("alice").OpenPull(townRepo, standin.PullOptions{Change: standin.Change{Files: map[string]string{"README.md": "words\n"}}})
		must(err)
	})
	return all
}

func table(all []cost) string {
	var b strings.Builder
	b.WriteString("| what happens | reads | writes |\n| --- | ---: | ---: |\n")
	for _, c := range all {
		fmt.Fprintf(&b, "| %s | %d | %d |\n", c.what, c.reads, c.writes)
	}
	return b.String()
}

// TestCallsOfAPullRequest holds what a pull request may cost, for one Application and
// for 200: neither what is read nor what is written grows with them.
func TestCallsOfAPullRequest(t *testing.T) {
	t.Parallel()
	most := []cost{
		{"start", 3, 0},
		{"opened", 3, 2},
		{"labelled", 0, 0},
		{"somebody comments", 2, 0},
		{"an opinion that changes nothing", 2, 0},
		{"pushed, requested changes, pushed, approved, all within a second", 10, 4},
		{"the comment is deleted", 3, 1},
		{"all deliveries once more", 4, 0},
		// A decision and a report on each would be 200 reads and 400 writes.
		{"merged and synced", 20, 16},
		{"one that concerns no gate", 2, 1},
	}
	for name, applications := range map[string]int{"one": 1, "200": 200} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := lifeOfAPull(t, applications)
			t.Log("\n" + table(all))
			require.Len(t, all, len(most))
			for i, c := range all {
				require.Equal(t, most[i].what, c.what)
				require.LessOrEqual(t, c.reads, most[i].reads, c.what)
				require.LessOrEqual(t, c.writes, most[i].writes, c.what)
			}
		})
	}
}

// BenchmarkCallsOfAPullRequest prints what a pull request costs.
func BenchmarkCallsOfAPullRequest(b *testing.B) {
	for b.Loop() {
		for _, applications := range []int{1, 200} {
			all := lifeOfAPull(b, applications)
			b.Logf("calls of GitHub's API for a pull request and %d Applications:\n%s", applications, table(all))
		}
	}
}
