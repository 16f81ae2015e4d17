package sqlite_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/deployments"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/export"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/merkle"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

// entriesVariable is how many entries BenchmarkLarge has in its record.
const entriesVariable = "GATEKEEPER_BENCH_ENTRIES"

// BenchmarkLarge measures what the size of a record costs: the same work on a tenth of it
// and on all of it. peak-MiB is by how much the process grew meanwhile, SQLite included.
//
// The entries are those of deployments of 20 Applications, a decision, an intent and an
// outcome each.
func BenchmarkLarge(b *testing.B) {
	most := 30_000
	if text := os.Getenv(entriesVariable); text != "" {
		var err error
		most, err = strconv.Atoi(text)
		require.NoError(b, err, entriesVariable)
		require.GreaterOrEqual(b, most, 10_000, entriesVariable)
	}
	path := filepath.Join(b.TempDir(), "record.db")
	store := create(b, path)
	b.Run("bare sync of 64 KiB", func(b *testing.B) { benchmarkSync(b, path+".bare", 64<<10) })
	head := history.Head{}
	for _, n := range []int{most / 10, most} {
		head = fill(b, store, head, n)
		name := func(what string) string { return fmt.Sprintf("%s/%d", what, n) }
		b.Run(name("verify"), func(b *testing.B) {
			measured(b, n, func(ctx context.Context) error {
				report, _, err := merkle.Verify(ctx, store)
				if err == nil && (!report.Intact() || report.Head != head) {
					err = fmt.Errorf("not intact: %+v", report)
				}
				return err
			})
		})
		b.Run(name("export"), func(b *testing.B) { benchmarkExport(b, store, n) })
		b.Run(name("list newest"), func(b *testing.B) {
			benchmarkEach(b, func(ctx context.Context) error {
				// A model of its own each time, which remembers nothing.
				model := deployments.New(store)
				page, err := model.List(ctx, "app-7", 0, 20)
				if err == nil && len(page.Deployments) != 20 {
					err = fmt.Errorf("%d deployments", len(page.Deployments))
				}
				return err
			})
		})
		b.Run(name("newest of all"), func(b *testing.B) {
			benchmarkEach(b, func(ctx context.Context) error {
				found, err := store.Select(ctx, history.Selection{Kinds: history.Deployed(), Newest: true}, 50)
				if err == nil && len(found) != 50 {
					err = fmt.Errorf("%d entries", len(found))
				}
				return err
			})
		})
		b.Run(name("append"), func(b *testing.B) { head = benchmarkAppend(b, store, head, 0) })
	}
	// Last, so that what is read above is of the same kind for both sizes.
	b.Run(fmt.Sprintf("append 64 KiB/%d", most), func(b *testing.B) { head = benchmarkAppend(b, store, head, 64<<10) })
	info, err := os.Stat(path)
	require.NoError(b, err)
	b.Logf("%d entries, of which those of the appends are few: %d MiB", head.Sequence, info.Size()>>20)
}

// benchmarkSync writes and syncs as an append to the write-ahead log does, and nothing else:
// what the machine takes of it, however busy it is.
func benchmarkSync(b *testing.B, path string, size int) {
	file, err := os.Create(path)
	require.NoError(b, err)
	defer func() { require.NoError(b, file.Close()) }()
	text, i := make([]byte, size), 0
	benchmarkEach(b, func(context.Context) error {
		i++
		if _, err := file.WriteAt(text, int64(i%256)*int64(size)); err != nil {
			return err
		}
		return file.Sync()
	})
}

// fill appends deployments, a thousand at a time, until there are at least n entries.
func fill(b *testing.B, store *sqlite.Store, head history.Head, n int) history.Head {
	b.Helper()
	for int(head.Sequence) < n {
		var drafts []history.Draft
		for i := range 20 * 50 {
			at := history.Head{Sequence: head.Sequence + uint64(len(drafts))}
			drafts = append(drafts, historytest.Deployment(b, at, fmt.Sprintf("app-%d", i%20), "prod", fmt.Sprintf("i-%d-%d", head.Sequence, i), history.ResultSucceeded)...)
		}
		var err error
		head, err = store.Append(b.Context(), head, drafts...)
		require.NoError(b, err)
	}
	return head
}

