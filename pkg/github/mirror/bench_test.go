package mirror

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

const (
	benchFiles    = 50_000
	benchLandings = 10_000
	// benchBehind is how many landings a pull request is behind the branch when
	// it lands.
	benchBehind = 3
)

// large is a repository of 50,000 files and 10,000 landings, merges and squashes
// in turn, each of a pull request of its own that changes two files.
type large struct {
	base  approval.SHA
	heads []approval.SHA
	// landed are the landings, oldest first.
	landed []approval.SHA
}

// generate writes the repository with git fast-import. Marks: a landing has
// 2n+2, the head of its pull request 2n+1, the base 2.
func (o *origin) generate() large {
	o.t.Helper()
	var b bytes.Buffer
	file := func(n int) string { return fmt.Sprintf("env/team-%d/app-%d/values-%d.yaml", n%50, n/50%100, n) }
	person := func(n int) string {
		return fmt.Sprintf("author Dev %d <dev%d@example.com> %d +0000\ncommitter GitHub <noreply@github.com> %d +0000\ndata 4\ntest\n", n%40, n%40, 1_700_000_000+n*60, 1_700_000_000+n*60)
	}
	fmt.Fprintf(&b, "commit refs/heads/main\nmark :2\n%s", person(0))
	for n := range benchFiles {
		text := fmt.Sprintf("image:\n  tag: v1.%d\nreplicas: 1\n", n)
		fmt.Fprintf(&b, "M 100644 inline %s\ndata %d\n%s\n", file(n), len(text), text)
	}
	for n := 1; n <= benchLandings; n++ {
		text, more := fmt.Sprintf("image:\n  tag: v2.%d\nreplicas: 1\n", n), fmt.Sprintf("image:\n  tag: v3.%d\nreplicas: 2\n", n)
		edits := fmt.Sprintf("M 100644 inline %s\ndata %d\n%s\nM 100644 inline %s\ndata %d\n%s\n",
			file(n*4%benchFiles), len(text), text, file((n*4+1)%benchFiles), len(more), more)
		from := 2 * max(1, n-benchBehind)
		fmt.Fprintf(&b, "commit refs/pull/%d/head\nmark :%d\n%sfrom :%d\n%s", n, 2*n+1, person(2*n), from, edits)
		fmt.Fprintf(&b, "commit refs/heads/main\nmark :%d\n%sfrom :%d\n", 2*n+2, person(2*n+1), 2*n)
		if n%2 == 0 {
			fmt.Fprintf(&b, "merge :%d\n", 2*n+1)
		}
		b.WriteString(edits)
	}
	marks := filepath.Join(o.root, "marks")
	cmd := exec.CommandContext(o.t.Context(), "git", "fast-import", "--quiet", "--export-marks="+marks)
	cmd.Dir, cmd.Env, cmd.Stdin = o.dir, o.env(), &b
	out, err := cmd.CombinedOutput()
	require.NoError(o.t, err, "%s", out)
	o.git("", "pack-refs", "--all")
	content, err := os.ReadFile(marks)
	require.NoError(o.t, err)
	byMark := map[int]approval.SHA{}
	for line := range strings.Lines(string(content)) {
		var mark int
		var sha string
		_, err := fmt.Sscanf(line, ":%d %s", &mark, &sha)
		require.NoError(o.t, err)
		byMark[mark] = approval.SHA(sha)
	}
	r := large{base: byMark[2]}
	for n := 1; n <= benchLandings; n++ {
		r.heads = append(r.heads, byMark[2*n+1])
		r.landed = append(r.landed, byMark[2*n+2])
	}
	return r
}

// reopen gives a mirror of the same directory with empty caches.
func reopen(b *testing.B, m *Mirror, url string) *Mirror {
	b.Helper()
	require.NoError(b, m.Close())
	again, err := Open(b.Context(), Options{Dir: m.git.dir, URL: url})
	require.NoError(b, err)
	return again
}

// BenchmarkRange is the work for a range of 10,000 landings in a repository of
// 50,000 files: the line, the changes of each landing, and its proof.
func BenchmarkRange(b *testing.B) {
	o := newOrigin(b)
	r := o.generate()
	h := o.serve("", "")
	m, err := Open(b.Context(), Options{Dir: filepath.Join(b.TempDir(), "m"), URL: h.repository()})
	require.NoError(b, err)
	defer func() { require.NoError(b, m.Close()) }()
	b.Run("fetch of everything", func(b *testing.B) {
		for b.Loop() {
			for n := 1; n <= benchLandings; n += maxPulls {
				var numbers []int
				for i := range maxPulls {
					numbers = append(numbers, n+i)
				}
				require.NoError(b, m.Fetch(b.Context(), "main", numbers...))
			}
		}
	})
	changes := func(b *testing.B) {
		b.Helper()
		commits, onLine, err := m.Line(b.Context(), "main", r.base)
		require.NoError(b, err)
		require.True(b, onLine)
		require.Len(b, commits, benchLandings)
		for _, c := range commits {
			list, err := m.Changes(b.Context(), c.Parents[0], c.SHA)
			require.NoError(b, err)
			require.Len(b, list, 2)
		}
	}
	proofs := func(b *testing.B) {
		b.Helper()
		var group sync.WaitGroup
		for worker := range runtime.GOMAXPROCS(0) {
			group.Go(func() {
				for n := worker; n < benchLandings; n += runtime.GOMAXPROCS(0) {
					l, err := m.Prove(b.Context(), Commit{SHA: r.landed[n]}, r.heads[n])
					if err != nil || l.Proof.Result != approval.Proven {
						b.Errorf("landing %d: %v %v", n, l, err)
						return
					}
				}
			})
		}
		group.Wait()
	}
	b.Run("line and changes, cold", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			m = reopen(b, m, h.repository())
			b.StartTimer()
			changes(b)
		}
	})
	b.Run("line and changes, warm", func(b *testing.B) {
		for b.Loop() {
			changes(b)
		}
	})
	b.Run("proofs, cold", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			m = reopen(b, m, h.repository())
			b.StartTimer()
			proofs(b)
		}
	})
	b.Run("proofs, warm", func(b *testing.B) {
		for b.Loop() {
			proofs(b)
		}
	})
	b.Run("everything, warm", func(b *testing.B) {
		changes(b)
		for b.Loop() {
			changes(b)
			proofs(b)
		}
		var memory runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&memory)
		b.ReportMetric(float64(memory.HeapAlloc)/(1<<20), "heap-MB")
	})
	b.Run("fetch of nothing new", func(b *testing.B) {
		for b.Loop() {
			require.NoError(b, m.Fetch(b.Context(), "main", benchLandings))
		}
	})
}
