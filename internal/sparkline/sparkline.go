// Package sparkline draws numbers as one line of text: eight heights of a block, or, where
// only ASCII can be shown, eight characters of growing weight.
package sparkline

import (
	"math"
	"strings"
)

const (
	blocks = "▁▂▃▄▅▆▇█"
	ascii  = "_.:-=+*#"
)

// Line has one character for each value, of a height between 0 and the greatest of them. A
// nil value, or one that is no number, is a gap: a space, which is not the same as 0.
func Line(values []*float64, onlyASCII bool) string {
	levels := []rune(blocks)
	if onlyASCII {
		levels = []rune(ascii)
	}
	most := 0.0
	for _, v := range values {
		if known(v) {
			most = max(most, *v)
		}
	}
	var b strings.Builder
	for _, v := range values {
		switch {
		case !known(v):
			b.WriteByte(' ')
		case most == 0 || *v <= 0:
			b.WriteRune(levels[0])
		default:
			b.WriteRune(levels[min(len(levels)-1, int(*v/most*float64(len(levels)-1)+0.5))])
		}
	}
	return b.String()
}

func known(v *float64) bool { return v != nil && !math.IsNaN(*v) && !math.IsInf(*v, 0) }

// Bar is a bar of a length between 0 and the width for a value between 0 and the most. What
// is greater than 0 is at least one character long.
func Bar(value, most float64, width int, onlyASCII bool) string {
	if width <= 0 || !(value > 0) || !(most > 0) || math.IsInf(value, 0) || math.IsInf(most, 0) {
		return ""
	}
	length := min(width, max(1, int(value/most*float64(width)+0.5)))
	if onlyASCII {
		return strings.Repeat("#", length)
	}
	return strings.Repeat("█", length)
}
