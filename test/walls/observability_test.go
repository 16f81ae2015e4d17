package walls

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// update writes the tables of docs/observability.md anew. What an event means is kept, and
// is to be written by hand for new ones.
var update = flag.Bool("update", false, "write the tables of docs/observability.md")

var observability = filepath.Join("..", "..", "docs", "observability.md")

// program visits the syntax of the program's own files.
func program(t *testing.T, visit func(path string, file *ast.File)) {
	t.Helper()
	root := filepath.Join("..", "..")
	for _, dir := range []string{"cmd", "internal", "pkg"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err == nil {
				visit(strings.TrimPrefix(filepath.ToSlash(path), "../../"), file)
			}
			return err
		})
		require.NoError(t, err)
	}
}

// text is the value of a string that is written out.
func text(e ast.Expr) (string, bool) {
	literal, ok := e.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	value, err := strconv.Unquote(literal.Value)
	return value, err == nil
}

// table replaces the rows between two marks of the documentation, or compares them.
func table(t *testing.T, name string, rows []string) {
	t.Helper()
	doc, err := os.ReadFile(observability)
	require.NoError(t, err)
	begin, end := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->"
	before, rest, ok := strings.Cut(string(doc), begin)
	require.True(t, ok, begin)
	_, after, ok := strings.Cut(rest, end)
	require.True(t, ok, end)
	want := before + begin + strings.Join(rows, "\n") + "\n" + end + after
	if *update {
		require.NoError(t, os.WriteFile(observability, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(doc), "run go test ./test/walls -run Documented -update")
}

// metric is a metric as the source makes it.
type metric struct{ labels, help string }

// TestMetricsAreDocumented: the table of docs/observability.md has every metric of the
// source with its labels and its help, and no other. Those of DORA are in docs/metrics.md.
func TestMetricsAreDocumented(t *testing.T) {
	found := map[string]metric{}
	inSource := map[string]bool{}
	program(t, func(_ string, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			if e, ok := n.(ast.Expr); ok {
				if value, ok := text(e); ok && regexp.MustCompile(`^gatekeeper_[a-z_]+[a-z]$`).MatchString(value) {
					inSource[value] = true
				}
			}
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			if name, ok := text(call.Args[0]); ok && strings.HasPrefix(name, "gatekeeper_") && len(call.Args) > 1 {
				if help, ok := text(call.Args[1]); ok { // prometheus.NewDesc, or what shortens it
					found[name] = metric{help: help}
				}
				return true
			}
			options, ok := call.Args[0].(*ast.CompositeLit)
			if !ok {
				return true
			}
			fields := map[string]string{}
			for _, element := range options.Elts {
				if pair, ok := element.(*ast.KeyValueExpr); ok {
					key, _ := pair.Key.(*ast.Ident)
					if value, ok := text(pair.Value); ok && key != nil {
						fields[key.Name] = value
					}
				}
			}
			if !strings.HasPrefix(fields["Name"], "gatekeeper_") {
				return true
			}
			m := metric{help: fields["Help"]}
			if len(call.Args) > 1 {
				if list, ok := call.Args[1].(*ast.CompositeLit); ok {
					var labels []string
					for _, element := range list.Elts {
						label, ok := text(element)
						require.True(t, ok, "%s: a label that is not written out", fields["Name"])
						labels = append(labels, "`"+label+"`")
					}
					m.labels = strings.Join(labels, ", ")
				}
			}
			found[fields["Name"]] = m
			return true
		})
	})
	// Nothing that looks like a metric is made in a way that is not seen above.
	for name := range inSource {
		require.Contains(t, found, name)
	}
	require.Greater(t, len(found), 40)
	rows := []string{"| metric | labels | |", "| --- | --- | --- |"}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		require.NotEmpty(t, found[name].help, name)
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s |", name, found[name].labels, found[name].help))
	}
	table(t, "metrics", rows)
}

// identities are the attributes that say what a line is about.
var identities = []string{"application", "delivery", "gate", "group", "intent", "order", "pull", "repository", "request"}

// event is what lines of one name have in common.
type event struct {
	levels []string
	ids    []string
	where  string
}

// named is what an event may be called: words in snake case, after a part of the program
// at most.
var named = regexp.MustCompile(`^([a-z]+\.)?[a-z]+(_[a-z]+)*$`)

// aboutTheProcess are the events in the gate and beside it that are about no Application, pull
// request or delivery.
var aboutTheProcess = []string{
	"inbox_read_failed", "debts_unknown", "open_pulls_not_loaded", "bases_unknown", "record_not_followed", "leader_not_followed",
	"commands_failed", "redelivery_sweep_failed", "policy_changed", "policy_not_recorded", "open_intents_unread",
}

