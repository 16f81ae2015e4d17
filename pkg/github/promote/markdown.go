package promote

import (
	"strings"
	"unicode"

	"github.com/argo-gatekeeper/gatekeeper/pkg/github/markdown"
)

// maxText bounds a part of a text that somebody else chose, in characters.
const maxText = 500

// plain makes foreign text fit for a line of Markdown: without markup, mentions,
// references and links. GitHub looks for the last three after it has read the Markdown,
// so they are broken up instead of escaped.
func plain(s string) string {
	runes := []rune(oneLine(s))
	var b strings.Builder
	for i, r := range runes {
		before, after := runes[:i], runes[i+1:]
		switch {
		case r == '@' || r == '#':
			b.WriteString(string(r) + markdown.Invisible)
		case r == '-' && i > 0 && unicode.IsLetter(runes[i-1]) && len(after) > 0 && unicode.IsDigit(after[0]):
			b.WriteString("-" + markdown.Invisible) // GH-12, and what a repository makes a link of
		case r == ':' && len(after) > 0 && after[0] == '/':
			b.WriteString(":" + markdown.Invisible)
		case r == '.' && len(before) >= 3 && strings.EqualFold(string(before[len(before)-3:]), "www"):
			b.WriteString(markdown.Invisible + ".")
		case strings.ContainsRune("\\`*_{}[]()<>!|~&$^\"'", r),
			i == 0 && strings.ContainsRune("-+=:", r),
			(r == '.' || r == ')') && strings.Trim(string(before), "0123456789") == "":
			b.WriteString("\\" + string(r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// code makes a code span.
func code(s string) string { return markdown.Code(oneLine(s)) }

// oneLine makes a line of bounded length.
func oneLine(s string) string {
	s = markdown.Line(s)
	if runes := []rune(s); len(runes) > maxText {
		return string(runes[:maxText]) + "…"
	}
	return s
}
