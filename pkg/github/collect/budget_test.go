package collect_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

const ofRepository = "/repos/acme/env/"

// counted are the calls that the budget counts: everything that is asked of the
// repository, what is asked once for all its pull requests included. Not counted
// are the installation's ID and token, once an hour, and what is asked about
// people by their names: members of a team and named users, once for all
// repositories, and the role of each reviewer, once for all pull requests.
func counted(calls []string) []string {
	var out []string
	for _, c := range calls {
		path, ok := strings.CutPrefix(c, "GET "+ofRepository)
		if ok && path != "installation" && !strings.HasPrefix(path, "collaborators/") {
			out = append(out, path)
		}
		if c == "GET /repos/acme/env" {
			out = append(out, "the repository")
		}
	}
	return out
}

// What a pull request costs in calls, from the first time that it is seen: three
// at most. Two cases need more, and cannot do with less:
//
//   - An approval whose submission was not witnessed: nothing but the timeline
//     tells that the base was not changed since, and the timeline tells neither
//     the head, nor who opened it, nor who pushed, nor (for sure) what was taken
//     back. So it comes on top of all others.
//   - An address that is not known: nothing but the list of its commits tells
//     whose it is. It is asked once for the commits of a pull request, and not
//     again for another pull request with the same people.
//
// Two or more pull requests of a repository stay below three each in both cases,
// see TestBudgetOfMany.
func TestBudget(t *testing.T) {
	t.Parallel()
	const (
		pull, reviews, branch = "pulls/1", "pulls/1/reviews", "activity?ref"
		commits, timeline     = "pulls/1/commits", "issues/1/timeline"
		// Once for a repository and process.
		list, activity = "pulls", "activity"
		repository     = "the repository" // when there is no closed pull request to tell it
	)
	for name, tt := range map[string]struct {
		witnessed bool
		address   bool // erin commits under an address of her own
		event     string
		open      []string // a report on it while it is open
		landed    []string // a decision after it was merged
	}{
		"witnessed":                 {true, false, "APPROVE", []string{pull, reviews, branch}, []string{list, activity, reviews}},
		"with an unknown address":   {true, true, "APPROVE", []string{pull, reviews, branch, commits}, []string{list, activity, reviews, commits}},
		"reviewed before we were":   {false, false, "APPROVE", []string{pull, reviews, branch, timeline}, []string{list, activity, reviews, timeline}},
		"both":                      {false, true, "APPROVE", []string{pull, reviews, branch, timeline, commits}, []string{list, activity, reviews, timeline, commits}},
		"not approved, unwitnessed": {false, false, "REQUEST_CHANGES", []string{pull, reviews, branch}, []string{list, activity, reviews}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.erin(tt.address)
			if tt.witnessed {
				w.listen()
			}
			p := w.pull("erin", "prod/a.yaml", "a: 1\n")
			w.settle()
			w.review("bob", p.Number, tt.event)

			w.delivered()
			w.resetCalls()
			w.collectPull(p.Number)
			require.ElementsMatch(t, append(tt.open, list, repository), counted(w.apiCalls()), "open, and seen for the first time")

			// Merged: a decision, of a process that has just begun.
			sha := w.merge(p.Number, "merge")
			w.delivered()
			w.restart()
			w.resetCalls()
			d := w.decide(w.collect(w.repo.Head))
			require.Equal(t, tt.event == "APPROVE", d.Allowed(), "%+v", d.Findings)
			require.ElementsMatch(t, tt.landed, counted(w.apiCalls()), "merged, and seen for the first time")

			w.resetCalls()
			a := w.collect(w.repo.Head)
			require.Equal(t, approval.SHA(sha), a.Lines[0].Head)
			require.Equal(t, []string{"GET " + ofRepository + reviews}, w.apiCalls(), "and nothing about people either")
		})
	}
}

// erin is somebody of whom nothing is known.
func (w *world) erin(address bool) {
	w.t.Helper()
	var addresses []string
	if address {
		addresses = append(addresses, "erin@example.com")
	}
	_, err := w.gh.CreateUser("erin", "Erin", addresses...)
	require.NoError(w.t, err)
	require.NoError(w.t, w.gh.SetCollaborator(repoName, "erin", "write"))
}

// What several landings cost together in a process that has just begun, with
// everything against it: at most three calls each.
func TestBudgetOfMany(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"merge", "squash", "rebase"} {
		for _, witnessed := range []bool{true, false} {
			for _, address := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s, witnessed %v, unknown address %v", method, witnessed, address), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t)
					w.erin(address)
					if witnessed {
						w.listen()
					}
					const n = 4
					var numbers []int
					for i := range n {
						p := w.pull("erin", fmt.Sprintf("prod/%d.yaml", i), "a: 1\n")
						w.settle()
						w.review("bob", p.Number, "APPROVE")
						w.merge(p.Number, method)
						numbers = append(numbers, p.Number)
					}
					w.delivered()
					w.restart()
					w.resetCalls()
					a := w.collect(w.repo.Head)
					require.True(t, w.decide(a).Allowed())
					want := []string{"pulls", "activity"}
					for i, number := range numbers {
						require.Equal(t, number, a.Lines[0].Landings[i].Pull.Number)
						want = append(want, fmt.Sprintf("pulls/%d/reviews", number))
						if !witnessed {
							want = append(want, fmt.Sprintf("issues/%d/timeline", number))
						}
					}
					got := slices.DeleteFunc(counted(w.apiCalls()), func(c string) bool { return strings.HasSuffix(c, "/commits") })
					require.ElementsMatch(t, want, got)
					got = counted(w.apiCalls())
					require.LessOrEqual(t, len(got), len(want)+1, "one list of commits tells of all, but: %v", got)
					require.Equal(t, address, len(got) > len(want))
					require.LessOrEqual(t, len(got), 3*n)
				})
			}
		}
	}
}

// What the two lists do not have is read by itself.
func TestBudgetBeyondTheLists(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		lost string
		want []string
	}{
		"an old pull request": {"pulls", []string{"pulls", "the repository", "pulls/1", "pulls/1/reviews", "activity?ref"}},
		"an old push":         {"activity", []string{"pulls", "activity", "pulls/1", "pulls/1/reviews", "activity?ref"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.listen()
			p := w.pull("alice", "prod/a.yaml", "a: 1\n")
			w.review("bob", p.Number, "APPROVE")
			sha := w.merge(p.Number, "merge")
			w.allowed(sha)
			w.restart(withTransport(empty{tt.lost}))
			w.resetCalls()
			w.allowed(sha)
			got := slices.DeleteFunc(counted(w.apiCalls()), func(c string) bool { return strings.HasSuffix(c, "/commits") })
			require.ElementsMatch(t, tt.want, got)
		})
	}
}
