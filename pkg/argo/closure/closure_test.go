package closure

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestClosure reads the tables in testdata: "source.yaml" is the source, "want" the
// reads, what is unresolved after a question mark, and what is fetched from elsewhere after an
// exclamation mark; everything else is the repository.
func TestClosure(t *testing.T) {
	t.Parallel()
	tables, err := filepath.Glob("testdata/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, tables)
	for _, table := range tables {
		t.Run(strings.TrimSuffix(filepath.Base(table), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(table)
			require.NoError(t, err)
			source, want := "", ""
			var files []txtar.File
			for _, f := range archive.Files {
				switch f.Name {
				case "source.yaml":
					source = string(f.Data)
				case "want":
					want = string(f.Data)
				default:
					files = append(files, f)
				}
			}
			got, err := New(fromArchive(files)).Closure(t.Context(), application(t, source), revisions)
			require.NoError(t, err)
			text := strings.Join(lines(got), "\n") + "\n"
			if os.Getenv("UPDATE") != "" {
				for i := range archive.Files {
					if archive.Files[i].Name == "want" {
						archive.Files[i].Data = []byte(text)
					}
				}
				require.NoError(t, os.WriteFile(table, txtar.Format(archive), 0o600))
				return
			}
			require.Equal(t, want, text)
			require.Equal(t, revisions, got.Revisions)
		})
	}
}

func find1(t *testing.T, source string, files map[string]string) []string {
	t.Helper()
	m := &memory{files: map[approval.RepositoryName]map[string]string{deploy: files}}
	c, err := New(m).Closure(t.Context(), application(t, source), revisions)
	require.NoError(t, err)
	return lines(c)
}

// TestManyResources: a long list within a folder is that folder, outside it is the whole
// repository.
func TestManyResources(t *testing.T) {
	t.Parallel()
	const many = 10_000
	inside, outside := &strings.Builder{}, &strings.Builder{}
	files := map[string]string{}
	for _, b := range []*strings.Builder{inside, outside} {
		b.WriteString("resources:\n")
	}
	for i := range many {
		fmt.Fprintf(inside, "- r%d.yaml\n", i)
		fmt.Fprintf(outside, "- ../other/r%d.yaml\n", i)
	}
	files["app/kustomization.yaml"] = inside.String()
	require.Equal(t, []string{"app/"}, find1(t, "path: app", files))
	files["app/kustomization.yaml"] = outside.String()
	got := find1(t, "path: app", files)
	require.Contains(t, got, "/")
	require.Contains(t, got, "? it is rendered from more than 1000 places")
}

// TestAliasBomb: a document that grows without end when its anchors are expanded is
// refused, and soon.
func TestAliasBomb(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 30; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [", i, i)
		b.WriteString(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10) + "]\n")
	}
	for _, name := range []string{"kustomization.yaml", "Chart.yaml", ".argocd-source.yaml"} {
		start := time.Now()
		got := find1(t, "path: app", map[string]string{"app/" + name: b.String()})
		require.Contains(t, got, "/")
		require.Contains(t, strings.Join(got, "\n"), "excessive aliasing")
		require.Less(t, time.Since(start), time.Minute)
	}
}

// TestTooMuch: a file or a folder over the bounds widens, and ends.
func TestTooMuch(t *testing.T) {
	t.Parallel()
	got := find1(t, "path: app", map[string]string{"app/kustomization.yaml": "# " + strings.Repeat("x", maxFile)})
	require.Equal(t, []string{"app/", "/"}, got[:2])
	require.Contains(t, got[2], "more than 1048576 bytes")

	// Each folder holds the one below it twice.
	bomb := &doubling{}
	c, err := New(bomb).Closure(t.Context(), application(t, "path: a"), revisions)
	require.NoError(t, err)
	require.Contains(t, lines(c), "/")
	require.Contains(t, strings.Join(c.Unresolved, "\n"), "there is more to follow")
}

