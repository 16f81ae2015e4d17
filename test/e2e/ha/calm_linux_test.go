package ha

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
)

// calm plays what replicas do together while nothing goes wrong: one that does not lead
// answers the API server and takes orders, and the one that leads goes by that. It returns
// what has landed, and how many syncs people had.
func (h *team) calm(seen *witness) (landed []string, syncs int) {
	t := h.t
	t.Helper()
	leader := h.leader()
	i := slices.IndexFunc(h.replicas, func(r *replica) bool { return r != leader })
	follower := h.replicas[i]
	h.hooks.restrict(i)
	defer h.hooks.restrict()

	// A hold, given to the follower, stops the leader.
	name := h.Key("prod", payments.Ledger)
	h.order(follower, "hold", name)
	pull, sha := h.land("1500")
	require.NoError(t, h.personRefused(h.ctx, payments.Payments, sha))
	seen.allow(sha)
	_, err := h.Approve(payments.Carol, pull)
	require.NoError(t, err)
	for _, service := range []string{payments.Payments, payments.Notifier} {
		_, err := h.AwaitLive(h.ctx, "prod", service, sha, "1500")
		require.NoError(t, err)
	}
	held, err := h.Live(h.ctx, "prod", payments.Ledger)
	require.NoError(t, err)
	require.Equal(t, []string{h.Enrolled}, held.Revisions, "it is held")
	require.ErrorContains(t, h.refused(payments.Ledger, sha), "bob holds")
	h.order(follower, "release", name)
	h.live(t, sha, "1500")

	// A person's sync is let through by the follower, and settled by the leader.
	before := len(follower.events("sync_admitted"))
	require.NoError(t, h.personSyncs(h.ctx, payments.Payments, sha))
	require.Len(t, follower.events("sync_admitted"), before+1)
	require.Empty(t, leader.events("sync_admitted"))
	h.live(t, sha, "1500")
	h.settled()

	// What the follower shows is what the leader knows.
	err = payments.Await(h.ctx, "the follower to show the leader's decisions", func(ctx context.Context) (bool, string, error) {
		out, err := h.Gatekeeper(ctx, "pending", "--config", follower.config)
		return err == nil && strings.Contains(out, "nothing waits"), out, nil
	})
	require.NoError(t, err)

	// Where somebody has to say sync, the follower takes the word for what the leader found.
	h.waitsForWord(true)
	pull, next := h.land("1600")
	seen.allow(next)
	_, err = h.Approve(payments.Carol, pull)
	require.NoError(t, err)
	for _, service := range payments.Services() {
		name := h.Key("prod", service)
		h.explained(follower, name, "waits for somebody to say sync")
		live, err := h.Live(h.ctx, "prod", service)
		require.NoError(t, err)
		require.Equal(t, "1500", live.Limit, "nobody has said it")
		h.order(follower, "sync", name)
		live, err = h.AwaitLive(h.ctx, "prod", service, next, "1600")
		require.NoError(t, err)
		require.Contains(t, live.InitiatedBy, "sync said by bob")
	}
	h.settled()
	h.waitsForWord(false)
	require.Equal(t, leader, h.leader())
	return []string{sha, next}, 1
}

// waitsForWord has the gate sync when somebody says so, or by itself, on every replica.
func (h *team) waitsForWord(waits bool) {
	h.t.Helper()
	before := map[*replica]int{}
	for _, r := range h.replicas {
		text, err := os.ReadFile(r.config)
		require.NoError(h.t, err)
		edited := strings.Replace(string(text), fmt.Sprintf(wordSetting, !waits), fmt.Sprintf(wordSetting, waits), 1)
		require.NotEqual(h.t, string(text), edited)
		before[r] = len(r.events("config_reloaded"))
		require.NoError(h.t, h.WriteSecret(filepath.Base(r.config), edited))
	}
	err := payments.Await(h.ctx, "every replica to take the configuration over", func(context.Context) (bool, string, error) {
		for _, r := range h.replicas {
			if len(r.events("config_reloaded")) == before[r] {
				return false, r.name + " has not", nil
			}
		}
		return true, "", nil
	})
	require.NoError(h.t, err)
}

// explained waits until the newest decision about an Application, as a replica reads it, has
// a text.
func (h *team) explained(r *replica, application, text string) {
	h.t.Helper()
	err := payments.Await(h.ctx, "the decision about "+application+" to say "+text, func(ctx context.Context) (bool, string, error) {
		out, err := h.Gatekeeper(ctx, "explain", application, "--config", r.config)
		return strings.Contains(out, text), out, err
	})
	require.NoError(h.t, err)
}

// order gives an order to a replica, on its own console.
func (h *team) order(to *replica, args ...string) {
	h.t.Helper()
	out, err := h.Gatekeeper(h.ctx, append(args, "--config", to.config, "--by", payments.Bob, "--reason", "a test")...)
	require.NoError(h.t, err, out)
}

// refused is the answer to the developer's sync once it is one for good.
func (h *team) refused(service, sha string) error {
	h.t.Helper()
	var refusal error
	err := payments.Await(h.ctx, "a refusal for good", func(ctx context.Context) (bool, string, error) {
		_, refusal = h.Sandbox.ArgoCD().CLIAs(ctx, developer, h.sync(service, sha)...)
		return refusal == nil || !passing(refusal), "", nil
	})
	require.NoError(h.t, err)
	return refusal
}
