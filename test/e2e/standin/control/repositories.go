package control

import (
	"context"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// inRepo is the part of an address that names a repository.
type inRepo struct {
	Owner string `path:"owner"`
	Repo  string `path:"repo"`
}

func (r inRepo) repo() string { return r.Owner + "/" + r.Repo }

// actAs names who acts.
type actAs struct {
	As string `wire:"required" doc:"login of the person who acts"`
}

// NewCommit is the answer of operations that make a commit.
type NewCommit struct{ SHA string }

func newCommit(sha string, err error) (NewCommit, error) { return NewCommit{sha}, err }

func (a *API) repositoryOperations() []operation {
	return []operation{
		op("GET", "repositories", "list repositories", "Server.RepositoryStates",
			func(context.Context, struct{}) ([]standin.RepositoryState, error) { return a.s.RepositoryStates(), nil }),
		op("POST", "repositories", "make a repository with one commit", "Server.CreateRepository", a.createRepository),
		op("POST", "repositories/{owner}/{repo}/rename", "rename; the former name redirects", "Server.RenameRepository",
			func(_ context.Context, in struct {
				inRepo
				Name string `wire:"required" doc:"new name, without the owner"`
			}) (done, error) {
				return nothing(a.s.RenameRepository(in.repo(), in.Name))
			}),
		op("PUT", "repositories/{owner}/{repo}/collaborators/{login}", "give a person a role", "Server.SetCollaborator",
			func(_ context.Context, in struct {
				inRepo
				Login string `path:"login"`
				Role  string `wire:"required" doc:"read, triage, write, maintain, admin, or none"`
			}) (done, error) {
				return nothing(a.s.SetCollaborator(in.repo(), in.Login, in.Role))
			}),
		op("POST", "repositories/{owner}/{repo}/forks", "copy it to a person", "As.Fork", func(_ context.Context, in struct {
			inRepo
			actAs
		}) (standin.Repository, error) {
			return a.s.As(in.As).Fork(in.repo())
		}),
		op("GET", "repositories/{owner}/{repo}/branches/{branch...}", "the commit at the tip of a branch", "Server.Branch", a.branch),
		op("POST", "repositories/{owner}/{repo}/push", "commit straight to a branch", "As.PushBranch", func(_ context.Context, in struct {
			inRepo
			actAs
			Branch string `wire:"required" doc:"starts at the default branch when it does not exist"`
			standin.Change
		}) (NewCommit, error) {
			return newCommit(a.s.As(in.As).PushBranch(in.repo(), in.Branch, in.Change))
		}),
		op("PUT", "repositories/{owner}/{repo}/branches/{branch...}", "push an existing commit to a branch, by force if need be", "As.SetBranch",
			func(_ context.Context, in struct {
				inBranch
				actAs
				SHA string `wire:"required" doc:"commit"`
			}) (done, error) {
				if in.SHA == "" {
					return done{}, problemf(400, "sha: a commit is needed; DELETE removes a branch")
				}
				return nothing(a.s.As(in.As).SetBranch(in.repo(), in.Branch, in.SHA))
			}),
		op("DELETE", "repositories/{owner}/{repo}/branches/{branch...}", "delete a branch", "As.SetBranch", func(ctx context.Context, in struct {
			inBranch
			actAs
		}) (done, error) {
			if _, err := a.branch(ctx, in.inBranch); err != nil {
				return done{}, err
			}
			return nothing(a.s.As(in.As).SetBranch(in.repo(), in.Branch, ""))
		}),
		op("POST", "repositories/{owner}/{repo}/reverts", "open a pull request that takes back one commit", "As.RevertCommit",
			func(_ context.Context, in struct {
				inRepo
				actAs
				SHA   string `wire:"required" doc:"commit, 40 characters"`
				Title string `wire:"required" doc:"of the pull request"`
			}) (standin.OpenedPull, error) {
				if len(in.SHA) != 40 {
					return standin.OpenedPull{}, problemf(400, "sha: %q is not a commit's full name of 40 characters", in.SHA)
				}
				return a.s.As(in.As).RevertCommit(in.repo(), in.SHA, in.Title)
			}),
		op("GET", "repositories/{owner}/{repo}/statuses/{sha}", "list the statuses of a commit", "Server.Statuses", func(_ context.Context, in struct {
			inRepo
			SHA string `path:"sha"`
		}) ([]standin.Status, error) {
			return a.s.Statuses(in.repo(), in.SHA)
		}),
		op("PUT", "verifications/{sha}", "decide what GitHub says of a commit's signature", "Server.SetVerification", a.verify),
	}
}

type inNewRepository struct {
	Owner string `wire:"required" doc:"person or organization"`
	Name  string `wire:"required" doc:"without the owner"`
	standin.RepositoryOptions
}

func (a *API) createRepository(_ context.Context, in inNewRepository) (standin.Repository, error) {
	return a.s.CreateRepository(in.Owner, in.Name, in.RepositoryOptions)
}

type inBranch struct {
	inRepo
	Branch string `path:"branch"`
}

// Branch is a branch and its tip.
type Branch struct{ Branch, SHA string }

func (a *API) branch(_ context.Context, in inBranch) (Branch, error) {
	sha, err := a.s.Branch(in.repo(), in.Branch)
	if err == nil && sha == "" {
		return Branch{}, problemf(404, "no branch %q in %s", in.Branch, in.repo())
	}
	return Branch{in.Branch, sha}, err
}

type inVerification struct {
	SHA      string `path:"sha"`
	Verified bool
	Reason   string `wire:"required" doc:"valid when verified, else another of GitHub's reasons, like unsigned or bad_email"`
}

func (a *API) verify(_ context.Context, in inVerification) (done, error) {
	if in.Reason == "" || in.Verified != (in.Reason == "valid") {
		return done{}, problemf(400, "reason: %q does not go with verified: %v; verified needs the reason valid, and valid is verified", in.Reason, in.Verified)
	}
	a.s.SetVerification(in.SHA, in.Verified, in.Reason)
	return done{}, nil
}
