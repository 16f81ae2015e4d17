package inspect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestRunPieces: a range inspected in pieces gives what the whole gives, so that
// only new landings need to be inspected.
func TestRunPieces(t *testing.T) {
	var b strings.Builder
	b.WriteString(`commit n0 "Begin" f0=0` + "\n")
	for n := 1; n <= 150; n++ {
		fmt.Fprintf(&b, "commit h%d on n%d \"One\" f%d=%d\n", n, max(0, n-2), n%40, n)
		if n%3 == 0 {
			fmt.Fprintf(&b, "commit n%d on n%d \"Change (#%d)\" f%d=%d\n", n, n-1, n, n%40, n)
		} else {
			fmt.Fprintf(&b, "commit n%d on n%d,h%d \"Merge pull request #%d from acme/x\" f%d=%d\n", n, n-1, n, n, n%40, n)
		}
	}
	s := tell(t, b.String()+"ref refs/heads/main n150\n")
	whole, summary := s.inspect("", "main", Options{})
	require.Len(t, whole, 151)
	require.Equal(t, 100, summary.Proofs[ProofProven])
	require.Equal(t, 50, summary.Proofs[ProofClaimed])
	require.Equal(t, 1, summary.Findings[CodeRoot])
	require.Nil(t, whole[0].Parent)
	require.Equal(t, []string{"f0"}, whole[0].Paths)
	var pieces []Landing
	for _, p := range [][2]string{{"", "n3"}, {"n3", "n100"}, {"n100", "n101"}, {"n101", "main"}} {
		part, _ := s.inspect(p[0], p[1], Options{})
		pieces = append(pieces, part...)
	}
	require.Equal(t, whole, pieces)
}

// everyImage calls every change an image, and reads what it changed to.
type everyImage struct{ seen []string }

func (i *everyImage) Classify(ctx context.Context, files Files, _ approval.ProtectedRepository, changes []approval.Change) (Classification, error) {
	c := Classification{Class: ClassImage}
	for _, change := range changes {
		data, err := files.Blob(ctx, change.After.SHA, 100)
		if err != nil {
			return Classification{}, err
		}
		i.seen = append(i.seen, string(data))
		c.Moves = append(c.Moves, Move{File: change.Path, Path: "image.tag", Repository: "acme/app", From: "1", To: string(data), Flags: []string{"mutable"}})
	}
	return c, nil
}

func TestClassifierSeam(t *testing.T) {
	s := tell(t, "commit base \"Begin\" a=1\ncommit main on base \"Bump\" a=2\n")
	classifier := &everyImage{}
	landings, summary := s.inspect("base", "main", Options{Classifier: classifier})
	require.Equal(t, []string{"2"}, classifier.seen)
	require.Equal(t, ClassImage, landings[0].Class)
	require.Equal(t, 1, summary.Classes[ClassImage])
	var text bytes.Buffer
	require.NoError(t, NewTable(&text, Style{}).Landing(landings[0]))
	require.Contains(t, text.String(), "    a: acme/app 1 → 2 mutable\n")
	data, err := json.Marshal(landings[0])
	require.NoError(t, err)
	require.Contains(t, string(data), `"moves":[{"file":"a","path":"image.tag","repository":"acme/app","from":"1","to":"2","flags":["mutable"]}]`)
}

func TestStrongest(t *testing.T) {
	all := []Class{ClassNone, ClassImage, ClassConfig, ClassMixed, ClassRefused}
	for i, a := range all {
		for j, b := range all {
			want := all[max(i, j)]
			if i+j == 3 && i != 0 && j != 0 {
				want = ClassMixed
			}
			require.Equal(t, want, strongest(a, b), "%s %s", a, b)
		}
	}
}

// TestLimits: lists that are cut say so, and the class is of everything.
func TestLimits(t *testing.T) {
	var b strings.Builder
	b.WriteString(`commit base "Begin" x=1` + "\ncommit main on base \"Many (#1)\"")
	for n := range maxPaths + 5 {
		fmt.Fprintf(&b, " d/%d=", n)
	}
	s := tell(t, b.String()+"\n")
	landings, _ := s.inspect("base", "main", Options{Gates: []Gate{{Repository: approval.ProtectedRepository{Paths: []string{"d/9999"}}}}})
	require.Len(t, landings[0].Paths, maxPaths)
	require.Equal(t, ClassConfig, landings[0].Class)
	require.Contains(t, landings[0].Findings, Finding{CodeCut, "10005 paths changed; the first 10000 are listed"})
}

