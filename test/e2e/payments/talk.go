package payments

import (
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// replyPrefix begins what Gatekeeper writes in answer to a command.
const replyPrefix = "<!-- gatekeeper reply to "

// Comment writes a comment on a pull request and returns its ID.
func (w *World) Comment(person string, number int, body string) (int64, error) {
	return w.GitHub.As(person).Comment(Repository, number, body)
}

// Replies are what Gatekeeper answered to a comment.
func (w *World) Replies(number int, comment int64) ([]string, error) {
	all, err := w.own(number)
	var out []string
	for _, c := range all {
		if strings.HasPrefix(c.Body, replyPrefix+"comment-"+strconv.FormatInt(comment, 10)+" -->") {
			out = append(out, c.Body)
		}
	}
	return out, err
}

// AllReplies are what Gatekeeper answered to anybody.
func (w *World) AllReplies(number int) ([]string, error) {
	all, err := w.own(number)
	var out []string
	for _, c := range all {
		if strings.HasPrefix(c.Body, replyPrefix) {
			out = append(out, c.Body)
		}
	}
	return out, err
}

// own are the comments of the App.
func (w *World) own(number int) ([]standin.Comment, error) {
	all, err := w.GitHub.Comments(Repository, number)
	var out []standin.Comment
	for _, c := range all {
		if c.Author == w.app.Slug+"[bot]" {
			out = append(out, c)
		}
	}
	return out, err
}

// Reactions are the App's reactions to a comment, in order.
func (w *World) Reactions(comment int64) ([]string, error) {
	return w.GitHub.Reactions(Repository, comment, w.app.Slug+"[bot]")
}

// AppID is the number of the App.
func (w *World) AppID() int64 { return w.app.ID }
