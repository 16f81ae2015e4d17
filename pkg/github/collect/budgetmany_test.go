package collect_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

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
					require.Equal(t, address && !witnessed, len(got) > len(want), "pushes tell whose the pusher's commits are")
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
		lost  string
		heard bool
		want  []string
	}{
		"an old pull request": {"pulls", true, []string{theList, "the repository", thePull, itsReviews, itsBranch}},
		"an old push":         {"activity", true, []string{theList, itsReviews, itsBranch}},
		"an old push, and the merge was not heard": {"activity", false, []string{theList, theActivity, thePull, itsReviews, itsBranch}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.erin(true)
			w.listen()
			p := w.opened("")
			w.approved(p)
			var sha string
			merge := func() { sha = w.merge(p.Number, "merge") }
			if tt.heard {
				merge()
			} else {
				w.lose(merge)
			}
			w.delivered()
			w.restart(withTransport(empty{tt.lost}))
			w.resetCalls()
			w.allowed(sha)
			require.ElementsMatch(t, tt.want, counted(w.apiCalls()))
			w.restart(withTransport(empty{tt.lost}))
			w.resetCalls()
			w.allowed(sha)
			got := slices.DeleteFunc(counted(w.apiCalls()), func(c string) bool { return c == theList || c == "the repository" })
			require.Equal(t, []string{itsReviews}, got, "the second process")
		})
	}
}