// TestPackedDependency: a chart packed in charts/ counts by the name in it.
func TestPackedDependency(t *testing.T) {
	t.Parallel()
	chart := "name: shop\ndependencies: [{name: redis, version: 1.0.0, repository: 'https://charts.example.com'}]\n"
	for name, tt := range map[string]struct {
		file, packed string
		names        []string
		widened      bool
	}{
		"there":         {"redis-1.0.0.tgz", "name: redis", []string{"redis/Chart.yaml", "redis/charts/x/Chart.yaml"}, false},
		"another name":  {"redis-1.0.0.tgz", "name: other", []string{"redis/Chart.yaml"}, true},
		"two charts":    {"redis-1.0.0.tgz", "name: redis", []string{"redis/Chart.yaml", "other/Chart.yaml"}, true},
		"no chart":      {"redis-1.0.0.tgz", "name: redis", []string{"redis/values.yaml"}, true},
		"other ending":  {"redis-1.0.0.zip", "name: redis", []string{"redis/Chart.yaml"}, true},
		"left out":      {"_redis-1.0.0.tgz", "name: redis", []string{"redis/Chart.yaml"}, true},
		"another case":  {"redis-1.0.0.tgz", "Name: redis", []string{"redis/Chart.yaml"}, true},
		"not an object": {"redis-1.0.0.tgz", "- redis", []string{"redis/Chart.yaml"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			zipped := gzip.NewWriter(&b)
			w := tar.NewWriter(zipped)
			for _, n := range tt.names {
				require.NoError(t, w.WriteHeader(&tar.Header{Name: n, Mode: 0o600, Size: int64(len(tt.packed))}))
				_, err := w.Write([]byte(tt.packed))
				require.NoError(t, err)
			}
			require.NoError(t, w.Close())
			require.NoError(t, zipped.Close())
			got := find1(t, "path: app", map[string]string{"app/Chart.yaml": chart, "app/charts/" + tt.file: b.String()})
			if !tt.widened {
				require.Equal(t, []string{"app/"}, got)
				return
			}
			require.Contains(t, got, "/")
			require.Contains(t, strings.Join(got, "\n"), "depends on redis of https://charts.example.com")
		})
	}
}

// TestErrors: a repository that cannot be read is no answer.
func TestErrors(t *testing.T) {
	t.Parallel()
	a := application(t, "path: app")
	m := &memory{files: map[approval.RepositoryName]map[string]string{deploy: {"app/x.yaml": ""}}, err: errDown}
	f := New(m)
	_, err := f.Closure(t.Context(), a, revisions)
	require.ErrorIs(t, err, errDown)
	m.err = nil
	c, err := f.Closure(t.Context(), a, revisions)
	require.NoError(t, err, "an error is not remembered")
	require.Equal(t, []string{"app/"}, lines(c))

	_, err = f.Closure(t.Context(), a, revisions[:1])
	require.ErrorContains(t, err, "2 sources, but 1 revisions")
	_, err = f.Closure(t.Context(), a, []approval.Revision{revisions[1], revisions[0]})
	require.ErrorContains(t, err, "one of acme/values")
	other := []approval.Revision{{Repository: deploy, SHA: "2222222222222222222222222222222222222222"}, revisions[1]}
	_, err = f.Closure(t.Context(), a, other)
	require.ErrorIs(t, err, approval.ErrNotFound)
}

// TestRemembered: an answer is computed once, and callers cannot change it.
func TestRemembered(t *testing.T) {
	t.Parallel()
	m := &memory{files: map[approval.RepositoryName]map[string]string{deploy: {"app/x.yaml": ""}}}
	f, a := New(m), application(t, "path: app")
	first, err := f.Closure(t.Context(), a, revisions)
	require.NoError(t, err)
	reads := m.reads
	first.Reads[0].Path = "elsewhere/"
	again, err := f.Closure(t.Context(), a, revisions)
	require.NoError(t, err)
	require.Equal(t, []string{"app/"}, lines(again))
	require.Equal(t, reads, m.reads)

	a.Name = "other" // its override has another name
	_, err = f.Closure(t.Context(), a, revisions)
	require.NoError(t, err)
	require.Greater(t, m.reads, reads)

	for i := range remembered + 10 {
		f.remember([32]byte{byte(i), byte(i >> 8), 1}, first)
	}
	require.Len(t, f.known, remembered)
	require.Len(t, f.order, remembered)
}

// TestConcurrently is for the race detector.
func TestConcurrently(t *testing.T) {
	t.Parallel()
	f := New(fixed{})
	var group sync.WaitGroup
	for i := range 8 {
		a := application(t, "path: app")
		a.Name = fmt.Sprint("shop", i%2)
		group.Go(func() {
			for range 50 {
				c, err := f.Closure(t.Context(), a, revisions)
				if err != nil || len(c.Reads) != 1 {
					t.Errorf("got %v, %v", c, err)
				}
			}
		})
	}
	group.Wait()
}
