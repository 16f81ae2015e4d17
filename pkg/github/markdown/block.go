package markdown

import (
	"strings"
	"unicode"
)

// Block makes a block of code of a text with several lines, in which GitHub looks for
// nothing. Its fence is longer than any run of backticks inside.
func Block(s string) string {
	var b strings.Builder
	longest := 2
	for line := range strings.Lines(s) {
		line = visible(strings.TrimRight(line, "\r\n"))
		run := 0
		for _, r := range line {
			if r != '`' {
				run = 0
				continue
			}
			run++
			longest = max(longest, run)
		}
		b.WriteString(line + "\n")
	}
	fence := strings.Repeat("`", longest+1)
	return fence + "text\n" + b.String() + fence
}

// visible keeps white space as it is and takes out what cannot be seen.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return r
		case unicode.IsControl(r), unicode.In(r, unicode.Zl, unicode.Zp):
			return ' '
		case unicode.Is(unicode.Cf, r), r == unicode.ReplacementChar:
			return -1
		default:
			return r
		}
	}, strings.ToValidUTF8(s, ""))
}
