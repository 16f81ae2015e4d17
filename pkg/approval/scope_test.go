package approval_test

import (
	"math/rand/v2"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func scope(patterns ...string) approval.ProtectedRepository {
	return approval.ProtectedRepository{Name: "acme/deploy", Branch: "main", Paths: patterns}
}

func TestCovers(t *testing.T) {
	tests := []struct {
		name     string
		patterns []string
		covered  []string
		not      []string
	}{
		{"no pattern is the whole repository", nil, []string{"README.md", "apps/prod/web.yaml", ".gitattributes"}, nil},
		{"everything", []string{"**"}, []string{"README.md", "apps/prod/web.yaml", ".hidden/x"}, nil},
		{
			"a folder", []string{"apps/prod/**"},
			[]string{"apps/prod/web.yaml", "apps/prod/base/x/y.yaml", "apps/prod/.argocd-source.yaml", "apps/prod"},
			[]string{"apps/production/web.yaml", "apps/prod.yaml", "apps", "x/apps/prod/web.yaml", "apps/staging/web.yaml", "APPS/PROD/web.yaml"},
		},
		{"a file", []string{"apps/prod.yaml"}, []string{"apps/prod.yaml"}, []string{"apps/prod.yaml.bak", "apps/prodXyaml", "apps/prod.yaml/x"}},
		{"a name", []string{"*.yaml"}, []string{"web.yaml", ".yaml"}, []string{"apps/web.yaml", "web.yml", "web.yaml/x"}},
		{"a name at any depth", []string{"**/*.yaml"}, []string{"web.yaml", "a/b/web.yaml"}, []string{"a/web.yaml/x", "web.yml"}},
		{"one letter", []string{"env-?/**"}, []string{"env-1/web.yaml"}, []string{"env-10/web.yaml", "env-/web.yaml"}},
		{"a star stays in its folder", []string{"apps/*/web.yaml"}, []string{"apps/prod/web.yaml"}, []string{"apps/web.yaml", "apps/prod/eu/web.yaml"}},
		{"any folders between", []string{"apps/**/web.yaml"}, []string{"apps/web.yaml", "apps/prod/web.yaml", "apps/prod/eu/web.yaml"}, []string{"web.yaml", "apps/web.yaml/x"}},
		{"a folder at any depth", []string{"**/prod/**"}, []string{"prod/x", "a/prod/b/c", "prod", "a/prod"}, []string{"product/x", "a/xprod/b"}},
		{"a class", []string{"env-[ab]/**"}, []string{"env-a/x"}, []string{"env-c/x", "env-[ab]/x"}},
		{"an escaped star", []string{`a\*/**`}, []string{"a*/x"}, []string{"ab/x"}},
		{"one of several", []string{"charts/**", "apps/prod/**"}, []string{"charts/x", "apps/prod/x"}, []string{"apps/dev/x"}},
		{"letters beyond ASCII", []string{"größe/?"}, []string{"größe/ü"}, []string{"größe/ab", "grosse/u"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, pattern := range test.patterns {
				require.True(t, approval.ValidPattern(pattern), pattern)
			}
			for _, p := range test.covered {
				require.True(t, scope(test.patterns...).Covers(p), p)
				require.True(t, scope(test.patterns...).CoversAll(p), p)
			}
			for _, p := range test.not {
				require.False(t, scope(test.patterns...).Covers(p), p)
				require.False(t, scope(test.patterns...).CoversAll(p), p)
			}
		})
	}
}

func TestCoversAll(t *testing.T) {
	tests := []struct {
		name     string
		patterns []string
		covered  []string
		not      []string
	}{
		{"no pattern is the whole repository", nil, []string{"/", "apps/", "apps/prod/"}, nil},
		{"everything", []string{"**"}, []string{"/", "apps/", "apps/prod/"}, nil},
		{"a folder", []string{"apps/prod/**"}, []string{"apps/prod/", "apps/prod/base/"}, []string{"/", "apps/", "apps/production/", "apps/dev/"}},
		{"only its files", []string{"apps/prod/*"}, nil, []string{"apps/prod/", "apps/prod/base/"}},
		{"only what is deeper", []string{"apps/prod/*/**"}, []string{"apps/prod/base/"}, []string{"apps/prod/"}},
		{"only some names", []string{"apps/prod/**/*.yaml"}, nil, []string{"apps/prod/"}},
		{"a folder at any depth", []string{"**/prod/**"}, []string{"prod/", "apps/prod/", "apps/prod/eu/"}, []string{"/", "apps/", "apps/product/"}},
		{"two halves are not the whole", []string{"apps/a*/**", "apps/b*/**"}, []string{"apps/api/"}, []string{"apps/"}},
		{"twice any folders", []string{"apps/**/**"}, []string{"apps/", "apps/x/"}, []string{"/"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, p := range test.covered {
				require.True(t, scope(test.patterns...).CoversAll(p), p)
			}
			for _, p := range test.not {
				require.False(t, scope(test.patterns...).CoversAll(p), p)
			}
		})
	}
}

// A path that is not as git writes it names no content, whatever the patterns.
func TestCoversAllRefusesPathsThatAreNotClean(t *testing.T) {
	for _, read := range []string{"", ".", "./", "..", "../", "../x", "//", "/apps/", "/apps", "apps//prod/", "apps/prod//", "apps/./prod/", "apps/prod/../dev/", "apps/prod/.."} {
		require.False(t, scope().CoversAll(read), read)
		require.False(t, scope("**").CoversAll(read), read)
		require.False(t, scope("apps/prod/**", "*").CoversAll(read), read)
	}
}

// A link or a submodule decides what is found below it.
func TestCoversChange(t *testing.T) {
	file, script := blob("v1"), approval.Entry{Mode: "100755", SHA: blob("v1").SHA}
	submodule := approval.Entry{Mode: "160000", SHA: sha("5ab")}
	absent := approval.Entry{}
	links := [][2]approval.Entry{
		{absent, symlink("evil")}, {symlink("evil"), absent}, {file, symlink("evil")}, {symlink("a"), symlink("b")}, {absent, submodule},
		{submodule, approval.Entry{Mode: "160000", SHA: sha("5ac")}}, {submodule, file}, {script, symlink("evil")},
	}
	files := [][2]approval.Entry{{absent, file}, {file, absent}, {file, script}, {script, blob("v2")}}
	tests := []struct {
		name     string
		patterns []string
		above    []string // in scope as a link, out of scope as a file
		in, out  []string // whatever they are
	}{
		{"a folder", []string{"env/prod/**"}, []string{"env"}, []string{"env/prod", "env/prod/x", "env/prod/x/y"}, []string{"en", "env2", "envx/prod", "x/env", "env/dev"}},
		{"a file", []string{"env/prod/extra.yaml"}, []string{"env", "env/prod"}, []string{"env/prod/extra.yaml"}, []string{"env/prod/extra.yaml/x", "env/prod/other.yaml", "env/dev"}},
		{"a name at any depth", []string{"**/values.yaml"}, []string{"a", "a/b", "values.yaml/x"}, []string{"values.yaml", "a/values.yaml"}, nil},
		{"a name in any folder", []string{"*/values.yaml"}, []string{"a", "b"}, []string{"a/values.yaml"}, []string{"a/b", "a/b/values.yaml"}},
		{"any folders between", []string{"apps/**/x.yaml"}, []string{"apps", "apps/a", "apps/a/b"}, []string{"apps/x.yaml", "apps/a/x.yaml"}, []string{"app", "x.yaml"}},
		{"one of several", []string{"x/y", "env-?/prod/**"}, []string{"x", "env-1"}, []string{"x/y", "env-1/prod"}, []string{"y", "env-10", "x/z"}},
		{"the whole repository", nil, nil, []string{"a", "a/b"}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			covers := func(path string, entries [][2]approval.Entry, want bool) {
				for _, e := range entries {
					c := approval.Change{Path: path, Before: e[0], After: e[1]}
					require.Equal(t, want, scope(test.patterns...).CoversChange(c), "%s: %v", path, e)
					require.Equal(t, want, approval.Policy{}.Classify(scope(test.patterns...), []approval.Change{c}) == approval.ClassConfig, "%s: %v", path, e)
				}
			}
			for _, path := range test.above {
				covers(path, links, true)
				covers(path, files, false)
			}
			for _, path := range test.in {
				covers(path, append(links, files...), true)
			}
			for _, path := range test.out {
				covers(path, append(links, files...), false)
			}
		})
	}
	require.Equal(t, approval.ClassNone, approval.Policy{}.Classify(scope(), nil))
}

