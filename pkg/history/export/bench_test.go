package export_test

import (
	"bytes"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history/export"
)

// BenchmarkVerify measures the verification of an export.
func BenchmarkVerify(b *testing.B) {
	const n = 20_000
	signer := newSigner(b)
	text := write(b, signer, entries(b, n))
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	before := processor(b)
	for b.Loop() {
		report, _, err := export.Verify(b.Context(), bytes.NewReader(text), signer.Verifier())
		if err != nil || !report.Intact() {
			b.Fatal(err, report.Fault)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
	b.ReportMetric(float64((processor(b)-before).Nanoseconds())/1000/n/float64(b.N), "cpu-µs/entry")
}

// processor is the time that this process has had of processors.
func processor(tb testing.TB) time.Duration {
	tb.Helper()
	var used syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