// measured runs what reads all of about n entries, and reports by how much the process grew.
func measured(b *testing.B, n int, do func(context.Context) error) {
	b.Helper()
	grown, before := growth(b), processor(b)
	for b.Loop() {
		if err := do(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	entries := float64(n) * float64(b.N)
	b.ReportMetric(grown(), "peak-MiB")
	b.ReportMetric(entries/b.Elapsed().Seconds(), "entries/s")
	b.ReportMetric(float64((processor(b)-before).Nanoseconds())/1000/entries, "cpu-µs/entry")
}

// benchmarkExport writes the record with a signed checkpoint to nowhere.
func benchmarkExport(b *testing.B, store *sqlite.Store, n int) {
	private, _, err := merkle.GenerateKey(rand.Reader, "gatekeeper.example.com/prod")
	require.NoError(b, err)
	signer, err := merkle.NewSigner(private)
	require.NoError(b, err)
	notary, err := merkle.OpenNotary(b.Context(), merkle.Options{Entries: store, Signer: signer, Folder: b.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(b, err)
	defer func() { require.NoError(b, notary.Close()) }()
	signed, err := notary.Checkpoint(b.Context())
	require.NoError(b, err)
	measured(b, n, func(ctx context.Context) error {
		var out counter
		if err := export.Write(ctx, &out, store, signed); err != nil {
			return err
		}
		if out.lines < n {
			return fmt.Errorf("%d lines", out.lines)
		}
		return nil
	})
}

// counter counts lines.
type counter struct{ lines int }

func (c *counter) Write(p []byte) (int, error) {
	c.lines += bytes.Count(p, []byte("\n"))
	return len(p), nil
}

// benchmarkEach reports how long one takes: half of them no longer than p50, and so on.
func benchmarkEach(b *testing.B, read func(context.Context) error) {
	b.Helper()
	grown := growth(b)
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		if err := read(b.Context()); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	b.ReportMetric(grown(), "peak-MiB")
	reportTail(b, took)
}

// benchmarkAppend appends a decision at a time, and returns the new head.
func benchmarkAppend(b *testing.B, store *sqlite.Store, head history.Head, size int) history.Head {
	b.Helper()
	draft := historytest.Decision(b, "a", "prod", approval.Blocked)
	payload, ok := draft.Payload.(history.DecisionPayload)
	require.True(b, ok)
	payload.Decision.Findings = []approval.Finding{{Text: strings.Repeat("x", size)}}
	draft.Payload = payload
	benchmarkEach(b, func(ctx context.Context) (err error) {
		head, err = store.Append(ctx, head, draft)
		return err
	})
	return head
}

func reportTail(b *testing.B, took []time.Duration) {
	b.Helper()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(float64(took[len(took)-1].Microseconds()), "max-µs")
}

// growth begins to watch how much memory the process has, and returns what ends that and
// says by how many MiB it had grown at most.
func growth(b *testing.B) func() float64 {
	b.Helper()
	debug.FreeOSMemory()
	first := resident(b)
	most, done, ended := first, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				most = max(most, resident(b))
			}
		}
	}()
	return func() float64 {
		close(done)
		<-ended
		return float64(max(most, resident(b))-first) / (1 << 20)
	}
}

// resident is the memory of this process that is not in a file, in bytes. Pages of files,
// such as the shared memory of the write-ahead log, are the kernel's to take back.
func resident(b *testing.B) int64 {
	b.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Error(err)
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 3 {
		b.Errorf("not the memory of a process: %s", text)
		return 0
	}
	var pages [2]int64
	for i, field := range fields[1:3] {
		if pages[i], err = strconv.ParseInt(field, 10, 64); err != nil {
			b.Error(err)
		}
	}
	return (pages[0] - pages[1]) * int64(os.Getpagesize())
}
