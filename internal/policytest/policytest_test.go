package policytest

import (
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

var update = flag.Bool("update", false, "rewrite testdata/*.golden")

func policies(t testing.TB) []approval.Policy {
	t.Helper()
	cfg, err := config.LoadWithoutSecrets(filepath.Join("testdata", "gatekeeper.yaml"))
	require.NoError(t, err)
	return cfg.Policies
}

func compile(t testing.TB, name, text string) ([]Case, error) {
	t.Helper()
	f, d, err := Parse(name, []byte(text))
	if err != nil {
		return nil, err
	}
	return Compile(f, d, policies(t))
}

func everyKey(t testing.TB) (string, []Case) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "every-key.yaml"))
	require.NoError(t, err)
	cases, err := compile(t, "every-key.yaml", string(text))
	require.NoError(t, err)
	return string(text), cases
}

// TestEveryKey: the table says with its own expectations what each key does.
func TestEveryKey(t *testing.T) {
	text, cases := everyKey(t)
	var golden strings.Builder
	for _, c := range cases {
		r := Run(c)
		require.Empty(t, r.Failures, "%s (line %d)\n%s", c.Name, c.Line, tree(r.Decision.Findings, "  "))
		fmt.Fprintf(&golden, "%s: %s\n%s\n", c.Name, r.Decision.Verdict, tree(r.Decision.Findings, "  "))
	}
	file := filepath.Join("testdata", "every-key.golden")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(golden.String()), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), golden.String())

	manual, err := os.ReadFile(filepath.Join("..", "..", "docs", "policy-tests.md"))
	require.NoError(t, err)
	for _, key := range keysOf(reflect.TypeFor[File]()) {
		require.Regexp(t, "[`{ ]"+key+"[`:,} ]", string(manual), "the manual does not tell of the key %s", key)
		require.Regexp(t, `(^|[\s{])`+key+`:`, text, "no test uses the key %s", key)
	}
}

func keysOf(t reflect.Type) []string {
	var out []string
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	for f := range t.Fields() {
		if key := f.Tag.Get("yaml"); key != ",inline" {
			out = append(out, regexp.QuoteMeta(key))
		}
		out = append(out, keysOf(f.Type)...)
	}
	return out
}

func tree(findings []approval.Finding, indent string) string {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "%s%s %s [%s]\n%s", indent, f.Verdict, f.Text, f.Code, tree(f.Children, indent+"  "))
	}
	return b.String()
}

// TestCanFail: no expectation of the table is one that would hold of anything.
func TestCanFail(t *testing.T) {
	_, cases := everyKey(t)
	for _, c := range cases {
		for _, v := range []approval.Verdict{approval.Allowed, approval.Blocked, approval.Unknown, ""} {
			wrong := c
			wrong.Want.Verdict = v
			require.Equal(t, v == c.Want.Verdict, Run(wrong).Passed(), "%s wanting %q", c.Name, v)
		}
		present := Run(c).Decision
		for _, code := range codes() {
			wrong := c
			wrong.Want = Want{Verdict: c.Want.Verdict, Because: []approval.Code{approval.Code(code)}, Target: c.Want.Target}
			has := strings.Contains(tree(present.Findings, ""), "["+code+"]")
			require.Equal(t, has, Run(wrong).Passed(), "%s because of %s", c.Name, code)
		}
		wrong := c
		wrong.Want.Text = []string{"words that are nowhere"}
		require.False(t, Run(wrong).Passed(), c.Name)
	}
}

func TestTarget(t *testing.T) {
	_, cases := everyKey(t)
	for _, name := range []string{"in a row", "undone", "undone without approval", "each repository by itself"} {
		c := cases[slices.IndexFunc(cases, func(c Case) bool { return c.Name == name })]
		line := c.Facts.Lines[0]
		for _, landing := range line.Landings {
			other := c
			other.Want.Target = &Target{Landing: landing.Title, Revision: approval.Revision{Repository: line.Repository, SHA: landing.Commit}}
			require.Equal(t, landing.Title == c.Want.Target.Landing, Run(other).Passed(), "%s reaching %s", name, landing.Title)
		}
	}
	c := cases[slices.IndexFunc(cases, func(c Case) bool { return c.Name == "in a row" })]
	c.Want.Target = nil
	require.Equal(t, []string{`wanted the candidate to reach "three" of acme/env, but it reaches "one"`}, Run(c).Failures,
		"without a target, allowed means all of it")
}

