package standin_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	knobName = regexp.MustCompile("`([A-Z][A-Za-z0-9]*)(?:\\{([A-Z][A-Za-z]*)\\})?`")
	testName = regexp.MustCompile("`(Test[A-Za-z0-9]+)(?:/([^`]+))?`")
)

// TestKnobsAreUsed: the knobs of KNOBS.md exist, so do the tests, and each knob is
// turned in the file of at least one of its tests, so that the table cannot promise
// what nothing shows.
func TestKnobsAreUsed(t *testing.T) {
	doc, err := os.ReadFile("KNOBS.md")
	require.NoError(t, err)
	exported := exportedHere(t)
	tests := testFiles(t)
	rows := 0
	for line := range strings.Lines(string(doc)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "| ") || len(cells) != 3 || strings.Contains(line, "---") || strings.TrimSpace(cells[0]) == "truth" {
			require.False(t, strings.HasPrefix(line, "| ") && len(cells) != 3, "a row with another number of cells: %s", line)
			continue
		}
		rows++
		knobs, named := knobName.FindAllStringSubmatch(cells[1], -1), testName.FindAllStringSubmatch(cells[2], -1)
		require.NotEmpty(t, knobs, line)
		require.NotEmpty(t, named, line)
		var turned strings.Builder
		for _, n := range named {
			text, ok := tests[n[1]]
			require.True(t, ok, "KNOBS.md names %s, which is no test of Gatekeeper", n[1])
			if n[2] != "" {
				found := strings.Contains(text, `"`+n[2]+`"`) // the whole text would drown the message
				require.True(t, found, "%s has no subtest %q", n[1], n[2])
			}
			turned.WriteString(text)
		}
		for _, k := range knobs {
			name := k[1]
			require.True(t, exported[name], "KNOBS.md names %s, which the stand-in does not have", name)
			want := name + "("
			if k[2] != "" {
				require.True(t, exported[name+"."+k[2]], "%s has no field %s", name, k[2])
				want = k[2]
			}
			found := strings.Contains(turned.String(), want)
			require.True(t, found, "no test of this row turns %s: %s", k[0], line)
		}
	}
	require.GreaterOrEqual(t, rows, 18)
}

// exportedHere are the stand-in's functions, methods and fields, as "Name" and "Type.Field".
func exportedHere(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			switch d := n.(type) {
			case *ast.FuncDecl:
				out[d.Name.Name] = true
			case *ast.TypeSpec:
				out[d.Name.Name] = true
				if s, ok := d.Type.(*ast.StructType); ok {
					for _, field := range s.Fields.List {
						for _, f := range field.Names {
							out[d.Name.Name+"."+f.Name] = true
						}
					}
				}
			}
			return true
		})
	}
	return out
}

// testFiles has for each test of Gatekeeper the text of its file; for the scenarios that of all stories and
// of the world in which they are played.
func testFiles(t *testing.T) map[string]string {
	t.Helper()
	root := filepath.Join("..", "..", "..")
	declared := regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9]+)\(`)
	out := map[string]string{}
	var scenarios strings.Builder
	for _, dir := range []string{"cmd", "internal", "pkg", filepath.Join("test", "e2e", "scenario"), filepath.Join("test", "e2e", "payments")} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
				return err
			}
			story := strings.Contains(path, filepath.Join("test", "e2e"))
			if !story && !strings.HasSuffix(path, "_test.go") {
				return nil
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if story {
				scenarios.Write(text)
				return nil
			}
			for _, name := range declared.FindAllStringSubmatch(string(text), -1) {
				out[name[1]] += string(text)
			}
			return nil
		})
		require.NoError(t, err)
	}
	out["TestScenarios"] = scenarios.String()
	return out
}
