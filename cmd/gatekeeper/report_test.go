package main

import (
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	audit "github.com/argo-gatekeeper/gatekeeper/pkg/history/evidence"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

// recorded begins a record with syncs that nobody asked the gate about, one a day from
// 2026-01-01 on, and leaves it open, as a running process does.
func recorded(t *testing.T, days int) (file string, store *sqlite.Store) {
	t.Helper()
	file, data := configure(t)
	code, _, stderr := call(t, t.Context(), "ledger", "init", "--config", file)
	require.Zero(t, code, stderr)
	return file, daily(t, data, days)
}

// daily writes the syncs.
func daily(t *testing.T, data string, days int) *sqlite.Store {
	t.Helper()
	store, err := sqlite.Open(t.Context(), recordPath(data))
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	for day := range days {
		at := time.Date(2026, 1, 1+day, 12, 0, 0, 0, time.UTC)
		sees(t, store, "prod", at)
	}
	return store
}

func sees(t *testing.T, store *sqlite.Store, gate string, at time.Time) {
	t.Helper()
	head, err := store.Head(t.Context())
	require.NoError(t, err)
	_, err = store.Append(t.Context(), head, history.Draft{Time: at, Application: "u", Payload: history.ObservedPayload{
		Gate: gate, Application: "argocd/shop", Phase: "Succeeded", Revisions: []string{strings.Repeat("ab", 20)}, StartedAt: at, FinishedAt: at,
		InitiatedBy: "mallory",
	}})
	require.NoError(t, err)
}

// TestReport: each format beside a process that has the record open.
func TestReport(t *testing.T) {
	file, store := recorded(t, 3)
	line := []string{"report", "--gate", "prod", "--from", "2026-01-02", "--to", "2026-01-03", "--config", file}

	code, stdout, stderr := call(t, t.Context(), line...)
	require.Zero(t, code, stderr)
	require.Empty(t, stderr)
	var r audit.Report
	require.NoError(t, json.Unmarshal([]byte(stdout), &r))
	require.Equal(t, audit.Summary{Applications: 1, Deployments: 1, Ungated: 1, Exceptions: 1}, r.Summary)
	require.EqualValues(t, 2, r.Deployments[0].Sequence)
	require.EqualValues(t, 3, r.Record.Head.Sequence)

	code, stdout, stderr = call(t, t.Context(), append(line, "-o", "csv")...)
	require.Zero(t, code, stderr)
	rows, err := csv.NewReader(strings.NewReader(stdout)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 2)

	code, stdout, stderr = call(t, t.Context(), append(line, "-o", "html")...)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "<h1>Gate prod</h1>")

	sees(t, store, "prod", time.Now().Add(-time.Hour))
	code, stdout, stderr = call(t, t.Context(), "report", "--gate", "prod", "--last", "2d", "--config", file)
	require.Zero(t, code, stderr)
	require.NoError(t, json.Unmarshal([]byte(stdout), &r))
	require.EqualValues(t, 4, r.Deployments[0].Sequence)
}

// TestReportDirectory: a whole report, which nobody else can read, or none.
func TestReportDirectory(t *testing.T) {
	file, _ := recorded(t, 2)
	parent := t.TempDir()
	line := func(out string) []string {
		return []string{"report", "--gate", "prod", "--from", "2026-01-01T00:00:00Z", "--to", "2026-02-01", "--config", file, "--out", out}
	}
	empty := filepath.Join(parent, "empty")
	require.NoError(t, os.Mkdir(empty, 0o755))
	for _, out := range []string{filepath.Join(parent, "new"), empty} {
		code, stdout, stderr := call(t, t.Context(), line(out)...)
		require.Zero(t, code, stderr)
		require.Contains(t, stdout, "2 deployments, 0 changes, 2 exceptions")
		info, err := os.Stat(out)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o700), info.Mode().Perm())
		found, err := os.ReadDir(out)
		require.NoError(t, err)
		var names []string
		for _, f := range found {
			names = append(names, f.Name())
			info, err := f.Info()
			require.NoError(t, err)
			require.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), f.Name())
			require.Positive(t, info.Size(), f.Name())
		}
		require.Equal(t, []string{"changes.csv", "exceptions.csv", "report.html", "report.json"}, names)

		code, _, stderr = call(t, t.Context(), line(out)...)
		require.Equal(t, exitFailed, code)
		require.Contains(t, stderr, "not empty", "what is there is not written over")
	}
	left, err := os.ReadDir(parent)
	require.NoError(t, err)
	require.Len(t, left, 2, "nothing temporary is left")

	code, _, stderr := call(t, t.Context(), line(filepath.Join(parent, "missing", "q1"))...)
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "make a directory for the report")
}

