package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

// keyed makes a key and a record, and names the key in the configuration.
func keyed(t *testing.T) (file, data, public string) {
	t.Helper()
	file, data = configure(t)
	folder := filepath.Dir(file)
	private := filepath.Join(folder, "checkpoint.key")
	code, stdout, stderr := call(t, t.Context(), "ledger", "key", "--name", "gatekeeper.example.com/prod", "--out", private)
	require.Zero(t, code, stderr)
	secret, err := os.ReadFile(private)
	require.NoError(t, err)
	require.NotContains(t, stdout+stderr, strings.SplitN(string(secret), "+", 5)[4][:10], "the private key is never printed")
	public = private + ".pub"
	text, err := os.ReadFile(public)
	require.NoError(t, err)
	require.Equal(t, string(text), stdout)
	info, err := os.Stat(private)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	config, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append(config, "checkpoints:\n  keyFile: checkpoint.key\n"...), 0o600))
	code, _, stderr = call(t, t.Context(), "ledger", "init", "--config", file)
	require.Zero(t, code, stderr)
	return file, data, public
}

// recordDeployments appends n deployments, of three entries each.
func recordDeployments(t *testing.T, data, prefix string, n int) {
	t.Helper()
	store, err := sqlite.Open(t.Context(), recordPath(data))
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	for i := range n {
		head, err := store.Head(t.Context())
		require.NoError(t, err)
		_, err = store.Append(t.Context(), head, historytest.Deployment(t, head, "a", "prod", fmt.Sprint(prefix, i), history.ResultSucceeded)...)
		require.NoError(t, err)
	}
}

// must runs a command that succeeds.
func must(t *testing.T, args ...string) string {
	t.Helper()
	code, stdout, stderr := call(t, t.Context(), args...)
	require.Zero(t, code, "%v: %s", args, stderr)
	return stdout
}

// fails runs a command that does not, and returns all it said.
func fails(t *testing.T, want int, args ...string) string {
	t.Helper()
	code, stdout, stderr := call(t, t.Context(), args...)
	require.Equal(t, want, code, "%v: %s", args, stderr)
	return stdout + stderr
}