// TestFactsSurviveJSON: a decision with its facts can be stored and replayed.
func TestFactsSurviveJSON(t *testing.T) {
	_, cases := everyKey(t)
	for _, c := range cases {
		data, err := json.Marshal(c)
		require.NoError(t, err)
		var again Case
		require.NoError(t, json.Unmarshal(data, &again))
		require.Equal(t, Run(c).Decision, Run(again).Decision, c.Name)
		require.Equal(t, c.Facts.Lines, again.Facts.Lines, c.Name)
	}
}

// TestDeterministic: the same table gives the same facts.
func TestDeterministic(t *testing.T) {
	_, first := everyKey(t)
	for range 5 {
		_, again := everyKey(t)
		require.Equal(t, first, again)
	}
}

// TestCodesAreAll: a code that is new to the decision is known here as well.
func TestCodesAreAll(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", "pkg", "approval", "code.go"), nil, 0)
	require.NoError(t, err)
	var all []string
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok {
			for _, value := range v.Values {
				code, err := strconv.Unquote(value.(*ast.BasicLit).Value)
				require.NoError(t, err)
				all = append(all, code)
			}
		}
		return true
	})
	require.NotEmpty(t, all)
	require.ElementsMatch(t, all, codes())
}

// TestRefusals: each file of testdata/refused.txtar is refused with the mistakes
// that its comments tell, at their lines, and with no other.
func TestRefusals(t *testing.T) {
	archive, err := txtar.ParseFile(filepath.Join("testdata", "refused.txtar"))
	require.NoError(t, err)
	require.NotEmpty(t, archive.Files)
	for _, f := range archive.Files {
		t.Run(f.Name, func(t *testing.T) {
			var want []string
			for i, line := range strings.Split(string(f.Data), "\n") {
				if _, text, ok := strings.Cut(line, "# REFUSED "); ok {
					for one := range strings.SplitSeq(text, " # AND ") {
						want = append(want, fmt.Sprintf("%d: %s", i+1, one))
					}
				}
			}
			require.NotEmpty(t, want, "the file says nothing of a mistake")
			_, err := compile(t, f.Name, string(f.Data))
			var refused *config.Error
			require.ErrorAs(t, err, &refused)
			require.Contains(t, err.Error(), "the table of policy tests is refused:\n  "+f.Name+":")
			var got []string
			for _, m := range refused.Mistakes {
				got = append(got, fmt.Sprintf("%d: %s", m.Line, m.Text))
			}
			require.Len(t, got, len(want), "%s", strings.Join(got, "\n"))
			for i := range want {
				require.True(t, slices.ContainsFunc(got, func(g string) bool { return strings.HasPrefix(g, want[i]) }), "wanted %s\nin %s", want[i], strings.Join(got, "\n"))
			}
		})
	}
}

// FuzzCompile: a table is refused with mistakes at lines, or gives cases that can
// be decided on and that fail when they want nothing.
func FuzzCompile(f *testing.F) {
	text, _ := everyKey(f)
	f.Add(text)
	archive, err := txtar.ParseFile(filepath.Join("testdata", "refused.txtar"))
	require.NoError(f, err)
	for _, file := range archive.Files {
		f.Add(string(file.Data))
	}
	known := policies(f)
	f.Fuzz(func(t *testing.T, text string) {
		file, d, err := Parse("fuzz.yaml", []byte(text))
		var cases []Case
		if err == nil {
			cases, err = Compile(file, d, known)
		}
		if err != nil {
			var refused *config.Error
			require.ErrorAs(t, err, &refused)
			for _, m := range refused.Mistakes {
				require.Positive(t, m.Line)
				require.NotEmpty(t, m.Text)
			}
			return
		}
		require.Len(t, cases, len(file.Tests))
		for _, c := range cases {
			require.NotEmpty(t, c.Want.Verdict)
			require.Positive(t, c.Line)
			c.Want.Verdict = ""
			require.False(t, Run(c).Passed())
		}
	})
}