// TestReportOverwritesNothing: what came to the directory while the report was gathered
// stays, and the report is taken back.
func TestReportOverwritesNothing(t *testing.T) {
	parent := t.TempDir()
	out := filepath.Join(parent, "q1")
	r := audit.Report{Record: audit.Record{Checkpoint: "signed\n"}}
	require.NoError(t, writeReport(out, r))
	signed, err := os.ReadFile(filepath.Join(out, "checkpoint.txt"))
	require.NoError(t, err)
	require.Equal(t, "signed\n", string(signed))
	require.ErrorIs(t, writeReport(out, r), errNotEmpty)

	blocked := filepath.Join(parent, "q2")
	require.NoError(t, os.Symlink(filepath.Join(parent, "nowhere"), blocked))
	require.Error(t, writeReport(blocked, r))
	left, err := os.ReadDir(parent)
	require.NoError(t, err)
	require.Len(t, left, 2)
}

func TestReportGates(t *testing.T) {
	file, store := recorded(t, 1)
	sees(t, store, "former", time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC))
	line := func(gate string) []string {
		return []string{"report", "--gate", gate, "--from", "2026-01-01", "--to", "2026-02-01", "--config", file}
	}
	code, _, stderr := call(t, t.Context(), line("prdo")...)
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, `no such gate: "prdo" is neither configured nor on record; there are former, prod`)
	code, stdout, stderr := call(t, t.Context(), line("former")...)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, `"gate": "former"`)
}

// TestReportNotIntact: there is no report of a record that somebody changed.
func TestReportNotIntact(t *testing.T) {
	file, store := recorded(t, 2)
	require.NoError(t, store.Close())
	db, err := sql.Open("sqlite", recordPath(filepath.Join(filepath.Dir(file), "data")))
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), `DROP TRIGGER entries_update; UPDATE entries SET payload = replace(payload, 'mallory', 'alice') WHERE sequence = 2`)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	out := filepath.Join(t.TempDir(), "q1")
	code, stdout, stderr := call(t, t.Context(), "report", "--gate", "prod", "--from", "2026-01-01", "--to", "2026-02-01", "--config", file, "--out", out)
	require.Equal(t, exitFailed, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "the record is not intact, so no report is made of it: entry 2 (changed)")
	require.NoDirExists(t, out)
}

func TestReportUsage(t *testing.T) {
	file, _ := recorded(t, 0)
	for _, test := range []struct{ args, want string }{
		{"", "--gate is missing"},
		{"--gate prod", "give --from"},
		{"--gate prod --last 3d --from 2026-01-01", "give --from"},
		{"--gate prod --last 3d --to 2026-01-01", "takes no --to"},
		{"--gate prod --last 3h", "not a number of days"},
		{"--gate prod --last 0d", "not a number of days"},
		{"--gate prod --last 99999d", "not a number of days"},
		{"--gate prod --from 01.02.2026", "neither a date"},
		{"--gate prod --from 2026-01-01 --to 2026-13-01", "neither a date"},
		{"--gate prod --from 2026-01-01 --to 2026-01-01", "not before"},
		{"--gate prod --from 2026-01-01 --to 2999-01-01", "still to come"},
		{"--gate prod --from 2026-01-01 -o pdf", "not json, csv or html"},
		{"--gate prod --from 2026-01-01 more", "gatekeeper report takes no argument, and was given"},
	} {
		code, stdout, stderr := call(t, t.Context(), append([]string{"report", "--config", file}, strings.Fields(test.args)...)...)
		require.Equal(t, exitUsage, code, test.args)
		require.Empty(t, stdout)
		require.Contains(t, stderr, test.want)
	}
	code, _, stderr := call(t, t.Context(), "report", "--gate", "prod", "--from", "2026-01-01")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "--config is missing")
}

