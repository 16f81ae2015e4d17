package control

import (
	"context"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

const pullPath = "repositories/{owner}/{repo}/pulls/{number}"

// inPull is the part of an address that names a pull request.
type inPull struct {
	inRepo
	Number int `path:"number"`
}

type inPullAs struct {
	inPull
	actAs
}

type inChange struct {
	inPull
	actAs
	standin.Change
}

func (a *API) pullOperations() []operation {
	return []operation{
		op("GET", "repositories/{owner}/{repo}/pulls", "list pull requests, open and closed", "Server.Pull", a.pulls),
		op("GET", pullPath, "a pull request with reviews, checks of the head, and comments", "Server.Pull Server.Reviews Server.CheckRuns Server.Comments",
			func(_ context.Context, in inPull) (PullState, error) { return a.pullState(in.repo(), in.Number) }),
		op("GET", pullPath+"/files", "what a pull request changes, with patches", "Server.PullFiles",
			func(_ context.Context, in inPull) ([]standin.PullFile, error) {
				return a.s.PullFiles(in.repo(), in.Number)
			}),
		op("POST", "repositories/{owner}/{repo}/pulls", "commit a change to a branch and propose it", "As.OpenPull", func(_ context.Context, in struct {
			inRepo
			actAs
			standin.PullOptions
		}) (standin.OpenedPull, error) {
			return a.s.As(in.As).OpenPull(in.repo(), in.PullOptions)
		}),
		op("PATCH", pullPath, "change title, body, base or state; empty values stay", "As.EditPull", func(_ context.Context, in struct {
			inPull
			actAs
			Title, Body, Base string
			State             string `doc:"open or closed"`
		}) (done, error) {
			return nothing(a.s.As(in.As).EditPull(in.repo(), in.Number, in.Title, in.Body, in.Base, in.State))
		}),
		op("POST", pullPath+"/close", "close without merging", "As.EditPull", func(_ context.Context, in inPullAs) (done, error) {
			return nothing(a.s.As(in.As).EditPull(in.repo(), in.Number, "", "", "", "closed"))
		}),
		op("POST", pullPath+"/reopen", "open again", "As.EditPull", func(_ context.Context, in inPullAs) (done, error) {
			return nothing(a.s.As(in.As).EditPull(in.repo(), in.Number, "", "", "", "open"))
		}),
		op("POST", pullPath+"/reviewers", "ask people and teams for a review", "As.RequestReview", func(_ context.Context, in struct {
			inPull
			actAs
			From []string `wire:"required" doc:"logins, and teams as org/slug"`
		}) (done, error) {
			return nothing(a.s.As(in.As).RequestReview(in.repo(), in.Number, in.From...))
		}),
	}
}

// pullHistoryOperations move branches.
func (a *API) pullHistoryOperations() []operation {
	return []operation{
		op("POST", pullPath+"/push", "add a commit to the head branch", "As.PushToPull", func(_ context.Context, in inChange) (NewCommit, error) {
			return newCommit(a.s.As(in.As).PushToPull(in.repo(), in.Number, in.Change))
		}),
		op("POST", pullPath+"/force-push", "replace all commits by one", "As.ForcePushPull", func(_ context.Context, in inChange) (NewCommit, error) {
			return newCommit(a.s.As(in.As).ForcePushPull(in.repo(), in.Number, in.Change))
		}),
		op("POST", pullPath+"/update-branch", "merge the base branch into the head, as the button does", "As.UpdateBranch",
			func(_ context.Context, in inPullAs) (NewCommit, error) {
				return newCommit(a.s.As(in.As).UpdateBranch(in.repo(), in.Number))
			}),
		op("POST", pullPath+"/merge", "merge, as the button does", "As.Merge", func(_ context.Context, in struct {
			inPullAs
			Method string `doc:"merge, squash or rebase; merge when empty"`
		}) (NewCommit, error) {
			if in.Method == "" {
				in.Method = "merge"
			}
			return newCommit(a.s.As(in.As).Merge(in.repo(), in.Number, in.Method))
		}),
		op("POST", pullPath+"/merge-by-hand", "merge on one's own machine and push: an evil merge when files are given", "As.MergeByHand",
			func(_ context.Context, in inChange) (NewCommit, error) {
				return newCommit(a.s.As(in.As).MergeByHand(in.repo(), in.Number, in.Change))
			}),
		op("POST", pullPath+"/revert", "open a pull request that takes back what this one landed", "As.RevertPull",
			func(_ context.Context, in inPullAs) (standin.OpenedPull, error) {
				return a.s.As(in.As).RevertPull(in.repo(), in.Number)
			}),
	}
}

func (a *API) pulls(_ context.Context, in inRepo) ([]standin.Pull, error) {
	var out []standin.Pull
	if _, err := a.s.Branch(in.repo(), ""); err != nil {
		return nil, err
	}
	for _, r := range a.s.RepositoryStates() {
		if !sameRepository(r.Name, in.repo()) {
			continue
		}
		for _, number := range r.Pulls {
			pr, err := a.s.Pull(r.Name, number)
			if err != nil {
				return nil, err
			}
			out = append(out, pr)
		}
	}
	return out, nil
}
