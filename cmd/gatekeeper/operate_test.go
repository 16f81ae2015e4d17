package main

import (
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/operate"
)

// TestOrdersOfPeople gives orders without a running process, which are on record for
// the next one.
func TestOrdersOfPeople(t *testing.T) {
	file, _, api := withCluster(t)
	api.set("shop", "u-shop", "prod", "charts/shop")
	api.set("dev", "u-dev", "dev", "charts/dev")
	run := func(code int, says string, args ...string) string {
		t.Helper()
		got, stdout, stderr := call(t, t.Context(), append(args, "--config", file)...)
		require.Equal(t, code, got, stdout+stderr)
		require.Contains(t, stdout+stderr, says)
		return stdout
	}
	by := func(args ...string) []string { return append(args, "--by", "alice", "--reason", "incident 7") }
	run(0, "nothing is held\n", "holds")
	run(0, "held: argocd/shop by alice, until it is released: incident 7  [", by("hold", "argocd/shop")...)
	run(0, "held: gate prod by alice, until ", by("hold", "--gate", "prod", "--for", "2h")...)
	run(exitFailed, "no gate protects argocd/dev", by("hold", "argocd/dev")...)
	run(exitFailed, "there is no Application argocd/none", by("hold", "argocd/none")...)
	run(exitFailed, `there is no gate "stage"`, by("hold", "--gate", "stage")...)
	out := run(0, "(all)", "holds")
	require.Contains(t, out, "argocd/shop")
	require.Contains(t, out, "when released")

	var all operate.Overview
	require.NoError(t, json.Unmarshal([]byte(run(0, "incident 7", "holds", "-o", "json")), &all))
	require.Len(t, all.Holds, 2)
	run(0, "released: argocd/shop by alice", by("release", all.Holds[0].ID)...)
	run(exitFailed, "no hold "+all.Holds[0].ID+" is in force", by("release", all.Holds[0].ID)...)
	run(exitFailed, "the whole gate prod is held", by("release", "argocd/shop")...)
	run(0, "released: gate prod by alice", by("release", "--gate", "prod")...)
	run(0, "nothing is held\n", "holds")

	run(exitFailed, "gate prod has no break-glass", by("break-glass", "argocd/shop", "--revision", "8f14e45fceea167a5a36dedd4bea2543b1b2c3d4")...)
	run(exitFailed, `there is no use of break-glass "X"`, by("review", "X")...)
	run(0, "argocd/shop may be deleted", by("permit", "argocd/shop", "delete", "--for", "1h")...)
	run(0, "argocd/shop may leave its gate", by("permit", "argocd/shop", "leave", "--for", "1h")...)

	for says, args := range map[string][]string{
		"--by is missing":                         {"hold", "argocd/shop", "--reason", "x"},
		"--reason is missing":                     {"release", "argocd/shop", "--by", "x"},
		"name one Application as NAMESPACE/NAME,": by("hold"),
		"or a gate with --gate":                   by("hold", "argocd/shop", "--gate", "prod"),
		"is not a time such as":                   by("hold", "argocd/shop", "--until", "tomorrow"),
		"--revision is missing":                   by("break-glass", "argocd/shop"),
		"by its ID":                               by("review"),
		"and delete or leave":                     by("permit", "argocd/shop"),
		"is not text or json":                     by("hold", "argocd/shop", "-o", "xml"),
	} {
		run(exitUsage, says, args...)
	}
	run(exitFailed, "has no end", by("permit", "argocd/shop", "delete")...)
}

// TestConfigCheckShowsOpenings: three for each gate with windows.
func TestConfigCheckShowsOpenings(t *testing.T) {
	file, _ := configure(t)
	add(t, file, "    windows:\n      - {name: office, kind: allow, timezone: Europe/Berlin, rrule: \"FREQ=DAILY;BYHOUR=9\", duration: 8h}\n")
	code, stdout, stderr := call(t, t.Context(), "config", "check", file)
	require.Zero(t, code, stderr)
	require.Regexp(t, `(?m)^  opens     \w{3} \d{4}-\d\d-\d\d 09:00 Europe/Berlin \(.* UTC\)\n            \w{3} .*\n            \w{3} .*\n`, stdout)
	var report checkReport
	code, stdout, _ = call(t, t.Context(), "config", "check", file, "-o", "json")
	require.Zero(t, code)
	require.NoError(t, json.Unmarshal([]byte(stdout), &report))
	require.Len(t, report.Openings["prod"], 3)
}

// add appends to a file.
func add(t *testing.T, file, text string) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(text)
	require.NoError(t, errors.Join(err, f.Close()))
}
