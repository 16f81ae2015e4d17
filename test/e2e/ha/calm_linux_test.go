package ha

import (
	"context"
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
	require.Equal(t, leader, h.leader())
	return []string{sha}, 1
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
