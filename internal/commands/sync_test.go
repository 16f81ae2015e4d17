package commands_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/commands"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Awaits says that each Application waits, unless the test says how it stands.
func (w *world) Awaits(_ context.Context, applications []string) []approval.Awaited {
	var out []approval.Awaited
	for _, app := range applications {
		_, name, _ := strings.Cut(app, "/")
		a := approval.Awaited{Application: app, UID: "uid-" + name, State: w.stands[app], Waits: w.stands[app] == ""}
		if a.Waits {
			a.Candidate = approval.Candidate{UID: a.UID, SpecDigest: spec, Revisions: []approval.Revision{{Repository: repository, SHA: approval.SHA(strings.Repeat("5", 40))}}}
		}
		out = append(out, a)
	}
	return out
}

// onCommand makes the gate prod, of the shop, one that waits for somebody to say sync.
func (w *world) onCommand() {
	w.policies[0].Sync.OnCommand = true
	w.report.Gates[0].SyncsOnCommand = true
	w.stands = map[string]string{}
}

// TestSyncOnCommand: whoever may write says sync, for what waits and nothing else.
func TestSyncOnCommand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.onCommand()
	require.Contains(t, w.says("eve", "/gk sync"), "eve may not use sync: the role write in the repository is needed, and theirs is read")
	require.Empty(t, w.acts())

	reply := w.says("mallory", "/gk sync")
	require.Contains(t, reply, "**Asked for.**")
	require.Contains(t, reply, "- `argocd/shop` to `5555555`")
	acts := w.acts()
	require.Len(t, acts, 1)
	require.Equal(t, history.VerbSync, acts[0].Verb)
	require.Equal(t, "mallory", acts[0].Person.Name)
	require.Equal(t, history.ViaComment, acts[0].Person.Via)
	require.Equal(t, w.pull.Number, acts[0].Pull)
	require.Equal(t, fmt.Sprintf("asked for on acme/env#%d", w.pull.Number), acts[0].Reason)
	require.Equal(t, strings.Repeat("5", 40), string(acts[0].Candidate.Revisions[0].SHA))

	w.stands["argocd/shop"] = "not synced; sre: 0 of 2 approvals"
	require.Contains(t, w.says("mallory", "/gk sync shop"), "nothing that is approved waits to be synced; argocd/shop: not synced; sre: 0 of 2 approvals")
	require.Contains(t, w.says("mallory", "/gk sync pay"), "What is approved is synced now, if nothing stops it", "its gate waits for nobody")
	require.Contains(t, w.says("mallory", "/gk sync --gate stage"), "no gate")
	require.Len(t, w.acts(), 1)
}

// TestSyncButton: the button of the check run is for its gate.
func TestSyncButton(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.onCommand()
	press := func(person string) string {
		t.Helper()
		run := w.checkRun("gatekeeper/prod", fmt.Sprintf("gatekeeper/pull/%d", w.pull.Number), "sync")
		before := len(w.replies())
		require.NoError(t, w.gh.As(person).ClickAction(repository, run, "sync"))
		require.NoError(t, w.gh.WaitDelivered(t.Context()))
		w.drain(w.processor())
		require.Len(t, w.replies(), before+1)
		return w.replies()[before]
	}
	require.Contains(t, press("mallory"), "**Asked for.**")
	require.Len(t, w.acts(), 1)
	w.report.Gates[0].SyncsOnCommand = false
	require.Contains(t, press("mallory"), "does not offer this button any more")
	require.Len(t, w.acts(), 1)
}

// TestSyncOnceWhereverKilled: the order is recorded once, and the reply tells of it.
func TestSyncOnceWhereverKilled(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		w := newWorld(t)
		w.onCommand()
		for n := 1; ; n++ {
			id := w.comment("bob", "/gk sync")
			k := &killer{at: n, after: after}
			acts := len(w.acts())
			_ = w.processor(func(o *commands.Options) {
				o.Store, o.Hub = killedStore{o.Store, k}, killedHub{o.Hub, k}
				o.Desk = w.desk(killedRecord{w.record, k})
			}).Drain(t.Context())
			if k.name == "" {
				require.Greater(t, n, 10)
				break
			}
			w.drain(w.processor())
			require.Len(t, w.acts(), acts+1, "killed at step %d, %s", n, k.name)
			require.Contains(t, w.replyTo(id), "**Asked for.**")
		}
	}
}
