package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func sha(c string) approval.SHA { return approval.SHA(strings.Repeat(c, 40)) }

func revision(c string) []approval.Revision {
	return []approval.Revision{{Repository: "acme/deploy", SHA: sha(c)}}
}

// previewed is a preview of resources that differ.
func previewed(app string, kind approval.PreviewKind, resources ...approval.ResourceDiff) approval.Preview {
	p := approval.Preview{
		Application: app, Kind: kind, State: approval.PreviewReady,
		Comparison: approval.Comparison{From: revision("1"), To: revision("2")},
	}
	for _, r := range resources {
		switch r.Change {
		case approval.ResourceAdded:
			p.Diff.Added++
		case approval.ResourceRemoved:
			p.Diff.Removed++
		case approval.ResourceChanged:
			p.Diff.Changed++
		}
	}
	p.Diff.Resources = resources
	return p
}

func limits(name, from, to string) approval.ResourceDiff {
	return approval.ResourceDiff{
		Kind: "ConfigMap", Namespace: "shop", Name: name, Change: approval.ResourceChanged, LinesAdded: 1, LinesRemoved: 1,
		Lines: "@@ -1,5 +1,5 @@\n apiVersion: v1\n data:\n-  transfer: \"" + from + "\"\n+  transfer: \"" + to + "\"\n kind: ConfigMap\n metadata:\n   name: " + name + "\n",
	}
}

var migration = approval.ResourceDiff{
	Group: "batch", Kind: "Job", Name: "migrate-", Change: approval.ResourceAdded, Hook: "PreSync", Ordinal: 1, LinesAdded: 2, Lines: "@@ -0,0 +1,2 @@\n+apiVersion: batch/v1\n+kind: Job\n", LinesLeftOut: 12,
}

var hostileResource = approval.ResourceDiff{
	Group: "x</summary><h1>", Kind: "@acme/sre <img src=x onerror=1>", Name: "@acme/everyone `x` \u202e", Change: approval.ResourceChanged, Hook: "</code>&",
	Lines: "@@ -1 +1 @@\n-```\n+````\n+</details>\n+@alice #1\n", LinesAdded: 3, LinesRemoved: 1,
}

func shipped(pull int, commit string, v approval.Verdict) approval.Shipped {
	return approval.Shipped{Repository: "acme/deploy", LandingDecision: approval.LandingDecision{Commit: sha(commit), Pull: pull, Class: approval.ClassConfig, Verdict: v}}
}

func previewReports() map[string]approval.PullReport {
	with := func(merged bool, left int, previews ...approval.Preview) approval.PullReport {
		g := gate("prod", approval.ClassConfig, 1, 2, quorum(approval.Blocked, missing))
		g.Previews, g.PreviewsLeftOut, g.ChecksURL = previews, left, "https://github.com/acme/deploy/pull/42/checks"
		return report(merged, g)
	}
	masked := previewed("argocd/shop", approval.PreviewPull, limits("limits", "1000", "5000"), migration,
		approval.ResourceDiff{Kind: "Secret", Name: "db", Change: approval.ResourceChanged, LinesAdded: 1, LinesRemoved: 1, Lines: "@@ -2,3 +2,3 @@\n data:\n-  password: <masked 1>\n+  password: <masked 2>\n"})
	masked.Diff.Unseen = 1
	sync := previewed("argocd/shop", approval.PreviewSync, limits("limits", "900", "5000"))
	sync.Shipped = []approval.Shipped{shipped(40, "4", approval.Allowed), shipped(0, "5", approval.Blocked), shipped(42, "2", approval.Blocked)}
	out := approval.Preview{Application: "argocd/cart", Kind: approval.PreviewPull, State: approval.PreviewUnavailable, Reason: "Argo CD could not render it: execution error at templates/x.yaml:1:3: no <limit>"}
	reports := map[string]approval.PullReport{
		"preview":         with(false, 0, masked, out, approval.Preview{Application: "argocd/web", Kind: approval.PreviewPull, State: approval.PreviewPending}, previewed("argocd/ledger", approval.PreviewPull)),
		"preview-merged":  with(true, 3, masked, sync),
		"preview-hostile": with(false, 0, previewed("argocd/`|x", approval.PreviewPull, hostileResource)),
	}
	var many []approval.Preview
	for i := range 200 {
		name := fmt.Sprintf("app-%03d", i)
		if i%5 == 0 { // one in five changes in a way of its own
			many = append(many, previewed("argocd/"+name, approval.PreviewPull, limits(name, "1000", fmt.Sprint(2000+i)), limits(name+"-b", "1", strings.Repeat("x", 300))))
			continue
		}
		many = append(many, previewed("argocd/"+name, approval.PreviewPull, limits(name, "1000", "5000")))
	}
	reports["preview-many"] = with(false, 7, many...)
	return reports
}

// TestDifferences: the answer to a command has what the comment has, of one Application
// if one is named.
func TestDifferences(t *testing.T) {
	r := previewReports()["preview"]
	all := Differences(r, "")
	require.Contains(t, all, "argocd/cart")
	require.Contains(t, all, "+  transfer: \"5000\"")
	one := Differences(r, "argocd/shop")
	require.Contains(t, one, "+  transfer: \"5000\"")
	require.NotContains(t, one, "argocd/cart")
	require.Equal(t, "Nothing that a gate protects is rendered from this pull request.\n", Differences(r, "argocd/none"))
	require.Less(t, len(Differences(previewReports()["preview-many"], "")), 40_000)
	require.Len(t, r.Gates[0].Previews, 4, "the report is as it was")
}

