// Package markdown makes foreign text fit for what is written to GitHub.
package markdown

import (
	"strings"
	"unicode"
)

// Invisible stands between two characters that GitHub must not read together. As an
// entity it survives copying of the source, and it shows nothing.
const Invisible = "&#8203;"

// Code makes a code span, in which GitHub looks for nothing. Its fence is longer than
// any run of backticks inside.
func Code(s string) string {
	s = strings.ReplaceAll(Line(s), "|", `\|`) // inside of tables a bar ends the cell even in code
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

// Line removes what has no place in a line: line breaks, control characters, what is
// no UTF-8, and characters without a shape, which could hide or reorder what follows.
func Line(s string) string {
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
	return strings.Join(strings.Fields(s), " ")
}
