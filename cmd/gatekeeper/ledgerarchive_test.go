package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
)

// recordOld appends n deployments that began on a day of 2020, one each day.
func recordOld(t *testing.T, file string, n int) {
	t.Helper()
	cfg, err := config.Load(file)
	require.NoError(t, err)
	store, err := openRecord(t.Context(), cfg, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	for i := range n {
		head, err := store.Head(t.Context())
		require.NoError(t, err)
		drafts := historytest.Deployment(t, head, "a", "prod", fmt.Sprint("old-", head.Sequence), history.ResultSucceeded)
		for k := range drafts {
			drafts[k].Time = time.Date(2020, 1, 1+i, 12, 0, 0, 0, time.UTC)
		}
		_, err = store.Append(t.Context(), head, drafts...)
		require.NoError(t, err)
	}
}

// TestLedgerArchive goes the way of an operator who archives, and of everybody who reads
// the record afterwards.
func TestLedgerArchive(t *testing.T) {
	file, data, public := keyed(t)
	archiving(t, file, data, public)
}

// archiving is that way, with a record that is empty. Whoever archives gives more arguments.
func archiving(t *testing.T, file, data, public string, more ...string) {
	t.Helper()
	folder := t.TempDir()
	path := func(name string) string { return filepath.Join(folder, name) }
	recordOld(t, file, 70) // 10 more than are kept
	older := save(t, folder, "older", must(t, "ledger", "prove", "--sign", "--config", file))
	whole := must(t, "ledger", "export", "--config", file)
	history1 := must(t, "history", "argocd/shop", "--all", "--config", file)
	report := func(args ...string) string {
		return must(t, append([]string{"report", "--gate", "prod", "--from", "2020-01-01", "--to", "2020-02-01", "--config", file}, args...)...)
	}
	require.NotContains(t, report(), "NOT COMPLETE")
	require.Equal(t, "nothing is archived\n", must(t, "ledger", "archives", "--config", file))

	archive := append([]string{"ledger", "archive", "--by", "alice", "--config", file}, more...)
	first := append(archive, "--before", "2020-01-06", "--to", path("first.archive"))
	require.Equal(t, "would archive 15 of the entries 1 to 15; 0 stay whole\n", must(t, append(first, "--dry-run")...))
	require.NoFileExists(t, path("first.archive"))
	require.Regexp(t, "^archived 15 of the entries 1 to 15 to .*first.archive, sha256:[0-9a-f]{64}; 0 stay whole, and entry 211 says so\n$", must(t, first...))
	require.Contains(t, fails(t, exitFailed, first...), "nothing to archive")
	// The other five days of the ten, and what follows is needed.
	require.Contains(t, must(t, append(archive, "--keep", "9600h", "--to", path("second.archive"), "--reason", "room")...), "archived 15 of the entries 16 to 210")
	archives := []string{"--archive", path("first.archive"), "--archive", path("second.archive")}
	listed := must(t, "ledger", "archives", "--config", file)
	require.Regexp(t, `1-15 +15 +\S+ +alice +retention +211 +sha256:`, listed)
	require.Regexp(t, `16-210 +15 +\S+ +alice +room +212 +sha256:`, listed)
	require.Contains(t, must(t, "ledger", "archives", "-o", "json", "--config", file), `"person":{"name":"alice","via":"console"}`)

	// Everything verifies, with the archives and without.
	verify := []string{"ledger", "verify", "--config", file, "--against", older}
	said := must(t, verify...)
	require.Contains(t, said, "intact: 212 entries")
	require.Contains(t, said, "archived: entries 1 to 15, of which the hashes were verified")
	require.NotContains(t, must(t, append(verify, archives...)...), "archived:")
	require.Contains(t, must(t, append(verify, archives[2:]...)...), "archived: entries 1 to 15")
	for name, want := range map[string]string{"first": "intact: 15 entries", "second": "intact: entries 16 to 210"} {
		require.Contains(t, must(t, "ledger", "verify", "--export", path(name+".archive"), "--public-key", public), want)
	}
	short := save(t, folder, "short.jsonl", must(t, "ledger", "export", "--config", file))
	require.Contains(t, must(t, "ledger", "verify", "--export", short, "--public-key", public, "--against", older), "archived: entries 1 to 15")
	again := must(t, append([]string{"ledger", "export", "--config", file}, archives...)...)
	require.True(t, strings.HasPrefix(again, strings.Join(strings.SplitAfter(whole, "\n")[:210], "")), "the export is whole again")
	proof := save(t, folder, "proof", must(t, append([]string{"ledger", "prove", "7", "--config", file}, archives...)...))
	entry := save(t, folder, "entry", strings.SplitAfter(whole, "\n")[6])
	require.Contains(t, must(t, "ledger", "verify", "--proof", proof, "--entry", entry, "--public-key", public), "proved: entry 7")
	require.Contains(t, fails(t, exitFailed, "ledger", "prove", "7", "--config", file), "--archive FILE")
	since := save(t, folder, "since", must(t, "ledger", "prove", "--since", older, "--config", file))
	require.Contains(t, must(t, "ledger", "verify", "--proof", since, "--against", older, "--public-key", public), "continues the one with 210")

	// Readers say so, and read it.
	require.Regexp(t, `(?m)^10 .* archived .*--archive FILE$`, must(t, "history", "argocd/shop", "--all", "--config", file))
	require.Equal(t, history1, must(t, append([]string{"history", "argocd/shop", "--all", "--config", file}, archives...)...))
	require.Contains(t, must(t, "show", "argocd/shop", "3", "--config", file), "Deployment #3 is archived")
	require.Contains(t, must(t, append([]string{"show", "argocd/shop", "3", "--config", file}, archives...)...), "Result       succeeded")
	require.Contains(t, fails(t, exitFailed, "compare", "argocd/shop", "3", "60", "--config", file), "--archive FILE")
	require.Contains(t, must(t, "compare", "argocd/shop", "11", "60", "--config", file), "both deployed the same")
	require.Contains(t, fails(t, exitFailed, "explain", "argocd/shop", "--entry", "1", "--config", file), "--archive FILE")
	require.Contains(t, must(t, "metrics", "--app", "argocd/shop", "--from", "2020-01-01", "--to", "2020-02-01", "--config", file), "is archived in part")
	require.NotContains(t, must(t, append([]string{"metrics", "--app", "argocd/shop", "--from", "2020-01-01", "--to", "2020-02-01", "--config", file}, archives...)...), "is archived in part")
	require.Contains(t, report(), "NOT COMPLETE: 10 entries of the time, among 2 and 15, 5 of them syncs")
	require.Contains(t, report("-o", "html"), "NOT COMPLETE")
	require.NotContains(t, report(archives...), "NOT COMPLETE")

	// Whoever changes an archive, or takes another file for one.
	text, err := os.ReadFile(path("second.archive"))
	require.NoError(t, err)
	text[len(text)/2] ^= 1
	bad := save(t, folder, "bad.archive", string(text))
	require.Contains(t, fails(t, exitFailed, append(verify, "--archive", bad)...), "the archive is not intact: at entry")
	exported := save(t, folder, "whole.jsonl", whole)
	require.Contains(t, fails(t, exitFailed, append(verify, "--archive", exported)...), "the record has no such archive")

	// A record begins with whole entries.
	other := filepath.Join(folder, "other")
	text, err = os.ReadFile(file)
	require.NoError(t, err)
	text = bytes.Split(text, []byte("\nrecord:"))[0]
	elsewhere := filepath.Join(filepath.Dir(file), "elsewhere.yaml")
	require.NoError(t, os.WriteFile(elsewhere, []byte(strings.Replace(string(text), "dataDirectory: "+data, "dataDirectory: "+other, 1)), 0o600))
	require.Contains(t, fails(t, exitFailed, "ledger", "import", "--config", elsewhere, "--export", short, "--public-key", public), "export --archive FILE")
	must(t, "ledger", "import", "--config", elsewhere, "--export", save(t, folder, "again.jsonl", again), "--public-key", public)

	// The second verifier.
	if _, err := exec.LookPath("node"); err == nil {
		script := filepath.Join("..", "..", "examples", "verify-record", "verify.mjs")
		node := func(args ...string) (string, error) {
			out, err := exec.CommandContext(t.Context(), "node", append([]string{script}, args...)...).CombinedOutput()
			return string(out), err
		}
		for _, export := range []string{short, exported, path("first.archive"), path("second.archive")} {
			args := []string{export, public}
			if export == short || export == exported {
				args = append(args, older)
			}
			said, err := node(args...)
			require.NoError(t, err, said)
			require.Contains(t, said, "intact")
		}
		text, err := os.ReadFile(short)
		require.NoError(t, err)
		for _, at := range []int{20, 70, len(text) / 50, len(text) / 20, len(text) / 2} {
			changed := append([]byte{}, text...)
			changed[at] ^= 1
			said, err := node(save(t, folder, "changed.jsonl", string(changed)), public)
			require.Error(t, err, "byte %d: %s", at, said)
			require.Contains(t, said, "NOT INTACT", "byte %d", at)
		}
	}
}

func TestLedgerArchiveRefuses(t *testing.T) {
	file, _ := configure(t)
	must(t, "ledger", "init", "--config", file)
	recordOld(t, file, 1)
	to := filepath.Join(t.TempDir(), "file")
	for want, args := range map[string][]string{
		"one of --before and --keep":    {"--to", to, "--by", "alice"},
		"--to and --by are both needed": {"--keep", "30d", "--by", "alice"},
		"is not a length of time":       {"--keep", "long", "--to", to, "--by", "alice"},
		"is neither a date":             {"--before", "yesterday", "--to", to, "--by", "alice"},
	} {
		require.Contains(t, fails(t, exitUsage, append([]string{"ledger", "archive", "--config", file}, args...)...), want)
	}
	require.Contains(t, fails(t, exitFailed, "ledger", "archive", "--keep", "30d", "--to", to, "--by", "alice", "--config", file), "make one with gatekeeper ledger key")
	require.NoFileExists(t, to)
	var none []history.Archive
	require.NoError(t, json.Unmarshal([]byte(must(t, "ledger", "archives", "-o", "json", "--config", file)), &none))
	require.Empty(t, none)
}

// TestArchivesOnATerminal: what somebody gave as their name and reason moves no cursor.
func TestArchivesOnATerminal(t *testing.T) {
	var out strings.Builder
	require.NoError(t, printArchives(&out, []history.Archive{{ArchivedPayload: history.ArchivedPayload{
		From: 1, To: 9, Person: history.Person{Name: "mal\x1b[1Alory"}, Reason: "room\r\n1-9 alice",
	}}}))
	require.NotContains(t, out.String(), "\x1b")
	require.NotContains(t, out.String(), "\r")
	require.Equal(t, 2, strings.Count(out.String(), "\n"))
}
