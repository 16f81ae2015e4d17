package readapi

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// problem is an error for programs and people (RFC 9457). It is an answer, and an error
// of handlers.
type problem struct {
	// Type is a URI that names the kind of problem.
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Detail says what happened and what to do.
	Detail string `json:"detail,omitempty"`
}

func (p *problem) Error() string { return p.Title + ": " + p.Detail }

// problemType precedes the names of the kinds.
const problemType = "https://argo-gatekeeper.io/problems/"

func newProblem(status int, name, title, detail string) *problem {
	return &problem{Type: problemType + name, Title: title, Status: status, Detail: detail}
}

func badRequest(detail string) *problem {
	return newProblem(http.StatusBadRequest, "bad-request", "The request is not right", detail)
}

func notFound(detail string) *problem {
	return newProblem(http.StatusNotFound, "not-found", "There is no such thing", detail)
}

// fail ends a request with a problem.
func fail(c *gin.Context, p *problem) {
	c.Abort()
	c.Header("Content-Type", "application/problem+json")
	c.Header("Cache-Control", "no-store")
	c.JSON(p.Status, p)
}
