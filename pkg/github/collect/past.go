package collect

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	gh "github.com/google/go-github/v60/github"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
)

// maxEvents bounds the timeline of one pull request.
const maxEvents = 10000

// past is what a pull request's timeline tells about its reviews and GitHub does
// not say elsewhere.
//
// The timeline is no list of reviews: dismissals that the list of reviews had
// were missing from it minutes later (github.com/sonichi/sutando pull 4055,
// 2026-09-08). So nothing is read from it that a late entry could make wrong. Of
// a dismissal that it does not have, nothing is known; and that the base was not
// changed is believed only once it has the merge, after which nobody can.
type past struct {
	// whole is true when it cannot lack a change of the base.
	whole bool
	// retargeted is when the base branch was changed, by GitHub's clock.
	retargeted []time.Time
	// dismissed are the dismissals by review.
	dismissed map[int64]approval.Dismissal
}

// event is an entry of the timeline (GitHub docs, "Timeline events for issues").
// go-github v60 does not know dismissed_review's review_id in this list.
type event struct {
	Event     string    `json:"event"`
	CreatedAt time.Time `json:"created_at"`
	Actor     *gh.User  `json:"actor"`
	Dismissed *struct {
		State    string `json:"state"`
		ReviewID int64  `json:"review_id"`
	} `json:"dismissed_review"`
}

// pastOf reads the timeline. Once it is whole it is read again only for a
// dismissal that it does not have.
func (c *Collector) pastOf(ctx context.Context, r *repo, p pull, reviews []approval.Review) (past, error) {
	key := pullKey{r.id, p.number}
	if kept, ok := c.pasts.peek(key); ok && kept.explains(reviews) {
		return kept, nil
	}
	read, err := c.pastReads.get(ctx, key, func(ctx context.Context) (past, error) {
		return readPast(ctx, r, p.number)
	})
	if err == nil && p.merged && read.whole {
		c.pasts.put(key, read, forever)
	}
	// An open pull request can be reported on before the timeline is complete:
	// nothing is deployed before it is merged, and then it is read again.
	read.whole = read.whole || !p.merged
	return read, err
}

// explains says whether every dismissed review has its dismissal.
func (p past) explains(reviews []approval.Review) bool {
	for _, v := range reviews {
		if _, ok := p.dismissed[v.ID]; v.State == approval.ReviewDismissed && !ok {
			return false
		}
	}
	return true
}

func readPast(ctx context.Context, r *repo, number int) (past, error) {
	op := fmt.Sprintf("read the timeline of #%d", number)
	events, err := github.All(maxEvents, func(o gh.ListOptions) ([]event, *gh.Response, error) {
		path := fmt.Sprintf("repos/%s/%s/issues/%d/timeline?per_page=%d&page=%d", r.name.Owner(), r.name.Name(), number, o.PerPage, o.Page)
		req, err := r.client.API().NewRequest(http.MethodGet, path, nil)
		if err != nil {
			return nil, nil, err
		}
		var page []event
		resp, err := r.client.API().Do(ctx, req, &page)
		return page, resp, err
	})
	if err != nil {
		return past{}, github.Wrap(op, r.name, err)
	}
	out := past{dismissed: map[int64]approval.Dismissal{}}
	for _, e := range events {
		switch e.Event {
		case "merged":
			out.whole = true
		case "base_ref_changed", "automatic_base_change_succeeded":
			if e.CreatedAt.IsZero() {
				return past{}, github.Wrap(op, r.name, fmt.Errorf("a change of the base has no time"))
			}
			out.retargeted = append(out.retargeted, e.CreatedAt.UTC())
		case "review_dismissed":
			if e.Dismissed == nil || e.Dismissed.ReviewID <= 0 {
				return past{}, github.Wrap(op, r.name, fmt.Errorf("a dismissal names no review"))
			}
			out.dismissed[e.Dismissed.ReviewID] = approval.Dismissal{
				By: person(e.Actor), Was: approval.ReviewState(strings.ToUpper(e.Dismissed.State)),
			}
		}
	}
	return out, nil
}

// baseAt is the base branch when a review was submitted: the present one when it
// was not changed since. Which one it was before the timeline does not say.
func (p past) baseAt(at time.Time, now string) string {
	if !p.whole {
		return ""
	}
	for _, t := range p.retargeted {
		if !t.Before(at.Truncate(time.Second)) {
			return ""
		}
	}
	return now
}
