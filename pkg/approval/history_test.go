package approval_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// The model behind the property tests: a repository as the files it holds after
// each landing, and reviews as words. What is approved and trusted is worked out
// from these, slowly and without Decide's bookkeeping.

// tree is what a repository holds: content by path.
type tree map[string]string

type modelReview struct {
	login string
	state approval.ReviewState
	old   bool // of an older head
	early bool // before the head was pushed
}

type modelLanding struct {
	direct    bool
	unsettled bool
	mismatch  bool
	reviews   []modelReview
}

// history is one line: trees[0] is the baseline, landings[i] leads from
// trees[i] to trees[i+1].
type history struct {
	repository approval.RepositoryName
	trees      []tree
	landings   []modelLanding
}

// modelPolicy asks for a number of approvals of each team.
type modelPolicy map[string]int

var (
	modelTeams = map[string][]string{
		"acme/sre": {"alice", "bob", "carol", "reader", "trent"},
		"acme/dba": {"alice", "erin", "trent"},
	}
	modelReviewers = []string{"alice", "bob", "carol", "erin", "dave", "mallory", "reader"}
	modelPaths     = []string{"apps/prod/web.yaml", "apps/prod/workers.yaml", "apps/prod/base/kustomization.yaml", "apps/staging/web.yaml", "README.md"}
	modelStates    = []approval.ReviewState{
		approval.ReviewApproved, approval.ReviewApproved, approval.ReviewApproved, approval.ReviewApproved,
		approval.ReviewChangesRequested, approval.ReviewDismissed, approval.ReviewCommented, approval.ReviewPending,
	}
)

// modelAuthor writes and pushes every pull request; modelReader may not write.
const (
	modelAuthor = "dave"
	modelReader = "reader"
)

func inModelScope(path string) bool { return strings.HasPrefix(path, "apps/prod/") }

func randomHistory(r *rand.Rand, repository approval.RepositoryName) history {
	h := history{repository: repository, trees: []tree{{}}}
	for _, path := range modelPaths {
		setContent(h.trees[0], path, r.IntN(4))
	}
	for range r.IntN(8) {
		next := maps.Clone(h.trees[len(h.trees)-1])
		switch r.IntN(4) {
		case 0: // revert to what the repository held before
			next = maps.Clone(h.trees[r.IntN(len(h.trees))])
		case 1: // revert one file
			from, path := h.trees[r.IntN(len(h.trees))], modelPaths[r.IntN(len(modelPaths))]
			if content, ok := from[path]; ok {
				next[path] = content
			} else {
				delete(next, path)
			}
		default:
			for range 1 + r.IntN(3) {
				setContent(next, modelPaths[r.IntN(len(modelPaths))], r.IntN(4))
			}
		}
		if maps.Equal(next, h.trees[len(h.trees)-1]) {
			continue
		}
		h.trees = append(h.trees, next)
		h.landings = append(h.landings, randomLanding(r))
	}
	return h
}

// setContent gives a path one of three contents, or removes it.
func setContent(t tree, path string, n int) {
	if delete(t, path); n > 0 {
		t[path] = fmt.Sprintf("content %d", n)
	}
}

func randomLanding(r *rand.Rand) modelLanding {
	l := modelLanding{direct: r.IntN(4) == 0, unsettled: r.IntN(15) == 0, mismatch: r.IntN(25) == 0}
	for range r.IntN(6) {
		l.reviews = append(l.reviews, modelReview{
			login: modelReviewers[r.IntN(len(modelReviewers))], state: modelStates[r.IntN(len(modelStates))],
			old: r.IntN(10) == 0, early: r.IntN(10) == 0,
		})
	}
	slices.SortStableFunc(l.reviews, func(a, b modelReview) int { return number(b.early) - number(a.early) })
	return l
}

// approves says whether landing i is approved: for each team, so many members
// whose last word is an approval of the head, and no member's last word is a
// request for changes.
func (p modelPolicy) approves(l modelLanding) bool {
	if l.direct || l.unsettled || l.mismatch {
		return false
	}
	lastWord := func(login string) (modelReview, bool) {
		for _, r := range slices.Backward(l.reviews) {
			if r.login == login && r.state != approval.ReviewCommented && r.state != approval.ReviewPending {
				return r, true
			}
		}
		return modelReview{}, false
	}
	for team, needed := range p {
		for _, member := range modelTeams[team] {
			r, ok := lastWord(member)
			if !ok {
				continue
			}
			if r.state == approval.ReviewChangesRequested {
				return false
			}
			if r.state == approval.ReviewApproved && !r.old && !r.early && member != modelReader && member != modelAuthor {
				needed--
			}
		}
		if needed > 0 {
			return false
		}
	}
	return true
}

// trusted says whether the content of a path after n landings is trusted, told
// backwards from there. It is trusted at the baseline, when it has not changed
// since it was trusted, when an approved landing changed it and what it changed
// was trusted, and when it is again what was trusted last.
func (h history) trusted(p modelPolicy, n int, path string) bool {
	if n == 0 {
		return true
	}
	if h.trusted(p, n-1, path) {
		if h.same(n, n-1, path) || p.approves(h.landings[n-1]) {
			return true
		}
	}
	last := n - 1
	for !h.trusted(p, last, path) {
		last--
	}
	return h.same(n, last, path)
}

