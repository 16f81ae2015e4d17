package gate

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// reports keeps what was published.
type reports struct {
	mu        sync.Mutex
	published []approval.PullReport
	groups    []approval.GroupReport
	changed   []approval.ChangedComment
	again     []int
	// suites are the gates whose suites are to run again, atHead is what was reported on.
	suites []string
	atHead map[approval.SHA]struct {
		pulls  []int
		groups []approval.MergeGroup
	}
	wait    time.Duration
	failure error
}

func (r *reports) PublishGroup(_ context.Context, report approval.GroupReport) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure == nil {
		r.groups = append(r.groups, report)
	}
	return r.failure
}

func (r *reports) Wait(approval.RepositoryName, int) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.wait
}

// ourComment is the ID of our comment on every pull request.
const ourComment = 77

func (r *reports) CommentChanged(_ context.Context, _ approval.RepositoryName, _ int, c approval.ChangedComment) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure == nil {
		r.changed = append(r.changed, c)
	}
	return c.ID == ourComment, r.failure
}

func (r *reports) Again(_ approval.RepositoryName, pull int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.again = append(r.again, pull)
}

func (r *reports) Publish(_ context.Context, report approval.PullReport) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure != nil {
		return r.failure
	}
	r.published = append(r.published, report)
	return nil
}

func (r *reports) AgainGroup(_ approval.RepositoryName, head approval.SHA) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.again = append(r.again, number(head))
}

// last is what is published on a pull request now.
func (r *reports) last(pull int) (approval.PullReport, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, report := range slices.Backward(r.published) {
		if report.Number == pull {
			return report, true
		}
	}
	return approval.PullReport{}, false
}

func (r *reports) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.published)
}

// AgainSuite finds what the test says was reported on.
func (r *reports) AgainSuite(_ context.Context, _ approval.RepositoryName, head approval.SHA, gates []string) ([]int, []approval.MergeGroup, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.suites = append(r.suites, gates...)
	return r.atHead[head].pulls, r.atHead[head].groups, r.failure
}
