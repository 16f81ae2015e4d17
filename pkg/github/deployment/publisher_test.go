package deployment

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	gh "github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// TestLife: one deployment, one status for each step, nothing twice.
func TestLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tell(1, at(approval.StageWaiting))
	d := w.seen(1)
	require.Len(t, d, 1)
	require.Equal(t, string(w.landed[0]), d[0].SHA)
	require.Equal(t, string(w.landed[0]), d[0].Ref)
	require.Equal(t, []any{"production", true, Task}, []any{d[0].Environment, d[0].Production, d[0].Task})
	require.JSONEq(t, `{"gatekeeper": {"gate": "prod", "pull": 1, "applications": ["argocd/app1"], "sequence": 7}}`, string(d[0].Payload))
	require.Equal(t, []seenStatus{{
		State: "pending", Description: "sre: 1 of 2 approvals; waiting for 1 more of acme/sre",
		LogURL: "https://argo.example.com/applications/argocd/app1", EnvironmentURL: "https://shop.example.com",
	}}, d[0].statuses)
	for range 3 {
		w.tell(1, at(approval.StageWaiting))
	}
	w.tell(1, at(approval.StageSyncing))
	w.tell(1, at(approval.StageFailed))
	w.tell(1, at(approval.StageFailed))
	w.tell(1, at(approval.StageLive))
	w.tell(1, at(approval.StageLive))
	w.tell(1, at("")) // what is not known changes nothing
	require.Equal(t, []string{"pending", "in_progress", "failure", "success"}, w.states(1))
	reads, writes := w.calls()
	require.Equal(t, []int{1, 5}, []int{reads, writes}, "it is looked for once")
}

// TestWords: other words for the same state wait, and the newest of them are written.
func TestWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tell(1, at(approval.StageSyncing), at(approval.StageSyncing), at(approval.StageSyncing))
	w.tell(1, at(approval.StageSyncing), at(approval.StageSyncing), at(approval.StageLive))
	w.tell(1, at(approval.StageSyncing), at(approval.StageLive), at(approval.StageLive))
	require.Equal(t, []string{"in_progress"}, w.states(1))
	w.p.options.Refresh = 0
	w.hurry()
	last := w.seen(1)[0].statuses
	require.Len(t, last, 2)
	require.Equal(t, "2 of 3 synced", last[1].Description)
	w.p.options.Refresh = time.Hour
	w.tell(1, at(approval.StageLive), at(approval.StageLive), at(approval.StageLive))
	require.Equal(t, []string{"in_progress", "in_progress", "success"}, w.states(1), "another state does not wait")
	w.p.options.Refresh = 0
	w.tell(1, at(approval.StageLive), at(approval.StageLive))
	require.Len(t, w.states(1), 3, "what ended is not told in other words")
	require.Zero(t, w.p.queue.Len())
}

// TestReplaced: one at a time is a success, whatever the environment is.
func TestReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tell(1, at(approval.StageLive))
	w.tell(2, at(approval.StageSyncing))
	require.Equal(t, []string{"success"}, w.states(1))
	w.tell(2, at(approval.StageLive))
	require.Equal(t, []string{"success", "inactive"}, w.states(1))
	require.Equal(t, "replaced by #2", w.seen(1)[0].statuses[1].Description)
	// Two came together; the order of the reports does not matter.
	together := at(approval.StagePast)
	together.Rollout.Newest = 4
	w.tell(4, at(approval.StageLive))
	w.tell(3, together)
	require.Equal(t, []string{"inactive"}, w.states(3))
	require.Contains(t, w.seen(3)[0].statuses[0].Description, "#4")
	require.Equal(t, []string{"in_progress", "success", "inactive"}, w.states(2))
	// What is long past is not touched, and gets no deployment.
	_, before := w.calls()
	for pull := range 4 {
		w.tell(pull+1, at(approval.StagePast))
	}
	w.store.written = map[storeKey]storeValue{}
	w.tell(1, at(approval.StagePast))
	_, after := w.calls()
	require.Equal(t, before, after)
}

