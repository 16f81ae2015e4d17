package ha

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/again"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

// takeoverLimit is how long nobody may lead.
const takeoverLimit = 15 * time.Second

// answerLimit is how long the API server may be without an answer of any replica: until the
// balancer has seen that one does not answer, and the API server has asked another one.
const answerLimit = 10 * time.Second

// patience is far above what the test takes on a slow machine.
const patience = 12 * time.Minute

// fault is what happens to the replicas.
type fault struct {
	name string
	do   func(h *team, r *rand.Rand)
	// changes is true when another replica has to lead afterwards.
	changes bool
}

func faults() []fault {
	return []fault{
		{"kill -9 of the leader", killed, true},
		{"a pause past the Lease", paused, true},
		{"the leader's connection to the database is cut", cut, true},
		{"kill -9 of the leader again", killed, true},
		{"PostgreSQL starts anew", databaseAnew, false},
		{"another version is rolled out", rolled, true},
		{"kill -9 of the leader once more", killed, true},
	}
}

// killed ends the leader at once.
func killed(h *team, _ *rand.Rand) { h.leader().running().Kill() }

// paused stops the leader until its Lease has run out and another one leads, and lets it go
// on: it does not know, and what it was about to do is out of date.
func paused(h *team, _ *rand.Rand) {
	zombie := h.leader()
	process, identity := zombie.running(), zombie.identity()
	zombie.signal(h.t, syscall.SIGSTOP)
	h.another(identity)
	require.NoError(h.t, syscall.Kill(process.PID(), syscall.SIGCONT))
	select {
	case <-process.Done(): // it has seen that it leads no more
	case <-h.ctx.Done():
		require.NoError(h.t, h.ctx.Err(), "the one that was paused goes on")
	}
}

// cut parts the leader from the database until another one leads.
func cut(h *team, _ *rand.Rand) {
	before := h.leader()
	process, identity := before.running(), before.identity()
	before.database.cut(true)
	defer before.database.cut(false)
	select {
	case <-process.Done(): // it cannot do the work, so it gives the Lease up
	case <-h.ctx.Done():
		require.NoError(h.t, h.ctx.Err(), "it leads without a database")
	}
	h.another(identity)
}

// another waits until somebody else leads than before.
func (h *team) another(before string) {
	h.t.Helper()
	err := payments.Await(h.ctx, "another leader", func(context.Context) (bool, string, error) {
		return h.terms.newest() != before, h.terms.newest(), nil
	})
	require.NoError(h.t, err)
}

// databaseAnew stops PostgreSQL for a moment, shorter than the leader holds out without it.
func databaseAnew(h *team, r *rand.Rand) {
	require.NoError(h.t, h.database.Stop())
	wait(h.ctx, time.Duration(r.IntN(1000))*time.Millisecond)
	require.NoError(h.t, h.database.Run(h.ctx))
}

