package gate

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// hub stands for GitHub: one protected branch on which pull requests land.
type hub struct {
	mu sync.Mutex
	// landed are the pull requests on the branch, oldest first; approved tells
	// who approved which.
	landed   []int
	approved map[int][]approval.User
	// unsettled is true for landings that GitHub has not indexed yet.
	unsettled map[int]bool
	// failure answers every call, if set.
	failure    error
	calls      int
	pulls      int
	closureErr error
	forgets    int
	pullOf     map[int]approval.PullAnswer
	groupOf    map[approval.SHA]approval.GroupAnswer
	// bases are those of open pull requests; compared counts how often they were asked for.
	bases    map[int]string
	compared int
	// heard counts events, shared has of each query whether it shares.
	heard  int
	shared []bool
	// onAnswer runs after the facts were read and before they are answered.
	onAnswer func()
}

func newHub() *hub {
	return &hub{approved: map[int][]approval.User{}, unsettled: map[int]bool{}, pullOf: map[int]approval.PullAnswer{}, groupOf: map[approval.SHA]approval.GroupAnswer{}}
}

func (h *hub) land(pulls ...int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.landed = append(h.landed, pulls...)
}

func (h *hub) approve(pull int, by ...approval.User) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.approved[pull] = append(h.approved[pull], by...)
}

func (h *hub) dismiss(pull int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.approved, pull)
}

// index says whether GitHub has indexed a landing.
func (h *hub) index(pull int, done bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unsettled[pull] = !done
}

func (h *hub) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failure = err
}

func (h *hub) counts() (calls, pulls, forgets int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.calls, h.pulls, h.forgets
}

func (h *hub) pull(n int) approval.PullRequest {
	pr := approval.PullRequest{
		Repository: repository, Number: n, Title: "Change " + strconv.Itoa(n), BaseRepositoryID: repositoryID, Base: "main",
		Merged: true, Head: blob(n), HeadPushedAt: start.Add(-time.Hour), Author: dave, Pusher: new(dave),
		Contributors: []approval.Contributor{{User: new(dave), Email: "dave@example.com", Role: "author", Commit: blob(n)}},
	}
	for i, u := range h.approved[n] {
		pr.Reviews = append(pr.Reviews, approval.Review{
			ID: int64(n*100 + i), User: new(u), State: approval.ReviewApproved, Base: "main", Commit: pr.Head, Witnessed: true,
			SubmittedAt: start.Add(-time.Minute),
		})
	}
	return pr
}

func (h *hub) directory() approval.Directory {
	d := approval.Directory{Teams: []approval.Team{{Name: "acme/sre", Members: []approval.User{alice, bob}}}}
	for _, u := range []approval.User{alice, bob, dave} {
		d.Roles = append(d.Roles, approval.RepositoryRole{RepositoryID: repositoryID, User: u.ID, Role: "write"})
	}
	return d
}

func (h *hub) Collect(_ context.Context, q approval.Query) (approval.Answer, error) {
	answer, hook, err := h.collect(q)
	if hook != nil {
		hook()
	}
	return answer, err
}

func (h *hub) collect(q approval.Query) (approval.Answer, func(), error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls++
	h.shared = append(h.shared, q.Shared)
	if h.failure != nil {
		return approval.Answer{}, h.onAnswer, h.failure
	}
	answer := approval.Answer{Directory: h.directory()}
	for _, r := range q.Ranges {
		line := approval.Line{
			Repository: r.Repository, RepositoryID: repositoryID, Branch: r.Branch, DefaultBranch: true,
			Baseline: r.Baseline, Head: r.Baseline, BaselineOnLine: r.Baseline == sha(0),
		}
		parent := sha(0)
		for _, n := range h.landed {
			if line.BaselineOnLine {
				landing := approval.Landing{
					Commit: sha(n), Parent: parent, Title: "Merge #" + strconv.Itoa(n), Kind: approval.KindMerge,
					Proof: approval.Proof{Result: approval.Proven}, Pull: new(h.pull(n)),
					Tree: "e" + sha(n)[1:], ParentTree: "e" + parent[1:],
					Changes: []approval.Change{{
						Path:  "apps/prod/" + strconv.Itoa(n) + ".yaml",
						After: approval.Entry{Mode: "100644", SHA: blob(n)},
					}},
				}
				if h.unsettled[n] {
					landing.Unsettled = "GitHub has not indexed it yet"
				}
				line.Landings, line.Head = append(line.Landings, landing), sha(n)
			}
			line.BaselineOnLine = line.BaselineOnLine || r.Baseline == sha(n)
			parent = sha(n)
		}
		answer.Lines = append(answer.Lines, line)
	}
	return answer, h.onAnswer, nil
}

func (h *hub) CollectPull(_ context.Context, _ approval.RepositoryName, n int, _ approval.Query) (approval.PullAnswer, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pulls++
	if h.failure != nil {
		return approval.PullAnswer{}, h.failure
	}
	answer, ok := h.pullOf[n]
	if !ok && slices.Contains(h.landed, n) {
		answer, ok = approval.PullAnswer{
			Pull: h.pull(n), MergeCommit: sha(n), Directory: h.directory(),
			Changes: []approval.Change{{Path: "apps/prod/" + strconv.Itoa(n) + ".yaml", After: approval.Entry{Mode: "100644", SHA: blob(n)}}},
		}, true
	}
	if !ok {
		return approval.PullAnswer{}, fmt.Errorf("read #%d: %w", n, approval.ErrNotFound)
	}
	return answer, nil
}

// Heard counts.
func (h *hub) Heard() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.heard++
}

// Bases are those that the test put there.
func (h *hub) Bases(_ context.Context, _ approval.RepositoryName, _ string, pulls []int) (map[int]string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.compared++
	out := map[int]string{}
	for _, n := range pulls {
		if basis, ok := h.bases[n]; ok {
			out[n] = basis
		}
	}
	return out, h.failure
}

// Closure says that an Application is rendered from what its sources name.
func (h *hub) Closure(_ context.Context, a approval.Application, revisions []approval.Revision) (approval.Closure, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closureErr != nil {
		return approval.Closure{}, h.closureErr
	}
	c := approval.Closure{Revisions: revisions}
	for _, s := range a.Sources {
		c.Reads = append(c.Reads, s.Reads...)
	}
	return c, nil
}

func (h *hub) Forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forgets++
}

// newestAllowed is the newest landing up to which all are approved that come
// after one that is trusted; that one if there is none.
func (h *hub) newestAllowed(trusted int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	newest := trusted
	for _, n := range h.landed {
		if n <= trusted {
			continue
		}
		if len(h.approved[n]) == 0 {
			break
		}
		newest = n
	}
	return newest
}

// CollectGroup answers with what the test put under the head.
func (h *hub) CollectGroup(_ context.Context, _ approval.RepositoryName, g approval.MergeGroup, _ approval.Query) (approval.GroupAnswer, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failure != nil {
		return approval.GroupAnswer{}, h.failure
	}
	answer, ok := h.groupOf[g.Head]
	if !ok {
		return approval.GroupAnswer{}, fmt.Errorf("read the group: %w", approval.ErrNotFound)
	}
	return answer, nil
}
