package doctor

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Widths between which a table is laid out.
const (
	minWidth   = 80
	usualWidth = 100
	maxWidth   = 120
	// shownPerCheck bounds the results of one check in a table; JSON has all.
	shownPerCheck = 10
)

// Table is the report for people, for a terminal of the given width; 0 is for what is
// no terminal. Reasons are wrapped; what is to be copied never is. What several checks
// say in the same words is said once, below all of their codes.
func (r Report) Table(width int) string {
	if width == 0 {
		width = usualWidth
	}
	width = max(minWidth, min(width, maxWidth))
	var b strings.Builder
	for _, area := range Areas() {
		entries := r.entries(area)
		if len(entries) == 0 {
			continue
		}
		fmt.Fprintf(&b, "%s\n", area)
		left, run := 0, 0
		for i, e := range entries {
			same := i > 0 && slices.Equal(e.heads, entries[i-1].heads)
			if run++; !same {
				run = 1
			}
			if run > shownPerCheck && e.State != OK {
				left++
				continue
			}
			e.write(&b, width, same)
		}
		if left > 0 {
			fmt.Fprintf(&b, "  … and %d more results; -o json lists them\n", left)
		}
		b.WriteByte('\n')
	}
	b.WriteString(r.summary())
	return b.String()
}

// entry is what one or more checks say.
type entry struct {
	Result
	heads []string // one line for each code
}

func (r Report) entries(area Area) []entry {
	var out []entry
	at := map[Result]int{}
	for _, x := range r.Results {
		if x.Area != area {
			continue
		}
		if x.State == OK {
			out = append(out, entry{x, []string{x.Code}})
			continue
		}
		key := x
		key.Code, key.Severity = "", ""
		if i, ok := at[key]; ok {
			out[i].heads = append(out[i].heads, x.head())
			continue
		}
		at[key] = len(out)
		out = append(out, entry{x, []string{x.head()}})
	}
	return out
}

// mark is the sign before a result.
func (x Result) mark() string {
	switch {
	case x.State == OK:
		return "✓"
	case x.State == Unknown:
		return "?"
	case x.Severity == Critical:
		return "✗"
	case x.Severity == Warning:
		return "!"
	default:
		return "i"
	}
}

// codeColumn is as wide as the longest code.
const codeColumn = 29

func (x Result) head() string {
	what := string(x.Severity)
	if x.State == Unknown {
		what = "unknown, " + what
	}
	return fmt.Sprintf("  %s %-*s %s", x.mark(), codeColumn, x.Code, what)
}

// write writes the entry, without its heads when those are written already.
func (e entry) write(b *strings.Builder, width int, headed bool) {
	if e.State == OK {
		wrap(b, fmt.Sprintf("  %s %-*s ", e.mark(), codeColumn, e.Code), e.Reason, width)
		return
	}
	if !headed {
		b.WriteString(strings.Join(e.heads, "\n") + "\n")
	}
	reason := e.Reason
	if e.About != "" {
		reason = e.About + ": " + reason
	}
	wrap(b, "      ", reason, width)
	if e.Fix != "" {
		end := ""
		if e.Command != "" {
			end = ":"
		}
		wrap(b, "      → ", e.Fix+end, width)
	}
	for line := range strings.Lines(e.Command) {
		b.WriteString("          " + strings.TrimRight(line, "\n") + "\n")
	}
}

// wrap writes text after a prefix, further lines below the text.
func wrap(b *strings.Builder, prefix, text string, width int) {
	indent := utf8.RuneCountInString(prefix)
	b.WriteString(prefix)
	column := indent
	for i, word := range strings.Fields(text) {
		length := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+length > width:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += length
	}
	b.WriteByte('\n')
}

func (r Report) summary() string {
	c := r.Counts
	parts := []string{fmt.Sprintf("%d critical", c.Critical), plural(c.Warning, "warning"), fmt.Sprintf("%d info", c.Info),
		fmt.Sprintf("%d unknown", c.Unknown), fmt.Sprintf("%d ok", c.OK)}
	if n := len(r.Skipped); n > 0 {
		parts = append(parts, fmt.Sprintf("%d skipped (%s)", n, strings.Join(r.Skipped, ", ")))
	}
	return strings.Join(parts, ", ") + "\n"
}

// Text is what --explain prints.
func (c Check) Text() string {
	return fmt.Sprintf("%s (%s, %s)\n\nHolds when %s.\n\n%s\n", c.Code, c.Area, c.Severity, c.Title, strings.TrimSpace(c.Explain))
}

// Reference is the table of all checks for the documentation.
func Reference() string {
	var b strings.Builder
	for _, area := range Areas() {
		fmt.Fprintf(&b, "### %s\n\n| code | severity | holds when |\n| --- | --- | --- |\n", area)
		for _, c := range Checks() {
			if c.Area == area {
				fmt.Fprintf(&b, "| `%s` | %s | %s |\n", c.Code, c.Severity, c.Title)
			}
		}
		b.WriteByte('\n')
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}