func TestReplacedCommit(t *testing.T) {
	s := tell(t, "commit base \"Begin\" a=1\ncommit main on base \"Honest\" a=2\ncommit fake on base \"Fake\" a=3\n")
	git(t, s.dir, "update-ref", "refs/heads/main", string(s.names["main"]))
	git(t, s.dir, "replace", string(s.names["main"]), string(s.names["fake"]))
	landings, summary := s.inspect("base", "main", Options{})
	require.Equal(t, "Honest", landings[0].Title)
	require.Equal(t, 1, summary.Findings[CodeReplaced])
	require.Equal(t, 1, summary.Replaced)
}

// TestPartialClone: a merge of contents that are not there is unproven, with the
// reason; the rest is inspected.
func TestPartialClone(t *testing.T) {
	s := tell(t, `commit base "Begin" a=1~2~3~4~5~6 b=1
commit m1 on base "Top" a=one~2~3~4~5~6
merge M1 on base,m1 "Merge pull request #1 from acme/x"
commit m2 on base "Bottom" a=1~2~3~4~5~six
merge M2 on M1,m2 "Merge pull request #2 from acme/y"
ref refs/heads/main M2
`)
	git(t, s.dir, "config", "uploadpack.allowFilter", "true")
	full := s.dir
	s.dir = filepath.Join(t.TempDir(), "partial.git")
	git(t, "", "clone", "--quiet", "--bare", "--filter=blob:none", "file://"+full, s.dir)
	landings, _ := s.inspect("base", "main", Options{})
	require.Equal(t, ProofProven, landings[0].Proof)
	require.Equal(t, ProofNone, landings[1].Proof)
	require.Equal(t, KindMerge, landings[1].Kind)
	require.Equal(t, CodeUnproven, landings[1].Findings[0].Code)
	require.Contains(t, landings[1].Findings[0].Text, "git fetch --refetch")

	// Without trees nothing can be compared, and that is an error.
	s.dir = filepath.Join(t.TempDir(), "treeless.git")
	git(t, "", "clone", "--quiet", "--bare", "--filter=tree:0", "file://"+full, s.dir)
	repo := openLocal(t, s.dir)
	_, err := Run(t.Context(), repo, Options{Head: s.names["M2"]}, func(Landing) error { return nil })
	require.ErrorContains(t, err, "partial clone")
}

func TestRunStops(t *testing.T) {
	s := tell(t, "commit base \"Begin\" a=1\ncommit main on base \"x\" a=2\n")
	repo := openLocal(t, s.dir)
	full := errors.New("the disk is full")
	_, err := Run(t.Context(), repo, Options{Head: s.names["main"]}, func(Landing) error { return full })
	require.ErrorIs(t, err, full)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Run(ctx, repo, Options{Head: s.names["main"]}, func(Landing) error { return nil })
	require.ErrorIs(t, err, context.Canceled)
}

// TestTableWidths: no line is wider than asked for, and colours are only there
// when asked for.
func TestTableWidths(t *testing.T) {
	seven := 7
	l := Landing{SHA: approval.SHA(strings.Repeat("1", 40)), Kind: KindUnknown, Pull: &seven, Class: ClassRefused, Proof: ProofNone,
		Paths: []string{strings.Repeat("a/ü", 60), "b"}, paths: 123456, heading: strings.Repeat("title ", 50),
		Findings: []Finding{{CodeShape, strings.Repeat("words and ", 50) + strings.Repeat("x", 300)}}}
	for _, width := range []int{1, 72, 80, 120, 250} {
		var b bytes.Buffer
		table := NewTable(&b, Style{Width: width})
		require.NoError(t, table.Landing(l))
		for line := range strings.Lines(b.String()) {
			require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), max(width, narrowest)+2, line)
		}
		require.NotContains(t, b.String(), "\x1b")
	}
	var b bytes.Buffer
	require.NoError(t, NewTable(&b, Style{Color: true}).Landing(l))
	require.Contains(t, b.String(), "\x1b[31m✗\x1b[0m")
}

// TestDocumentedCodes: docs/inspect.md has every code, in the order of the summary.
func TestDocumentedCodes(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "inspect.md"))
	require.NoError(t, err)
	rest := string(doc)
	for _, c := range Codes() {
		_, after, ok := strings.Cut(rest, "| `"+string(c.Code)+"` | "+c.Text+" |")
		require.True(t, ok, "%s is not documented, or with another text", c.Code)
		rest = after
	}
}
