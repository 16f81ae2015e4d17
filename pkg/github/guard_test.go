package github

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type sending func(*http.Request) (*http.Response, error)

func (s sending) RoundTrip(req *http.Request) (*http.Response, error) { return s(req) }

// TestGuard: what could change something is not sent when the guard refuses, and what only
// reads is sent without asking.
func TestGuard(t *testing.T) {
	refused := errors.New("this replica does not lead")
	for _, c := range []struct {
		method, path string
		writes       bool
	}{
		{http.MethodGet, "/repos/a/b/pulls/1", false},
		{http.MethodHead, "/repos/a/b", false},
		{http.MethodPost, "/app/installations/7/access_tokens", false},
		{http.MethodPost, "/api/graphql", false},
		{http.MethodPost, "/repos/a/b/check-runs", true},
		{http.MethodPatch, "/repos/a/b/check-runs/1", true},
		{http.MethodPut, "/repos/a/b/contents/x", true},
		{http.MethodDelete, "/repos/a/b/labels/x", true},
		{http.MethodPost, "/repos/a/b/statuses/access_tokens/x", true},
	} {
		t.Run(c.method+c.path, func(t *testing.T) {
			for _, guard := range []error{nil, refused} {
				sent, asked := 0, 0
				g := guarded{sending(func(*http.Request) (*http.Response, error) {
					sent++
					return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
				}), func() error { asked++; return guard }}
				req, err := http.NewRequestWithContext(t.Context(), c.method, "https://api.example.com"+c.path, strings.NewReader("{}"))
				require.NoError(t, err)
				resp, err := g.RoundTrip(req)
				if resp != nil {
					require.NoError(t, resp.Body.Close())
				}
				if c.writes && guard != nil {
					require.ErrorIs(t, err, refused)
					require.Zero(t, sent)
					continue
				}
				require.NoError(t, err)
				require.Equal(t, 1, sent)
				require.Equal(t, c.writes, asked == 1)
			}
		})
	}
}
