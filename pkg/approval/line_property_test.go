package approval_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

const randomHistories = 3000

// eachRandomHistory runs f on random lines of one or two repositories, the same
// ones in every run.
func eachRandomHistory(t *testing.T, f func(seed uint64, r *rand.Rand, p modelPolicy, histories []history)) {
	t.Helper()
	for seed := range uint64(randomHistories) {
		r := rand.New(rand.NewPCG(seed, 0))
		p := modelPolicy{"acme/sre": 1 + r.IntN(2)}
		if r.IntN(3) == 0 {
			p["acme/dba"] = 1
		}
		histories := []history{randomHistory(r, "acme/deploy")}
		if r.IntN(4) == 0 {
			histories = append(histories, randomHistory(r, "acme/charts"))
		}
		f(seed, r, p, histories)
		if t.Failed() {
			return
		}
	}
}

// Decide finds the newest point of each line at which every path in scope has
// a trusted content, and allows exactly when that ships something or nothing
// waits.
func TestTargetIsTheNewestTrustedPoint(t *testing.T) {
	allowed, advancing, waiting, undone, unknown := 0, 0, 0, 0, 0
	eachRandomHistory(t, func(seed uint64, _ *rand.Rand, p modelPolicy, histories []history) {
		ships, waits := false, false
		for _, h := range histories {
			ships = ships || h.ships(p)
			waits = waits || h.target(p) < len(h.landings)
		}
		s := modelSetting(p, histories)
		d := s.decide()

		require.Equal(t, ships || !waits, d.Allowed(), "seed %d\n%s", seed, render(d))
		if d.Allowed() {
			require.Equal(t, ships, d.Advances, "seed %d\n%s", seed, render(d))
		}
		for i, h := range histories {
			require.Equal(t, h.commit(h.target(p)), d.Lines[i].Target, "seed %d\n%s", seed, render(d))
			if d.Allowed() {
				require.Equal(t, approval.Revision{Repository: h.repository, SHA: h.commit(h.target(p))}, d.Candidate.Revisions[i], "seed %d", seed)
			}
			for n, landing := range d.Lines[i].Landings {
				fine := !h.changesScope(n+1) || p.approves(h.landings[n])
				require.Equal(t, fine, landing.Verdict == approval.Allowed, "seed %d landing %d\n%s", seed, n, render(d))
				require.Equal(t, !fine && n < h.target(p), landing.Undone, "seed %d landing %d\n%s", seed, n, render(d))
				undone += number(landing.Undone)
			}
		}
		require.Equal(t, d, s.decide(), "seed %d: the same facts, another decision", seed)
		allowed += number(d.Allowed())
		advancing += number(d.Allowed() && d.Advances)
		waiting += number(waits)
		unknown += number(slices.ContainsFunc(histories, func(h history) bool { return h.known() < len(h.landings) }))
	})
	// The histories are of use only while they hold enough of everything.
	for what, n := range map[string]int{"allowed": allowed, "advancing": advancing, "waiting": waiting, "undone": undone, "unknown": unknown} {
		require.Greater(t, n, randomHistories/20, "%s of %d", what, randomHistories)
	}
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// One more approval never takes anything away, unless it makes a change count
// that somebody has taken back without approval, or one that takes everything
// back, so that there is nothing to ship. See late-approval-of-an-undone-landing
// and approved-then-reverted-newer-waits in testdata/decide.
func TestAnotherApprovalNeverMovesTheTargetBack(t *testing.T) {
	moved := 0
	eachRandomHistory(t, func(seed uint64, r *rand.Rand, p modelPolicy, histories []history) {
		before := modelSetting(p, histories).decide()
		with := modelSetting(p, histories)
		line := r.IntN(len(with.Lines))
		pr, n := randomPull(r, with.Lines[line])
		if pr == nil || before.Lines[line].Landings[n].Undone {
			return
		}
		approve(pr, "trent")
		after := with.decide()
		require.GreaterOrEqual(t, position(after.Lines[line]), position(before.Lines[line]), "seed %d", seed)
		require.True(t, after.Allowed() || !before.Allowed() || !anyDiffers(histories, after), "seed %d", seed)
		moved += number(position(after.Lines[line]) > position(before.Lines[line]))
	})
	require.Greater(t, moved, randomHistories/20, "too few approvals changed anything")
}

// anyDiffers says whether there is anything to ship at the targets of a decision.
func anyDiffers(histories []history, d approval.Decision) bool {
	for i, h := range histories {
		if h.differs(position(d.Lines[i])) {
			return true
		}
	}
	return false
}

// One approval less never allows more, with the same exceptions.
func TestOneApprovalLessNeverMovesTheTargetForward(t *testing.T) {
	moved := 0
	eachRandomHistory(t, func(seed uint64, r *rand.Rand, p modelPolicy, histories []history) {
		before := modelSetting(p, histories).decide()
		without := modelSetting(p, histories)
		line := r.IntN(len(without.Lines))
		pr, n := randomPull(r, without.Lines[line])
		if pr == nil || len(pr.Reviews) == 0 {
			return
		}
		i := r.IntN(len(pr.Reviews))
		if pr.Reviews[i].State != approval.ReviewApproved {
			return
		}
		dismiss(&pr.Reviews[i], "boss", approval.ReviewApproved)
		after := without.decide()
		if after.Lines[line].Landings[n].Undone {
			return
		}
		require.LessOrEqual(t, position(after.Lines[line]), position(before.Lines[line]), "seed %d", seed)
		require.True(t, before.Allowed() || !after.Allowed() || !anyDiffers(histories, before), "seed %d", seed)
		moved += number(position(after.Lines[line]) < position(before.Lines[line]))
	})
	require.Greater(t, moved, randomHistories/100, "too few approvals changed anything")
}

// randomPull picks a landing of a pull request; nil when there is none.
func randomPull(r *rand.Rand, l approval.Line) (*approval.PullRequest, int) {
	if len(l.Landings) == 0 {
		return nil, 0
	}
	n := r.IntN(len(l.Landings))
	return l.Landings[n].Pull, n
}

// What does not matter does not change a word of the decision.
func TestIrrelevantFactsChangeNothing(t *testing.T) {
	eachRandomHistory(t, func(seed uint64, r *rand.Rand, p modelPolicy, histories []history) {
		before := modelSetting(p, histories).decide()

		s := modelSetting(p, histories)
		s.CollectedAt = s.CollectedAt.Add(time.Hour)
		s.Application.Deployed, s.Application.Operation, s.Application.Health = nil, nil, "Degraded"
		s.Directory.Teams = append(s.Directory.Teams, approval.Team{Name: "acme/everybody", Members: []approval.User{person("mallory")}})
		s.Directory.Users = append(s.Directory.Users, person("mallory"))
		shuffle(r, s.Directory.Teams)
		for _, team := range s.Directory.Teams {
			shuffle(r, team.Members)
		}
		shuffle(r, s.Directory.Roles)
		for _, l := range s.Lines {
			for _, landing := range l.Landings {
				shuffle(r, landing.Changes)
				if pr := landing.Pull; pr != nil {
					addComments(r, pr)
					shuffle(r, pr.Contributors)
				}
			}
		}
		require.Equal(t, before, s.decide(), "seed %d", seed)
	})
}

func shuffle[T any](r *rand.Rand, list []T) {
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}

// addComments puts reviews that say nothing anywhere between the others.
func addComments(r *rand.Rand, pr *approval.PullRequest) {
	for range r.IntN(3) {
		c := review(pr, modelReviewers[r.IntN(len(modelReviewers))], approval.ReviewCommented)
		i := r.IntN(len(pr.Reviews) + 1)
		pr.Reviews = append(pr.Reviews[:i:i], append([]approval.Review{c}, pr.Reviews[i:]...)...)
	}
}
