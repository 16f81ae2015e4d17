package imagediff

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// verdict is what is known about one file. The zero verdict is config.
type verdict struct {
	image   bool
	refused bool
	code    Code
	why     string
	moves   []Move
}

// config settles that a file is not image, unless that is settled already.
func (v *verdict) config(why string) {
	if v.why == "" {
		v.why = why
	}
	v.image = false
}

// refuse settles that a file is refused; the first reason stays.
func (v *verdict) refuse(code Code, why string) {
	if !v.refused {
		v.refused, v.code, v.why = true, code, why
	}
	v.image = false
}

func (v *verdict) result(path string) Result {
	switch {
	case v.refused:
		text := oneLine(path) + ": " + v.why
		return Result{Class: ClassRefused, Findings: []Finding{{Code: v.code, File: path, Text: text}}, Files: []FileClass{{path, ClassRefused, v.why}}}
	case v.image && v.why == "" && len(v.moves) > 0:
		moves := v.moves
		for i := range moves {
			moves[i].File = path
		}
		return Result{Class: ClassImage, Moves: moves, Files: []FileClass{{path, ClassImage, ""}}}
	default:
		why := v.why
		if why == "" {
			why = "not shown to be an image change"
		}
		return Result{Class: ClassConfig, Files: []FileClass{{path, ClassConfig, why}}}
	}
}

// maxText bounds a quoted part of a text, in bytes.
const maxText = 200

// oneLine makes foreign text safe to print: one line, nothing that moves a cursor,
// turns text around or cannot be seen.
func oneLine(s string) string {
	cut := len(s) > maxText
	if cut {
		s = s[:maxText]
	}
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || r != ' ' && !unicode.IsGraphic(r) || unicode.Is(unicode.Zs, r) && r != ' ' {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if cut {
		s += "…"
	}
	return s
}

// quote quotes foreign text in ASCII.
func quote(s string) string {
	if len(s) > maxText {
		return strconv.QuoteToASCII(s[:maxText]) + "…"
	}
	return strconv.QuoteToASCII(s)
}
