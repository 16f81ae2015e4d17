package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/argo-gatekeeper/gatekeeper/internal/console"
	"github.com/argo-gatekeeper/gatekeeper/internal/pending"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/deployments"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

// recordHistory begins a record of the shop: a deployment, one that failed, and a sync that
// nobody asked the gate about.
func recordHistory(t *testing.T, file, data string) {
	t.Helper()
	code, _, stderr := call(t, t.Context(), "ledger", "init", "--config", file)
	require.Zero(t, code, stderr)
	store, err := sqlite.Open(t.Context(), recordPath(data))
	require.NoError(t, err)
	head := history.Head{}
	for _, drafts := range []func() []history.Draft{
		func() []history.Draft {
			return historytest.Deployment(t, head, "uid", "prod", "i-1", history.ResultSucceeded)
		},
		func() []history.Draft {
			return historytest.Deployment(t, head, "uid", "prod", "i-2", history.ResultFailed)
		},
		func() []history.Draft {
			seen := historytest.Observed("uid", "prod", time.Hour)
			payload, ok := seen.Payload.(history.ObservedPayload)
			require.True(t, ok)
			payload.Revisions, payload.InitiatedBy = []string{strings.Repeat("2", 40)}, "mal\x1blory"
			seen.Payload = payload
			return []history.Draft{seen}
		},
		func() []history.Draft { return []history.Draft{historytest.Health("uid", head.Sequence, "Degraded")} },
	} {
		head, err = store.Append(t.Context(), head, drafts()...)
		require.NoError(t, err)
	}
	require.NoError(t, store.Close())
}

func TestHistory(t *testing.T) {
	file, data := configure(t)
	recordHistory(t, file, data)
	code, stdout, stderr := call(t, t.Context(), "history", "argocd/shop", "--config", file)
	require.Zero(t, code, stderr)
	require.Equal(t, strings.Join([]string{
		"#  FINISHED (UTC)       RESULT     REVISION  PULLS  SYNCED BY   APPROVED BY  HEALTH    NOTES",
		"3  2026-08-03 10:30:01  succeeded  2222222   -      mal�lory    -            Degraded  NOT LET THROUGH BY THE GATE, observed late",
		"2  2026-08-03 09:30:01  failed     1111111   -      gatekeeper  -            Healthy   ",
		"1  2026-08-03 09:30:01  succeeded  1111111   -      gatekeeper  -            Healthy   ",
		"",
	}, "\n"), stdout)

	code, stdout, stderr = call(t, t.Context(), "history", "argocd/shop", "--config", file, "--limit", "1")
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "1 of 3; more with: gatekeeper history argocd/shop --before 3\n")
	code, stdout, stderr = call(t, t.Context(), "history", "argocd/shop", "--config", file, "--before", "3", "--limit", "5", "-o", "json")
	require.Zero(t, code, stderr)
	var page deployments.Page
	require.NoError(t, json.Unmarshal([]byte(stdout), &page))
	require.Len(t, page.Deployments, 2)
	require.Equal(t, []int{2, 3, 0}, []int{page.Deployments[0].Number, page.Total, page.Next})
	code, stdout, stderr = call(t, t.Context(), "history", "argocd/shop", "--config", file, "--all", "-o", "yaml")
	require.Zero(t, code, stderr)
	page = deployments.Page{}
	require.NoError(t, yaml.UnmarshalStrict([]byte(stdout), &page))
	require.Len(t, page.Deployments, 3)
	require.True(t, page.Deployments[0].Ungated && page.Deployments[0].Late)
	code, stdout, _ = call(t, t.Context(), "history", "argocd/shop", "--config", file, "--before", "1")
	require.Zero(t, code)
	require.Equal(t, "no deployments\n", stdout)
}

func TestShow(t *testing.T) {
	file, data := configure(t)
	recordHistory(t, file, data)
	code, stdout, stderr := call(t, t.Context(), "show", "argocd/shop", "#3", "--config", file)
	require.Zero(t, code, stderr)
	require.Equal(t, `Deployment #3 of argocd/shop, gate prod

Result       succeeded
Notes        NOT LET THROUGH BY THE GATE, observed late
Revision     2222222222222222222222222222222222222222
Started      2026-08-03 10:30:00
Finished     2026-08-03 10:30:01
Before it    #1 was live
Asked by     mal`+"\uFFFD"+`lory
Synced by    mal`+"\uFFFD"+`lory (mal`+"\uFFFD"+`lory)
Record       entry 7

Health
  2026-08-03 10:30:01  Healthy, not watched before that
  2026-08-03 09:30:00  Degraded
`, stdout)
	code, stdout, stderr = call(t, t.Context(), "show", "argocd/shop", "2", "--config", file, "-o", "json")
	require.Zero(t, code, stderr)
	var d deployments.Deployment
	require.NoError(t, json.Unmarshal([]byte(stdout), &d))
	require.Equal(t, "the sync ended as Succeeded: successfully synced", d.Failure)
}