// rolled ends all replicas in turn, as a Deployment does for a new version, and waits for
// each to be ready.
func rolled(h *team, _ *rand.Rand) {
	for _, r := range h.replicas {
		before := r.running()
		require.NoError(h.t, before.Stop(h.ctx))
		err := payments.Await(h.ctx, r.name+" to be ready", func(ctx context.Context) (bool, string, error) {
			if r.running() == before {
				return false, "not started again", nil
			}
			return h.webhooks.ready(ctx, "http://"+r.http+"/readyz"), "not ready", nil
		})
		require.NoError(h.t, err)
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// newest is who leads, as far as was seen.
func (ts *terms) newest() string {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if len(ts.all) == 0 {
		return ""
	}
	return ts.all[len(ts.all)-1].holder
}

// seed is that of the moments at which faults happen: GATEKEEPER_SEED, or one that is said.
func seed(t *testing.T) uint64 {
	t.Helper()
	given := uint64(time.Now().UnixNano())
	if text := os.Getenv("GATEKEEPER_SEED"); text != "" {
		var err error
		given, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("GATEKEEPER_SEED=%d", given)
	return given
}

// TestSeveralReplicas: three replicas share a record in PostgreSQL, and while changes land,
// people sync and are refused, and everything is edited, the one that leads is killed,
// paused, and cut off, the database starts anew, and a version is rolled out. Each approved
// revision is synced exactly once, nothing else ever is, and somebody answers all the time.
func TestSeveralReplicas(t *testing.T) {
	if os.Getenv("GATEKEEPER_E2E") != "1" {
		t.Skip("needs a whole cluster: set GATEKEEPER_E2E=1 or run make e2e")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	sb, err := sandbox.Start(ctx, sandbox.Options{Progress: os.Stderr})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, sb.Close()) })
	h := open(ctx, t, sb, "several")
	h.begin()
	random := rand.New(rand.NewPCG(seed(t), 0))

	seen := &witness{may: map[string]bool{h.Enrolled: true}, seen: map[string]operation{}}
	asked := &probes{}
	var names []string
	for _, service := range payments.Services() {
		names = append(names, h.Application("prod", service))
	}
	admin, person := h.applications(sandbox.Admin), h.applications(sandbox.Developer)
	loading, end := context.WithCancel(ctx)
	var load sync.WaitGroup
	load.Go(func() { _ = seen.watch(loading, admin, names) })
	load.Go(func() { asked.run(loading, person, names[0]) })
	load.Go(func() { h.annotate(loading, person) })
	t.Cleanup(func() { end(); load.Wait() })

	landed, syncs := h.calm(seen)
	require.NoError(t, ctx.Err())
	for i, f := range faults() {
		limit := strconv.Itoa(2000 + i)
		before := h.terms.newest()
		began := time.Now()
		pull, sha := h.land(limit)

		// The fault comes before, with or after the approval that makes it complete, and
		// while a person syncs.
		var struck, approved sync.WaitGroup
		struck.Go(func() {
			wait(ctx, time.Duration(random.IntN(1500))*time.Millisecond)
			f.do(h, random)
		})
		require.NoError(t, h.personRefused(ctx, payments.Ledger, sha))
		seen.allow(sha)
		approved.Go(func() {
			err := payments.Await(ctx, "the approval", func(context.Context) (bool, string, error) {
				_, err := h.Approve(payments.Carol, pull)
				return err == nil, fmt.Sprint(err), nil
			})
			if err != nil {
				t.Error(err)
			}
		})
		approved.Wait()
		struck.Wait()
		h.live(t, sha, limit)
		landed = append(landed, sha)
		if f.changes {
			// The revision may have been synced before the fault came.
			h.another(before)
		}
		service := payments.Services()[i%len(payments.Services())]
		require.NoError(t, h.personSyncs(ctx, service, sha))
		syncs++
		h.live(t, sha, limit)
		t.Logf("%s: everything runs %s after %s", f.name, sha[:7], time.Since(began).Round(time.Millisecond))
	}
	end()
	load.Wait()
	h.judge(seen, asked, landed, syncs)
}

// judge asserts what has to hold, on the cluster and on the record.
func (h *team) judge(seen *witness, asked *probes, landed []string, syncs int) {
	t := h.t
	t.Helper()
	require.Empty(t, seen.wrong, again.Breach+"nothing is synced that is not approved")
	for _, sha := range landed {
		for _, service := range payments.Services() {
			require.Equal(t, 1, seen.ofOurs(h.Application("prod", service), sha), again.Breach+"%s to %s, of %v", service, sha, seen.seen)
		}
	}
	books := h.settled()
	for _, sha := range landed {
		for _, service := range payments.Services() {
			require.Equal(t, 1, books.carried[h.Key("prod", service)+" "+sha], "%s to %s is on record once", service, sha)
		}
	}
	require.Equal(t, syncs, books.people, "the syncs of people are on record")
	out, err := h.Gatekeeper(h.ctx, "ledger", "verify", "--config", h.Config)
	require.NoError(t, err, out)
	h.nothingWaits()

	takeovers := h.terms.takeovers()
	require.NotEmpty(t, takeovers)
	t.Logf("takeovers: %v; longest time without an answer to the API server: %s; %d of %d questions got none", takeovers, asked.gap.Round(time.Millisecond), len(asked.without), asked.asked)
	for _, text := range slices.Compact(slices.Sorted(slices.Values(asked.without))) {
		t.Log(text)
	}
	t.Logf("from a leader's last renewal to the next one's first decision: %v", h.firstDecisions())
	require.Less(t, slices.Max(takeovers), takeoverLimit)
	require.Empty(t, asked.failed)
	require.Less(t, asked.gap, answerLimit, "at %s", asked.at)
}

// books are what the record says about syncs.
type books struct {
	// carried counts Gatekeeper's own syncs that succeeded, by Application and revision;
	// people those of others.
	carried map[string]int
	people  int
	open    []string
}

// settled waits until every intent is settled.
func (h *team) settled() books {
	h.t.Helper()
	var b books
	err := payments.Await(h.ctx, "all intents to be settled", func(ctx context.Context) (bool, string, error) {
		entries, err := h.Record(ctx)
		if err != nil {
			return false, "", err
		}
		b = books{carried: map[string]int{}}
		type intent struct {
			Application string
			Candidate   struct{ Revisions []struct{ SHA string } }
			Admitted    *struct{ User string }
		}
		intents := map[string]intent{}
		for _, e := range entries {
			switch e.Kind {
			case "intent":
				var i intent
				if err := json.Unmarshal(e.Payload, &i); err != nil {
					return false, "", fmt.Errorf("decode entry %d: %w", e.Sequence, err)
				}
				intents[e.Intent] = i
			case "abandoned":
				delete(intents, e.Intent)
			case "outcome":
				i, ok := intents[e.Intent]
				if !ok {
					return false, "", fmt.Errorf("entry %d is the outcome of an intent that is settled", e.Sequence)
				}
				delete(intents, e.Intent)
				var o struct{ Result string }
				if err := json.Unmarshal(e.Payload, &o); err != nil {
					return false, "", fmt.Errorf("decode entry %d: %w", e.Sequence, err)
				}
				if o.Result != "succeeded" {
					return false, "", fmt.Errorf("entry %d: a sync %s", e.Sequence, o.Result)
				}
				if i.Admitted != nil {
					b.people++
					continue
				}
				b.carried[i.Application+" "+cmp.Or(i.Candidate.Revisions[0].SHA, "nothing")]++
			}
		}
		for id := range intents {
			b.open = append(b.open, id)
		}
		return len(b.open) == 0, "open: " + strings.Join(b.open, " "), nil
	})
	require.NoError(h.t, err)
	return b
}

// nothingWaits waits until all webhooks are processed.
func (h *team) nothingWaits() {
	h.t.Helper()
	err := payments.Await(h.ctx, "all webhooks to be processed", func(context.Context) (bool, string, error) {
		n := h.database.SQL(h.t, "postgres", "SELECT count(*) FROM "+h.Name+".deliveries WHERE state = 'pending'")
		return n == "0", n + " wait", nil
	})
	require.NoError(h.t, err)
}

// firstDecisions are the times from a leader's last renewal to the next one's first
// decision.
func (h *team) firstDecisions() []time.Duration {
	h.terms.mu.Lock()
	defer h.terms.mu.Unlock()
	var out []time.Duration
	for i := 1; i < len(h.terms.all); i++ {
		var first time.Time
		for _, r := range h.replicas {
			leads := slices.ContainsFunc(r.events("campaigning"), func(e event) bool { return e.Identity == h.terms.all[i].holder })
			for _, e := range r.events("application_decided") {
				if leads && e.Time.After(h.terms.all[i].acquired) && (first.IsZero() || e.Time.Before(first)) {
					first = e.Time
				}
			}
		}
		if !first.IsZero() {
			out = append(out, first.Sub(h.terms.all[i-1].renewed).Round(time.Millisecond))
		}
	}
	return out
}
