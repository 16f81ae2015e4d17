package markdown

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBlock(t *testing.T) {
	require.Equal(t, "```text\n  a\n@b\n```", Block("  a\r\n@b"))
	require.Equal(t, "`````text\n````\nx\n`````", Block("````\nx\u202e\n"))
}

func FuzzBlock(f *testing.F) {
	f.Add("a\n```\n/gk hold")
	f.Fuzz(func(t *testing.T, s string) {
		lines := strings.Split(Block(s), "\n")
		fence := lines[len(lines)-1]
		for _, line := range lines[1 : len(lines)-1] {
			require.NotContains(t, line, fence)
		}
	})
}
