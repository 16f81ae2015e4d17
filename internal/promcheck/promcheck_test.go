package promcheck_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/promcheck"
)

func TestParse(t *testing.T) {
	q, err := promcheck.Parse(`histogram_quantile(0.9, sum by (le, gate) (rate(a_bucket{gate="x",le!~"1|2"}[5m]))) / (b > 0) - -c{}`)
	require.NoError(t, err)
	require.Equal(t, promcheck.Query{
		Selectors: []promcheck.Selector{
			{Metric: "a_bucket", Matchers: []promcheck.Matcher{{Label: "gate", Operator: "=", Value: "x"}, {Label: "le", Operator: "!~", Value: "1|2"}}},
			{Metric: "b"}, {Metric: "c"},
		},
		By: []string{"le", "gate"}, Labels: []string{"le", "gate"},
	}, q)
	for _, wrong := range []string{
		"", "a{", `a{b="c"`, `a{b=c}`, `a{b>"c"}`, "a)", "(a", "sum by (a", "sum by (1) (a)", "a b", "a +", "frobnicate(a)", "a[5]", "a[x]", "rate(a[5m]",
		`a{b="c}`, "a @ 1", "sum", "1 +",
	} {
		_, err := promcheck.Parse(wrong)
		require.Error(t, err, wrong)
	}
}

func TestCheck(t *testing.T) {
	e, err := promcheck.ReadExposition("# HELP a b\n# TYPE a gauge\na{x=\"1\",y=\"\"} 3\na{x=\"2\",y=\"q\\\"\"} 4\nb 5e-9\n")
	require.NoError(t, err)
	for query, want := range map[string]string{
		`a{x="1"}`:              "",
		`a{y=""}`:               "",
		`a{y="q\"", x=~"[2]"}`:  "",
		`b`:                     "",
		`c`:                     "there is no metric c",
		`a{z="1"}`:              "has no label z",
		`a{x="3"}`:              "nothing is selected",
		`a{x="1", y="q\""}`:     "nothing is selected",
		`a{x=~"("}`:             "the pattern",
		`sum by (x) (a)`:        "",
		`sum by (z) (a)`:        "has no label z",
		`sum by (y) (a)`:        "the legend names x",
		`a{x!="1"} / b{x!="1"}`: "b has no label x",
	} {
		q, err := promcheck.Parse(query)
		require.NoError(t, err, query)
		asked := promcheck.Asked{Where: "panel", Query: q}
		if q.By != nil {
			asked.Legend = []string{"x"}
			if q.By[0] == "z" {
				asked.Legend = nil
			}
		}
		err = asked.Check(e, func(string) bool { return true })
		if want == "" {
			require.NoError(t, err, query)
		} else {
			require.ErrorContains(t, err, want, query)
		}
		require.NoError(t, promcheck.Asked{Query: q}.Check(nil, func(string) bool { return false }))
	}
	for _, wrong := range []string{"a", "a{ 1", "{} 1", "a{x=1} 1"} {
		_, err := promcheck.ReadExposition(wrong)
		require.Error(t, err, wrong)
	}
}

func TestReadDashboard(t *testing.T) {
	asked, err := promcheck.ReadDashboard([]byte(`{"panels":[{"type":"row","panels":[{"title":"T","type":"stat","targets":[{"expr":"a{g=\"$gate\"}[${r}]","legendFormat":"{{x}} of {{ y }}"}]}]}],
		"templating":{"list":[{"name":"v","type":"query","query":{"query":"label_values(a, g)"}},{"name":"w","type":"custom","query":"7d"}]}}`),
		map[string]string{"gate": "prod", "r": "5m"})
	require.NoError(t, err)
	require.Len(t, asked, 2)
	require.Equal(t, `a{g="prod"}[5m]`, asked[0].Text)
	require.Equal(t, []string{"x", "y"}, asked[0].Legend)
	require.Equal(t, promcheck.Asked{Where: "variable v", Text: "a", Query: promcheck.Query{Selectors: []promcheck.Selector{{Metric: "a"}}}, Legend: []string{"g"}}, asked[1])
	for wrong, want := range map[string]string{
		`{`: "read the dashboard",
		`{"panels":[{"title":"T","type":"stat"}]}`:                                         "the panel has no query",
		`{"panels":[{"title":"T","type":"stat","targets":[{"expr":"a{g=\"$x\"}"}]}]}`:      "the variables [$x] have no value",
		`{"panels":[{"title":"T","type":"stat","targets":[{"expr":"a{"}]}]}`:               "T: ",
		`{"templating":{"list":[{"name":"v","type":"query","query":"a"}]}}`:                "variable v",
		`{"templating":{"list":[{"name":"v","type":"query","query":{"query":"sum(a)"}}]}}`: "is not label_values",
	} {
		_, err := promcheck.ReadDashboard([]byte(wrong), nil)
		require.ErrorContains(t, err, want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`sum by (a) (rate(b{c=~"d"}[5m])) / 3`)
	f.Add(`a{b="c"}`)
	f.Fuzz(func(t *testing.T, text string) {
		q, err := promcheck.Parse(text)
		if err == nil {
			for _, s := range q.Selectors {
				require.NotEmpty(t, s.Metric)
			}
		}
	})
}
