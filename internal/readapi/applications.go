package readapi

import (
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Application is what is known of one right now.
type Application struct {
	// Name is "namespace/name".
	Name string `json:"name"`
	UID  string `json:"uid"`
	Gate string `json:"gate"`
	// State is one line for people about what is being done.
	State string `json:"state"`
	// Judged is when the decision was made.
	Judged time.Time `json:"judged"`
	// Entry is the number of the recorded decision; absent when it is not known.
	Entry    uint64            `json:"entry,omitempty"`
	Decision approval.Decision `json:"decision"`
}

// applicationItem is an Application in a list.
type applicationItem struct {
	Name    string           `json:"name"`
	UID     string           `json:"uid"`
	Gate    string           `json:"gate"`
	State   string           `json:"state"`
	Verdict approval.Verdict `json:"verdict"`
	// Advances: something newer than what is live may be synced.
	Advances bool `json:"advances"`
	// Waiting counts the landings that are not approved yet.
	Waiting int       `json:"waiting"`
	Judged  time.Time `json:"judged"`
	Entry   uint64    `json:"entry,omitempty"`
}

func (a *api) applications(c *gin.Context) (any, error) {
	limit, p := limitOf(c)
	if p != nil {
		return nil, p
	}
	after, p := pageOf(c)
	if p != nil {
		return nil, p
	}
	gate, verdict, search := c.Query("gate"), approval.Verdict(c.Query("verdict")), strings.ToLower(c.Query("search"))
	switch verdict {
	case "", approval.Allowed, approval.Blocked, approval.Unknown:
	default:
		return nil, badRequest("verdict is allowed, blocked or unknown")
	}
	if gate != "" && !slices.ContainsFunc(a.Policies(), func(p approval.Policy) bool { return p.Gate == gate }) {
		return nil, badRequest("there is no such gate; the gates are in " + prefix + "/gates")
	}
	out := list[applicationItem]{Items: []applicationItem{}}
	for _, app := range a.Applications() {
		switch {
		case app.Name <= after, gate != "" && app.Gate != gate, verdict != "" && app.Decision.Verdict != verdict,
			!strings.Contains(strings.ToLower(app.Name), search):
			continue
		}
		if len(out.Items) == limit {
			out.Next = pageAfter(out.Items[limit-1].Name)
			break
		}
		out.Items = append(out.Items, itemOf(app))
	}
	return out, nil
}

func itemOf(a Application) applicationItem {
	item := applicationItem{
		Name: a.Name, UID: a.UID, Gate: a.Gate, State: a.State, Verdict: a.Decision.Verdict,
		Advances: a.Decision.Advances, Judged: a.Judged, Entry: a.Entry,
	}
	for _, line := range a.Decision.Lines {
		for _, landing := range line.Landings {
			if landing.Verdict != approval.Allowed && !landing.Undone {
				item.Waiting++
			}
		}
	}
	return item
}

func (a *api) application(c *gin.Context) (any, error) {
	name := c.Param("namespace") + "/" + c.Param("name")
	app, ok := a.Application(name)
	if !ok {
		return nil, notFound("no gate protects an Application " + name + ", or it was not judged yet since the start")
	}
	return app, nil
}
