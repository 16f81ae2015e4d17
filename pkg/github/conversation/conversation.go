package conversation

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	gh "github.com/google/go-github/v60/github"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/command"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/webhook"
)

// GitHub gives clients; *github.App does.
type GitHub interface {
	Client(ctx context.Context, repository approval.RepositoryName) (*github.Client, error)
	// ID is the App's number.
	ID() int64
}

// Conversation reads and writes on pull requests. It is safe for concurrent use.
type Conversation struct{ github GitHub }

// New makes a Conversation, and no request.
func New(app GitHub) *Conversation { return &Conversation{app} }

// App is the number of our own App.
func (c *Conversation) App() int64 { return c.github.ID() }

// Installation is the number of the App's installation by which a repository is read.
func (c *Conversation) Installation(ctx context.Context, r approval.RepositoryName) (int64, error) {
	client, err := c.github.Client(ctx, r)
	if err != nil {
		return 0, fmt.Errorf("find the installation on %s: %w", r, err)
	}
	return client.Installation(ctx)
}

// Comment is a comment on a pull request as it is now.
type Comment struct {
	ID   int64
	Pull int
	// Person is the zero User when the account was deleted.
	Person approval.User
	// App is the App through which it was written; 0 for what a person wrote.
	App         int64
	Body        string
	At, Updated time.Time
}

// Edited says whether it was changed after it was written.
func (c Comment) Edited() bool { return !c.Updated.Equal(c.At) }