func save(t *testing.T, folder, name, text string) string {
	t.Helper()
	path := filepath.Join(folder, name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// moveAway takes the record's files out of the data directory.
func moveAway(t *testing.T, data string) {
	t.Helper()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		_ = os.Rename(recordPath(data)+suffix, filepath.Join(t.TempDir(), "old"+suffix))
	}
}

// TestLedgerProves goes the way of an operator and of somebody who has the export, the
// proofs and the public key alone.
func TestLedgerProves(t *testing.T) {
	file, data, public := keyed(t)
	folder := t.TempDir()
	recordDeployments(t, data, "i-", 4)
	older := save(t, folder, "older", must(t, "ledger", "prove", "--sign", "--config", file))
	recordDeployments(t, data, "j-", 3)

	text := must(t, "ledger", "export", "--config", file)
	lines := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
	require.Len(t, lines, 22)
	exported := save(t, folder, "record.jsonl", text)
	require.Contains(t, must(t, "ledger", "verify", "--export", exported, "--public-key", public), "intact: 21 entries")
	require.Contains(t, must(t, "ledger", "verify", "--export", exported, "--public-key", public, "--against", older), "compared with 2 checkpoints")
	require.Contains(t, must(t, "ledger", "verify", "--config", file, "--against", older), "compared with 1 checkpoint")
	require.Equal(t, strings.Join(lines[4:21], ""), must(t, "ledger", "export", "--config", file, "--from", "5"))
	must(t, "ledger", "export", "--config", file, "--out", filepath.Join(folder, "again"))
	again, err := os.ReadFile(filepath.Join(folder, "again"))
	require.NoError(t, err)
	require.Equal(t, text, string(again))
	require.Contains(t, fails(t, exitFailed, "ledger", "export", "--config", file, "--out", exported), "exists")

	// An entry, and that the record continues.
	entry := save(t, folder, "entry", lines[6])
	proof := save(t, folder, "proof", must(t, "ledger", "prove", "7", "--config", file))
	require.Contains(t, must(t, "ledger", "verify", "--proof", proof, "--entry", entry, "--public-key", public), "proved: entry 7 is in the record")
	other := save(t, folder, "other", lines[7])
	require.Contains(t, fails(t, exitFailed, "ledger", "verify", "--proof", proof, "--entry", other, "--public-key", public), "does not hold")
	changed := save(t, folder, "changed", strings.Replace(lines[6], `"prod"`, `"test"`, 1))
	require.Contains(t, fails(t, exitFailed, "ledger", "verify", "--proof", proof, "--entry", changed, "--public-key", public), "does not fit its digest")
	under := save(t, folder, "under", must(t, "ledger", "prove", "3", "--checkpoint", older, "--config", file))
	require.Contains(t, must(t, "ledger", "verify", "--proof", under, "--entry", save(t, folder, "third", lines[2]), "--public-key", public), "under its checkpoint of 12 entries")
	continues := save(t, folder, "continues", must(t, "ledger", "prove", "--since", older, "--config", file))
	require.Contains(t, must(t, "ledger", "verify", "--proof", continues, "--against", older, "--public-key", public), "with 21 entries continues the one with 12")
	require.Contains(t, fails(t, exitFailed, "ledger", "prove", "22", "--config", file), "not among the 21")

	// What GitHub keeps.
	note, err := os.ReadFile(older)
	require.NoError(t, err)
	quoted, err := json.Marshal(string(note))
	require.NoError(t, err)
	payload := `{"gatekeeper":{"gate":"prod","checkpoint":` + string(quoted) + `}}`
	inText, err := json.Marshal(payload)
	require.NoError(t, err)
	for name, answer := range map[string]string{
		"one": `{"id":1,"payload":` + payload + `}`, "list": `[{"payload":{}},{"payload":""},{"payload":` + payload + `}]`,
		"text": `[{"payload":` + string(inText) + `}]`, "pages": `[{"payload":` + payload + `}][{"payload":` + payload + `}]`,
	} {
		require.Contains(t, must(t, "ledger", "verify", "--export", exported, "--public-key", public, "--against", save(t, folder, "answer", answer)), "intact", name)
	}
	for name, answer := range map[string]string{"none": `[]`, "null": `{"payload":null}`, "forged": strings.Replace(`[{"payload":`+payload+`}]`, `\n12\n`, `\n13\n`, 1), "cut": `[{"payload":`} {
		fails(t, exitFailed, "ledger", "verify", "--export", exported, "--public-key", public, "--against", save(t, folder, "answer", answer))
		require.NotEmpty(t, name)
	}

	// The status of a success has size and root alone.
	stated := strings.Split(string(note), "\n")
	status := `[{"state":"success","description":"1 of 1 synced; record ` + stated[1] + " " + stated[2] + `"},{"description":"pending"}]`
	require.Contains(t, must(t, "ledger", "verify", "--export", exported, "--public-key", public, "--against", save(t, folder, "status", status)), "compared with 2 checkpoints")
	require.Contains(t, fails(t, exitFailed, "ledger", "verify", "--export", exported, "--public-key", public, "--against",
		save(t, folder, "status", strings.Replace(status, " 12 ", " 11 ", 1))), "one of the entries 1 to 11")

	// A changed export, and one that was cut off.
	require.Contains(t, fails(t, exitFailed, "ledger", "verify", "--export", save(t, folder, "bad", strings.Replace(text, `"Healthy"`, `"healthy"`, 1)), "--public-key", public), "NOT INTACT at entry 3 (changed)")
	require.Contains(t, fails(t, exitFailed, "ledger", "verify", "--export", save(t, folder, "short", strings.Join(lines[:9], "")), "--public-key", public), "NOT INTACT at entry 10 (truncated)")
	var report verified
	require.NoError(t, json.Unmarshal([]byte(must(t, "ledger", "verify", "--export", exported, "--public-key", public, "-o", "json")), &report))
	require.EqualValues(t, 21, report.Size)
}

// TestLedgerRewritten: a record that was begun anew is intact in itself.
func TestLedgerRewritten(t *testing.T) {
	file, data, public := keyed(t)
	folder := t.TempDir()
	recordDeployments(t, data, "i-", 4)
	older := save(t, folder, "older", must(t, "ledger", "prove", "--sign", "--config", file))
	exported := save(t, folder, "old.jsonl", must(t, "ledger", "export", "--config", file))
	moveAway(t, data)
	must(t, "ledger", "init", "--config", file)
	recordDeployments(t, data, "x-", 5)
	require.Contains(t, must(t, "ledger", "verify", "--config", file), "intact")
	require.Contains(t, fails(t, exitFailed, "ledger", "verify", "--config", file, "--against", older), "NOT INTACT at entry 1 (changed)")
	require.Contains(t, fails(t, exitFailed, "ledger", "prove", "--since", older, "--config", file), "does not hold")
	require.Contains(t, fails(t, exitFailed, "ledger", "prove", "2", "--checkpoint", older, "--config", file), "contradicts")
	// The last checkpoint that was signed by the process that serves counts by itself.
	note, err := os.ReadFile(older)
	require.NoError(t, err)
	save(t, data, "record.checkpoint", string(note))
	require.Contains(t, fails(t, exitFailed, "ledger", "verify", "--config", file), "NOT INTACT at entry 1 (changed)")
	require.Contains(t, fails(t, exitFailed, "ledger", "export", "--config", file), "contradicts")
	require.Contains(t, fails(t, exitFailed, "serve", "--config", file), "contradicts")
	require.Contains(t, must(t, "ledger", "verify", "--export", exported, "--public-key", public), "intact")
}

// TestLedgerImport: an export becomes a record again, and its export is the same.
func TestLedgerImport(t *testing.T) {
	file, data, public := keyed(t)
	folder := t.TempDir()
	recordDeployments(t, data, "i-", 80)
	text := must(t, "ledger", "export", "--config", file)
	exported := save(t, folder, "record.jsonl", text)
	require.Contains(t, fails(t, exitFailed, "ledger", "import", "--config", file, "--export", exported, "--public-key", public), "exists already")
	moveAway(t, data)

	bad := save(t, folder, "bad.jsonl", strings.Replace(text, `"Healthy"`, `"healthy"`, 1))
	require.Contains(t, fails(t, exitFailed, "ledger", "import", "--config", file, "--export", bad, "--public-key", public), "NOT INTACT at entry 3")
	require.NoFileExists(t, recordPath(data))
	left, err := filepath.Glob(recordPath(data) + "*")
	require.NoError(t, err)
	for _, name := range left {
		require.NotContains(t, name, ".import")
	}
	require.Contains(t, must(t, "ledger", "import", "--config", file, "--export", exported, "--public-key", public), "created the record")
	require.Equal(t, text, must(t, "ledger", "export", "--config", file))
	recordDeployments(t, data, "j-", 1)
	require.Contains(t, must(t, "ledger", "verify", "--config", file), "intact: 243 entries")
}

// TestLedgerBackup: a backup is a record, with its own checkpoint.
func TestLedgerBackup(t *testing.T) {
	file, data, public := keyed(t)
	folder := t.TempDir()
	recordDeployments(t, data, "i-", 4)
	// Another process has the record open.
	store, err := sqlite.Open(t.Context(), recordPath(data))
	require.NoError(t, err)
	copied := filepath.Join(folder, "copy.db")
	require.Contains(t, must(t, "ledger", "backup", "--config", file, "--out", copied), "copied 12 entries")
	require.NoError(t, store.Close())
	require.Contains(t, fails(t, exitFailed, "ledger", "backup", "--config", file, "--out", copied), "exists")
	require.Contains(t, fails(t, exitUsage, "ledger", "backup", "--config", file), "--out is missing")

	recordDeployments(t, data, "j-", 1)
	newer := must(t, "ledger", "prove", "--sign", "--config", file)
	save(t, data, "record.checkpoint", newer)
	moveAway(t, data)
	restore := func(from, to string) {
		content, err := os.ReadFile(filepath.Join(folder, from))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(to, content, 0o600))
	}
	restore("copy.db", recordPath(data))
	require.Contains(t, fails(t, exitFailed, "ledger", "verify", "--config", file), "NOT INTACT at entry 13 (truncated)")
	restore("copy.db.checkpoint", filepath.Join(data, "record.checkpoint"))
	require.Contains(t, must(t, "ledger", "verify", "--config", file), "intact: 12 entries")
	require.Contains(t, fails(t, exitFailed, "ledger", "verify", "--config", file, "--public-key", public, "--against", save(t, folder, "newer", newer)), "NOT INTACT at entry 13 (truncated)")
}

