package promote

import (
	"strings"
	"unicode"
)

// maxText bounds a part of a text that somebody else chose, in characters.
const maxText = 500

// invisible stands between two characters that GitHub must not read together.
const invisible = "&#8203;"

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
			b.WriteString(string(r) + invisible)
		case r == '-' && i > 0 && unicode.IsLetter(runes[i-1]) && len(after) > 0 && unicode.IsDigit(after[0]):
			b.WriteString("-" + invisible) // GH-12, and what a repository makes a link of
		case r == ':' && len(after) > 0 && after[0] == '/':
			b.WriteString(":" + invisible)
		case r == '.' && len(before) >= 3 && strings.EqualFold(string(before[len(before)-3:]), "www"):
			b.WriteString(invisible + ".")
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

// code makes a code span, in which GitHub looks for nothing. Its fence is longer than
// any run of backticks inside.
func code(s string) string {
	// Inside of tables a bar ends the cell even in code.
	s = strings.ReplaceAll(oneLine(s), "|", `\|`)
	longest, run := 0, 0
	for _, r := range s {
		if r != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	fence := strings.Repeat("`", longest+1)
	if s == "" || strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return fence + s + fence
}

// oneLine removes what has no place in a line: line breaks, control characters, and
// characters without a shape, which could hide or reorder what follows.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r):
			return ' '
		case unicode.Is(unicode.Cf, r), r == unicode.ReplacementChar:
			return -1
		default:
			return r
		}
	}, strings.ToValidUTF8(s, ""))
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > maxText {
		return string(runes[:maxText]) + "…"
	}
	return s
}
