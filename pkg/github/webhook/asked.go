package webhook

import (
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/command"
)

// comment is what the event of a comment says of it. App is the App through which it
// was written in the name of somebody; null for what a person wrote.
type comment struct {
	ID        int64     `json:"id"`
	Body      string    `json:"body"`
	User      *user     `json:"user"`
	CreatedAt time.Time `json:"created_at"`
	App       *struct {
		ID int64 `json:"id"`
	} `json:"performed_via_github_app"`
}

type requestedAction struct {
	Identifier string `json:"identifier"`
}

// identified is something of which the ID alone is read.
type identified struct {
	ID int64 `json:"id"`
}

// asked starts what somebody may have asked for.
func (d delivery) asked(h approval.Hint, pull int, who user) approval.Asked {
	a := approval.Asked{
		RepositoryID: h.RepositoryID, Repository: h.Repository, Pull: pull,
		Person: approval.User{ID: who.ID, Login: who.Login, Type: who.Type},
	}
	if d.Installation != nil {
		a.Installation = d.Installation.ID
	}
	return a
}

// askedByComment finds out whether a comment that was just written may hold a command of
// a person. What bots write, and what Apps write in the name of a person, is nobody's
// order: who made them write it is not known.
func (d delivery) askedByComment(h approval.Hint) *approval.Asked {
	c := d.Comment
	switch {
	case d.Action != "created" || c == nil || c.ID <= 0 || c.App != nil || c.CreatedAt.IsZero():
	case d.Sender == nil || c.User == nil || c.User.ID <= 0 || c.User.ID != d.Sender.ID || c.User.Type != approval.UserTypePerson:
	case !command.May(c.Body):
	default:
		a := d.asked(h, d.Issue.Number, *c.User)
		a.Comment, a.At, a.Text = c.ID, c.CreatedAt.UTC(), approval.TextDigest(c.Body)
		return &a
	}
	return nil
}

// askedByButton is what a press on one of our buttons asks for; nil for other presses.
// Whether the check run is ours is not known here.
func (d delivery) askedByButton(h approval.Hint, c check) *approval.Asked {
	switch {
	case d.Action != "requested_action" || d.RequestedAction == nil || h.Pull == 0:
		return nil
	case d.Sender == nil || d.Sender.ID <= 0 || d.Sender.Type != approval.UserTypePerson:
		return nil
	}
	if _, ours := command.OfButton(d.RequestedAction.Identifier); !ours || c.ID <= 0 || c.App == nil || c.App.ID <= 0 {
		return nil
	}
	head, err := approval.ParseSHA(c.HeadSHA)
	if err != nil {
		return nil
	}
	a := d.asked(h, h.Pull, *d.Sender)
	a.Button, a.CheckRun, a.App, a.Head = d.RequestedAction.Identifier, c.ID, c.App.ID, head
	return &a
}
