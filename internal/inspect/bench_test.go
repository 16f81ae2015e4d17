package inspect

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/github/mirror"
)

// large writes a repository: files in the first commit, then landings, of which
// every second is a merge and the others are squashes,
// each of a pull request of two commits that began three landings before. Heads
// keeps the heads of the squashed ones.
type large struct {
	landings, files int
	heads           bool
}

func (l large) write(b testing.TB, dir string) {
	b.Helper()
	git(b, "", "init", "--quiet", "--bare", "--initial-branch=main", dir)
	cmd := exec.CommandContext(b.Context(), "git", "fast-import", "--quiet")
	cmd.Dir, cmd.Env = dir, environment(b)
	in, err := cmd.StdinPipe()
	require.NoError(b, err)
	cmd.Stderr = os.Stderr
	require.NoError(b, cmd.Start())
	w := bufio.NewWriterSize(in, 1<<20)
	l.stream(w)
	require.NoError(b, w.Flush())
	require.NoError(b, in.Close())
	require.NoError(b, cmd.Wait())
	git(b, dir, "pack-refs", "--all")
}

func (l large) stream(w io.Writer) {
	put := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }
	file := func(n int) string {
		n %= l.files
		return fmt.Sprintf("env/team-%d/app-%d/values-%d.yaml", n%50, n/50%100, n)
	}
	when := 1_600_000_000
	commit := func(ref string, mark int, who, text string) {
		when += 60
		put("commit %s\nmark :%d\nauthor Dev %d <dev%d@example.com> %d +0000\ncommitter %s %d +0000\ndata %d\n%s\n",
			ref, mark, mark%40, mark%40, when, who, when, len(text), text)
	}
	edit := func(n, version int) {
		text := fmt.Sprintf("image:\n  tag: v%d\nreplicas: %d\n", version, n%7)
		put("M 100644 inline %s\ndata %d\n%s\n", file(n), len(text), text)
	}
	commit("refs/heads/main", 1, "Dev <dev@example.com>", "begin")
	for n := range l.files {
		edit(n, 1)
	}
	const web = "GitHub <noreply@github.com>"
	for n := 1; n <= l.landings; n++ {
		head := "refs/scratch/head"
		if l.heads {
			head = fmt.Sprintf("refs/pull/%d/head", n)
		}
		from := 10 * max(0, n-3)
		if from == 0 {
			from = 1
		}
		put("reset %s\nfrom :%d\n\n", head, from)
		commit(head, 10*n+1, "Dev <dev@example.com>", "one")
		edit(4*n, n)
		commit(head, 10*n+2, "Dev <dev@example.com>", "two")
		edit(4*n+1, n)
		before := 10 * (n - 1)
		if before == 0 {
			before = 1
		}
		title := fmt.Sprintf("Change %d (#%d)", n, n)
		if n%2 == 0 {
			title = fmt.Sprintf("Merge pull request #%d from acme/change-%d", n, n)
		}
		commit("refs/heads/main", 10*n, web, title)
		put("from :%d\n", before)
		if n%2 == 0 {
			put("merge :%d\n", 10*n+2)
		}
		edit(4*n, n)
		edit(4*n+1, n)
	}
	if !l.heads {
		put("reset refs/scratch/head\nfrom %040d\n\n", 0)
	}
}

func (l large) name() string {
	if l.heads {
		return fmt.Sprintf("%d landings, %d files, heads", l.landings, l.files)
	}
	return fmt.Sprintf("%d landings, %d files", l.landings, l.files)
}

// BenchmarkInspect: "cold" is everything from opening the repository on, "one
// more" a landing inspected with a handle that was opened before, and "one more,
// opened" the same with a handle of its own.
func BenchmarkInspect(b *testing.B) {
	for _, l := range []large{{10_000, 1_000, false}, {10_000, 50_000, true}, {15_000, 50_000, false}} {
		b.Run(l.name(), func(b *testing.B) {
			dir := filepath.Join(b.TempDir(), "repository")
			l.write(b, dir)
			open := func() *mirror.Local {
				repo, err := mirror.OpenLocal(b.Context(), mirror.LocalOptions{Dir: dir})
				require.NoError(b, err)
				return repo
			}
			inspect := func(repo *mirror.Local, after string) Summary {
				o := Options{}
				var err error
				if after != "" {
					o.After, err = repo.Resolve(b.Context(), after)
					require.NoError(b, err)
				}
				o.Head, err = repo.Resolve(b.Context(), "main")
				require.NoError(b, err)
				s, err := Run(b.Context(), repo, o, func(Landing) error { return nil })
				require.NoError(b, err)
				return s
			}
			b.Run("cold", func(b *testing.B) {
				for b.Loop() {
					repo := open()
					s := inspect(repo, "")
					require.Equal(b, l.landings+1, s.Landings)
					require.Zero(b, s.Proofs[ProofMismatch])
					require.NoError(b, repo.Close())
				}
				var memory runtime.MemStats
				runtime.ReadMemStats(&memory)
				b.ReportMetric(float64(memory.HeapSys)/(1<<20), "heap-MB")
			})
			b.Run("one more", func(b *testing.B) {
				repo := open()
				defer func() { require.NoError(b, repo.Close()) }()
				// The handle is warm, but not with the landing itself.
				inspect(repo, "main~40")
				for b.Loop() {
					require.NoError(b, repo.Refresh(b.Context()))
					require.Equal(b, 1, inspect(repo, "main~1").Landings)
				}
			})
			b.Run("one more, opened", func(b *testing.B) {
				for b.Loop() {
					repo := open()
					require.Equal(b, 1, inspect(repo, "main~1").Landings)
					require.NoError(b, repo.Close())
				}
			})
		})
	}
}
