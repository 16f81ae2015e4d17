package operate_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/console"
	"github.com/argo-gatekeeper/gatekeeper/internal/operate"
	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Awaits says of each Application what the test has it say, else that it waits.
func (w *world) Awaits(_ context.Context, applications []string) []approval.Awaited {
	var out []approval.Awaited
	for _, app := range applications {
		a := approval.Awaited{Application: app, UID: w.apps[app].UID, Waits: true, Candidate: approval.Candidate{
			UID: w.apps[app].UID, SpecDigest: "spec", Revisions: []approval.Revision{{Repository: "acme/env", SHA: full}},
		}}
		if is, ok := w.stands[app]; ok {
			a = is
		}
		out = append(out, a)
	}
	return out
}

func TestSync(t *testing.T) {
	w := newWorld(t)
	w.stands = map[string]approval.Awaited{"argocd/pay": {Application: "argocd/pay", UID: "uid-pay", State: "synced to 1234567"}}
	var asked operate.SyncAsked
	request := operate.SyncRequest{Applications: []string{"argocd/shop", "argocd/pay"}, By: "alice", Reason: "it is announced"}
	w.refused(w.call(operate.VerbSync, request, &asked), console.CodeRefused, "gate prod syncs what is approved for argocd/shop by itself")
	w.policies[0].Sync.OnCommand = true
	require.NoError(t, w.call(operate.VerbSync, request, &asked))
	require.Len(t, asked.Orders, 1)
	require.Equal(t, []operate.NotAwaited{{Application: "argocd/pay", Why: "synced to 1234567"}}, asked.Not)
	entries, err := w.store.Acts(t.Context())
	require.NoError(t, err)
	require.Len(t, entries, 1)
	act, err := history.Decode[history.ActPayload](entries[0])
	require.NoError(t, err)
	require.Equal(t, history.ActPayload{
		ID: asked.Orders[0].ID, Verb: history.VerbSync, Gate: "prod", Application: "argocd/shop", Person: history.Person{Name: "alice", Via: history.ViaConsole},
		Reason: "it is announced", Expires: now.Add(time.Hour), Candidate: &approval.Candidate{
			UID: "uid-shop", SpecDigest: "spec", Revisions: []approval.Revision{{Repository: "acme/env", SHA: full}},
		},
	}, act)
	require.Equal(t, []string{"argocd/shop"}, w.woken)
}

func TestSyncRefused(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*world)
		app    string
		says   string
	}{
		"not protected": {func(*world) {}, "argocd/free", "no gate protects"},
		"nothing waits": {func(w *world) {
			w.stands["argocd/shop"] = approval.Awaited{Application: "argocd/shop", UID: "uid-shop", State: "not synced; too few"}
		}, "argocd/shop", "argocd/shop: not synced; too few"},
		"another UID": {func(w *world) {
			w.stands["argocd/shop"] = approval.Awaited{Application: "argocd/shop", UID: "old", Waits: true}
		}, "argocd/shop", "nothing that is approved waits"},
		"another answered": {func(w *world) {
			w.stands["argocd/shop"] = approval.Awaited{Application: "argocd/pay", UID: "uid-shop", Waits: true}
		}, "argocd/shop", "nothing that is approved waits"},
		"held": {func(w *world) {
			require.NoError(w.t, w.call(operate.VerbHold, operate.HoldRequest{Target: operate.Target{Gate: "prod"}, By: "bob", Reason: "audit"}, &operate.Held{}))
		}, "argocd/shop", "bob holds argocd/shop: audit"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.policies[0].Sync.OnCommand = true
			w.stands = map[string]approval.Awaited{}
			test.change(w)
			w.refused(w.call(operate.VerbSync, operate.SyncRequest{Applications: []string{test.app}, By: "alice", Reason: "r"}, &operate.SyncAsked{}), console.CodeRefused, test.says)
			standing, err := orders.NewBook(w.store).Standing(t.Context())
			require.NoError(t, err)
			_, ok := standing.Sync("uid-shop", now)
			require.False(t, ok)
		})
	}
}

// TestSyncMany: what is too much for one order is said so.
func TestSyncMany(t *testing.T) {
	w := newWorld(t)
	w.policies[0].Sync.OnCommand = true
	var all []string
	for i := range orders.MaxBatch + 1 {
		name := fmt.Sprintf("shop-%d", i)
		a := w.apps["argocd/shop"]
		a.Name, a.UID = name, "uid-"+name
		w.apps["argocd/"+name] = a
		all = append(all, "argocd/"+name)
	}
	var asked operate.SyncAsked
	require.NoError(t, w.call(operate.VerbSync, operate.SyncRequest{Applications: all, By: "alice", Reason: "r"}, &asked))
	require.Len(t, asked.Orders, orders.MaxBatch)
	require.Len(t, asked.Not, 1)
	require.Contains(t, asked.Not[0].Why, "ask again")
}