// TestRolledBack: what is not live any more is inactive, what is live again a success.
func TestRolledBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tell(1, at(approval.StageLive))
	w.tell(2, at(approval.StageLive))
	back := at(approval.StageWaiting)
	back.Rollout.Revision = w.landed[0]
	w.tell(2, back)
	w.tell(2, back)
	w.tell(1, at(approval.StagePast))
	require.Equal(t, []string{"success", "inactive"}, w.states(2))
	require.Equal(t, []string{"success", "inactive", "success"}, w.states(1))
	w.tell(2, at(approval.StageSyncing))
	w.tell(2, at(approval.StageLive))
	require.Equal(t, []string{"success", "inactive", "in_progress", "success"}, w.states(2))
	require.Equal(t, []string{"success", "inactive", "success", "inactive"}, w.states(1))
}

// TestForgotten: a store that was lost leads to the deployment that is there, and to no
// status that is there.
func TestForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// Somebody else has one of the same commit, environment and task.
	other, err := w.gh.CreateApp(standin.AppOptions{Slug: "other", Owner: "acme", PrivateKeyPEM: appKey(), Permissions: map[string]string{"deployments": "write"}})
	require.NoError(t, err)
	_, err = w.gh.Install(other.ID, "acme", "env")
	require.NoError(t, err)
	theirs := w.appClient(other)
	client, err := theirs.Client(t.Context(), repoName)
	require.NoError(t, err)
	made, _, err := client.API().Repositories.CreateDeployment(t.Context(), "acme", "env", &gh.DeploymentRequest{
		Ref: new(string(w.landed[0])), Task: new(Task), Environment: new("production"), AutoMerge: new(false), RequiredContexts: &[]string{},
	})
	require.NoError(t, err)
	own := func() []string {
		t.Helper()
		all := w.seen(1)
		require.Len(t, all, 2)
		i := slices.IndexFunc(all, func(d seenDeployment) bool { return d.ID == made.GetID() })
		require.Empty(t, all[i].statuses)
		return all[1-i].states()
	}
	for range 2 {
		w.tell(1, at(approval.StageWaiting))
		require.Equal(t, []string{"pending"}, own())
		w.store = newStore()
		w.restart()
	}
	w.tell(1, at(approval.StageLive))
	require.Equal(t, []string{"pending", "success"}, own())
}

// TestLostAnswers: the writes happened and their answers were lost. There is one
// deployment and each status once, after a restart as well.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]standin.Fault{
		"reset":   {Reset: true},
		"cut off": {Status: http.StatusCreated, Body: `{"id":`, Cut: true},
		"502":     standin.Unavailable("", http.StatusBadGateway, 0),
	} {
		for _, path := range []string{"deployments$", "statuses$"} {
			t.Run(name+" "+path, func(t *testing.T) {
				w := newWorld(t)
				fault.Match, fault.AfterEffect = "^POST /repos/.*/"+path, true
				remove, err := w.gh.Fail(fault)
				require.NoError(t, err)
				w.tell(1, at(approval.StageWaiting))
				require.Equal(t, 1, w.p.queue.Len(), "it is to be tried again")
				remove()
				require.Len(t, w.seen(1), 1)
				if path == "statuses$" {
					require.True(t, w.p.Awaits(t.Context(), repoName, 1))
					w.restart()
				}
				w.tell(1, at(approval.StageWaiting))
				w.hurry()
				require.Equal(t, []string{"pending"}, w.states(1))
				require.Zero(t, w.p.queue.Len())
			})
		}
	}
}

// TestKilledBeforeTheStatus: what was created is found by the next process.
func TestKilledBeforeTheStatus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	remove, err := w.gh.Fail(standin.Unavailable("^POST /repos/.*/statuses$", http.StatusServiceUnavailable, 0))
	require.NoError(t, err)
	w.tell(1, at(approval.StageWaiting))
	require.Empty(t, w.states(1))
	remove()
	w.restart()
	require.True(t, w.p.Awaits(t.Context(), repoName, 1))
	require.False(t, w.p.Awaits(t.Context(), repoName, 2), "nobody was told of it")
	w.tell(1, at(approval.StageLive))
	require.Equal(t, []string{"success"}, w.states(1))
	require.False(t, w.p.Awaits(t.Context(), repoName, 1))
}

