package evidence

import (
	_ "embed"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"strings"
	"time"
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
		"deployed", "application", "deployment", "result", "repository", "pull request", "title", "url", "commit", "class", "author",
		"config approvers", "image approvers", "opened", "quorum", "merged", "let through", "synced by",
		"entry", "entry digest", "decision entry", "decision digest",
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
			rfc(c.Deployed), c.Application, strconv.Itoa(c.Number), c.Result, c.Repository, pull, c.Title, c.URL, c.Commit, c.Class, c.Author,
			strings.Join(c.ConfigApprovers, " "), strings.Join(c.ImageApprovers, " "), rfc(c.Opened), rfc(c.Quorum), rfc(c.Merged),
			c.LetThrough, c.SyncedBy, number(c.Ended.Entry), string(c.Ended.Digest), decision, digest,
		})
	}
	return writeCSV(w, rows)
}

// WriteExceptions writes the exceptions of a report as a table (RFC 4180).
func WriteExceptions(w io.Writer, r Report) error {
	rows := [][]string{{"at", "kind", "application", "deployment", "who", "text", "reason", "entry", "entry digest"}}
	for _, e := range r.Exceptions {
		deployment := ""
		if e.Number > 0 {
			deployment = strconv.Itoa(e.Number)
		}
		rows = append(rows, []string{
			rfc(e.At), e.Kind, e.Application, deployment, e.Who, e.Text, e.Reason, number(e.Proof.Entry), string(e.Proof.Digest),
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
// formula (OWASP, "CSV Injection").
func inert(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\n", rune(cell[0])) {
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
		"short": func(s string) string { return s[:min(len(s), 7)] },
		"join":  func(s []string) string { return strings.Join(s, ", ") },
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
