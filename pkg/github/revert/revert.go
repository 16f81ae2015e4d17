package revert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"

	gh "github.com/google/go-github/v60/github"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
)

// GitHub gives clients; *github.App does.
type GitHub interface {
	Client(ctx context.Context, repository approval.RepositoryName) (*github.Client, error)
}

// Reverter opens the pull requests. Make it with New; it is safe for concurrent use.
type Reverter struct {
	github GitHub
	log    *slog.Logger
}

// New makes a Reverter and no request.
func New(hub GitHub, log *slog.Logger) *Reverter { return &Reverter{hub, log} }

// Request is what is put back, for one repository.
type Request struct {
	// ID is that of the order to roll back.
	ID          string
	Application string
	// Person ordered it, Reason is why.
	Person, Reason string
	Repository     approval.RepositoryName
	Branch         string
	// Base is the commit of the branch in which the files are put back; To the one
	// that is live again.
	Base, To approval.SHA
	// Files are those that differ, with what they were at To; the zero Entry removes
	// one.
	Files []File
	// Others are Applications that are rendered from some of the files as well.
	Others []string
}

// File is a path and what it gets.
type File struct {
	Path  string
	Entry approval.Entry
}

// Pull is the pull request of a rollback.
type Pull struct {
	Number int
	URL    string
	// Created is true when it was opened just now.
	Created bool
}

// Errors that callers tell apart.
var (
	// ErrRequest: the request is incomplete.
	ErrRequest = errors.New("the revert is not complete")
	// ErrNothing: no file differs.
	ErrNothing = errors.New("there is nothing to put back")
	// ErrForeign: the branch has somebody else's commits.
	ErrForeign = errors.New("somebody else's commits are on the branch")
)

// MaxFiles bounds the files of one pull request. GitHub shows 3,000 files at most.
const MaxFiles = 3000

// BranchPrefix begins the names of all branches of rollbacks.
const BranchPrefix = "gatekeeper/rollback/"

// orderID is what an order's ID has to be to stand in the name of a branch.
var orderID = regexp.MustCompile(`^[A-Za-z0-9]{1,64}$`)

func (r Request) check() error {
	switch {
	case !orderID.MatchString(r.ID):
		return fmt.Errorf("%w: the ID %q cannot be part of a branch", ErrRequest, r.ID)
	case r.Application == "" || r.Person == "" || r.Repository == "" || r.Branch == "" || r.Base == "" || r.To == "":
		return fmt.Errorf("%w: Application, person, repository, branch and both commits must be given", ErrRequest)
	case len(r.Files) == 0:
		return ErrNothing
	case len(r.Files) > MaxFiles:
		return fmt.Errorf("%w: %d files, more than %d", ErrRequest, len(r.Files), MaxFiles)
	}
	for _, f := range r.Files {
		if f.Path == "" || (f.Entry != approval.Entry{}) && (f.Entry.Mode == "" || f.Entry.SHA == "") {
			return fmt.Errorf("%w: the file %q", ErrRequest, f.Path)
		}
	}
	return nil
}

// Open makes the pull request, or finds the one that was made for this order. It can
// be repeated after any failure.
func (v *Reverter) Open(ctx context.Context, r Request) (Pull, error) {
	if err := r.check(); err != nil {
		return Pull{}, err
	}
	client, err := v.github.Client(ctx, r.Repository)
	if err != nil {
		return Pull{}, fmt.Errorf("put %s back: %w", r.Application, err)
	}
	o := opening{client: client, request: r, owner: r.Repository.Owner(), name: r.Repository.Name(), branch: BranchPrefix + r.ID}
	pull, found, err := o.find(ctx)
	if err != nil || found {
		return pull, err
	}
	if err := o.push(ctx); err != nil {
		return Pull{}, err
	}
	pull, err = o.create(ctx)
	if err != nil {
		return Pull{}, err
	}
	v.log.LogAttrs(ctx, slog.LevelInfo, "revert_opened", slog.String("application", r.Application),
		slog.String("repository", string(r.Repository)), slog.Int("pull", pull.Number), slog.String("order", r.ID))
	return pull, nil
}

// opening is one run of Open.
type opening struct {
	client      *github.Client
	request     Request
	owner, name string
	branch      string
}

// find looks for a pull request of the branch, whatever became of it: what somebody
// closed is not opened again.
func (o opening) find(ctx context.Context) (Pull, bool, error) {
	list, _, err := o.client.API().PullRequests.List(ctx, o.owner, o.name, &gh.PullRequestListOptions{
		State: "all", Head: o.owner + ":" + o.branch, ListOptions: gh.ListOptions{PerPage: github.PageSize},
	})
	if err != nil {
		return Pull{}, false, github.Wrap("find the pull request of "+o.branch, o.client.Repository(), err)
	}
	for _, p := range list {
		// GitHub ignores a filter that it does not understand.
		if p.GetHead().GetRef() == o.branch && p.GetHead().GetRepo().GetID() == p.GetBase().GetRepo().GetID() {
			return Pull{Number: p.GetNumber(), URL: p.GetHTMLURL()}, true, nil
		}
	}
	return Pull{}, false, nil
}

