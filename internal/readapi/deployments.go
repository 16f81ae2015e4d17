package readapi

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/deployments"
)

// deploymentPage is a page of an Application's deployments, newest first.
type deploymentPage struct {
	Items []deployments.Deployment `json:"items"`
	// Total counts all of them.
	Total int `json:"total"`
	// Next is the from argument for what follows; absent at the end.
	Next int `json:"next,omitempty"`
}

func (a *api) deployments(c *gin.Context) (any, error) {
	limit, p := limitOf(c)
	if p != nil {
		return nil, p
	}
	from := 0
	if text, set := c.GetQuery("from"); set {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, badRequest("from is the number of a deployment, from 1 on")
		}
		from = n
	}
	uid, err := a.deployed(c)
	if err != nil {
		return nil, err
	}
	page, err := a.model.List(c.Request.Context(), uid, from, min(limit, deployments.PageMost))
	if err != nil {
		return nil, fmt.Errorf("list deployments: %w", err)
	}
	return deploymentPage{Items: page.Deployments, Total: page.Total, Next: page.Next}, nil
}

func (a *api) deployment(c *gin.Context) (any, error) {
	number, err := strconv.Atoi(c.Param("number"))
	if err != nil || number < 1 {
		return nil, badRequest("a deployment is named by its number, from 1 on")
	}
	uid, err := a.deployed(c)
	if err != nil {
		return nil, err
	}
	found, err := a.model.Get(c.Request.Context(), uid, number)
	return found, missing(err)
}

func (a *api) compare(c *gin.Context) (any, error) {
	var numbers [2]int
	for i, name := range []string{"from", "to"} {
		n, err := strconv.Atoi(c.Query(name))
		if err != nil || n < 1 {
			return nil, badRequest(name + " is the number of a deployment, from 1 on; both from and to are needed")
		}
		numbers[i] = n
	}
	uid, err := a.deployed(c)
	if err != nil {
		return nil, err
	}
	found, err := a.model.Compare(c.Request.Context(), uid, numbers[0], numbers[1])
	return found, missing(err)
}

// deployed is the UID of the Application that a path names.
func (a *api) deployed(c *gin.Context) (string, error) {
	name := c.Param("namespace") + "/" + c.Param("name")
	if app, ok := a.Application(name); ok {
		return app.UID, nil
	}
	uid, err := a.model.UID(c.Request.Context(), name)
	return uid, missing(err)
}

// missing is a problem for what is not on record.
func missing(err error) error {
	if errors.Is(err, deployments.ErrNotFound) || errors.Is(err, history.ErrArchived) {
		return notFound(err.Error())
	}
	return err
}
