package github

import (
	"fmt"
	"net/http"
	"strings"
)

// guarded asks before each request that could change something.
type guarded struct {
	next  http.RoundTripper
	guard func() error
}

// RoundTrip implements http.RoundTripper.
func (g guarded) RoundTrip(req *http.Request) (*http.Response, error) {
	if writes(req) {
		if err := g.guard(); err != nil {
			if req.Body != nil {
				_ = req.Body.Close() // as http.RoundTripper demands
			}
			return nil, fmt.Errorf("%s %s was not sent: %w", req.Method, req.URL.Path, err)
		}
	}
	return g.next.RoundTrip(req) //nolint:wrapcheck // another transport's error
}

// writes says whether a request could change anything that people see. To ask for a token
// changes nothing, nor does GraphQL, with which Gatekeeper only reads.
func writes(req *http.Request) bool {
	switch req.Method {
	case http.MethodGet, http.MethodHead:
		return false
	case http.MethodPost:
		path := strings.TrimRight(req.URL.Path, "/")
		return !strings.HasSuffix(path, "/access_tokens") && !strings.HasSuffix(path, "/graphql")
	default:
		return true
	}
}