// TestEvidenceCommands: each command line of docs/evidence.md does what it says, and a line
// of a report can be checked by it.
func TestEvidenceCommands(t *testing.T) {
	file, data, public := keyed(t)
	daily(t, data, 3)
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "evidence.md"))
	require.NoError(t, err)
	t.Chdir(filepath.Dir(file))
	var outputs []string
	for line := range strings.Lines(string(doc)) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "gatekeeper ")
		if !ok {
			continue
		}
		code, stdout, stderr := call(t, t.Context(), strings.Fields(rest)...)
		require.Zero(t, code, "%s: %s", line, stderr)
		outputs = append(outputs, stdout)
	}
	require.Len(t, outputs, 7)
	require.Contains(t, outputs[4], "intact: 3 entries")
	require.Contains(t, outputs[5], "compared with 1 checkpoint")
	proof := filepath.Join(t.TempDir(), "proof")
	require.NoError(t, os.WriteFile(proof, []byte(outputs[6]), 0o600))
	line, _, _ := strings.Cut(outputs[3], "\n")
	exported := filepath.Join(t.TempDir(), "entry")
	require.NoError(t, os.WriteFile(exported, []byte(line+"\n"), 0o600))
	code, _, stderr := call(t, t.Context(), "ledger", "verify", "--proof", proof, "--entry", exported, "--public-key", public)
	require.Zero(t, code, stderr)

	written, err := os.ReadFile(filepath.Join("q1", "report.json"))
	require.NoError(t, err)
	var r audit.Report
	require.NoError(t, json.Unmarshal(written, &r))
	signed, err := os.ReadFile(filepath.Join("q1", "checkpoint.txt"))
	require.NoError(t, err)
	require.Equal(t, r.Record.Checkpoint, string(signed))
	require.Contains(t, r.Record.Checkpoint, "\n3\n", "it is of all entries")
	first, _, _ := strings.Cut(outputs[3], "\n")
	var entry map[string]any
	require.NoError(t, json.Unmarshal([]byte(first), &entry))
	delete(entry, "digest")
	digest, err := history.DigestOf(entry)
	require.NoError(t, err)
	require.EqualValues(t, 2, r.Deployments[1].Ended.Entry)
	require.Equal(t, r.Deployments[1].Ended.Digest, digest)

	// What the document says of exceptions is what there is.
	for _, m := range audit.Meanings() {
		require.Contains(t, string(doc), "\n| "+m.Kind+" | ")
	}
}

// TestReportContradicted: there is no report of a record that ends before the last
// checkpoint that was signed of it.
func TestReportContradicted(t *testing.T) {
	file, data, _ := keyed(t)
	store := daily(t, data, 2)
	require.NoError(t, store.Close())
	code, stderr := served(t, file) // signs when it starts
	require.Zero(t, code, stderr)
	require.FileExists(t, filepath.Join(data, "record.checkpoint"))
	db, err := sql.Open("sqlite", recordPath(data))
	require.NoError(t, err)
	var trigger string
	require.NoError(t, db.QueryRowContext(t.Context(), `SELECT sql FROM sqlite_schema WHERE name = 'entries_delete'`).Scan(&trigger))
	for _, statement := range []string{`DROP TRIGGER entries_delete`, `DELETE FROM entries WHERE sequence = 2`, trigger} {
		_, err = db.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	require.NoError(t, db.Close())
	code, stdout, stderr := call(t, t.Context(), "report", "--gate", "prod", "--from", "2026-01-01", "--to", "2026-02-01", "--config", file)
	require.Equal(t, exitFailed, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "the record contradicts a checkpoint")
}
