package policytest

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func shortNumber(n int) string { return strconv.Itoa(n) }

// reviews are those of a pull request, in the order in which they are listed.
func (h *history) reviews(pr *approval.PullRequest, m *merged, heads []pushedHead) {
	var latest time.Time
	for i := range m.Reviews {
		at := m.where("reviews", i)
		r := h.review(pr, &m.Reviews[i], at, heads, i+1)
		if !r.SubmittedAt.IsZero() && r.SubmittedAt.Before(latest) {
			h.doc.Mistake(at, "this review was given before the one above it (see of and when); list reviews oldest first")
		}
		latest = maxTime(latest, r.SubmittedAt)
		pr.Reviews = append(pr.Reviews, r)
	}
}

func maxTime(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// review is the nth of a pull request; each is a minute after the one before it
// would be.
func (h *history) review(pr *approval.PullRequest, v *Review, at config.At, heads []pushedHead, n int) approval.Review {
	r := approval.Review{
		ID: int64(pr.Number)*1000 + int64(n), State: approval.ReviewApproved, Commit: pr.Head, Base: pr.Base,
		Witnessed: v.Witnessed == nil || *v.Witnessed, Edited: v.Edited,
	}
	switch {
	case v.By == "":
		h.doc.Mistake(at, "nobody gave this review; write by: LOGIN")
	case !strings.EqualFold(v.By, ghost):
		u := h.user(v.By, at.Down("by"))
		r.User = &u
	}
	switch v.Says {
	case "", "approve":
	case "request-changes":
		r.State = approval.ReviewChangesRequested
	case "comment":
		r.State = approval.ReviewCommented
	default:
		h.one(at.Down("says"), "the opinion", v.Says, "approve", "request-changes", "comment")
	}
	of := heads[len(heads)-1]
	if v.Of != "" {
		i := slices.IndexFunc(heads, func(p pushedHead) bool { return p.name == v.Of })
		if i < 0 {
			names := make([]string, len(heads))
			for i := range heads {
				names[i] = heads[i].name
			}
			h.one(at.Down("of"), "the head", v.Of, names...)
			i = len(heads) - 1
		}
		of = heads[i]
		r.Commit = of.commit
	}
	step := time.Duration(n) * time.Minute
	switch v.When {
	case "":
		r.SubmittedAt = of.at.Add(step)
	case "before-push":
		r.SubmittedAt = pr.HeadPushedAt.Add(step - 12*time.Hour)
	case "after-push":
		r.SubmittedAt = pr.HeadPushedAt.Add(step)
	case "after-merge":
		r.SubmittedAt = pr.MergedAt.Add(step)
	case "unknown":
	default:
		h.one(at.Down("when"), "the time", v.When, "before-push", "after-push", "after-merge", "unknown")
	}
	h.circumstances(&r, v, at)
	return r
}

// circumstances are how a review was given, and what became of it.
func (h *history) circumstances(r *approval.Review, v *Review, at config.At) {
	switch v.Via {
	case "", "review":
		if v.Edited {
			h.doc.Mistake(at.Down("edited"), "only a comment can be edited; write via: comment")
		}
	case "comment":
		r.Method = approval.MethodComment
		if r.State != approval.ReviewApproved {
			h.doc.Mistake(at.Down("says"), "a comment can only approve; for anything else remove via")
		}
	default:
		h.one(at.Down("via"), "the method", v.Via, "review", "comment")
	}
	switch v.Base {
	case "":
	case "unknown":
		r.Base = ""
	default:
		r.Base = v.Base
	}
	if v.DismissedBy == "" {
		return
	}
	if r.State == approval.ReviewCommented {
		h.doc.Mistake(at.Down("dismissedBy"), "a review that only comments cannot be dismissed")
	}
	was := r.State
	r.State = approval.ReviewDismissed
	switch v.DismissedBy {
	case "unknown":
	case "github":
		r.Dismissed = &approval.Dismissal{Was: was}
	default:
		u := h.user(v.DismissedBy, at.Down("dismissedBy"))
		r.Dismissed = &approval.Dismissal{By: &u, Was: was}
	}
}