// commentJSON has what go-github v60 leaves out: the App with which a comment was made
// (docs.github.com, "Get an issue comment", performed_via_github_app).
type commentJSON struct {
	ID        int64     `json:"id"`
	Body      string    `json:"body"`
	User      *gh.User  `json:"user"`
	IssueURL  string    `json:"issue_url"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	App       *struct {
		ID int64 `json:"id"`
	} `json:"performed_via_github_app"`
}

func (j commentJSON) comment() (Comment, error) {
	_, number, _ := strings.Cut(j.IssueURL, "/issues/")
	pull, err := strconv.Atoi(number)
	if err != nil || pull <= 0 || j.ID <= 0 || j.CreatedAt.IsZero() || j.UpdatedAt.IsZero() {
		return Comment{}, errors.New("GitHub's answer lacks an ID, the issue or a time")
	}
	c := Comment{ID: j.ID, Pull: pull, Body: j.Body, At: j.CreatedAt.UTC(), Updated: j.UpdatedAt.UTC()}
	if j.User.GetID() > 0 {
		c.Person = approval.User{ID: approval.UserID(j.User.GetID()), Login: j.User.GetLogin(), Type: j.User.GetType()}
	}
	if j.App != nil {
		c.App = max(j.App.ID, 1)
	}
	return c, nil
}

// Comment reads a comment. The error matches approval.ErrNotFound when it is gone.
func (c *Conversation) Comment(ctx context.Context, r approval.RepositoryName, id int64) (Comment, error) {
	client, err := c.github.Client(ctx, r)
	if err != nil {
		return Comment{}, fmt.Errorf("read comment %d of %s: %w", id, r, err)
	}
	return ReadComment(ctx, client, r, id)
}

// ReadComment reads a comment with a client that is there already.
func ReadComment(ctx context.Context, client *github.Client, r approval.RepositoryName, id int64) (Comment, error) {
	op := fmt.Sprintf("read comment %d", id)
	var j commentJSON
	if _, err := client.Get(ctx, op, fmt.Sprintf("repos/%s/issues/comments/%d", r, id), &j); err != nil {
		return Comment{}, err
	}
	out, err := j.comment()
	if err == nil && out.ID != id {
		err = fmt.Errorf("GitHub answered with comment %d", out.ID)
	}
	return out, github.Wrap(op, r, err)
}

// Pull is a pull request as it is now.
type Pull struct {
	// RepositoryID is that of the base, HeadRepositoryID is 0 when that is gone.
	RepositoryID, HeadRepositoryID int64
	Base                           string
	Head                           approval.SHA
	Open, Merged                   bool
	// MergeCommit is where it landed; empty unless it is merged.
	MergeCommit approval.SHA
}

// Pull reads a pull request.
func (c *Conversation) Pull(ctx context.Context, r approval.RepositoryName, number int) (Pull, error) {
	op := fmt.Sprintf("read #%d", number)
	client, err := c.github.Client(ctx, r)
	if err != nil {
		return Pull{}, fmt.Errorf("%s of %s: %w", op, r, err)
	}
	a, _, err := client.API().PullRequests.Get(ctx, r.Owner(), r.Name(), number)
	if err != nil {
		return Pull{}, github.Wrap(op, r, err)
	}
	p := Pull{
		RepositoryID: a.GetBase().GetRepo().GetID(), HeadRepositoryID: a.GetHead().GetRepo().GetID(),
		Base: a.GetBase().GetRef(), Open: a.GetState() == "open", Merged: a.GetMerged(),
	}
	if p.Head, err = approval.ParseSHA(a.GetHead().GetSHA()); err != nil {
		return Pull{}, github.Wrap(op, r, fmt.Errorf("the head: %w", err))
	}
	if p.RepositoryID <= 0 || p.Base == "" || a.GetNumber() != number {
		return Pull{}, github.Wrap(op, r, errors.New("GitHub's answer has no base, or another number"))
	}
	if p.Merged {
		if p.MergeCommit, err = approval.ParseSHA(a.GetMergeCommitSHA()); err != nil {
			return Pull{}, github.Wrap(op, r, fmt.Errorf("the merge commit: %w", err))
		}
	}
	return p, nil
}

// CheckRun is a check run as it is now.
type CheckRun struct {
	App  int64
	Name string
	Head approval.SHA
	// ExternalID is what its App gave it.
	ExternalID string
}

// Of says whether it is a check run of ours on that pull request.
func (c CheckRun) Of(app int64, pull int) bool {
	return c.App == app && c.ExternalID == webhook.ExternalID(pull)
}

// CheckRun reads a check run.
func (c *Conversation) CheckRun(ctx context.Context, r approval.RepositoryName, id int64) (CheckRun, error) {
	op := fmt.Sprintf("read check run %d", id)
	client, err := c.github.Client(ctx, r)
	if err != nil {
		return CheckRun{}, fmt.Errorf("%s of %s: %w", op, r, err)
	}
	a, _, err := client.API().Checks.GetCheckRun(ctx, r.Owner(), r.Name(), id)
	if err != nil {
		return CheckRun{}, github.Wrap(op, r, err)
	}
	head, err := approval.ParseSHA(a.GetHeadSHA())
	if err != nil || a.GetID() != id {
		return CheckRun{}, github.Wrap(op, r, errors.New("GitHub's answer has no head, or another ID"))
	}
	return CheckRun{App: a.GetApp().GetID(), Name: a.GetName(), Head: head, ExternalID: a.GetExternalID()}, nil
}

// Role reads what a person may do in the repository: read, triage, write, maintain,
// admin, or none. A login that is somebody else's by now has none.
func (c *Conversation) Role(ctx context.Context, r approval.RepositoryName, who approval.User) (string, error) {
	op := "read the role of " + who.Login
	client, err := c.github.Client(ctx, r)
	if err != nil {
		return "", fmt.Errorf("%s in %s: %w", op, r, err)
	}
	var answer struct { // go-github v60 does not know role_name
		Permission string   `json:"permission"`
		RoleName   string   `json:"role_name"`
		User       *gh.User `json:"user"`
	}
	_, err = client.Get(ctx, op, fmt.Sprintf("repos/%s/collaborators/%s/permission", r, url.PathEscape(who.Login)), &answer)
	switch {
	case errors.Is(err, approval.ErrNotFound):
		return "none", nil
	case err != nil:
		return "", err
	case answer.User.GetID() != int64(who.ID):
		return "none", nil
	}
	switch answer.RoleName {
	case "read", "triage", "write", "maintain", "admin":
		return answer.RoleName, nil
	default:
		return answer.Permission, nil
	}
}

// The reactions that are used (GitHub docs, "About reactions").
const (
	Seen    = "eyes"
	Done    = "rocket"
	Refused = "-1"
)

// React puts a reaction on a comment. One that is there already stays the one.
func (c *Conversation) React(ctx context.Context, r approval.RepositoryName, comment int64, reaction string) error {
	op := fmt.Sprintf("react to comment %d", comment)
	client, err := c.github.Client(ctx, r)
	if err != nil {
		return fmt.Errorf("%s of %s: %w", op, r, err)
	}
	_, _, err = client.API().Reactions.CreateIssueCommentReaction(ctx, r.Owner(), r.Name(), comment, reaction)
	return github.Wrap(op, r, err)
}

// ReplyTo is the line with which the answer to something begins.
func ReplyTo(id string) string { return command.ReplyPrefix + id + " -->\n" }

// Reply writes a comment and returns its ID.
func (c *Conversation) Reply(ctx context.Context, r approval.RepositoryName, pull int, body string) (int64, error) {
	op := fmt.Sprintf("reply on #%d", pull)
	client, err := c.github.Client(ctx, r)
	if err != nil {
		return 0, fmt.Errorf("%s of %s: %w", op, r, err)
	}
	made, _, err := client.API().Issues.CreateComment(ctx, r.Owner(), r.Name(), pull, &gh.IssueComment{Body: &body})
	if err == nil && made.GetID() <= 0 {
		err = errors.New("GitHub's answer has no ID")
	}
	return made.GetID(), github.Wrap(op, r, err)
}

// maxComments bounds the search for a reply.
const maxComments = 5000

// FindReply looks for the answer to something among what our own App wrote since a
// time; 0 when there is none.
func (c *Conversation) FindReply(ctx context.Context, r approval.RepositoryName, pull int, id string, since time.Time) (int64, error) {
	op := fmt.Sprintf("look for our reply on #%d", pull)
	client, err := c.github.Client(ctx, r)
	if err != nil {
		return 0, fmt.Errorf("%s of %s: %w", op, r, err)
	}
	found, err := github.All(maxComments, func(o gh.ListOptions) ([]commentJSON, *gh.Response, error) {
		var page []commentJSON
		path := fmt.Sprintf("repos/%s/issues/%d/comments?per_page=%d&page=%d", r, pull, o.PerPage, o.Page)
		if !since.IsZero() {
			path += "&since=" + url.QueryEscape(since.UTC().Format(time.RFC3339))
		}
		resp, err := client.Get(ctx, op, path, &page)
		return page, resp, err
	})
	if err != nil {
		return 0, github.Wrap(op, r, err)
	}
	for _, one := range found {
		if one.App != nil && one.App.ID == c.github.ID() && strings.HasPrefix(strings.ReplaceAll(one.Body, "\r\n", "\n"), ReplyTo(id)) {
			return one.ID, nil
		}
	}
	return 0, nil
}