// TestEventsAreDocumented: each line of the log has a constant name, wherever it is written
// it says what it is about in the same attributes, those on the way from a delivery to a
// sync name the delivery, the pull request or the Application, and docs/observability.md has
// a row for each.
func TestEventsAreDocumented(t *testing.T) {
	events := map[string]event{}
	program(t, func(path string, file *ast.File) {
		if strings.HasPrefix(path, "internal/packaging") || strings.HasPrefix(path, "pkg/history/historytest") {
			return // tools of the project itself
		}
		for _, declared := range file.Decls {
			function, ok := declared.(*ast.FuncDecl)
			if !ok || function.Body == nil {
				continue
			}
			for _, l := range lines(function) {
				if l.name == "" {
					// Who writes down what others say gets the name from them.
					require.Contains(t, []string{"tell"}, function.Name.Name, "%s: a line whose name is not a constant", path)
					continue
				}
				require.Regexp(t, named, l.name, path)
				slices.Sort(l.ids)
				l.ids = slices.Compact(l.ids)
				known, ok := events[l.name]
				if !ok {
					known = event{ids: l.ids, where: path}
				}
				require.Equal(t, known.ids, l.ids, "%s says what it is about differently in %s and %s", l.name, known.where, path)
				if l.level != "" && !slices.Contains(known.levels, l.level) {
					known.levels = append(known.levels, l.level)
				}
				events[l.name] = known
				if onTheWay(path) && !slices.Contains(aboutTheProcess, l.name) {
					about := slices.ContainsFunc(l.ids, func(id string) bool {
						return slices.Contains([]string{"application", "delivery", "pull", "request"}, id)
					})
					require.True(t, about, "%s in %s names no delivery, pull request or Application", l.name, path)
				}
			}
		}
	})
	for _, name := range aboutTheProcess {
		require.Contains(t, events, name)
	}
	require.Greater(t, len(events), 100)

	doc, err := os.ReadFile(observability)
	require.NoError(t, err)
	meanings := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z._]+)` \\| [a-z, ]* \\| [^|]* \\| (.*) \\|$").FindAllStringSubmatch(string(doc), -1) {
		meanings[row[1]] = row[2]
	}
	rows := []string{"| event | level | about | |", "| --- | --- | --- | --- |"}
	for _, name := range slices.Sorted(maps.Keys(events)) {
		e := events[name]
		if !*update {
			require.NotEmpty(t, strings.TrimSpace(meanings[name]), "docs/observability.md does not say what %s means", name)
		}
		about := ""
		if len(e.ids) > 0 {
			about = "`" + strings.Join(e.ids, "`, `") + "`"
		}
		if len(e.levels) == 0 {
			e.levels = []string{"varies"}
		}
		slices.Sort(e.levels)
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s | %s |", name, strings.Join(e.levels, ", "), about, meanings[name]))
	}
	table(t, "events", rows)
}

// onTheWay says whether a file is part of the way from a delivery to a sync.
func onTheWay(path string) bool {
	for _, part := range []string{"internal/gate/", "internal/commands/", "pkg/github/report/", "pkg/github/redeliver/"} {
		if strings.HasPrefix(path, part) {
			return true
		}
	}
	return path == "internal/httpapi/webhook.go"
}

// line is one call that writes to the log.
type line struct {
	name, level string
	ids         []string
}

// lines are the calls of a function that write to the log. Attributes that were gathered in
// a variable are those that the function puts into it anywhere.
func lines(function *ast.FuncDecl) []line {
	gathered := map[string][]string{}
	ast.Inspect(function, func(n ast.Node) bool {
		assigned, ok := n.(*ast.AssignStmt)
		if !ok || len(assigned.Lhs) != len(assigned.Rhs) {
			return true
		}
		for i, left := range assigned.Lhs {
			if variable, ok := left.(*ast.Ident); ok {
				gathered[variable.Name] = append(gathered[variable.Name], ids(assigned.Rhs[i], nil)...)
			}
		}
		return true
	})
	var out []line
	ast.Inspect(function, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		selector, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		at, level := -1, ""
		switch selector.Sel.Name {
		case "LogAttrs":
			at = 2
			if named, ok := call.Args[1].(*ast.SelectorExpr); ok {
				level = strings.ToLower(strings.TrimPrefix(named.Sel.Name, "Level"))
			}
		case "InfoContext", "WarnContext", "ErrorContext", "DebugContext":
			at, level = 1, strings.ToLower(strings.TrimSuffix(selector.Sel.Name, "Context"))
		case "tell": // of package enforce: context, key, level, event
			if len(call.Args) > 3 {
				if named, ok := call.Args[2].(*ast.SelectorExpr); ok && strings.HasPrefix(named.Sel.Name, "Level") {
					at, level = 3, strings.ToLower(strings.TrimPrefix(named.Sel.Name, "Level"))
				}
			}
		}
		if at < 0 || len(call.Args) <= at {
			return true
		}
		l := line{level: level}
		l.name, _ = text(call.Args[at])
		for _, argument := range call.Args[at+1:] {
			l.ids = append(l.ids, ids(argument, gathered)...)
		}
		out = append(out, l)
		return true
	})
	return out
}

// ids are the identities among the attributes of an expression.
func ids(e ast.Expr, gathered map[string][]string) []string {
	var out []string
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			out = append(out, gathered[n.Name]...)
		case *ast.CallExpr:
			selector, ok := n.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			switch on, _ := selector.X.(*ast.Ident); {
			case selector.Sel.Name == "attrs": // of the gate's Key: an Application, or a pull request or group of a repository
				out = append(out, "application", "pull", "repository")
			case selector.Sel.Name == "Attrs": // of an errand: whoever gives it says so
				out = append(out, "repository", "pull")
			case on != nil && on.Name == "slog" && len(n.Args) > 0:
				if key, ok := text(n.Args[0]); ok && slices.Contains(identities, key) {
					out = append(out, key)
				}
			}
		}
		return true
	})
	return out
}
