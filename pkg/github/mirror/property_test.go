package mirror

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// world is a repository with a random history. What lands is made by git's own
// merge and rebase commands in a work tree, which is the oracle.
type world struct {
	*origin
	random *rand.Rand
	line   []approval.SHA
	blobs  map[string]string
}

// read gives the content of a commit.
func (w *world) read(sha approval.SHA) tree {
	content := tree{}
	for entry := range strings.SplitSeq(w.git("", "ls-tree", "-r", "-z", string(sha)), "\x00") {
		meta, path, ok := strings.Cut(entry, "\t")
		if !ok {
			continue
		}
		fields := strings.Fields(meta)
		if _, ok := w.blobs[fields[2]]; !ok {
			w.blobs[fields[2]] = w.raw(fields[2])
		}
		content[path] = map[string]string{"100644": "", "100755": "exec:", "120000": "link:"}[fields[0]] + w.blobs[fields[2]]
	}
	return content
}

func (w *world) raw(blob string) string {
	cmd := exec.CommandContext(w.t.Context(), "git", "cat-file", "blob", blob)
	cmd.Dir, cmd.Env = w.dir, w.env()
	out, err := cmd.Output()
	require.NoError(w.t, err)
	return string(out)
}

// edit changes one thing at random.
func (w *world) edit(content tree) tree {
	content = maps.Clone(content)
	paths := slices.Sorted(maps.Keys(content))
	fresh := fmt.Sprintf("%s/file-%d", []string{"a", "b", "c/d"}[w.random.IntN(3)], w.random.IntN(1000))
	if len(paths) == 0 {
		content[fresh] = lines("x", "y")
		return content
	}
	path := paths[w.random.IntN(len(paths))]
	value := content[path]
	switch w.random.IntN(10) {
	case 0:
		content[fresh] = lines(fmt.Sprint(w.random.IntN(100)), "y")
	case 1:
		delete(content, path)
	case 2:
		delete(content, path)
		content[fresh] = value
	case 3:
		if !strings.HasPrefix(value, "link:") {
			content[path] = "exec:" + strings.TrimPrefix(value, "exec:")
		}
	case 4:
		content[path] = "link:" + fresh
	default:
		row := strings.SplitAfter(value, "\n")
		i := w.random.IntN(len(row))
		row[i] = fmt.Sprintf("edited %d\n", w.random.IntN(1000))
		content[path] = strings.Join(row, "")
	}
	return content
}

// pullRequest makes up to four commits on a commit of the line, with merges of
// the base in between when asked for.
func (w *world) pullRequest(merges bool) (head approval.SHA, merged bool) {
	start := max(0, len(w.line)-3)
	head = w.line[start+w.random.IntN(len(w.line)-start)]
	for range 1 + w.random.IntN(4) {
		content := w.read(head)
		for range 1 + w.random.IntN(2) {
			content = w.edit(content)
		}
		head = w.commit(content, head)
		if merges && w.random.IntN(2) == 0 {
			if update, err := w.land("merge", head, w.line[len(w.line)-1]); err == nil {
				head, merged = update, true
			}
		}
	}
	return head, merged
}

// tamper lands something else than at in its place: the same parents, author
// and message, another tree.
func (w *world) tamper(at approval.SHA) approval.SHA {
	honest := w.read(at)
	evil := honest
	for maps.Equal(evil, honest) {
		evil = w.edit(honest)
	}
	object := w.git("", "cat-file", "commit", string(at))
	_, rest, _ := strings.Cut(object, "\n")
	return w.sha(w.git("tree "+string(w.treeOf(w.commit(evil)))+"\n"+rest+"\n", "hash-object", "-w", "-t", "commit", "--stdin"))
}

// TestProveRandomHistories: a landing is proven if and only if it was made by
// the honest method.
func TestProveRandomHistories(t *testing.T) {
	seeds := uint64(12)
	if testing.Short() {
		seeds = 3
	}
	landed := map[string]int{}
	for seed := range seeds {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			w := &world{origin: newOrigin(t), random: rand.New(rand.NewPCG(seed, 7)), blobs: map[string]string{}}
			content := tree{}
			for range 6 {
				content = w.edit(content)
			}
			w.line = []approval.SHA{w.commit(content)}
			w.branch("main", w.line[0])
			m := w.open()
			for number := 1; number <= 6; number++ {
				w.landOne(m, number, landed)
			}
		})
	}
	t.Logf("landed: %v", landed)
	for _, what := range []string{"merge", "squash", "rebase", "rebase of many", "rebase with merges", "refused by git"} {
		require.Positive(t, landed[what], "no %s was tried", what)
	}
}

