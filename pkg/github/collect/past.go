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
	// moves are what can bring a head back that was there before.
	moves []move
}

// move is a force-push, or that the pull request was opened again: while it was
// closed, a force-push leaves no trace in the timeline.
type move struct {
	at time.Time
	by *approval.User
	// head is what was force-pushed; empty when that is not known.
	head approval.SHA
}

// event is an entry of the timeline (GitHub docs, "Timeline events for issues").
// go-github v60 does not know dismissed_review's review_id in this list.
type event struct {
	Event     string    `json:"event"`
	CreatedAt time.Time `json:"created_at"`
	Actor     *gh.User  `json:"actor"`
	CommitID  string    `json:"commit_id"`
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

// explains says whether every dismissed review has its dismissal. Of comments that were
// taken back there is none in the timeline.
func (b past) explains(reviews []approval.Review) bool {
	for _, v := range reviews {
		if _, ok := b.dismissed[v.ID]; v.State == approval.ReviewDismissed && v.Method != approval.MethodComment && !ok {
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
		case "head_ref_force_pushed", "reopened":
			if e.CreatedAt.IsZero() {
				return past{}, github.Wrap(op, r.name, fmt.Errorf("%s has no time", e.Event))
			}
			m := move{at: e.CreatedAt.UTC(), by: person(e.Actor)}
			if e.Event != "reopened" {
				m.head, _ = approval.ParseSHA(e.CommitID) // unknown if it is none
			}
			out.moves = append(out.moves, m)
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
func (b past) baseAt(at time.Time, now string) string {
	if !b.whole {
		return ""
	}
	for _, t := range b.retargeted {
		if !t.Before(at.Truncate(time.Second)) {
			return ""
		}
	}
	return now
}

// lastArrival says when the head arrived last, and by whom, given that its arrival
// was witnessed. A head that was replaced can come back by a force-push alone, or it
// was a force-push that replaced it. So with none since, it did not. After one that
// put just this head there, and none later, it did not come once more either.
//
// In the second of the witnessed arrival the move may be that arrival itself, if
// it is by the same person. If it is another of theirs nothing is lost: a review
// that counts came later, see the core.
func (b past) lastArrival(seen push, p pull) (push, bool) {
	if !b.whole {
		return push{}, false
	}
	last := move{}
	for _, m := range b.moves {
		if b.itself(m, seen) {
			continue
		}
		if m.head == "" {
			return push{}, false
		}
		if !m.at.Before(last.at) {
			last = m
		}
	}
	switch {
	case last.at.IsZero():
		return seen, true
	case last.head != p.head || last.by == nil:
		return push{}, false
	case last.at.Before(seen.at):
		last.at = seen.at
	}
	return push{by: last.by, at: last.at}, true
}

// quiet is lastArrival for a head whose place another one took at a given time, and
// is false in doubt.
func (b past) quiet(seen push, until time.Time) bool {
	if !b.whole {
		return false
	}
	for _, m := range b.moves {
		if !b.itself(m, seen) && !m.at.After(until) {
			return false
		}
	}
	return true
}

// itself is true for moves that came before a witnessed arrival, or are that.
func (past) itself(m move, seen push) bool {
	at := seen.at.Truncate(time.Second)
	switch moved := m.at.Truncate(time.Second); {
	case moved.Before(at):
		return true
	case moved.After(at):
		return false
	default:
		return m.by != nil && m.by.ID == seen.by.ID
	}
}
