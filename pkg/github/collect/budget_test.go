package collect_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// aboutPulls leaves out of calls what is read about the repository and about
// people, once for all pull requests.
func aboutPulls(calls []string) []string {
	var out []string
	for _, c := range calls {
		if strings.Contains(c, "/pulls/") || strings.Contains(c, "/issues/") || strings.Contains(c, "/commits") || strings.HasSuffix(c, "/activity") {
			out = append(out, strings.TrimPrefix(c, "GET /repos/acme/env/"))
		}
	}
	return out
}

// What a pull request costs in calls, from the first time that it is seen.
func TestBudget(t *testing.T) {
	t.Parallel()
	const pull, reviews, activity, commits, timeline = "pulls/1", "pulls/1/reviews", "activity", "pulls/1/commits", "issues/1/timeline"
	for name, tt := range map[string]struct {
		witnessed  bool
		address    bool // erin commits under an address of her own
		cold, warm []string
	}{
		"witnessed":                   {true, false, []string{pull, reviews, activity}, []string{reviews}},
		"whose address is that":       {true, true, []string{pull, reviews, activity, commits}, []string{reviews}},
		"reviewed before we were":     {false, false, []string{pull, reviews, activity, timeline}, []string{reviews}},
		"and whose address is that":   {false, true, []string{pull, reviews, activity, timeline, commits}, []string{reviews}},
		"nobody approved, so no call": {false, false, []string{pull, reviews, activity}, []string{reviews}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			var addresses []string
			if tt.address {
				addresses = append(addresses, "erin@example.com")
			}
			_, err := w.gh.CreateUser("erin", "Erin", addresses...)
			require.NoError(t, err)
			require.NoError(t, w.gh.SetCollaborator(repoName, "erin", "write"))
			if tt.witnessed {
				w.listen()
			}
			p := w.pull("erin", "prod/a.yaml", "a: 1\n")
			w.settle()
			event := "APPROVE"
			if strings.HasPrefix(name, "nobody") {
				event = "REQUEST_CHANGES"
			}
			w.review("bob", p.Number, event)

			// Open: a report.
			w.delivered()
			w.resetCalls()
			w.collectPull(p.Number)
			require.ElementsMatch(t, tt.cold, aboutPulls(w.apiCalls()), "open, and seen for the first time")

			// Merged: a decision, of a process that has just begun.
			sha := w.merge(p.Number, "merge")
			w.delivered()
			w.restart()
			w.resetCalls()
			d := w.decide(w.collect(w.repo.Head))
			require.Equal(t, event == "APPROVE", d.Allowed(), "%+v", d.Findings)
			require.ElementsMatch(t, tt.cold, aboutPulls(w.apiCalls()), "merged, and seen for the first time")

			w.resetCalls()
			a := w.collect(w.repo.Head)
			require.Equal(t, approval.SHA(sha), a.Lines[0].Head)
			require.Equal(t, tt.warm, aboutPulls(w.apiCalls()))
			require.Len(t, w.apiCalls(), 1, "and nothing about people either")
		})
	}
}
