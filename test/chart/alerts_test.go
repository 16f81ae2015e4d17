package chart

import (
	"encoding/json"
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

// alert is an alerting rule.
type alert struct {
	Alert, Expr string
	Labels      map[string]string
	Annotations map[string]string
}

// alerts are those of an installation with everything, and with several replicas unless
// the values say otherwise.
func alerts(t *testing.T, values map[string]any) []alert {
	t.Helper()
	o := sets()["everything"]
	o.Values = map[string]any{"replicas": 3, "record": map[string]any{"postgres": map[string]any{"existingSecret": "gatekeeper-postgres"}}}
	maps.Copy(o.Values, values)
	rendered, err := Render(o)
	require.NoError(t, err)
	rules, err := rendered.Find("PrometheusRule", "gatekeeper")
	require.NoError(t, err)
	text, err := rules.MarshalJSON()
	require.NoError(t, err)
	var decoded struct {
		Spec struct{ Groups []struct{ Rules []alert } }
	}
	require.NoError(t, json.Unmarshal(text, &decoded))
	require.Len(t, decoded.Spec.Groups, 1)
	return decoded.Spec.Groups[0].Rules
}

// TestAlertsHaveRunbooks: each alert has its page and each page its alert.
func TestAlertsHaveRunbooks(t *testing.T) {
	pages := filepath.Join("..", "..", "docs", "runbooks")
	files, err := filepath.Glob(filepath.Join(pages, "*.md"))
	require.NoError(t, err)
	var named, found []string
	for _, a := range alerts(t, nil) {
		named = append(named, a.Alert)
		require.Contains(t, []string{"critical", "warning"}, a.Labels["severity"], a.Alert)
		require.NotEmpty(t, a.Annotations["summary"], a.Alert)
		require.NotEmpty(t, a.Annotations["description"], a.Alert)
		require.Equal(t, "https://github.com/argo-gatekeeper/gatekeeper/blob/main/docs/runbooks/"+a.Alert+".md", a.Annotations["runbook_url"])
	}
	links := regexp.MustCompile(`\]\(([^)#:]+\.md)(?:#[^)]*)?\)`)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".md")
		found = append(found, name)
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(text), "# "+name+"\n"), file)
		for _, part := range []string{"\n## Look\n", "\n## Do\n"} {
			require.Contains(t, string(text), part, file)
		}
		for _, link := range links.FindAllStringSubmatch(string(text), -1) {
			require.FileExists(t, filepath.Join(pages, link[1]), file)
		}
	}
	require.ElementsMatch(t, named, found)
}

// TestAlertsNameMetrics: every metric and label of an alert is one that the program has.
func TestAlertsNameMetrics(t *testing.T) {
	exposed := metrics(t)
	selector := regexp.MustCompile(`(gatekeeper_[a-z_]+)\{([^}]*)\}`)
	label := regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)"`)
	grouped := regexp.MustCompile(`by \(([a-z_, ]+)\)`)
	for _, a := range alerts(t, nil) {
		found := selector.FindAllStringSubmatch(a.Expr, -1)
		require.Len(t, regexp.MustCompile(`gatekeeper_[a-z_]+`).FindAllString(a.Expr, -1), len(found), "%s: every metric has a selector", a.Alert)
		require.NotEmpty(t, found, a.Alert)
		all := []string{"le"}
		for _, f := range found {
			labels, ok := exposed[f[1]]
			require.True(t, ok, "%s: no metric is called %s", a.Alert, f[1])
			all = append(all, labels...)
			// Those that Prometheus adds tell this installation from others.
			require.Contains(t, f[2], `namespace="gatekeeper",service="gatekeeper"`, a.Alert)
			for _, l := range label.FindAllStringSubmatch(f[2], -1) {
				require.Contains(t, append([]string{"namespace", "service"}, labels...), l[1], "%s: %s has no such label", a.Alert, f[1])
			}
		}
		for _, g := range grouped.FindAllStringSubmatch(a.Expr, -1) {
			for l := range strings.SplitSeq(g[1], ",") {
				require.Contains(t, all, strings.TrimSpace(l), a.Alert)
			}
		}
		// A description may use what is left after the aggregation alone.
		for _, l := range regexp.MustCompile(`\$labels\.([a-z_]+)`).FindAllStringSubmatch(a.Annotations["description"], -1) {
			require.Contains(t, a.Expr, "by ("+l[1]+")", a.Alert)
		}
	}
}