// A link above a path that a pattern can match is in scope.
func TestCoversChangeOfLinksAboveWhatIsCovered(t *testing.T) {
	above := 0
	for seed := range uint64(20_000) {
		r := rand.New(rand.NewPCG(seed, 4))
		pattern, file := randomPattern(r), randomPath(r, fileNames)
		if !asRegexp(pattern).MatchString(file + "/") {
			continue
		}
		for folder := path.Dir(file); folder != "."; folder = path.Dir(folder) {
			require.True(t, scope(pattern).CoversChange(approval.Change{Path: folder, After: symlink("x")}), "%s covers %s: a link at %s", pattern, file, folder)
			above++
		}
	}
	require.Greater(t, above, 1_000)
}

// Whoever proposes a change chooses how deep its paths are. Backtracking over
// each "**" would take longer than anybody waits for these.
func TestDeepPathsTakeNoTime(t *testing.T) {
	pattern := strings.Repeat("**/a/", 20) + "b"
	deep := strings.Repeat("a/", 2000)
	require.False(t, scope(pattern).Covers(deep+"c"))
	require.True(t, scope(pattern).Covers(deep+"b"))
	require.False(t, scope(pattern+"/**").CoversAll(deep))
	require.True(t, scope(pattern).CoversChange(approval.Change{Path: deep + "c", After: symlink("x")}))

	require.False(t, scope(strings.Repeat("*a", 30)+"b").Covers(strings.Repeat("a", 200)))
}

