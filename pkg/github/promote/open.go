package promote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	gh "github.com/google/go-github/v60/github"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
)

// Pull is the pull request of a promotion.
type Pull struct {
	Number int
	URL    string
	Head   approval.SHA
	// Created and Updated say what was done; neither when all was as it should be.
	Created, Updated bool
}

// The reasons for which a promotion is not opened.
var (
	// ErrForeign: the branch has somebody else's commits.
	ErrForeign = errors.New("somebody else's commits are on the branch")
	// ErrMoved: the branch moved while it was looked at. Trying again may help.
	ErrMoved = errors.New("the branch moved at the same time; try again")
	// ErrNothing: the plan changes nothing.
	ErrNothing = errors.New("there is nothing to change")
)

// opening is one run of Open.
type opening struct {
	*Promoter
	plan   Plan
	client *github.Client
	owner  string
	name   string
}

// Open brings the branch and the pull request to what the plan says. It can be repeated
// after any failure, and makes neither a second branch nor a second pull request.
func (p *Promoter) Open(ctx context.Context, plan Plan) (Pull, error) {
	if plan.Nothing() {
		return Pull{}, ErrNothing
	}
	p.turn.Lock()
	defer p.turn.Unlock()
	repository := plan.Request.Repository.Name
	client, err := p.github.Client(ctx, repository)
	if err != nil {
		return Pull{}, fmt.Errorf("promote to %s: %w", plan.Request.To, err)
	}
	o := &opening{p, plan, client, repository.Owner(), repository.Name()}
	head, err := o.readRef(ctx)
	if err != nil {
		return Pull{}, err
	}
	open, err := o.findPull(ctx)
	if err != nil {
		return Pull{}, err
	}
	pushed, head, err := o.push(ctx, head, open != nil)
	if err != nil {
		return Pull{}, err
	}
	pull, err := o.writePull(ctx, open)
	if err != nil {
		return Pull{}, err
	}
	pull.Head, pull.Updated = head, !pull.Created && (pull.Updated || pushed)
	p.log.LogAttrs(ctx, slog.LevelInfo, "promote.opened", slog.String("repository", string(repository)), slog.Int("pull", pull.Number),
		slog.String("target", plan.Request.To), slog.Int64("asker", int64(plan.Request.Asker.ID)), slog.String("head", string(head)),
		slog.Bool("created", pull.Created), slog.Bool("updated", pull.Updated))
	return pull, nil
}

// push brings the branch to a commit with the edit, and says whether it moved.
func (o *opening) push(ctx context.Context, head approval.SHA, open bool) (bool, approval.SHA, error) {
	askers := []approval.User{o.plan.Request.Asker}
	var old *gh.Commit
	if head != "" {
		var err error
		if old, _, err = o.client.API().Git.GetCommit(ctx, o.owner, o.name, string(head)); err != nil {
			return false, "", github.Wrap("read commit "+head.Short(), o.client.Repository(), err)
		}
		if open {
			// Nobody is taken off who asked for this pull request before.
			for _, u := range o.plan.coAuthors(old.GetMessage()) {
				if !slices.ContainsFunc(askers, func(a approval.User) bool { return a.ID == u.ID }) {
					askers = append(askers, u)
				}
			}
			slices.SortFunc(askers, func(a, b approval.User) int { return cmp.Compare(a.ID, b.ID) })
		}
	}
	o.plan.write(askers)
	same := open && strings.TrimSpace(old.GetMessage()) == strings.TrimSpace(o.plan.Message)
	if same && signedByGitHub(old) {
		return false, head, nil
	}
	fresh, err := o.commit(ctx)
	if err != nil {
		return false, "", err
	}
	made := approval.SHA(fresh.GetSHA())
	if old == nil {
		return true, made, o.createRef(ctx, made)
	}
	if sameParent(old, fresh) && old.GetTree().GetSHA() == fresh.GetTree().GetSHA() &&
		strings.TrimSpace(old.GetMessage()) == strings.TrimSpace(fresh.GetMessage()) {
		return false, head, nil // also when somebody else signed it
	}
	if why := o.foreign(old, fresh); why != "" {
		return false, "", fmt.Errorf("%w: %s of %s is at %s, which %s; bring that work elsewhere and delete the branch",
			ErrForeign, o.plan.Branch, o.client.Repository(), head.Short(), why)
	}
	if same {
		return false, head, nil
	}
	return true, made, o.moveRef(ctx, head, made)
}

// signedByGitHub recognises a commit that an App made by the API: GitHub signs what
// people do in its pages as well, but never in a bot's name.
func signedByGitHub(c *gh.Commit) bool {
	return c.GetVerification().GetVerified() && c.GetCommitter().GetName() == "GitHub" &&
		strings.HasPrefix(c.GetCommitter().GetEmail(), "noreply@") && strings.Contains(c.GetAuthor().GetEmail(), "[bot]@users.noreply.")
}

