package github

import (
	"context"
	"fmt"
	"net/http"

	gh "github.com/google/go-github/v60/github"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Client acts on one repository with a token of the App's installation there.
// Safe for concurrent use.
type Client struct {
	repository approval.RepositoryName
	api        *gh.Client
	transport  *installationTransport
}

// Repository is the repository that the client was made for; empty for a client
// of an organization.
func (c *Client) Repository() approval.RepositoryName { return c.repository }

// API is go-github's client. Every failed call gives an *Error, so functions of
// go-github that read a 404 as "no" give that error instead. A 202 is an
// *gh.AcceptedError, which is a success of calls that only start something.
func (c *Client) API() *gh.Client { return c.api }

// Token returns an installation token for git over HTTPS, valid for more than a
// minute. It is an opaque string of up to several hundred characters; the user
// name that goes with it is "x-access-token".
func (c *Client) Token(ctx context.Context) (string, error) {
	_, token, err := c.transport.token(ctx)
	if err != nil {
		return "", Wrap("get a token", c.repository, err)
	}
	return token, nil
}

// Get reads a path that go-github v60 has no function for. The path is relative
// to the API's base and must be escaped. The answer is decoded into out.
func (c *Client) Get(ctx context.Context, op, path string, out any) (*gh.Response, error) {
	req, err := c.api.NewRequest(http.MethodGet, path, nil)
	if err != nil {
		return nil, Wrap(op, c.repository, err)
	}
	resp, err := c.api.Do(ctx, req, out)
	return resp, Wrap(op, c.repository, err)
}

// PageSize is GitHub's largest page.
const PageSize = 100

// All reads a list to its end. It gives an error, and nothing of the list, when
// a page fails or when there are more than bound items.
func All[T any](bound int, read func(gh.ListOptions) ([]T, *gh.Response, error)) ([]T, error) {
	var all []T
	for page := 1; ; {
		items, resp, err := read(gh.ListOptions{Page: page, PerPage: PageSize})
		if err != nil {
			return nil, err
		}
		if resp.StatusCode != http.StatusOK {
			return nil, &Error{Status: resp.StatusCode, Message: "a list was expected"}
		}
		all = append(all, items...)
		if len(all) > bound {
			return nil, fmt.Errorf("%w: more than %d items", ErrTruncated, bound)
		}
		if resp.NextPage == 0 {
			return all, nil
		}
		// A page that points back, or pages without items, would never end.
		if resp.NextPage <= page || page > bound {
			return nil, fmt.Errorf("%w: page %d is followed by page %d", ErrTruncated, page, resp.NextPage)
		}
		page = resp.NextPage
	}
}
