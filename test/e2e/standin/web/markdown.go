package web

import (
	"bytes"
	"html/template"
	"regexp"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer/html"
)

// markdown renders comments, descriptions and summaries. The HTML in them, such as <details> and <sub> in
// the comments of Apps, is kept as far as the allow-list goes.
type markdown struct {
	convert goldmark.Markdown
	policy  *bluemonday.Policy
}

func newMarkdown() *markdown {
	p := bluemonday.NewPolicy()
	p.AllowElements("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "li", "blockquote", "pre", "code", "em", "strong", "b", "i",
		"del", "s", "sub", "sup", "kbd", "ins", "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "dl", "dt", "dd")
	p.AllowAttrs("open").Matching(regexp.MustCompile(`^$`)).OnElements("details")
	p.AllowAttrs("start").Matching(bluemonday.Integer).OnElements("ol")
	p.AllowElements("ol")
	p.AllowAttrs("align").Matching(bluemonday.CellAlign).OnElements("th", "td")
	p.AllowAttrs("class").Matching(regexp.MustCompile(`^language-[a-z0-9+-]{1,30}$`)).OnElements("code")
	// The boxes of task lists, which nobody can tick here.
	p.AllowAttrs("type").Matching(regexp.MustCompile(`^checkbox$`)).OnElements("input")
	p.AllowAttrs("checked", "disabled").Matching(regexp.MustCompile(`^$`)).OnElements("input")
	p.AllowAttrs("href").OnElements("a")
	p.AllowURLSchemes("http", "https", "mailto")
	p.AllowRelativeURLs(true)
	p.RequireParseableURLs(true)
	p.RequireNoFollowOnLinks(true)
	p.RequireNoReferrerOnLinks(true)
	return &markdown{
		convert: goldmark.New(goldmark.WithExtensions(extension.GFM),
			goldmark.WithRendererOptions(html.WithHardWraps(), html.WithUnsafe())), // what is unsafe the policy removes
		policy: p,
	}
}

// render never fails: what cannot be converted is shown as it is.
func (m *markdown) render(source string) template.HTML {
	var out bytes.Buffer
	if err := m.convert.Convert([]byte(source), &out); err != nil {
		return template.HTML("<pre>" + template.HTMLEscapeString(source) + "</pre>") // escaped
	}
	return template.HTML(m.policy.Sanitize(out.String())) // only the elements of the policy are left
}
