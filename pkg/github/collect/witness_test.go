package collect_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// witness keeps what webhooks told, in memory.
type witness struct {
	mu      sync.Mutex
	reviews map[int64]approval.WitnessedReview
	heads   map[string]approval.WitnessedHead
	merges  map[approval.SHA]int
	deaf    bool // what comes now is lost
}

func newWitness() *witness {
	return &witness{reviews: map[int64]approval.WitnessedReview{}, heads: map[string]approval.WitnessedHead{}, merges: map[approval.SHA]int{}}
}

func headKey(repositoryID int64, pull int, head approval.SHA) string {
	return fmt.Sprint(repositoryID, pull, head)
}

func (w *witness) keep(h approval.Hint) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.deaf {
		return
	}
	if h.Review != nil {
		w.reviews[h.Review.ReviewID] = *h.Review
	}
	if h.Head != nil {
		w.heads[headKey(h.Head.RepositoryID, h.Head.Pull, h.Head.Head)] = *h.Head
	}
	if h.Merge != nil {
		w.merges[h.Merge.Commit] = h.Merge.Pull
	}
}

func (w *witness) setDeaf(deaf bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deaf = deaf
}

func (w *witness) Review(_ context.Context, _, reviewID int64) (approval.WitnessedReview, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v, ok := w.reviews[reviewID]
	return v, ok, nil
}

func (w *witness) HeadPush(_ context.Context, repositoryID int64, pull int, head approval.SHA) (approval.WitnessedHead, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h, ok := w.heads[headKey(repositoryID, pull, head)]
	for _, o := range w.heads {
		if ok && o.RepositoryID == repositoryID && o.Pull == pull && o.Head != head && !o.PushedAt.Before(h.PushedAt) {
			return approval.WitnessedHead{}, false, nil
		}
	}
	return h, ok, nil
}

func (w *witness) MergedPull(_ context.Context, _ int64, commit approval.SHA) (int, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, ok := w.merges[commit]
	return n, ok, nil
}

func (w *witness) FormerHead(_ context.Context, repositoryID int64, pull int, head, next approval.SHA, until time.Time) (approval.WitnessedHead, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h, ok := w.heads[headKey(repositoryID, pull, head)]
	for _, o := range w.heads {
		if ok && o.RepositoryID == repositoryID && o.Pull == pull && o.Head != head && o.Head != next && !o.PushedAt.Before(h.PushedAt) && !o.PushedAt.After(until) {
			return approval.WitnessedHead{}, false, nil
		}
	}
	return h, ok, nil
}