func (h history) same(i, j int, path string) bool {
	a, inA := h.trees[i][path]
	b, inB := h.trees[j][path]
	return inA == inB && a == b
}

// changesScope says whether landing n-1 changed anything in scope.
func (h history) changesScope(n int) bool {
	return slices.ContainsFunc(modelPaths, func(path string) bool { return inModelScope(path) && !h.same(n, n-1, path) })
}

// known is the number of landings before the first one in scope on which facts
// are missing.
func (h history) known() int {
	for n := range h.landings {
		if h.landings[n].unsettled && h.changesScope(n+1) {
			return n
		}
	}
	return len(h.landings)
}

// target is the number of landings up to which everything in scope is trusted,
// and no facts are missing.
func (h history) target(p modelPolicy) int {
	for n := h.known(); ; n-- {
		if !slices.ContainsFunc(modelPaths, func(path string) bool { return inModelScope(path) && !h.trusted(p, n, path) }) {
			return n
		}
	}
}

// ships says whether the target differs from the baseline.
func (h history) ships(p modelPolicy) bool { return h.differs(h.target(p)) }

// differs says whether anything in scope after n landings is not as at the
// baseline.
func (h history) differs(n int) bool {
	return slices.ContainsFunc(modelPaths, func(path string) bool { return inModelScope(path) && !h.same(n, 0, path) })
}

// line turns the history into facts.
func (h history) line() approval.Line {
	l := deployLine()
	l.Repository, l.RepositoryID = h.repository, repositoryID(h.repository)
	for i, m := range h.landings {
		var changes []approval.Change
		for _, path := range modelPaths {
			if !h.same(i, i+1, path) {
				changes = append(changes, approval.Change{Path: path, Before: h.entry(i, path), After: h.entry(i+1, path)})
			}
		}
		if m.direct {
			push(&l, i+1, changes...)
		} else {
			pr := pull(i+1, modelAuthor)
			pr.Repository, pr.BaseRepositoryID = l.Repository, l.RepositoryID
			for _, r := range m.reviews {
				addModelReview(pr, r)
			}
			landing := land(&l, pr, changes...)
			if m.mismatch {
				landing.Proof.Result = approval.Mismatch
			}
		}
		if m.unsettled {
			l.Landings[i].Unsettled = "not indexed yet"
		}
	}
	return l
}

func addModelReview(pr *approval.PullRequest, m modelReview) {
	r := review(pr, m.login, m.state)
	if m.old {
		r.Commit = oldHeadOf(pr.Number)
	}
	if m.early {
		r.SubmittedAt = r.SubmittedAt.Add(-time.Hour)
	}
	pr.Reviews = append(pr.Reviews, r)
}

func (h history) entry(n int, path string) approval.Entry {
	if content, ok := h.trees[n][path]; ok {
		return blob(content)
	}
	return approval.Entry{}
}

// commit names the commit after n landings.
func (h history) commit(n int) approval.SHA {
	if n == 0 {
		return baseline
	}
	if h.landings[n-1].direct {
		return directOf(n)
	}
	return commitOf(n)
}

// modelSetting has one source in each of the histories' repositories.
func modelSetting(p modelPolicy, histories []history) *setting {
	s := approved()
	s.Repositories, s.Application.Sources, s.Lines = nil, nil, nil
	s.Config.Requirements, s.Directory = nil, approval.Directory{}
	for _, team := range slices.Sorted(maps.Keys(p)) {
		s.Config.Requirements = append(s.Config.Requirements, approval.Requirement{
			Approvals: p[team], Teams: []approval.TeamName{approval.TeamName(team)},
		})
		t := approval.Team{Name: approval.TeamName(team)}
		for _, login := range modelTeams[team] {
			t.Members = append(t.Members, person(login))
		}
		s.Directory.Teams = append(s.Directory.Teams, t)
	}
	for _, h := range histories {
		s.Repositories = append(s.Repositories, approval.ProtectedRepository{
			Name: h.repository, Branch: "main", EnrolledAt: baseline, Paths: []string{"apps/prod/**"},
		})
		s.Application.Sources = append(s.Application.Sources, approval.Source{
			Kind: approval.SourceGit, RepoURL: "https://github.com/" + string(h.repository), Repository: h.repository,
			TargetRevision: "main", Reads: []approval.Read{{Repository: h.repository, Path: "apps/prod/"}},
		})
		s.Lines = append(s.Lines, h.line())
		for _, login := range append(slices.Clone(modelReviewers), "trent") {
			role := "write"
			if login == modelReader {
				role = "read"
			}
			s.Directory.Roles = append(s.Directory.Roles, approval.RepositoryRole{
				RepositoryID: repositoryID(h.repository), User: person(login).ID, Role: role,
			})
		}
	}
	s.Application.MultiSource = len(histories) > 1
	return s
}
