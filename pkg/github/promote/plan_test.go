package promote_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer/html"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval/imagediff"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/promote"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// rendered is Markdown as GitHub reads it.
func rendered(t *testing.T, body string) string {
	t.Helper()
	var page strings.Builder
	require.NoError(t, goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithRendererOptions(html.WithUnsafe())).Convert([]byte(body), &page))
	return page.String()
}

// html2text is what a reader sees.
var html2text = strings.NewReplacer("&lt;", "<", "&gt;", ">", "\u200b", "", "&#8203;", "")

func itoa(id approval.UserID) string { return strconv.FormatInt(int64(id), 10) }

func TestPlan(t *testing.T) {
	w := newWorld(t)
	p := w.plan(w.request())
	require.Len(t, p.Setting.Files, 1)
	require.Equal(t, strings.Replace(prodValues, "1.4.2", "1.4.3", 1), string(p.Setting.Files[0].After))
	require.Equal(t, branch, p.Branch)
	require.Equal(t, approval.SHA(w.repo.Head), p.Base)
	require.Len(t, p.Setting.Missing, 1, "envoy is in no file, and nobody asked for it by name")
	for _, call := range w.calls() {
		require.True(t, strings.HasPrefix(call, "GET "), call)
	}
}

func TestPlanRefuses(t *testing.T) {
	w := newWorld(t)
	for name, tt := range map[string]struct {
		change func(*promote.Request)
		err    error
		text   string
	}{
		"a bot asks":        {func(r *promote.Request) { r.Asker.Type = "Bot" }, promote.ErrRequest, "a person's account"},
		"a login with more": {func(r *promote.Request) { r.Asker.Login = "alice <x>\nCo-authored-by: y" }, promote.ErrRequest, "a person's account"},
		"no such name":      {func(r *promote.Request) { r.To = "argocd/Shop" }, promote.ErrRequest, "namespace/name"},
		"a name with more":  {func(r *promote.Request) { r.To = "argocd/shop\nx" }, promote.ErrRequest, "namespace/name"},
		"to itself":         {func(r *promote.Request) { r.To = r.From }, promote.ErrRequest, "to itself"},
		"another image": {func(r *promote.Request) { r.Only = []promote.Selection{{Repository: "redis"}} }, promote.ErrRequest,
			"argocd/shop-staging does not run redis; it runs ghcr.io/acme/shop, docker.io/envoyproxy/envoy"},
		"an image in no file": {func(r *promote.Request) { r.Only = []promote.Selection{{Repository: "envoyproxy/envoy"}} }, promote.ErrNoPlace, "nothing names docker.io/envoyproxy/envoy"},
		"two versions": {func(r *promote.Request) {
			r.Images = append(r.Images, promote.Image{Repository: shop, Version: imagediff.Version{Tag: "1.4.1"}})
		}, promote.ErrRequest, "in two versions, 1.4.3 and 1.4.1; wait"},
		"no version":            {func(r *promote.Request) { r.Images = []promote.Image{{Repository: shop}} }, promote.ErrRequest, "no image that has a version"},
		"nothing is To's alone": {func(r *promote.Request) { r.Reads = r.Shared }, promote.ErrNoPlace, "nothing names ghcr.io/acme/shop"},
		"out of scope":          {func(r *promote.Request) { r.Repository.Paths = []string{"other/**"} }, promote.ErrNoPlace, "nothing names"},
		"no such branch":        {func(r *promote.Request) { r.Repository.Branch = "none" }, approval.ErrNotFound, "read branch none"},
		"the wrong path":        {func(r *promote.Request) { r.Only = []promote.Selection{{Repository: shop, Path: "image.other"}} }, promote.ErrNoPlace, "nothing names"},
	} {
		t.Run(name, func(t *testing.T) {
			r := w.request()
			tt.change(&r)
			_, err := w.promoter.Plan(t.Context(), r)
			require.ErrorIs(t, err, tt.err)
			require.ErrorContains(t, err, tt.text)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestPlanReadsNoMoreThanIsSensible(t *testing.T) {
	w := newWorld(t)
	for i := range 11 {
		for j := range 10 {
			w.push("bob", fmt.Sprintf("many/%d/%d.yaml", i, j), "a: 1\n")
		}
	}
	r := w.request()
	r.Reads = append(r.Reads, approval.Read{Repository: repoName, Path: "many/"})
	_, err := w.promoter.Plan(t.Context(), r)
	require.ErrorIs(t, err, promote.ErrTooMuch)
	require.Less(t, len(w.calls()), 210)
	r.Only = []promote.Selection{{Repository: shop, File: prodFile, Path: "image"}}
	require.False(t, w.plan(r).Nothing())
	require.Len(t, w.calls(), 5)
}

func TestParseSelection(t *testing.T) {
	for text, want := range map[string]promote.Selection{
		"ghcr.io/acme/shop":                    {Repository: "ghcr.io/acme/shop"},
		"reg:5000/shop=image.tag":              {Repository: "reg:5000/shop", Path: "image.tag"},
		"shop=*":                               {Repository: "shop", All: true},
		"shop=envs/prod/values.yaml:image.tag": {Repository: "shop", File: "envs/prod/values.yaml", Path: "image.tag"},
		"shop=envs/prod/values.yaml:*":         {Repository: "shop", File: "envs/prod/values.yaml", All: true},
		"shop=a.yaml:spec.containers[0].image": {Repository: "shop", File: "a.yaml", Path: "spec.containers[0].image"},
	} {
		got, err := promote.ParseSelection(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "Shop", "shop:1", "shop=", "shop=:x", "shop=a:", "=x", "a b"} {
		_, err := promote.ParseSelection(text)
		require.Error(t, err, text)
	}
}

// Nothing that others chose has a meaning in the texts.
func TestHostileTexts(t *testing.T) {
	w := newWorld(t)
	hostile := "x` @acme/sre #1 GH-2 <img src=x> </code> ``` ~~~ [a](http://evil.example) https://evil.example www.evil.example a@b.example\n# T\n| a | b |\n- [ ] x <!-- -->\u202e"
	r := w.request()
	r.Evidence, r.Notes = []string{hostile, "1. x"}, []string{hostile}
	r.Images[0].Labels = promote.Labels{Version: hostile, Revision: newSHA, Source: hostile}
	p := w.plan(r)
	require.NotContains(t, p.Body, "\u202e")
	page := rendered(t, p.Body)
	shown := regexp.MustCompile(`(?s)<code>.*?</code>`).ReplaceAllString(page, "")
	shown, marker, _ := strings.Cut(shown, "<!--")
	require.Equal(t, 1, strings.Count(marker, "-->"), marker)
	for _, bad := range []string{"@a", "#1", "GH-2", "<img", "https:/", "www.", "a@b", "<a ", "<h1", "<pre", "checkbox", "<ol"} {
		require.NotContains(t, shown, bad)
	}
	require.Contains(t, html2text.Replace(shown), "@acme/sre #1 GH-2 <img src=x>", "people read what was written")
	require.Equal(t, 1, strings.Count(shown, "<table>"))

	r.Evidence, r.Notes = nil, nil
	for _, source := range []string{
		"https://evil.example/acme/shop", "http://github.com/acme/shop", "https://github.com@evil.example/acme/shop", "https://x@github.com/acme/shop",
		"https://github.com/acme/shop/../../x", "https://github.com/acme/shop?a", "https://github.com/acme/shop#a", "https://github.com/acme",
		"https://github.com/acme/sh)op", "javascript:alert(1)", "https://github.com:1/acme/shop", "https://github.com/acme/%2e%2e", "",
	} {
		r.Images[0].Labels.Source = source
		require.NotContains(t, rendered(t, w.plan(r).Body), "<a ", source)
	}
	r.Evidence = nil
	r.Images[0].Labels = promote.Labels{Revision: "main", Source: "https://github.com/acme/shop"}
	require.NotContains(t, rendered(t, w.plan(r).Body), "<a ", "no full revision")
	r.Images[0].Labels.Revision = newSHA
	r.Running = nil
	require.Contains(t, w.plan(r).Body, "[The commit that it was built from](https://github.com/acme/shop/commit/"+newSHA+")")
}

// What is found out of the images that move is told, and the edit stays what it is.
func TestTelling(t *testing.T) {
	w := newWorld(t)
	r := w.request()
	labels := r.Images[0].Labels
	r.Images[0].Labels, r.Running = promote.Labels{}, nil
	p := w.plan(r)
	require.Equal(t, []promote.Change{{Repository: shop, From: imagediff.Version{Tag: "1.4.2"}, To: imagediff.Version{Tag: "1.4.3"}}}, p.Changes())
	require.NotContains(t, p.Body, "says of itself")

	was := promote.Labels{Revision: oldSHA, Source: labels.Source}
	told := p.Telling([]promote.Image{
		{Repository: "ghcr.io/acme/other", Version: imagediff.Version{Tag: "1.4.3"}, Labels: promote.Labels{Version: "other"}},
		{Repository: shop, Version: imagediff.Version{Tag: "1.4.3"}, Labels: labels}, {Repository: shop, Version: imagediff.Version{Tag: "1.4.2"}, Labels: was},
	}, []string{"It ran."}, []string{"It rains."})
	link := "https://github.com/acme/shop/compare/" + oldSHA + "..." + newSHA
	require.Equal(t, []promote.Change{{shop, imagediff.Version{Tag: "1.4.2"}, imagediff.Version{Tag: "1.4.3"}, was, labels, link}}, told.Changes())
	require.Contains(t, told.Body, "]("+link+")")
	require.Contains(t, told.Body, "\n- argocd/shop-staging was Synced and Healthy.\n- It ran.\n\n#### What to know\n\n- It rains.\n")
	require.NotContains(t, told.Body, "other")
	require.Equal(t, p.Message, told.Message)
	require.Equal(t, p.Setting, told.Setting)
	require.NotContains(t, p.Body, "It rains", "the plan itself stays as it was")

	pull, err := w.promoter.Open(t.Context(), told)
	require.NoError(t, err)
	got, err := w.gh.Pull(repoName, pull.Number)
	require.NoError(t, err)
	require.Contains(t, got.Body, "- It rains.\n")
}

// A place that does not say the repository has the one that was meant.
func TestChangesOfNamelessPlaces(t *testing.T) {
	w := newWorld(t)
	w.push("bob", prodFile, "a: {image: {tag: \"1.4.2\"}}\nb: {image: {tag: \"1.4.2\"}}\n")
	r := w.request()
	r.Images = append(r.Images, promote.Image{Repository: "other", Version: imagediff.Version{Tag: "1.4.3"}, Labels: promote.Labels{Version: "of other"}})
	r.Only = []promote.Selection{{Repository: "other", Path: "a.image"}, {Repository: shop, File: prodFile, Path: "b.image.tag"}}
	p := w.plan(r)
	var names []string
	for _, c := range p.Changes() {
		names = append(names, c.Repository+" "+c.Is.Version)
	}
	require.Equal(t, []string{"docker.io/library/other of other", shop + " 1.4.3"}, names)
}

// However much images say, GitHub takes the text.
func TestLongTexts(t *testing.T) {
	w := newWorld(t)
	r := w.request()
	long := strings.Repeat("|", 2000)
	var values strings.Builder
	for i := range 100 {
		fmt.Fprintf(&values, "x%d: {image: \"ghcr.io/acme/x%d:1\"}\n", i, i)
		r.Images = append(r.Images, promote.Image{
			Repository: fmt.Sprintf("ghcr.io/acme/x%d", i), Version: imagediff.Version{Tag: "2"},
			Labels: promote.Labels{Version: long, Revision: long, Source: long},
		})
	}
	w.push("bob", prodFile, values.String())
	for range 30 {
		r.Notes = append(r.Notes, "x")
	}
	p := w.plan(r)
	require.Less(t, len(p.Body), 65536)
	require.Contains(t, p.Body, "more say of themselves.\n")
	require.Contains(t, p.Body, "\n- …and 10 more\n")
	require.Contains(t, p.Body, "`ghcr.io/acme/x99`")
}

// What GitHub answers is held to what was asked for.
func TestPlanDoesNotTakeOneAnswerForAnother(t *testing.T) {
	for name, tt := range map[string]struct {
		fault standin.Fault
		text  string
	}{
		"another file":       {standin.Fault{Match: "^GET .*/git/blobs/", Body: "image: {repository: ghcr.io/acme/shop, tag: v1}\n"}, "not the file that was asked for"},
		"a part of a folder": {standin.Fault{Match: "^GET .*/git/trees/", Body: `{"sha":"@","truncated":true,"tree":[]}`}, "longer than what is read"},
		"another folder":     {standin.Fault{Match: "^GET .*/git/trees/", Body: `{"sha":"` + oldSHA + `","tree":[]}`}, "longer than what is read"},
		"no commit":          {standin.Fault{Match: "^GET .*/branches/", Body: `{"name":"main"}`}, "not a full commit SHA"},
		"another commit":     {standin.Fault{Match: "^POST .*/git/commits$", Status: http.StatusCreated, Body: `{"sha":"` + oldSHA + `"}`}, "another commit than it was asked for"},
		"no number":          {standin.Fault{Match: "^POST .*/pulls$", Status: http.StatusCreated, Body: `{"title":"x"}`}, "has no number"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if tt.fault.Status == 0 {
				tt.fault.Status = http.StatusOK
			}
			tree, err := w.gh.Resolve(repoName, "main^{tree}")
			if err == nil {
				tt.fault.Body = strings.ReplaceAll(tt.fault.Body, "@", tree)
			}
			_, err = w.gh.Fail(tt.fault)
			require.NoError(t, err)
			_, err = w.try(w.request())
			require.ErrorContains(t, err, tt.text)
			require.Empty(t, w.pulls())
		})
	}
}
