package github

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	gh "github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/require"
)

func TestTokenNeverLeavesTheHost(t *testing.T) {
	stranger := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the stranger was asked for %s with authorization %q", r.URL, r.Header.Get("Authorization"))
	}))
	t.Cleanup(stranger.Close)
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, stranger.URL+"/steal", http.StatusFound)
	})
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	app := newTestApp(t, srv.URL, s, nil)
	c, err := app.Client(t.Context(), "acme/deploy")
	require.NoError(t, err)

	require.ErrorIs(t, getRepository(t.Context(), c), errOtherHost)

	// The redirect check is the first line. The wire is the second, for whatever
	// builds a request by itself.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, stranger.URL, nil)
	require.NoError(t, err)
	_, err = c.API().Do(t.Context(), req, nil)
	require.ErrorIs(t, err, errOtherHost)
}

// The wire refuses other hosts as well, so the redirect check is tested alone.
func TestCheckRedirect(t *testing.T) {
	base, err := url.Parse("https://api.github.test/")
	require.NoError(t, err)
	check := checkRedirect(base)
	to := func(method, target string) *http.Request {
		req, err := http.NewRequestWithContext(t.Context(), method, target, nil)
		require.NoError(t, err)
		return req
	}
	first := []*http.Request{to("GET", "https://api.github.test/repos/a/b")}
	require.NoError(t, check(to("GET", "https://API.github.test/repositories/1"), first))
	require.ErrorIs(t, check(to("GET", "https://evil.test/repositories/1"), first), errOtherHost)
	require.ErrorIs(t, check(to("GET", "http://api.github.test/repositories/1"), first), errOtherHost)
	require.ErrorIs(t, check(to("GET", "https://api.github.test:444/repositories/1"), first), errOtherHost)
	require.Error(t, check(to("POST", "https://api.github.test/repositories/1"), first))
	require.ErrorContains(t, check(to("GET", "https://api.github.test/x"), make([]*http.Request, 6)), "too many")
}

func TestRedirectAfterARename(t *testing.T) {
	var authorization string
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/repositories/42" {
			http.Redirect(w, r, "/repositories/42", http.StatusMovedPermanently)
			return
		}
		authorization = r.Header.Get("Authorization")
		writeJSON(w, http.StatusOK, map[string]any{"id": 42, "full_name": "acme/renamed"})
	})
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	app := newTestApp(t, srv.URL, s, nil)
	c, err := app.Client(t.Context(), "acme/deploy")
	require.NoError(t, err)
	found, _, err := c.API().Repositories.Get(t.Context(), "acme", "deploy")
	require.NoError(t, err)
	require.Equal(t, int64(42), found.GetID())
	require.Equal(t, "Bearer ghs_x", authorization)
	require.Equal(t, "GET /repos/{owner}/{repo}", s.calls[len(s.calls)-1].Endpoint)

	_, _, err = c.API().Checks.CreateCheckRun(t.Context(), "acme", "deploy", gh.CreateCheckRunOptions{Name: "x", HeadSHA: "y"})
	require.ErrorContains(t, err, "refused a redirect that turns POST into GET")
}

func TestAnswersThatAreNotWhatTheySeem(t *testing.T) {
	tests := map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"empty body": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }, "unexpected EOF"},
		"too large, announced": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "999999999")
			w.WriteHeader(http.StatusOK)
		}, "larger than the limit"},
		"too large, streamed": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `["`+strings.Repeat("x", answerLimit)+`"]`)
		}, "larger than the limit"},
		"not modified":             {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) }, "no condition was sent"},
		"no content":               {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, "a list was expected"},
		"cut off":                  {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `[{"id":1},`) }, "unexpected EOF"},
		"redirect without a place": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusFound) }, "GitHub answered 302 Found"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, tt.answer)
			srv := httptest.NewServer(s)
			t.Cleanup(srv.Close)
			app := newTestApp(t, srv.URL, s, nil)
			c, err := app.Client(t.Context(), "acme/deploy")
			require.NoError(t, err)
			reviews, err := All(1000, func(o gh.ListOptions) ([]*gh.PullRequestReview, *gh.Response, error) {
				return c.API().PullRequests.ListReviews(t.Context(), "acme", "deploy", 1, &o)
			})
			require.ErrorContains(t, err, tt.want)
			require.Nil(t, reviews)
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		silent := roundTripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		app := newTestApp(t, "https://api.github.test/", s, silent)
		start := time.Now()
		_, err := app.Client(t.Context(), "acme/deploy")
		require.ErrorContains(t, err, "no answer within 15s")
		require.Equal(t, DefaultTimeout, time.Since(start))
		var e *Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, "find the App's installation", e.Op)
		require.Equal(t, []Call{{Endpoint: "GET /repos/{owner}/{repo}/installation", Began: start, Duration: DefaultTimeout, Remaining: -1}}, s.calls)
	})
}

func TestRequestsAtTheSameTimeAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int64
		s := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
			most.Store(max(most.Load(), running.Add(1)))
			time.Sleep(time.Second)
			running.Add(-1)
			writeJSON(w, http.StatusOK, map[string]any{})
		})
		c := inMemoryClient(t, s)
		var wg sync.WaitGroup
		for range 3 * maxInFlight {
			wg.Go(func() {
				if err := getRepository(t.Context(), c); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, getRepository(ctx, c), context.Canceled)
		wg.Wait()
		require.Equal(t, int64(maxInFlight), most.Load())
	})
}

func TestTimeoutCoversTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		stuck := roundTripper(func(r *http.Request) (*http.Response, error) {
			reader, writer := io.Pipe()
			go func() { <-r.Context().Done(); writer.CloseWithError(r.Context().Err()) }()
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: reader, Request: r, ContentLength: -1}, nil
		})
		_, err := newTestApp(t, "https://api.github.test/", s, stuck).Client(t.Context(), "acme/deploy")
		require.ErrorContains(t, err, "deadline exceeded")
	})
}

func TestFailedAnswersAreClosed(t *testing.T) {
	closed := false
	s := newServer(t, nil)
	app := newTestApp(t, "https://api.github.test/", s, roundTripper(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/installation") {
			return inMemory{s}.RoundTrip(r)
		}
		return &http.Response{StatusCode: http.StatusInternalServerError, Header: http.Header{}, Body: newBody("{}", &closed), Request: r}, nil
	}))
	c, err := app.Client(t.Context(), "acme/deploy")
	require.NoError(t, err)
	_, err = c.Token(t.Context())
	require.ErrorContains(t, err, "get a token of acme/deploy: GitHub answered 500")
	require.True(t, closed, "ghinstallation leaves the body of a failed refresh open")
}

func TestAll(t *testing.T) {
	pages := func(next ...int) func(gh.ListOptions) ([]int, *gh.Response, error) {
		return func(o gh.ListOptions) ([]int, *gh.Response, error) {
			n := 0
			if o.Page <= len(next) {
				n = next[o.Page-1]
			}
			return []int{o.Page}, &gh.Response{Response: &http.Response{StatusCode: http.StatusOK}, NextPage: n}, nil
		}
	}
	got, err := All(10, pages(2, 3, 0))
	require.NoError(t, err)
	require.Equal(t, []int{1, 2, 3}, got)

	_, err = All(2, pages(2, 3, 0))
	require.ErrorIs(t, err, ErrTruncated)
	_, err = All(10, pages(2, 1))
	require.ErrorIs(t, err, ErrTruncated, "a list that goes round in circles")
	_, err = All(10, func(o gh.ListOptions) ([]int, *gh.Response, error) {
		return nil, &gh.Response{Response: &http.Response{StatusCode: http.StatusOK}, NextPage: o.Page + 1}, nil
	})
	require.ErrorIs(t, err, ErrTruncated, "pages without items and without end")

	boom := errors.New("boom")
	got, err = All(10, func(o gh.ListOptions) ([]int, *gh.Response, error) {
		if o.Page == 2 {
			return nil, nil, boom
		}
		return pages(2)(o)
	})
	require.ErrorIs(t, err, boom)
	require.Nil(t, got, "a part of a list")
}

func TestEndpointLabels(t *testing.T) {
	base, err := url.Parse("https://ghes.test/api/v3/")
	require.NoError(t, err)
	tests := map[string]string{
		"repos/acme/deploy/pulls/12/reviews?per_page=100": "GET /repos/{owner}/{repo}/pulls/{number}/reviews",
		"repositories/42/pulls/12/reviews?page=2":         "GET /repos/{owner}/{repo}/pulls/{number}/reviews",
		"repositories/42":               "GET /repos/{owner}/{repo}",
		"user/12":                       "GET /user/{id}",
		"user":                          "GET other",
		"repos/acme/deploy/whatever/12": "GET other",
		"":                              "GET other",
	}
	for path, want := range tests {
		u, err := base.Parse(path)
		require.NoError(t, err)
		require.Equal(t, want, newEndpoints().label(base, http.MethodGet, u))
	}
	require.Equal(t, "OTHER /app", newEndpoints().label(base, "BREW", base.JoinPath("app")))
}

func FuzzEndpointLabels(f *testing.F) {
	base, err := url.Parse("https://ghes.test/api/v3/")
	require.NoError(f, err)
	known := newEndpoints()
	f.Add("GET", "repos/a/b/pulls/1")
	f.Add("POST", "repositories/1/../x")
	f.Fuzz(func(t *testing.T, method, path string) {
		label := known.label(base, method, &url.URL{Path: base.Path + path})
		require.Less(t, len(label), 80, "a label must come from the fixed set")
	})
}
