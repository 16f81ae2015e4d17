package evidence

import (
	_ "embed"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// WriteJSON writes a report for programs.
func WriteJSON(w io.Writer, r Report) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// WriteChanges writes the changes of a report as a table (RFC 4180).
func WriteChanges(w io.Writer, r Report) error {
	rows := [][]string{{
		"deployed", "application", "deployment", "result", "let through", "repository", "pull request", "title", "url", "commit", "class",
		"landed by", "landing proof", "author", "config approvers", "image approvers", "opened", "quorum", "merged", "synced by", "application uid",
		"recorded", "entry", "entry digest", "decision entry", "decision digest", "sync said by",
	}}
	for _, c := range r.Changes {
		pull, decision, digest := "", "", ""
		if c.Pull > 0 {
			pull = strconv.Itoa(c.Pull)
		}
		if c.Decided != nil {
			decision, digest = number(c.Decided.Entry), string(c.Decided.Digest)
		}
		rows = append(rows, []string{
			rfc(c.Deployed), c.Application, strconv.Itoa(c.Number), c.Result, c.LetThrough, c.Repository, pull, c.Title, c.URL, c.Commit, c.Class,
			c.Kind, c.Landed, c.Author, strings.Join(c.ConfigApprovers, " "), strings.Join(c.ImageApprovers, " "), rfc(c.Opened), rfc(c.Quorum),
			rfc(c.Merged), c.SyncedBy, c.UID, rfc(c.Recorded), number(c.Ended.Entry), string(c.Ended.Digest), decision, digest, c.SyncSaidBy,
		})
	}
	return writeCSV(w, rows)
}

// WriteExceptions writes the exceptions of a report as a table (RFC 4180).
func WriteExceptions(w io.Writer, r Report) error {
	rows := [][]string{{"at", "kind", "application", "deployment", "who", "text", "reason", "application uid", "entry", "entry digest"}}
	for _, e := range r.Exceptions {
		deployment := ""
		if e.Number > 0 {
			deployment = strconv.Itoa(e.Number)
		}
		rows = append(rows, []string{
			rfc(e.At), e.Kind, e.Application, deployment, e.Who, e.Text, e.Reason, e.UID, number(e.Proof.Entry), string(e.Proof.Digest),
		})
	}
	return writeCSV(w, rows)
}

func writeCSV(w io.Writer, rows [][]string) error {
	out := csv.NewWriter(w)
	for _, row := range rows {
		for i, cell := range row {
			row[i] = inert(cell)
		}
		if err := out.Write(row); err != nil {
			return fmt.Errorf("write a table: %w", err)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("write a table: %w", err)
	}
	return nil
}

// inert keeps spreadsheets from taking text that others chose, such as a title, for a
// formula (OWASP, "CSV Injection"), also behind spaces and with the wide forms of the signs.
func inert(cell string) string {
	first, _ := utf8.DecodeRuneInString(strings.TrimLeft(cell, " \u00a0"))
	if strings.ContainsRune("=+-@\t\r\n|%＝＋－＠", first) {
		return "'" + cell
	}
	return cell
}

func number(n uint64) string { return strconv.FormatUint(n, 10) }

func rfc(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// short is the beginning of a commit SHA; other revisions, such as the version of a chart,
// stay as they are.
func short(revision string) string {
	if len(revision) < 40 || strings.Trim(revision, "0123456789abcdef") != "" {
		return revision
	}
	return revision[:7]
}

// meanings are those of the kinds that some exceptions have.
func meanings(of []Exception) []Meaning {
	return slices.DeleteFunc(Meanings(), func(m Meaning) bool {
		return !slices.ContainsFunc(of, func(e Exception) bool { return e.Kind == m.Kind })
	})
}

//go:embed report.html.tmpl
var layout string

// WriteHTML writes a report as one page that needs nothing else, for reading and for
// printing.
func WriteHTML(w io.Writer, r Report) error {
	t, err := template.New("report").Funcs(template.FuncMap{
		"day": func(t time.Time) string { return t.UTC().Format("2006-01-02") },
		"time": func(t time.Time) string {
			if t.IsZero() {
				return ""
			}
			return t.UTC().Format("2006-01-02 15:04")
		},
		"short":    short,
		"distinct": distinct,
		"regular":  regular,
		"meanings": meanings,
		"join":     func(s []string) string { return strings.Join(s, ", ") },
		"pretty": func(m json.RawMessage) string {
			out, err := json.MarshalIndent(m, "", "  ")
			if err != nil {
				return string(m)
			}
			return string(out)
		},
	}).Parse(layout)
	if err != nil {
		return fmt.Errorf("read the template of the report: %w", err)
	}
	if err := t.Execute(w, r); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