func TestCompareDeployments(t *testing.T) {
	file, data := configure(t)
	recordHistory(t, file, data)
	code, stdout, stderr := call(t, t.Context(), "compare", "argocd/shop", "1", "3", "--config", file)
	require.Zero(t, code, stderr)
	require.Equal(t, `argocd/shop: #1 (2026-08-03 09:30:01) and #3 (2026-08-03 10:30:01)
  acme/deploy 1111111 → 2222222

INCOMPLETE: #3 was synced without the gate, so what it brought is not on record
`, stdout)
}

// TestShowNewest: without a number it is the newest deployment that is shown.
func TestShowNewest(t *testing.T) {
	file, data := configure(t)
	recordHistory(t, file, data)
	code, newest, stderr := call(t, t.Context(), "show", "argocd/shop", "--config", file)
	require.Zero(t, code, stderr)
	require.Contains(t, newest, "Deployment #3 of argocd/shop")
	_, third, _ := call(t, t.Context(), "show", "argocd/shop", "3", "--config", file)
	require.Equal(t, third, newest)
}

func TestHistoryRefuses(t *testing.T) {
	file, data := configure(t)
	recordHistory(t, file, data)
	for _, test := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"history", "argocd/shop"}, exitUsage, "--config is missing"},
		{[]string{"history", "shop", "--config", file}, exitUsage, "NAMESPACE/NAME"},
		{[]string{"history", "--config", file}, exitUsage, "NAMESPACE/NAME"},
		{[]string{"history", "argocd/shop", "--config", file, "--limit", "0"}, exitUsage, "numbers from 1 on"},
		{[]string{"history", "argocd/shop", "--config", file, "-o", "text"}, exitUsage, "not table, json or yaml"},
		{[]string{"history", "argocd/none", "--config", file}, exitFailed, "deployments of argocd/none: not on record"},
		{[]string{"history", "argocd/none", "--config", file}, exitFailed, "gatekeeper explain argocd/none tells what was decided"},
		{[]string{"show", "--config", file}, exitUsage, "the number of a deployment"},
		{[]string{"show", "argocd/shop", "x", "--config", file}, exitUsage, `"x" is no number`},
		{[]string{"show", "argocd/shop", "4", "--config", file}, exitFailed, "deployment #4, of 3: not on record; gatekeeper history argocd/shop lists them"},
		{[]string{"compare", "argocd/shop", "1", "--config", file}, exitUsage, "the numbers of two deployments"},
		{[]string{"compare", "argocd/shop", "1", "0", "--config", file}, exitUsage, "no number"},
		{[]string{"pending", "--config", file}, exitFailed, "none runs"},
		{[]string{"pending", "--config", file, "-o", "text"}, exitUsage, "not table, json or yaml"},
	} {
		code, _, stderr := call(t, t.Context(), test.args...)
		require.Equal(t, test.code, code, "%v: %s", test.args, stderr)
		require.Contains(t, stderr, test.says, "%v", test.args)
	}
}

// TestPendingCommand: the command asks the running process, and fails after it printed
// when something could not be read.
func TestPendingCommand(t *testing.T) {
	file, data := configure(t)
	require.NoError(t, os.MkdirAll(data, 0o700))
	listener, err := console.Listen(t.Context(), consolePath(data))
	require.NoError(t, err)
	answers := make(chan pending.Answer, 2)
	answers <- pending.Answer{Items: []pending.Item{
		{Repository: "acme/env", Number: 7, Gate: "prod", Class: approval.ClassConfig, Requirement: "sre", Met: 1, Needed: 2, Able: []string{"alice", "bob"}},
		{Repository: "acme/env", Number: 8, Gate: "prod", Class: approval.ClassMixed, Landed: true, Images: true, Needed: 1, Everybody: true},
		{Repository: "acme/env", Number: 9, Gate: "prod", Class: approval.ClassImage, Draft: true, Images: true, Requirement: "release", Needed: 1, Why: "nobody is left"},
	}}
	asked := make(chan string, 3)
	verbs := with(console.Verbs{}, console.Verbs{pending.Verb: console.Handle(func(_ context.Context, r pending.Request) (pending.Answer, error) {
		asked <- r.For
		return <-answers, nil
	})})
	served := make(chan error, 1)
	go func() { served <- console.Serve(t.Context(), listener, verbs, slog.New(slog.DiscardHandler)) }()

	code, stdout, stderr := call(t, t.Context(), "pending", "--for", "@alice", "--config", file)
	require.Zero(t, code, stderr)
	require.Equal(t, "@alice", <-asked)
	require.Equal(t, strings.Join([]string{
		"PULL REQUEST  GATE  CHANGE  STATE               REQUIREMENT       HAS     WHO CAN APPROVE",
		"acme/env#7    prod  config  open                sre               1 of 2  alice, bob",
		"acme/env#8    prod  mixed   landed, not synced  - (images)        0 of 1  anyone with the role",
		"acme/env#9    prod  image   draft               release (images)  0 of 1  nobody: nobody is left",
		"",
	}, "\n"), stdout)
	answers <- pending.Answer{Items: []pending.Item{}, Unread: []string{"acme/env#3: GitHub is down"}}
	code, stdout, stderr = call(t, t.Context(), "pending", "--config", file)
	require.Equal(t, exitFailed, code)
	require.Equal(t, "nothing that could be read waits for an approval\n", stdout)
	require.Contains(t, stderr, "not everything could be read: acme/env#3: GitHub is down")
}