func (w *world) landOne(m *Mirror, number int, landed map[string]int) {
	t := w.t
	main := w.line[len(w.line)-1]
	if w.random.IntN(2) == 0 {
		// Somebody else lands something first.
		main = w.commit(w.edit(w.read(main)), main)
		w.line = append(w.line, main)
	}
	method := []string{"merge", "squash", "rebase"}[w.random.IntN(3)]
	head, merges := w.pullRequest(w.random.IntN(3) == 0)
	at, err := w.land(method, main, head)
	if err != nil {
		landed["refused by git"]++
		w.requireNothingProven(m, number, main, head)
		return
	}
	if at == main {
		return
	}
	merged, mergeErr := w.land("merge", main, head)
	evil := w.tamper(at)
	w.branch("main", at)
	w.branch("evil", evil)
	w.pull(number, head)
	require.NoError(t, m.Fetch(t.Context(), "main", number))
	require.NoError(t, m.Fetch(t.Context(), "evil"))

	l := w.proof(m, at, head)
	run := len(strings.Fields(w.git("", "rev-list", string(main)+".."+string(at))))
	want := landing{approval.LandingKind(method), main, 1, approval.Proven}
	if method == "rebase" {
		landed["rebase"]++
		want.run = run
		if run == 1 {
			want.kind = approval.KindSquash
		} else {
			landed["rebase of many"]++
		}
	} else {
		landed[method]++
	}
	switch {
	case method != "rebase" || (mergeErr == nil && w.treeOf(merged) == w.treeOf(at) && !merges):
		require.Equal(t, want, short(l), "seed and number give the history; %s", l.Proof.Detail)
	case mergeErr != nil || w.treeOf(merged) != w.treeOf(at):
		// A rebase that ends elsewhere than a merge is not taken for proven as a
		// whole.
		require.NotEqual(t, want, short(l))
	default:
		// With merges in the pull request either answer is right, but a proof of
		// the whole run or of its last step only.
		landed["rebase with merges"]++
		if l.Proof.Result == approval.Proven && l.Commits > 1 {
			require.Equal(t, want, short(l))
		}
	}
	w.requireTrue(m, l, at, head)

	l = w.proof(m, evil, head)
	require.Equal(t, approval.Mismatch, l.Proof.Result, "a landing that was tampered with is proven")
	require.NotEmpty(t, l.Proof.Detail)
	w.line = append(w.line, at)
}

// requireTrue checks what every proof claims: from its parent, git itself comes
// to the same tree.
func (w *world) requireTrue(m *Mirror, l Landing, at, head approval.SHA) {
	w.t.Helper()
	if l.Proof.Result != approval.Proven {
		return
	}
	again, err := w.land("merge", l.Parent, head)
	require.NoError(w.t, err)
	want := w.treeOf(at)
	if again == l.Parent {
		// git found nothing to merge.
		require.Equal(w.t, want, w.treeOf(l.Parent))
		return
	}
	require.Equal(w.t, want, w.treeOf(again))
	c, err := m.commit(w.t.Context(), at)
	require.NoError(w.t, err)
	for range l.Commits - 1 {
		c, err = m.commit(w.t.Context(), c.Parents[0])
		require.NoError(w.t, err)
	}
	require.Equal(w.t, l.Parent, c.Parents[0])
}

// requireNothingProven: git refuses to land the head, so whatever is said to be
// its landing is none. What git's rebase refuses may still merge.
func (w *world) requireNothingProven(m *Mirror, number int, main, head approval.SHA) {
	if _, err := w.land("merge", main, head); err == nil {
		return
	}
	w.pull(number, head)
	for _, at := range []approval.SHA{w.commitTree(w.treeOf(head), main, head), w.commitTree(w.treeOf(head), main), w.commitTree(w.treeOf(main), main, head)} {
		w.branch("evil", at)
		require.NoError(w.t, m.Fetch(w.t.Context(), "evil", number))
		require.Equal(w.t, approval.Mismatch, w.proof(m, at, head).Proof.Result)
	}
}
