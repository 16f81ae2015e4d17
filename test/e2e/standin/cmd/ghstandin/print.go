package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/control/wire"
)

// show prints a value as JSON, or as people like it.
func (c *cli) show(cmd *cobra.Command, v any, table func(io.Writer)) error {
	if c.output == "json" {
		text, err := wire.Marshal(v)
		if err != nil {
			return err
		}
		_, err = cmd.OutOrStdout().Write(text)
		return err
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
	table(w)
	return w.Flush()
}

// checkOutput is asked before a verb does anything.
func (c *cli) checkOutput() error {
	if c.output != "json" && c.output != "table" {
		return usage("the output is table or json, not %q", c.output)
	}
	return nil
}

// say prints that something is done.
func (c *cli) say(cmd *cobra.Command, format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	return c.show(cmd, struct{ Done string }{text}, func(w io.Writer) { line(w, text) })
}

// line prints cells of one row.
func line(w io.Writer, cells ...any) {
	texts := make([]string, len(cells))
	for i, cell := range cells {
		texts[i] = strings.NewReplacer("\n", " ", "\t", " ").Replace(clean(fmt.Sprint(cell)))
	}
	_, _ = fmt.Fprintln(w, strings.TrimRight(strings.Join(texts, "\t"), "\t "))
}

// clean removes what could control a terminal: texts come from anybody.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, text)
}

// short is a commit as people see it.
func short(sha string) string {
	if sha == "" {
		return "-"
	}
	return sha[:min(len(sha), 10)]
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func join(list []string) string { return orDash(strings.Join(list, ", ")) }

// sortedPairs prints a map as name=value.
func sortedPairs(m map[string]string) string {
	var out []string
	for k, v := range m {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return join(out)
}

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04")
}

// first is the beginning of a text, on one line.
func first(text string, limit int) string {
	head, rest, _ := strings.Cut(strings.TrimSpace(clean(text)), "\n")
	runes := []rune(head)
	if len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	if strings.TrimSpace(rest) != "" {
		return head + " …"
	}
	return head
}