// TestRunbooksNameEvents: each event of the log that a runbook looks for is one that the
// program writes.
func TestRunbooksNameEvents(t *testing.T) {
	var source strings.Builder
	sources(t, func(path string) {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		source.Write(text)
	})
	files, err := filepath.Glob(filepath.Join("..", "..", "docs", "runbooks", "*.md"))
	require.NoError(t, err)
	events := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, line := range regexp.MustCompile(`grep (?:-E |-c )?'?([a-z_|]+)`).FindAllStringSubmatch(string(text), -1) {
			for event := range strings.SplitSeq(line[1], "|") {
				if strings.HasPrefix(event, "gatekeeper_") {
					continue // a metric
				}
				require.Contains(t, source.String(), strconv.Quote(event), file)
				events++
			}
		}
	}
	require.Greater(t, events, 10)
}

// TestAlertsFollowWhatIsOn: without enforcement nothing is said about it, and with one
// replica nothing about who leads.
func TestAlertsFollowWhatIsOn(t *testing.T) {
	all := alerts(t, nil)
	less := alerts(t, map[string]any{"enforcement": map[string]any{"enabled": false}})
	require.Len(t, less, len(all)-5)
	for _, a := range less {
		for _, metric := range []string{"gatekeeper_admission_", "gatekeeper_enforcement_", "gatekeeper_certificate_"} {
			require.NotContains(t, a.Expr, metric)
		}
	}
	// One replica has no Lease, so nobody leads and nothing is wrong.
	alone := alerts(t, map[string]any{"replicas": 1})
	require.Len(t, alone, len(all)-1)
	for _, a := range alone {
		require.NotContains(t, a.Expr, "gatekeeper_leader")
	}
}

// sources visits the program's files.
func sources(t *testing.T, visit func(path string)) {
	t.Helper()
	for _, dir := range []string{"cmd", "internal", "pkg"} {
		err := filepath.WalkDir(filepath.Join("..", "..", dir), func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				visit(path)
			}
			return err
		})
		require.NoError(t, err)
	}
}

// metrics are the names that the program exposes, with their labels, as its source makes
// them: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "..."}, []string{"..."}).
func metrics(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	sources(t, func(path string) {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			fun, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if pkg, ok := fun.X.(*ast.Ident); !ok || pkg.Name != "prometheus" {
				return true
			}
			name, labels := "", []string{}
			for _, literal := range literals(call.Args[0], "Name") {
				name = literal
			}
			if len(call.Args) > 1 {
				labels = literals(call.Args[1], "")
			}
			if name == "" {
				return true
			}
			if strings.HasPrefix(fun.Sel.Name, "NewHistogram") {
				out[name+"_bucket"] = append(slices.Clone(labels), "le")
				out[name+"_count"], out[name+"_sum"] = labels, labels
				return true
			}
			out[name] = labels
			return true
		})
	})
	require.Greater(t, len(slices.Collect(maps.Keys(out))), 20)
	return out
}

// literals are the texts in a composite literal: of one field, or of a list.
func literals(e ast.Expr, field string) []string {
	composite, ok := e.(*ast.CompositeLit)
	if !ok {
		return nil
	}
	var out []string
	for _, element := range composite.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok {
			if key, ok := pair.Key.(*ast.Ident); !ok || key.Name != field {
				continue
			}
			element = pair.Value
		} else if field != "" {
			continue
		}
		if basic, ok := element.(*ast.BasicLit); ok && basic.Kind == token.STRING {
			if text, err := strconv.Unquote(basic.Value); err == nil {
				out = append(out, text)
			}
		}
	}
	return out
}
