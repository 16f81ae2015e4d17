package report

import (
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/github/markdown"
)

// text makes untrusted text fit for a line of Markdown: on one line, without
// markup, mentions, links or references.
func text(s string) string {
	runes := []rune(markdown.Line(s))
	var b strings.Builder
	for i, r := range runes {
		before := ' '
		if i > 0 {
			before = runes[i-1]
		}
		switch {
		case strings.ContainsRune("\\`*_[]<>|~&$", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '@' && !isWord(before):
			// GitHub mentions only where no word character comes before, so
			// addresses stay whole.
			b.WriteString("@" + markdown.Invisible)
		case r == '#' && isWord(before):
			// owner/name#12 would leave a reference in another repository.
			b.WriteString(markdown.Invisible + "#")
		case r == '/' && before == ':', r == '.' && endsWithWWW(runes[:i]):
			// "https://" and "www." become links.
			b.WriteString(markdown.Invisible)
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return atLineStart(b.String())
}

func endsWithWWW(runes []rune) bool {
	return len(runes) >= 3 && strings.EqualFold(string(runes[len(runes)-3:]), "www")
}

// atLineStart escapes what would begin a heading, a list or a rule.
func atLineStart(s string) string {
	if s == "" {
		return s
	}
	switch s[0] {
	case '#', '+', '-', '=':
		return "\\" + s
	}
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	if digits > 0 && digits < len(s) && (s[digits] == '.' || s[digits] == ')') {
		return s[:digits] + "\\" + s[digits:]
	}
	return s
}

// isWord is GitHub's notion of a word character before a mention: ASCII alone.
func isWord(r rune) bool {
	return r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

// document joins sections up to a limit in bytes, and says when some are left
// out. GitHub counts characters, of which there are never more than bytes.
func document(limit int, sections []string) string {
	const notice = "_What follows is left out, because GitHub limits the length of this text._\n"
	var b strings.Builder
	for i, s := range sections {
		room := limit - b.Len()
		if i < len(sections)-1 {
			room -= len(notice) + 1
		}
		if len(s)+1 > room {
			b.WriteString("\n" + notice)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(s)
	}
	return b.String()
}