// foreign says why a commit is none of the App's promotions to this target, by one that
// was just made. It is empty when the commit is one of them.
func (o *opening) foreign(old, fresh *gh.Commit) string {
	same := func(a, b *gh.CommitAuthor) bool { return a.GetName() == b.GetName() && a.GetEmail() == b.GetEmail() }
	switch {
	case !same(old.GetAuthor(), fresh.GetAuthor()):
		return "is by " + oneLine(old.GetAuthor().GetName())
	case !same(old.GetCommitter(), fresh.GetCommitter()):
		return "was committed by " + oneLine(old.GetCommitter().GetName())
	case old.GetVerification().GetVerified() != fresh.GetVerification().GetVerified():
		return "has not the signature that GitHub gives to the App's commits"
	case len(old.Parents) != 1:
		return "is a merge"
	case !strings.Contains("\n"+old.GetMessage()+"\n", "\n"+trailerTarget+o.plan.Request.To+"\n"):
		return "is not a promotion to " + o.plan.Request.To
	default:
		return ""
	}
}

func sameParent(a, b *gh.Commit) bool {
	return len(a.Parents) == 1 && len(b.Parents) == 1 && a.Parents[0].GetSHA() == b.Parents[0].GetSHA()
}

// commit makes one, which no branch has yet. GitHub names the App's bot as the author
// and signs, since neither is given.
func (o *opening) commit(ctx context.Context) (*gh.Commit, error) {
	var entries []*gh.TreeEntry
	for _, f := range o.plan.Setting.Files {
		entries = append(entries, &gh.TreeEntry{Path: new(f.Path), Mode: new(f.Modes.After), Type: new("blob"), Content: new(string(f.After))})
	}
	repository := o.client.Repository()
	tree, _, err := o.client.API().Git.CreateTree(ctx, o.owner, o.name, string(o.plan.tree), entries)
	if err != nil {
		return nil, github.Wrap("make the folders of a promotion", repository, err)
	}
	c, _, err := o.client.API().Git.CreateCommit(ctx, o.owner, o.name, &gh.Commit{
		Message: new(o.plan.Message), Tree: &gh.Tree{SHA: tree.SHA}, Parents: []*gh.Commit{{SHA: new(string(o.plan.Base))}},
	}, nil)
	if err == nil {
		_, err = approval.ParseSHA(c.GetSHA())
	}
	if err == nil && (c.GetTree().GetSHA() != tree.GetSHA() || len(c.Parents) != 1 || c.Parents[0].GetSHA() != string(o.plan.Base)) {
		err = errors.New("GitHub made another commit than it was asked for")
	}
	return c, github.Wrap("commit a promotion", repository, err)
}

// readRef is where the branch is; empty when there is none. All branches that begin like
// it are listed, since the answer to one that is missing is a 404, which is not believed
// until the token has had time to spread.
func (o *opening) readRef(ctx context.Context) (approval.SHA, error) {
	op := "read branch " + o.plan.Branch
	var refs []*gh.Reference
	resp, err := o.client.Get(ctx, op, fmt.Sprintf("repos/%s/git/matching-refs/heads/%s", o.client.Repository(), o.plan.Branch), &refs)
	if err == nil && resp.NextPage != 0 {
		err = github.Wrap(op, o.client.Repository(), github.ErrTruncated) // GitHub documents no pages here
	}
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(refs, func(r *gh.Reference) bool { return r.GetRef() == "refs/heads/"+o.plan.Branch })
	if i < 0 {
		return "", nil
	}
	sha, err := approval.ParseSHA(refs[i].GetObject().GetSHA())
	return sha, github.Wrap(op, o.client.Repository(), err)
}

func (o *opening) ref(sha approval.SHA) *gh.Reference {
	return &gh.Reference{Ref: new("refs/heads/" + o.plan.Branch), Object: &gh.GitObject{SHA: new(string(sha))}}
}

func (o *opening) createRef(ctx context.Context, sha approval.SHA) error {
	_, _, err := o.client.API().Git.CreateRef(ctx, o.owner, o.name, o.ref(sha))
	err = github.Wrap("create branch "+o.plan.Branch, o.client.Repository(), err)
	if e, ok := errors.AsType[*github.Error](err); ok && e.Status == http.StatusUnprocessableEntity && strings.Contains(e.Message, "already exists") {
		return fmt.Errorf("%w: %w", ErrMoved, err)
	}
	return err
}