func TestValidPattern(t *testing.T) {
	for _, p := range []string{"**", "*", "a", "a/b", "apps/prod/**", "**/x", "a/**/b", "a*b?c", "[ab]/x", `a\*`, ".github/**", "...", "größe"} {
		require.True(t, approval.ValidPattern(p), p)
	}
	for _, p := range []string{"", "/", "/a", "a/", "a//b", ".", "..", "./a", "a/./b", "a/../b", "a**", "**a", "a/b**/c", "***", "[a", "a/[", `a\`, "[]", "a[b/c]"} {
		require.False(t, approval.ValidPattern(p), p)
	}
}

// asRegexp says what a pattern of literals, "*", "?" and "**" means, in another
// language: every segment ends in a slash, the last one too.
func asRegexp(pattern string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`\A`)
	for segment := range strings.SplitSeq(pattern, "/") {
		if segment == "**" {
			b.WriteString(`([^/]*/)*`)
			continue
		}
		for _, r := range segment {
			switch r {
			case '*':
				b.WriteString(`[^/]*`)
			case '?':
				b.WriteString(`[^/]`)
			default:
				b.WriteString(regexp.QuoteMeta(string(r)))
			}
		}
		b.WriteString(`/`)
	}
	b.WriteString(`\z`)
	return regexp.MustCompile(b.String())
}

func randomPattern(r *rand.Rand) string {
	segments := []string{"**", "*", "a", "b", "a*", "?", "*b", "a?b", "*a*", "ab"}
	return randomPath(r, segments)
}

func randomPath(r *rand.Rand, names []string) string {
	parts := make([]string, 1+r.IntN(5))
	for i := range parts {
		parts[i] = names[r.IntN(len(names))]
	}
	return strings.Join(parts, "/")
}

var fileNames = []string{"a", "b", "ab", "ba", "aab", "axb", "c"}

func TestCoversMeansWhatTheRegexpMeans(t *testing.T) {
	covered := 0
	for seed := range uint64(20_000) {
		r := rand.New(rand.NewPCG(seed, 1))
		pattern, other, file := randomPattern(r), randomPattern(r), randomPath(r, fileNames)
		require.True(t, approval.ValidPattern(pattern), pattern)
		want := asRegexp(pattern).MatchString(file + "/")
		require.Equal(t, want, scope(pattern).Covers(file), "%s covers %s", pattern, file)
		require.Equal(t, want || asRegexp(other).MatchString(file+"/"), scope(pattern, other).Covers(file), "%s or %s covers %s", pattern, other, file)
		covered += number(want)
	}
	require.Greater(t, covered, 1_000)
}

// CoversAll may be too strict, never too lax: whatever lies below a folder that
// it covers is covered.
func TestCoversAllCoversEverythingBelow(t *testing.T) {
	covered := 0
	for seed := range uint64(20_000) {
		r := rand.New(rand.NewPCG(seed, 2))
		patterns := []string{randomPattern(r), randomPattern(r)}
		folder := randomPath(r, fileNames) + "/"
		if !scope(patterns...).CoversAll(folder) {
			for _, p := range patterns {
				require.NotEqual(t, folder+"**", p, "a pattern covers its own folder")
			}
			continue
		}
		covered++
		for range 20 {
			below := folder + randomPath(r, fileNames)
			require.True(t, asRegexp(patterns[0]).MatchString(below+"/") || asRegexp(patterns[1]).MatchString(below+"/"),
				"%q cover all of %s, but not %s", patterns, folder, below)
		}
	}
	require.Greater(t, covered, 500)
}

func TestProtects(t *testing.T) {
	app := func(project, server, namespace string) approval.Application {
		return approval.Application{Project: project, Server: server, DestinationNamespace: namespace}
	}
	named := app("payments", "", "web")
	named.DestinationName = "prod-eu"
	tests := []struct {
		name     string
		selector approval.Selector
		app      approval.Application
		want     bool
	}{
		{"everything", approval.Selector{}, app("any", "https://any", "any"), true},
		{"the project", approval.Selector{Project: "payments"}, app("payments", "https://prod.example", "web"), true},
		{"another project", approval.Selector{Project: "payments"}, app("payments2", "https://prod.example", "web"), false},
		{"a project in other case is another", approval.Selector{Project: "payments"}, app("Payments", "https://prod.example", "web"), false},
		{"projects that begin alike", approval.Selector{Project: "prod-*"}, app("prod-eu", "https://prod.example", "web"), true},
		{"a prefix needs its dash", approval.Selector{Project: "prod-*"}, app("prod", "https://prod.example", "web"), false},
		{"in the middle", approval.Selector{Project: "team-*-prod"}, app("team-a-prod", "https://prod.example", "web"), true},
		{"in the middle, nothing", approval.Selector{Project: "team-*-prod"}, app("team-prod", "https://prod.example", "web"), false},
		{"overlap", approval.Selector{Project: "a*a"}, app("a", "", ""), false},
		{"many stars", approval.Selector{Project: "*a*b*"}, app("xxaxxbxx", "", ""), true},
		{"many stars, wrong order", approval.Selector{Project: "*a*b*"}, app("xxbxxaxx", "", ""), false},
		{"a question mark is a letter like others", approval.Selector{Project: "a?"}, app("ab", "", ""), false},
		{"the cluster", approval.Selector{Server: "https://prod.example"}, app("p", "https://prod.example", "web"), true},
		{"another cluster", approval.Selector{Server: "https://prod.example"}, app("p", "https://dev.example", "web"), false},
		{"a star crosses slashes", approval.Selector{Server: "https://*.example"}, app("p", "https://a/b.example", "web"), true},
		{"a cluster by name may be any cluster", approval.Selector{Server: "https://prod.example"}, named, true},
		{"a cluster by name, another namespace", approval.Selector{Server: "https://prod.example", Namespace: "api"}, named, false},
		// Argo CD looks clusters up by the exact URL and stores it without the
		// final slash, so none of these names a cluster (util/db/cluster.go).
		{"final slash", approval.Selector{Server: "https://prod.example"}, app("p", "https://prod.example/", "web"), false},
		{"port", approval.Selector{Server: "https://prod.example"}, app("p", "https://prod.example:443", "web"), false},
		{"upper case", approval.Selector{Server: "https://prod.example"}, app("p", "https://PROD.example", "web"), false},
		{"no namespace: the manifests name their own", approval.Selector{Namespace: "payments"}, app("p", "https://prod.example", ""), true},
		{"no namespace, another cluster", approval.Selector{Server: "https://prod.example", Namespace: "payments"}, app("p", "https://dev.example", ""), false},
		{"no project", approval.Selector{Project: "payments"}, app("", "https://prod.example", "web"), false},
		{"the namespace", approval.Selector{Namespace: "web"}, app("p", "https://prod.example", "web"), true},
		{"another namespace", approval.Selector{Namespace: "web"}, app("p", "https://prod.example", "web2"), false},
		{"all three", approval.Selector{Project: "p", Server: "https://prod.example", Namespace: "w*"}, app("p", "https://prod.example", "web"), true},
		{"two of three", approval.Selector{Project: "p", Server: "https://prod.example", Namespace: "w*"}, app("p", "https://prod.example", "api"), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := approval.Policy{Applications: []approval.Selector{{Project: "unmatched", Server: "x", Namespace: "x"}, test.selector}}
			require.Equal(t, test.want, p.Protects(test.app))
		})
	}
	require.False(t, approval.Policy{}.Protects(app("p", "https://prod.example", "web")), "no selector protects nothing")
}

func TestWildcardMeansWhatTheRegexpMeans(t *testing.T) {
	letters := []string{"a", "b", "ab", "*", "*", "/", "."}
	text := func(r *rand.Rand, letters []string) string {
		var b strings.Builder
		for range 1 + r.IntN(7) {
			b.WriteString(letters[r.IntN(len(letters))])
		}
		return b.String()
	}
	matched := 0
	for seed := range uint64(20_000) {
		r := rand.New(rand.NewPCG(seed, 3))
		pattern, project := text(r, letters), text(r, []string{"a", "b", "/", "."})
		want := regexp.MustCompile(`\A` + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `.*`) + `\z`).MatchString(project)
		p := approval.Policy{Applications: []approval.Selector{{Project: pattern}}}
		require.Equal(t, want, p.Protects(approval.Application{Project: project}), "%s matches %s", pattern, project)
		matched += number(want)
	}
	require.Greater(t, matched, 1_000)
}

func FuzzValidPattern(f *testing.F) {
	for _, p := range []string{"**", "apps/prod/**", "a*b?c/[x-z]", "a//b", "../x", `a\`, "[", "a/**b"} {
		f.Add(p, "apps/prod/web.yaml")
	}
	f.Fuzz(func(t *testing.T, pattern, file string) {
		covers := scope(pattern).Covers(file)
		if !approval.ValidPattern(pattern) {
			return
		}
		require.Equal(t, path.Clean(pattern), pattern, "a valid pattern is a clean relative path")
		require.False(t, path.IsAbs(pattern))
		for segment := range strings.SplitSeq(pattern, "/") {
			_, err := path.Match(segment, file)
			require.NoError(t, err)
		}
		if !strings.ContainsAny(pattern, `*?[\`) {
			require.Equal(t, pattern == file, covers, "a pattern without special characters is a path")
			require.True(t, scope(pattern+"/**").CoversAll(pattern+"/"))
		}
		require.Equal(t, covers || file == "unrelated", scope("unrelated", pattern).Covers(file))
		require.True(t, scope(pattern, "**").Covers(file))
		link := approval.Change{Path: file, After: symlink("x")}
		require.True(t, !covers || scope(pattern).CoversChange(link))
		require.True(t, scope(pattern+"/below").CoversChange(link) || !covers, "a link at a path that may have something in scope below it")
	})
}
