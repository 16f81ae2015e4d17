package markdown

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCode(t *testing.T) {
	for in, want := range map[string]string{
		"main":         "`main`",
		"":             "`  `",
		"a`b":          "``a`b``",
		"`a``":         "``` `a`` ```",
		"a|b":          "`a\\|b`",
		"a\nb\x00":     "`a b`",
		"a\u202eb\xff": "`ab`",
	} {
		require.Equal(t, want, Code(in), "%q", in)
	}
}

func FuzzLine(f *testing.F) {
	f.Add("a\r\n\u2028b\u200b")
	f.Fuzz(func(t *testing.T, s string) {
		line := Line(s)
		require.Equal(t, line, Line(line))
		require.NotContains(t, line, "\n")
		require.False(t, strings.ContainsAny(line, "\u2028\u2029\u0085\u200b\u202e\x00\x1b"))
		code := Code(s)
		require.NotContains(t, strings.Trim(code, "`"), strings.Repeat("`", len(code)-len(strings.TrimLeft(code, "`"))))
	})
}