// TestNotPermitted: it is tried once in a while, and everything else goes on.
func TestNotPermitted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.gh.SetPermissions(w.app.ID, map[string]string{"contents": "read"}))
	for range 5 {
		w.tell(1, at(approval.StageWaiting))
		w.tell(2, at(approval.StageWaiting))
	}
	reads, writes := w.calls()
	require.LessOrEqual(t, reads, 6, "one request, which is repeated with other tokens")
	require.Zero(t, writes)
	require.NoError(t, w.gh.SetPermissions(w.app.ID, map[string]string{"deployments": "write"}))
	w.connect() // an App remembers for a while what it lacks
	w.restart()
	w.tell(1, at(approval.StageWaiting))
	w.tell(2, at(approval.StageWaiting))
	require.Equal(t, []string{"pending"}, w.states(1))
	require.Equal(t, []string{"pending"}, w.states(2))
}

// TestLimited: when GitHub wants quiet, nothing is written at all.
func TestLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.gh.Fail(standin.SecondaryLimit("^POST .*/statuses$", http.StatusForbidden, 0))
	require.NoError(t, err)
	w.tell(1, at(approval.StageWaiting))
	_, before := w.calls()
	w.tell(2, at(approval.StageWaiting))
	w.tell(1, at(approval.StageLive))
	_, after := w.calls()
	require.Equal(t, before, after)
	require.Equal(t, 2, w.p.queue.Len())
}

// TestDeleted: somebody deleted it, so it is made anew when there is news.
func TestDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tell(1, at(approval.StageLive))
	w.tell(2, at(approval.StageLive)) // what is inactive may be deleted
	client, err := w.client.Client(t.Context(), repoName)
	require.NoError(t, err)
	_, err = client.API().Repositories.DeleteDeployment(t.Context(), "acme", "env", w.seen(1)[0].ID)
	require.NoError(t, err)
	require.Empty(t, w.seen(1))
	w.tell(1, at(approval.StageSyncing))
	require.Equal(t, []string{"in_progress"}, w.states(1))
}

// TestRefused: what GitHub will never take is given up, and the next change is a new try.
func TestRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.landed[0] = "1111111111111111111111111111111111111111"
	w.tell(1, at(approval.StageWaiting))
	require.Zero(t, w.p.queue.Len())
	require.Empty(t, w.store.written)
}

// TestStoreFails: what cannot be remembered is not written.
func TestStoreFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tell(1, at(approval.StageWaiting))
	w.store.fail = errors.New("the disk is full")
	w.tell(1, at(approval.StageLive))
	require.Equal(t, []string{"pending"}, w.states(1))
	require.True(t, w.p.Awaits(t.Context(), repoName, 1))
	w.store.fail = nil
	w.hurry()
	require.Equal(t, []string{"pending", "success"}, w.states(1))
}

// TestFollowNeverWaits although nobody writes.
func TestFollowNeverWaits(t *testing.T) {
	t.Parallel()
	w := &world{t: t, store: newStore(), landed: []approval.SHA{sha1, sha2}}
	w.restart()
	for range 1000 {
		w.p.Follow(w.report(1, at(approval.StageWaiting)))
		w.p.Follow(w.report(2, at(approval.StageWaiting)))
	}
	require.Equal(t, 2, w.p.queue.Len())
}

// TestRunSleeps until something is due, and ends with its context.
func TestRunSleeps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, store: newStore(), landed: []approval.SHA{sha1}}
		w.restart()
		// It has ended already, so that nobody is asked.
		m := mark{id: 1, sha: sha1, state: success, at: time.Now()}
		require.NoError(t, w.store.SaveWritten(t.Context(), repoName, 1, storeName("prod"), 1, m.String()))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.p.Run(ctx)
		}()
		synctest.Wait()
		w.p.Follow(w.report(1, at(approval.StageLive)))
		synctest.Wait()
		require.Zero(t, w.p.queue.Len(), "it was looked at")
		cancel()
		<-done
	})
}
