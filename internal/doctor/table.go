package doctor

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Widths between which a table is laid out.
const (
	minWidth = 80
	maxWidth = 120
	// shownPerCheck bounds the results of one check in a table; JSON has all.
	shownPerCheck = 10
)

// Table is the report for people, for a terminal of the given width. Reasons are
// wrapped; what is to be copied never is.
func (r Report) Table(width int) string {
	width = max(minWidth, min(width, maxWidth))
	var b strings.Builder
	for _, area := range Areas() {
		shown, left := map[string]int{}, 0
		first := true
		for _, x := range r.Results {
			if x.Area != area {
				continue
			}
			if first {
				fmt.Fprintf(&b, "%s\n", area)
				first = false
			}
			if shown[x.Code+string(x.State)]++; shown[x.Code+string(x.State)] > shownPerCheck {
				left++
				continue
			}
			x.write(&b, width)
		}
		if left > 0 {
			fmt.Fprintf(&b, "  … and %d more results; -o json lists them\n", left)
		}
		if !first {
			b.WriteByte('\n')
		}
	}
	b.WriteString(r.summary())
	return b.String()
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

func (x Result) write(b *strings.Builder, width int) {
	if x.State == OK {
		wrap(b, fmt.Sprintf("  %s %-*s ", x.mark(), codeColumn, x.Code), x.Reason, width)
		return
	}
	what := string(x.Severity)
	if x.State == Unknown {
		what = "unknown, " + what
	}
	line := fmt.Sprintf("  %s %-*s %s", x.mark(), codeColumn, x.Code, what)
	b.WriteString(line + "\n")
	reason := x.Reason
	if x.About != "" {
		reason = x.About + ": " + reason
	}
	wrap(b, "      ", reason, width)
	if x.Fix != "" {
		end := ""
		if x.Command != "" {
			end = ":"
		}
		wrap(b, "    → ", x.Fix+end, width)
	}
	for line := range strings.Lines(x.Command) {
		b.WriteString("        " + strings.TrimRight(line, "\n") + "\n")
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