func TestLedgerUsage(t *testing.T) {
	file, _ := configure(t)
	must(t, "ledger", "init", "--config", file)
	key := save(t, t.TempDir(), "key.pub", "no key")
	for name, test := range map[string]struct {
		code int
		args []string
		want string
	}{
		"nothing":            {exitUsage, []string{"verify"}, "--config is missing"},
		"two":                {exitUsage, []string{"verify", "--config", file, "--export", "x"}, "one of --config, --export and --proof"},
		"no public key":      {exitUsage, []string{"verify", "--export", "x"}, "--public-key is missing"},
		"bad public key":     {exitFailed, []string{"verify", "--export", "x", "--public-key", key}, "is no public key"},
		"against without":    {exitUsage, []string{"verify", "--config", file, "--against", key}, "--against needs --public-key"},
		"output":             {exitUsage, []string{"verify", "--config", file, "-o", "xml"}, "is not text or json"},
		"entry without":      {exitUsage, []string{"verify", "--config", file, "--entry", "x"}, "--entry goes with --proof"},
		"prove nothing":      {exitUsage, []string{"prove", "--config", file}, "one of an entry's number"},
		"prove both":         {exitUsage, []string{"prove", "1", "--since", "x", "--config", file}, "one of an entry's number"},
		"prove without key":  {exitFailed, []string{"prove", "1", "--config", file}, "gatekeeper ledger key"},
		"key without a name": {exitUsage, []string{"key", "--out", "x"}, "both needed"},
		"key with spaces":    {exitFailed, []string{"key", "--name", "a b", "--out", "x"}, "without spaces"},
		"key over a file":    {exitFailed, []string{"key", "--name", "a", "--out", key}, "exists"},
		"import nothing":     {exitUsage, []string{"import", "--config", file}, "both needed"},
	} {
		require.Contains(t, fails(t, test.code, append([]string{"ledger"}, test.args...)...), test.want, name)
	}
	require.NoFileExists(t, key+".pub")
	// A key that is none stops everything that would sign.
	config, err := os.ReadFile(file)
	require.NoError(t, err)
	save(t, filepath.Dir(file), "checkpoint.key", "PRIVATE+KEY+s3cret")
	require.NoError(t, os.WriteFile(file, append(bytes.Clone(config), "checkpoints:\n  keyFile: checkpoint.key\n"...), 0o600))
	for _, command := range []string{"verify", "export"} {
		said := fails(t, exitFailed, "ledger", command, "--config", file)
		require.Contains(t, said, "checkpoints.keyFile")
		require.NotContains(t, said, "s3cret")
	}
	require.Contains(t, fails(t, exitFailed, "serve", "--config", file), "checkpoints.keyFile")
}
