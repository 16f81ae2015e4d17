package control

import (
	"context"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

func sameRepository(a, b string) bool { return strings.EqualFold(a, b) }

// reviewOperations are what people say: reviews, comments, and buttons of checks.
func (a *API) reviewOperations() []operation {
	return []operation{
		op("GET", pullPath+"/reviews", "list reviews, pending ones too, oldest first", "Server.Reviews", a.listReviews),
		op("POST", pullPath+"/reviews", "submit a review", "As.Review", func(_ context.Context, in struct {
			inPullAs
			Event  string `wire:"required" doc:"APPROVE, REQUEST_CHANGES or COMMENT"`
			Body   string
			Commit string `doc:"the head when empty; another one must be, or have been, part of the pull request"`
		}) (NewID, error) {
			return newID(a.s.As(in.As).Review(in.repo(), in.Number, in.Event, in.Body, in.Commit))
		}),
		op("POST", pullPath+"/reviews/{review}/dismiss", "dismiss a review", "As.Dismiss", func(_ context.Context, in struct {
			inPullAs
			Review  int64  `path:"review"`
			Message string `wire:"required" doc:"why"`
		}) (done, error) {
			return nothing(a.s.As(in.As).Dismiss(in.repo(), in.Number, in.Review, in.Message))
		}),
		op("POST", pullPath+"/forced-reviews", "add a review that GitHub would refuse", "Server.ForceReview", a.forceReview),
		op("PUT", "reviews/{review}/commit", "move a review to another commit, as GitHub does by itself", "Server.ReanchorReview", func(_ context.Context, in struct {
			Review int64  `path:"review"`
			SHA    string `wire:"required" doc:"commit; empty for one that is gone"`
		}) (done, error) {
			return nothing(a.s.ReanchorReview(in.Review, in.SHA))
		}),
		op("GET", pullPath+"/comments", "list comments, oldest first", "Server.Comments", func(_ context.Context, in inPull) ([]standin.Comment, error) {
			return a.s.Comments(in.repo(), in.Number)
		}),
		op("POST", pullPath+"/comments", "write a comment", "As.Comment", func(_ context.Context, in struct {
			inPullAs
			Body string `wire:"required" doc:"text"`
		}) (NewID, error) {
			return newID(a.s.As(in.As).Comment(in.repo(), in.Number, in.Body))
		}),
		op("PATCH", "repositories/{owner}/{repo}/comments/{comment}", "change a comment", "As.EditComment", func(_ context.Context, in struct {
			inComment
			Body string `wire:"required" doc:"text; not empty"`
		}) (done, error) {
			if in.Body == "" {
				return done{}, problemf(400, "body: a text is needed; DELETE removes a comment")
			}
			return nothing(a.s.As(in.As).EditComment(in.repo(), in.Comment, in.Body))
		}),
		op("DELETE", "repositories/{owner}/{repo}/comments/{comment}", "delete a comment", "As.EditComment", func(_ context.Context, in inComment) (done, error) {
			return nothing(a.s.As(in.As).EditComment(in.repo(), in.Comment, ""))
		}),
		op("GET", "repositories/{owner}/{repo}/checks", "list check runs", "Server.CheckRuns", func(_ context.Context, in struct {
			inRepo
			SHA string `doc:"of one commit; of all when empty"`
		}) ([]standin.CheckRun, error) {
			return a.s.CheckRuns(in.repo(), in.SHA)
		}),
		op("POST", "repositories/{owner}/{repo}/checks/{check}/click", "press a button of a check run", "As.ClickAction", func(_ context.Context, in struct {
			inCheck
			Action string `wire:"required" doc:"identifier of the button"`
		}) (done, error) {
			return nothing(a.s.As(in.As).ClickAction(in.repo(), in.Check, in.Action))
		}),
		op("POST", "repositories/{owner}/{repo}/checks/{check}/rerequest", "press Re-run of a check run", "As.Rerequest", func(_ context.Context, in inCheck) (done, error) {
			return nothing(a.s.As(in.As).Rerequest(in.repo(), in.Check))
		}),
	}
}

type inComment struct {
	inRepo
	actAs
	Comment int64 `path:"comment"`
}

type inCheck struct {
	inRepo
	actAs
	Check int64 `path:"check"`
}

func (a *API) listReviews(_ context.Context, in inPull) ([]ReviewState, error) {
	pr, err := a.s.Pull(in.repo(), in.Number)
	if err != nil {
		return nil, err
	}
	return a.reviews(in.repo(), in.Number, pr.Head)
}

type inForcedReview struct {
	inPull
	Login  string `doc:"empty for a deleted user"`
	State  string `wire:"required" doc:"APPROVED, CHANGES_REQUESTED, COMMENTED, DISMISSED or PENDING"`
	Body   string
	Commit string `doc:"the head when empty"`
}

func (a *API) forceReview(_ context.Context, in inForcedReview) (NewID, error) {
	switch in.State {
	case "APPROVED", "CHANGES_REQUESTED", "COMMENTED", "DISMISSED", "PENDING":
		return newID(a.s.ForceReview(in.repo(), in.Number, in.Login, in.State, in.Body, in.Commit))
	}
	return NewID{}, problemf(400, "state: %q is not APPROVED, CHANGES_REQUESTED, COMMENTED, DISMISSED or PENDING", in.State)
}