func TestPreviewGolden(t *testing.T) {
	for name, r := range previewReports() {
		t.Run(name, func(t *testing.T) {
			golden(t, name+".comment.md", Comment(r))
			c := Check(r, r.Gates[0])
			golden(t, name+".check.md", c.Summary+"\n<!-- text -->\n\n"+c.Text)
			require.LessOrEqual(t, len(c.Text), checkTextLimit)
			require.LessOrEqual(t, len(c.Summary), summaryLimit)
			require.LessOrEqual(t, len(Comment(r)), commentLimit)
			require.NotContains(t, Comment(r), "What follows is left out")
		})
	}
}

// withoutCommands cuts off the one fold of a comment that is no difference.
func withoutCommands(comment string) string {
	before, _, _ := strings.Cut(comment, "<details><summary>What can be done from here")
	return before
}

// TestPreviewMany: 160 Applications in which the same changes are one row and one block.
func TestPreviewMany(t *testing.T) {
	comment := Comment(previewReports()["preview-many"])
	require.Contains(t, comment, "| `argocd/app-001`, `argocd/app-002`, `argocd/app-003` and 157 more | the same lines change: 1 resource changed |")
	require.Contains(t, comment, "and alike in 159 more</summary>")
	require.Contains(t, comment, "7 more Applications may change and are not rendered")
	require.Contains(t, comment, "More is in [the gate's check run](https://github.com/acme/deploy/pull/42/checks).")
	require.Contains(t, comment, "gatekeeper diff argocd/app-")
	require.Less(t, len(comment), 30_000, "it is to be read")
	require.Less(t, strings.Count(comment, "\n| `"), maxGroups+10)
	for _, text := range []string{withoutCommands(comment), Check(previewReports()["preview-many"], previewReports()["preview-many"].Gates[0]).Text} {
		require.Equal(t, strings.Count(text, "<details>"), strings.Count(text, "</details>"), "cut between resources")
		require.Equal(t, strings.Count(text, "```diff\n"), strings.Count(text, "<details>"))
	}
}

// TestPreviewBudget: however large the differences are, the limits hold, what is left
// out is counted, and nothing else of the comment is lost.
func TestPreviewBudget(t *testing.T) {
	for _, size := range []int{10, 1_000, 20_000, 70_000} {
		for _, n := range []int{1, 30, 500} {
			var resources []approval.ResourceDiff
			for i := range n {
				resources = append(resources, limits(fmt.Sprintf("%d-%s", i, strings.Repeat("y", size)), "1", "2"))
			}
			r := previewReports()["preview"]
			r.Gates[0].Previews = []approval.Preview{previewed("argocd/shop", approval.PreviewPull, resources...)}
			comment, check := Comment(r), Check(r, r.Gates[0])
			require.LessOrEqual(t, len(comment), commentLimit)
			require.LessOrEqual(t, len(check.Text), checkTextLimit)
			require.Contains(t, comment, "Only reviews of exactly this head count")
			for text, shown := range map[string]int{comment: strings.Count(withoutCommands(comment), "<details>"), check.Text: strings.Count(check.Text, "<details>")} {
				if left := n - shown; left > 0 {
					require.Contains(t, text, plural(left, "resource")+" that ")
				} else {
					require.NotContains(t, text, "left out")
				}
			}
		}
	}
}

// TestPreviewInert: what a pull request makes Argo CD render is text.
func TestPreviewInert(t *testing.T) {
	r := previewReports()["preview-hostile"]
	for _, text := range []string{Comment(r), Check(r, r.Gates[0]).Text} {
		outside := text
		if _, after, ok := strings.Cut(text, "`````diff\n"); ok {
			inside, _, closed := strings.Cut(after, "`````\n")
			require.True(t, closed)
			outside = strings.Replace(text, inside, "", 1)
		}
		require.NotEqual(t, outside, text, "the fence is longer than what is inside")
		require.NotContains(t, strings.ReplaceAll(outside, "<code>@", ""), "@acme/sre")
		for _, bad := range []string{"<img", "<h1>", "</summary><", "\u202e", "</code>&<"} {
			require.NotContains(t, outside, bad)
		}
	}
}

func TestGroups(t *testing.T) {
	g := approval.GateReport{Previews: []approval.Preview{
		previewed("a", approval.PreviewPull, limits("a", "1", "2")), previewed("b", approval.PreviewPull, limits("b", "1", "2")),
		previewed("c", approval.PreviewPull, limits("c", "1", "3")), previewed("d", approval.PreviewSync, limits("d", "1", "2")),
		{Application: "e", Kind: approval.PreviewPull, State: approval.PreviewPending}, {Application: "f", Kind: approval.PreviewPull, State: approval.PreviewPending},
	}}
	var got [][]string
	for _, set := range groups(g, approval.PreviewPull) {
		got = append(got, set.applications)
	}
	require.Equal(t, [][]string{{"a", "b"}, {"c"}, {"e", "f"}}, got)
	require.Len(t, groups(g, approval.PreviewSync), 1)
}
