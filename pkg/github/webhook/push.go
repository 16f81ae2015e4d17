package webhook

import (
	"encoding/json"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// noCommit is what a push names when there was, or is, no branch.
const noCommit = approval.SHA("0000000000000000000000000000000000000000")

// pushed are the fields that push events have more. What is in them is looked at
// in push events alone.
type pushed struct {
	After   string          `json:"after"`
	Created bool            `json:"created"`
	Deleted bool            `json:"deleted"`
	Pusher  json.RawMessage `json:"pusher"`
	Commits json.RawMessage `json:"commits"`
}

// pushedCommit is a commit of a push. GitHub finds the login by the address, and
// leaves it out when the address is nobody's (github.com/octokit/webhooks pull
// request 437, 2021; github.com/atlassian/github-for-jira pull request 49, 2018).
type pushedCommit struct {
	ID        string   `json:"id"`
	Author    signedBy `json:"author"`
	Committer signedBy `json:"committer"`
}

type signedBy struct {
	Username string `json:"username"`
}

// witnessedPush is what a push to a branch tells; nil when it is not whole or
// contradicts itself. Then GitHub is asked, as if it had not come.
func (d delivery) witnessedPush(h approval.Hint) *approval.WitnessedPush {
	before, err := approval.ParseSHA(d.Before)
	if err != nil {
		return nil
	}
	after, err := approval.ParseSHA(d.After)
	if err != nil || before == after {
		return nil
	}
	if (before == noCommit) != d.Created || (after == noCommit) != d.Deleted {
		return nil
	}
	// The pusher has a name only, the sender a number. Where they differ, as they
	// may for a deploy key, it is not certain who pushed.
	var pusher struct {
		Name string `json:"name"`
	}
	if json.Unmarshal(d.Pusher, &pusher) != nil || d.Sender == nil || d.Sender.ID <= 0 || d.Sender.Login == "" || pusher.Name != d.Sender.Login {
		return nil
	}
	var seconds int64
	if json.Unmarshal(d.Repository.PushedAt, &seconds) != nil || seconds <= 0 {
		return nil
	}
	return &approval.WitnessedPush{
		RepositoryID: h.RepositoryID, Branch: h.Branch, Before: before, After: after,
		Pusher:   approval.User{ID: d.Sender.ID, Login: d.Sender.Login, Type: d.Sender.Type},
		PushedAt: time.Unix(seconds, 0).UTC(), Accounts: d.ownCommits(),
	}
}

// ownCommits are the pushed commits that are the sender's own. Of other people
// the event has logins alone, and whose a login is can change; the sender's number
// is beside it. Commits that the list lacks (it ends at 2,048) are not known.
func (d delivery) ownCommits() []approval.CommitAccounts {
	var commits []pushedCommit
	if json.Unmarshal(d.Commits, &commits) != nil {
		return nil
	}
	sender := approval.User{ID: d.Sender.ID, Login: d.Sender.Login, Type: d.Sender.Type}
	var out []approval.CommitAccounts
	for _, commit := range commits {
		sha, err := approval.ParseSHA(commit.ID)
		if err != nil {
			continue
		}
		own := approval.CommitAccounts{Commit: sha}
		if commit.Author.Username == sender.Login {
			own.Author = sender
		}
		if commit.Committer.Username == sender.Login {
			own.Committer = sender
		}
		if own.Author.ID > 0 || own.Committer.ID > 0 {
			out = append(out, own)
		}
	}
	return out
}
