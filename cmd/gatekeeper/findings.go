package main

import (
	"strings"
	"unicode"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// mark is the sign before a verdict.
func mark(v approval.Verdict) string {
	switch v {
	case approval.Allowed:
		return "✓"
	case approval.Blocked:
		return "✗"
	case approval.Unknown:
		return "?"
	default:
		return "?"
	}
}

// writeFindings writes findings as a tree. The texts are one line each, whoever
// chose their words.
func writeFindings(b *strings.Builder, findings []approval.Finding, indent string) {
	for i, f := range findings {
		branch, below := "├─ ", "│  "
		if i == len(findings)-1 {
			branch, below = "└─ ", "   "
		}
		b.WriteString(indent + branch + mark(f.Verdict) + " " + f.Text + "  [" + string(f.Code) + "]\n")
		if f.Remedy != "" {
			b.WriteString(indent + below + "  → " + f.Remedy + "\n")
		}
		writeFindings(b, f.Children, indent+below)
	}
}

// visible makes text that others chose fit to stand in a line: control and invisible
// characters, with which it could pass for another line, are replaced.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