// push makes the commit and the branch, unless an earlier run has.
func (o opening) push(ctx context.Context) error {
	head, err := o.head(ctx)
	if err != nil {
		return err
	}
	if head != "" {
		return o.ours(ctx, head)
	}
	commit, err := o.commit(ctx)
	if err != nil {
		return err
	}
	_, _, err = o.client.API().Git.CreateRef(ctx, o.owner, o.name, &gh.Reference{
		Ref: new("refs/heads/" + o.branch), Object: &gh.GitObject{SHA: new(commit)},
	})
	err = github.Wrap("create branch "+o.branch, o.client.Repository(), err)
	if e, ok := errors.AsType[*github.Error](err); ok && e.Status == http.StatusUnprocessableEntity && strings.Contains(e.Message, "already exists") {
		// The answer to an earlier request got lost, or somebody else was faster.
		if head, err = o.head(ctx); err == nil {
			err = o.ours(ctx, head)
		}
	}
	return err
}

// head is where the branch is; empty when there is none.
func (o opening) head(ctx context.Context) (string, error) {
	op := "read branch " + o.branch
	var refs []*gh.Reference
	resp, err := o.client.Get(ctx, op, fmt.Sprintf("repos/%s/git/matching-refs/heads/%s", o.client.Repository(), o.branch), &refs)
	if err == nil && resp.NextPage != 0 {
		err = github.Wrap(op, o.client.Repository(), github.ErrTruncated)
	}
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(refs, func(r *gh.Reference) bool { return r.GetRef() == "refs/heads/"+o.branch })
	if i < 0 {
		return "", nil
	}
	sha, err := approval.ParseSHA(refs[i].GetObject().GetSHA())
	return string(sha), github.Wrap(op, o.client.Repository(), err)
}

// ours makes sure that a commit is the App's own for this order.
func (o opening) ours(ctx context.Context, head string) error {
	c, _, err := o.client.API().Git.GetCommit(ctx, o.owner, o.name, head)
	if err != nil {
		return github.Wrap("read the head of "+o.branch, o.client.Repository(), err)
	}
	if len(c.Parents) != 1 || !strings.Contains("\n"+c.GetMessage()+"\n", "\n"+trailer+o.request.ID+"\n") ||
		!strings.Contains(c.GetAuthor().GetEmail(), "[bot]@users.noreply.") {
		return fmt.Errorf("%w: %s of %s; bring that work elsewhere and delete the branch", ErrForeign, o.branch, o.client.Repository())
	}
	return nil
}

// commit makes the commit, which no branch has yet.
func (o opening) commit(ctx context.Context) (string, error) {
	r, repository := o.request, o.client.Repository()
	entries := make([]*gh.TreeEntry, 0, len(r.Files))
	for _, f := range r.Files {
		// Without an object the path is removed, for which GitHub wants a mode as well.
		entry := &gh.TreeEntry{Path: new(f.Path), Mode: new("100644"), Type: new("blob")}
		if f.Entry != (approval.Entry{}) {
			entry.Mode, entry.SHA = new(f.Entry.Mode), new(string(f.Entry.SHA))
		}
		if f.Entry.Mode == submodule {
			entry.Type = new("commit")
		}
		entries = append(entries, entry)
	}
	base, _, err := o.client.API().Git.GetCommit(ctx, o.owner, o.name, string(r.Base))
	if err != nil {
		return "", github.Wrap("read commit "+r.Base.Short(), repository, err)
	}
	tree, _, err := o.client.API().Git.CreateTree(ctx, o.owner, o.name, base.GetTree().GetSHA(), entries)
	if err != nil {
		return "", github.Wrap("make the folders of a rollback", repository, err)
	}
	c, _, err := o.client.API().Git.CreateCommit(ctx, o.owner, o.name, &gh.Commit{
		Message: new(r.message()), Tree: &gh.Tree{SHA: tree.SHA}, Parents: []*gh.Commit{{SHA: new(string(r.Base))}},
	}, nil)
	if err != nil {
		return "", github.Wrap("commit a rollback", repository, err)
	}
	sha, err := approval.ParseSHA(c.GetSHA())
	return string(sha), github.Wrap("commit a rollback", repository, err)
}

const submodule = "160000"

func (o opening) create(ctx context.Context) (Pull, error) {
	r := o.request
	made, _, err := o.client.API().PullRequests.Create(ctx, o.owner, o.name, &gh.NewPullRequest{
		Title: new(r.title()), Head: &o.branch, Base: new(r.Branch), Body: new(r.body()), MaintainerCanModify: new(false),
	})
	if err == nil && made.GetNumber() <= 0 {
		err = errors.New("GitHub's answer has no number")
	}
	if err != nil {
		return Pull{}, github.Wrap("open a pull request for "+o.branch, o.client.Repository(), err)
	}
	return Pull{Number: made.GetNumber(), URL: made.GetHTMLURL(), Created: true}, nil
}