// moveRef moves the branch from one commit to another. See the package's documentation
// for what can come in between.
func (o *opening) moveRef(ctx context.Context, from, to approval.SHA) error {
	now, err := o.readRef(ctx)
	if err != nil {
		return err
	}
	if now != from {
		return fmt.Errorf("%w: %s was at %s", ErrMoved, o.plan.Branch, from.Short())
	}
	if err := o.force(ctx, to); err != nil {
		return err
	}
	replaced, err := o.replaced(ctx, to)
	if err != nil || replaced == "" || replaced == from {
		if err == nil && replaced == "" {
			o.log.LogAttrs(ctx, slog.LevelWarn, "promote.push_not_logged", slog.String("branch", o.plan.Branch), slog.String("head", string(to)))
		}
		return err
	}
	if err := o.force(ctx, replaced); err != nil {
		return fmt.Errorf("%w: %s was pushed to %s at the same time and has to be put back: %w", ErrForeign, replaced, o.plan.Branch, err)
	}
	return fmt.Errorf("%w: %s was pushed to %s at the same time, and is there again", ErrForeign, replaced.Short(), o.plan.Branch)
}

func (o *opening) force(ctx context.Context, to approval.SHA) error {
	_, _, err := o.client.API().Git.UpdateRef(ctx, o.owner, o.name, o.ref(to), true)
	return github.Wrap("move branch "+o.plan.Branch, o.client.Repository(), err)
}

// replaced is what the branch was at when it was moved to the commit, by GitHub's log of
// pushes; empty when the log does not have that yet.
func (o *opening) replaced(ctx context.Context, to approval.SHA) (approval.SHA, error) {
	var entries []struct{ Before, After string }
	query := url.Values{"ref": {"refs/heads/" + o.plan.Branch}, "direction": {"desc"}, "per_page": {"10"}}
	_, err := o.client.Get(ctx, "read the pushes to "+o.plan.Branch, fmt.Sprintf("repos/%s/activity?%s", o.client.Repository(), query.Encode()), &entries)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if e.After == string(to) {
			before, err := approval.ParseSHA(e.Before)
			return before, github.Wrap("read the pushes to "+o.plan.Branch, o.client.Repository(), err)
		}
	}
	return "", nil
}

// findPull finds the open pull request of the branch; nil when there is none.
func (o *opening) findPull(ctx context.Context) (*gh.PullRequest, error) {
	op := "find the pull request of " + o.plan.Branch
	list, _, err := o.client.API().PullRequests.List(ctx, o.owner, o.name, &gh.PullRequestListOptions{
		State: "open", Head: o.owner + ":" + o.plan.Branch, Base: o.plan.Request.Repository.Branch, ListOptions: gh.ListOptions{PerPage: github.PageSize},
	})
	if err != nil {
		return nil, github.Wrap(op, o.client.Repository(), err)
	}
	// GitHub ignores a filter that it does not understand.
	list = slices.DeleteFunc(list, func(p *gh.PullRequest) bool {
		return p.GetState() != "open" || p.GetHead().GetRef() != o.plan.Branch || p.GetBase().GetRef() != o.plan.Request.Repository.Branch ||
			p.GetHead().GetRepo().GetID() != p.GetBase().GetRepo().GetID()
	})
	switch len(list) {
	case 0:
		return nil, nil //nolint:nilnil // there is none, which is no error
	case 1:
		return list[0], nil
	default:
		return nil, github.Wrap(op, o.client.Repository(), fmt.Errorf("there are %d, where GitHub allows one", len(list)))
	}
}

// writePull opens the pull request, or brings its texts up to date.
func (o *opening) writePull(ctx context.Context, open *gh.PullRequest) (Pull, error) {
	repository := o.client.Repository()
	if open != nil {
		pull := Pull{Number: open.GetNumber(), URL: open.GetHTMLURL()}
		if open.GetTitle() == o.plan.Title && sameText(open.GetBody(), o.plan.Body) {
			return pull, nil
		}
		pull.Updated = true
		_, _, err := o.client.API().PullRequests.Edit(ctx, o.owner, o.name, open.GetNumber(), &gh.PullRequest{Title: &o.plan.Title, Body: &o.plan.Body})
		return pull, github.Wrap(fmt.Sprintf("update #%d", open.GetNumber()), repository, err)
	}
	made, _, err := o.client.API().PullRequests.Create(ctx, o.owner, o.name, &gh.NewPullRequest{
		Title: &o.plan.Title, Head: &o.plan.Branch, Base: &o.plan.Request.Repository.Branch, Body: &o.plan.Body, MaintainerCanModify: new(false),
	})
	if err == nil && made.GetNumber() <= 0 {
		err = errors.New("GitHub's answer has no number")
	}
	err = github.Wrap("open a pull request for "+o.plan.Branch, repository, err)
	return Pull{Number: made.GetNumber(), URL: made.GetHTMLURL(), Created: err == nil}, err
}

// sameText compares as GitHub keeps texts: it may change line ends.
func sameText(a, b string) bool {
	clean := func(s string) string { return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n")) }
	return clean(a) == clean(b)
}
