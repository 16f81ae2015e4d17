package collect

import (
	gh "github.com/google/go-github/v60/github"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// askedOf is whose review a pull request waits for. Teams are named by the organization
// that owns the repository, since no other's can be asked.
func askedOf(a *gh.PullRequest) approval.RequestedReviewers {
	var asked approval.RequestedReviewers
	for _, u := range a.RequestedReviewers {
		if p := person(u); p != nil {
			asked.Users = append(asked.Users, *p)
		}
	}
	owner := a.GetBase().GetRepo().GetOwner().GetLogin()
	for _, t := range a.RequestedTeams {
		if name, err := approval.ParseTeamName(owner + "/" + t.GetSlug()); err == nil {
			asked.Teams = append(asked.Teams, name)
		}
	}
	return asked
}

// labelsOf are the labels of a pull request. No decision looks at them.
func labelsOf(a *gh.PullRequest) []string {
	var names []string
	for _, l := range a.Labels {
		names = append(names, l.GetName())
	}
	return names
}
