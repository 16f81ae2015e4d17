package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// conclusion is that of the newest check run on a head.
func (w *town) conclusion(head string) string {
	w.t.Helper()
	runs, err := w.CheckRuns(townRepo, head)
	require.NoError(w.t, err)
	if len(runs) == 0 {
		return ""
	}
	newest := runs[0]
	for _, r := range runs {
		if r.ID > newest.ID {
			newest = r
		}
	}
	return newest.Conclusion
}

func (w *town) concludes(head, want, why string) {
	w.t.Helper()
	require.Eventually(w.t, func() bool { return w.conclusion(head) == want }, time.Minute, 20*time.Millisecond, why)
}

// TestOpenChecksFollowPeople: the check of an open pull request says what holds now, although
// nothing happens to the pull request.
func TestOpenChecksFollowPeople(t *testing.T) {
	t.Parallel()
	w := newTown(t, time.Hour)
	w.decided("the start", func(d approval.Decision) bool { return d.Verdict != "" })
	p, err := w.As("alice").OpenPull(townRepo, standin.PullOptions{Change: pick(2)})
	require.NoError(t, err)
	readme, err := w.As("alice").OpenPull(townRepo, standin.PullOptions{Change: standin.Change{Files: map[string]string{"README.md": "words\n"}}})
	require.NoError(t, err)
	w.ahead.Add(int64(2 * time.Second))
	_, err = w.As("bob").Review(townRepo, p.Number, "APPROVE", "")
	require.NoError(t, err)
	w.concludes(p.Head, "success", "bob approves")
	w.quiet()

	for _, c := range []struct {
		why          string
		lose, regain func() error
	}{
		{"bob leaves the team", func() error { return w.RemoveTeamMember("acme", "sre", "bob") }, func() error { return w.AddTeamMember("acme", "sre", "bob") }},
		{"bob may not write any more", func() error { return w.SetCollaborator(townRepo, "bob", "read") }, func() error { return w.SetCollaborator(townRepo, "bob", "write") }},
	} {
		w.forget()
		require.NoError(t, c.lose())
		w.concludes(p.Head, "action_required", c.why)
		require.NoError(t, c.regain())
		w.concludes(p.Head, "success", "not any more: "+c.why)
		w.quiet()
		require.Equal(t, "success", w.conclusion(readme.Head), "who is in a team is nothing to it")
		for _, call := range w.forget() {
			require.NotContains(t, call, "/issues/2/", "nor is it read")
		}
	}
}

// TestOpenChecksFollowTheirBase: a push to the protected branch that means nothing to an
// open pull request costs no call; one that does is seen.
func TestOpenChecksFollowTheirBase(t *testing.T) {
	t.Parallel()
	w := newTown(t, time.Hour)
	w.decided("the start", func(d approval.Decision) bool { return d.Verdict != "" })
	p, err := w.As("alice").OpenPull(townRepo, standin.PullOptions{Change: standin.Change{Files: map[string]string{"prod/new.yaml": "a: 1\n"}}})
	require.NoError(t, err)
	onMain := func(c standin.Change) {
		t.Helper()
		_, err := w.As("carol").PushBranch(townRepo, "main", c)
		require.NoError(t, err)
	}
	same := standin.Change{Files: map[string]string{"prod/new.yaml": "a: 1\n"}, Message: "The same"}
	onMain(same)
	w.concludes(p.Head, "success", "it changes nothing any more")
	onMain(standin.Change{Delete: []string{"prod/new.yaml"}, Message: "Back"})
	w.concludes(p.Head, "action_required", "its base took the change back, so it is one again")
	w.quiet()
	w.forget()
	onMain(standin.Change{Files: map[string]string{"docs/a.md": "words\n"}, Message: "Words"})
	w.decided("the push to be seen", func(d approval.Decision) bool { return len(d.Lines) == 1 && len(d.Lines[0].Landings) == 3 })
	w.quiet()
	for _, call := range w.forget() {
		require.NotContains(t, call, "/pulls/{number}", "the open pull request was not read")
		require.NotContains(t, call, "check-runs")
	}
}
