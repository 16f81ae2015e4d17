package command

import (
	"regexp"
	"strings"
)

// visible says of each line of a comment whether all readings show it as a plain line.
func visible(lines []string) []bool {
	readers := []reader{
		&fences{}, &fences{anywhere: true}, &fences{anywhere: true, loose: true}, &quotes{}, &indents{}, &mail{}, &inline{},
	}
	for _, e := range elements {
		readers = append(readers, &element{open: e[0], close: e[1]}, &element{open: e[0], close: e[1], outside: &fences{}})
	}
	out := make([]bool, len(lines))
	for i, line := range lines {
		out[i] = true
		for _, r := range readers {
			if r.hides(line) { // each one reads each line
				out[i] = false
			}
		}
	}
	return out
}

// reader is one reading of a text. It is given the lines in order.
type reader interface{ hides(line string) bool }

// fences reads fenced code blocks (CommonMark 0.31, "Fenced code blocks"). Anywhere
// takes those after list markers, too. Loose takes one with any indentation for one that
// opens, and with any for one that closes.
type fences struct {
	anywhere, loose bool
	fence           string // what opened the block; empty outside of one
	offset          int    // how far the content of the list is indented
}

var listMarker = regexp.MustCompile(`^[ \t]*(?:[-*+]|[0-9]{1,9}[.)])[ \t]+`)

func (f *fences) hides(line string) bool {
	if f.fence != "" {
		spaces, rest := indentation(line)
		run := strings.TrimRight(rest, " \t")
		if (spaces <= f.offset+3 || f.loose) && len(run) >= len(f.fence) && strings.Trim(run, f.fence[:1]) == "" {
			f.fence = ""
		}
		return true
	}
	offset := 0
	if f.anywhere {
		for m := listMarker.FindString(line[offset:]); m != ""; m = listMarker.FindString(line[offset:]) {
			offset += len(m)
		}
	}
	spaces, rest := indentation(line[offset:])
	if spaces > 3 && !f.loose {
		return false
	}
	for _, mark := range []string{"`", "~"} {
		info := strings.TrimLeft(rest, mark)
		n := len(rest) - len(info)
		if n >= 3 && (mark == "~" || !strings.Contains(info, "`")) {
			f.fence, f.offset = rest[:n], offset
			return true
		}
	}
	return false
}

// indentation counts the columns of white space at the start of a line. A tab ends at
// the next multiple of four.
func indentation(line string) (columns int, rest string) {
	for i := range len(line) {
		switch line[i] {
		case ' ':
			columns++
		case '\t':
			columns += 4 - columns%4
		default:
			return columns, line[i:]
		}
	}
	return columns, ""
}

// quotes reads block quotes, with the lines that are added to their last paragraph
// although they have no mark ("lazy continuation lines"). The first empty line ends one.
type quotes struct{ inside bool }

func (q *quotes) hides(line string) bool {
	_, rest := indentation(line)
	for m := listMarker.FindString(rest); m != ""; m = listMarker.FindString(rest) {
		rest = rest[len(m):]
	}
	switch {
	case strings.HasPrefix(rest, ">"):
		q.inside = true
	case rest == "":
		q.inside = false
	}
	return q.inside
}

// indents reads indented code. Whether it is code or belongs to a paragraph does not
// matter here.
type indents struct{}

func (*indents) hides(line string) bool {
	columns, _ := indentation(line)
	return columns > 3
}

// elements are what is not shown as it is written: comments, code, quotes, and what is
// folded.
var elements = [][2]string{
	{"<!--", "-->"}, {"<pre", "</pre"}, {"<code", "</code"}, {"<script", "</script"}, {"<style", "</style"},
	{"<textarea", "</textarea"}, {"<blockquote", "</blockquote"}, {"<details", "</details"}, {"<template", "</template"},
	{"<!", ">"}, {"<?", "?>"}, {"<![cdata[", "]]>"},
}

// element reads one kind of elements. With outside, those that begin in fenced code are
// none.
type element struct {
	open, close string
	outside     *fences
	inside      bool
}

func (e *element) hides(line string) bool {
	hidden := e.inside
	if e.outside != nil && e.outside.hides(line) && !e.inside {
		return false // the fences hide it
	}
	rest := strings.ToLower(line)
	for {
		mark := e.open
		if e.inside {
			mark = e.close
		}
		_, after, found := strings.Cut(rest, mark)
		if !found {
			return hidden || e.inside
		}
		rest, hidden, e.inside = after, true, !e.inside
	}
}

// inline reads what may span the lines of a paragraph: code, links with their titles,
// images, attributes of elements. Once a line may have begun one, the rest of the
// paragraph is hidden.
type inline struct {
	begun   bool
	outside fences // a block of code is no part of a paragraph
}

var (
	wholeCode = regexp.MustCompile("`[^`\\\\]+`")
	wholeLink = regexp.MustCompile(`\[[^\[\]<>\\]*\]\([^()\s<>"'\\]*\)`)
)

func (n *inline) hides(line string) bool {
	if n.outside.hides(line) || strings.TrimSpace(line) == "" {
		n.begun = false
		return false
	}
	hidden := n.begun
	left := wholeLink.ReplaceAllString(wholeCode.ReplaceAllString(line, ""), "")
	n.begun = n.begun || strings.ContainsAny(left, "`<[\\$")
	return hidden
}

// mail reads what e-mail programs put below an answer. It goes to the end.
type mail struct {
	begun  bool
	before string
}

var (
	wrote = regexp.MustCompile(`(?i)^\s{0,3}[*_]*(on\b.+\bwrote|am\b.+\bschrieb\b.*|le\b.+\ba écrit|el\b.+\bescribió|il\b.+\bha scritto|op\b.+\bschreef.*)\s?:[*_]*\s*$`)
	head  = regexp.MustCompile(`(?i)^\s*[*_]*(-{2,}\s*(original message|forwarded message|ursprüngliche nachricht)\s*-{2,}|from:\s.*<?\S+@\S+>?|from:[*_]*\s.+|begin forwarded message:|_{10,})[*_]*\s*$`)
)

func (m *mail) hides(line string) bool {
	before := m.before
	m.before = line
	if m.begun {
		return true
	}
	const longest = 500
	if len(before)+len(line) > longest {
		before, line = "", line[max(0, len(line)-longest):]
	}
	// Programs break the first line where it is too long.
	m.begun = line == "--" || line == "-- " || wrote.MatchString(line) || wrote.MatchString(before+" "+line) || head.MatchString(line)
	return m.begun
}
