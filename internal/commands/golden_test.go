package commands_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/commands"
	"github.com/argo-gatekeeper/gatekeeper/internal/console"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Diff and Promote stand in for the renderer and for opening pull requests, which have
// tests of their own.
func (w *world) Diff(_ context.Context, _ approval.RepositoryName, pull int, app string) (string, error) {
	if app == "argocd/pay" {
		return "", errors.New("the renderer is gone")
	}
	return "```diff\n-replicas: 1\n+replicas: 2\n```", nil
}

func (w *world) Can(context.Context, approval.RepositoryName) (bool, error) { return true, nil }

func (w *world) Promote(_ context.Context, _ approval.RepositoryName, asker approval.User, from, to string) (string, error) {
	if from == "argocd/none" {
		return "", &console.Error{Code: console.CodeNotFound, Text: "there is no Application " + from}
	}
	return "Opened #7 with the images of `" + from + "` for `" + to + "`, asked for by `" + asker.Login + "`.", nil
}

// TestReplies holds the look of each kind of reply still, as people see it.
func TestReplies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bob := w.user("bob")
	w.report.Gates[0].Quorum.Children = []approval.Finding{{
		Code: approval.CodeQuorumMissing, Verdict: approval.Blocked, Text: "sre: 1 of 2 approvals; waiting for 1 more of acme/sre", Remedy: "carol can approve it",
		Children: []approval.Finding{{User: &bob, Verdict: approval.Allowed, Text: "bob approved 1234567"}},
	}}
	w.report.Gates[0].Met = 1
	w.report.Gates[0].Applications[0].Findings = []approval.Finding{{
		Code: approval.CodeHoldActive, Verdict: approval.Blocked, Text: "bob holds argocd/shop: incident 7", Remedy: "carol can release it",
	}}
	for _, digit := range []string{"3", "2"} {
		w.past = append(w.past, history.Deployment{Intent: history.IntentPayload{ID: "intent-" + digit, Gate: "prod", Candidate: approval.Candidate{
			UID: "uid-shop", SpecDigest: spec, Revisions: []approval.Revision{{Repository: repository, SHA: approval.SHA(strings.Repeat(digit, 40))}},
		}}})
	}
	full := strings.Repeat("4", 40)
	all := func(o *commands.Options) { o.Differ, o.Promoter = w, w }
	none := func(o *commands.Options) { o.Asker = nil }
	for _, test := range []struct {
		name, person, body string
		edit               func(*commands.Options)
	}{
		{"help", "bob", "/gk help", all},
		{"help-outsider", "eve", "/gk", all},
		{"help-least", "carol", "/gatekeeper help", none},
		{"status", "eve", "/gk status", all},
		{"why", "eve", "/gk why shop", all},
		{"diff", "eve", "/gk diff", all},
		{"diff-missing", "bob", "/gk diff", none},
		{"cancel-nothing", "carol", "/gk cancel", all},
		{"request", "alice", "/gk request @bob @acme/sre", all},
		{"request-missing", "bob", "/gk request @carol", none},
		{"approve", "bob", "/gk approve", all},
		{"cancel", "bob", "/gk cancel", all},
		{"sync", "alice", "/gk sync", all},
		{"sync-on-command", "alice", "/gk sync", func(o *commands.Options) { all(o); w.onCommand() }},
		{"retry", "alice", "/gk retry pay", all},
		{"hold", "bob", "/gk hold --for 2h --reason incident 7", all},
		{"hold-again", "bob", "/gk rollback --reason too late", all},
		{"release", "carol", "/gk release --reason over", all},
		{"rollback", "bob", "/gk rollback --reason logins fail", all},
		{"release-rollback", "carol", "/gk release --reason fixed", all},
		{"promote", "alice", "/gk promote --from shop-stage", all},
		{"promote-unknown", "alice", "/gk promote --from none", all},
		{"promote-missing", "alice", "/gk promote --from shop-stage", none},
		{"break-glass", "carol", "/gk break-glass --revision " + full + " --reason customers cannot pay", all},
		{"break-glass-refused", "bob", "/gk break-glass --revision " + full + " --reason x", all},
		{"adopt-plan", "bob", "/gk adopt", all},
		{"adopt", "bob", "/gk adopt --spec " + spec + " --reason looked at it", all},
		{"refused", "mallory", "/gk hold --reason x", all},
		{"refused-role", "eve", "/gk hold --reason x", all},
		{"unknown-verb", "bob", "/gk hodl shop --reason x", all},
		{"unknown-application", "bob", "/gk hold shpo --reason x", all},
		{"missing-argument", "bob", "/gk hold shop", all},
		{"several", "bob", "/gk status\nand\n/gk why --gate stage\n/gk frobnicate", all},
	} {
		t.Run(test.name, func(t *testing.T) {
			id := w.comment(test.person, test.body)
			w.drain(w.processor(test.edit))
			got := settle(w.replyTo(id))
			require.NotEmpty(t, got)
			file := filepath.Join("testdata", test.name+".md")
			if *update {
				require.NoError(t, os.MkdirAll("testdata", 0o755))
				require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, string(want), got)
			reactions := w.reactions(id)
			require.Equal(t, strings.Contains(got, "\n⛔ "), reactions[len(reactions)-1] == "-1")
		})
	}
}

var (
	moment  = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d UTC`)
	orderID = regexp.MustCompile(`comment-\d+`)
	heads   = regexp.MustCompile("`[0-9a-f]{7}`")
)

// settle takes out what differs each time.
func settle(s string) string {
	s = moment.ReplaceAllString(s, "2026-11-21 10:00 UTC")
	s = orderID.ReplaceAllString(s, "comment-7")
	return heads.ReplaceAllStringFunc(s, func(h string) string {
		if strings.Trim(h[2:8], h[1:2]) == "" {
			return h
		}
		return "`1234567`"
	})
}
