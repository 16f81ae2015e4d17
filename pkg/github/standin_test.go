package github_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	gh "github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

var standinKey = sync.OnceValue(func() []byte {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
})

var permissions = map[string]string{"pull_requests": "write", "contents": "read", "checks": "write", "members": "read"}

// hub is a GitHub with the repository acme/env, pull request #1 there, and the App.
type hub struct {
	*standin.Server
	t            *testing.T
	app          standin.App
	installation int64
}

func newHub(t *testing.T) *hub {
	t.Helper()
	s, err := standin.Start(context.WithoutCancel(t.Context()), standin.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	h := &hub{Server: s, t: t}
	_, err = s.CreateUser("alice", "Alice")
	require.NoError(t, err)
	_, err = s.CreateOrganization("acme", "alice")
	require.NoError(t, err)
	_, err = s.CreateRepository("acme", "env", standin.RepositoryOptions{Author: "alice"})
	require.NoError(t, err)
	h.app, err = s.CreateApp(standin.AppOptions{Slug: "gatekeeper", Owner: "acme", PrivateKeyPEM: standinKey(), Permissions: permissions})
	require.NoError(t, err)
	h.installation, err = s.Install(h.app.ID, "acme", "env")
	require.NoError(t, err)
	_, err = s.As("alice").OpenPull("acme/env", standin.PullOptions{Change: standin.Change{Files: map[string]string{"a": "1\n"}, Message: "Change"}})
	require.NoError(t, err)
	return h
}

func (h *hub) client(timeout time.Duration) *github.Client {
	h.t.Helper()
	app, err := github.NewApp(github.Options{
		BaseURL: h.APIURL(), AppID: h.app.ID, PrivateKeyPEM: h.app.PrivateKeyPEM, Timeout: timeout,
		// A connection of one's own for each request: net/http repeats a request by
		// itself when a kept connection breaks.
		Transport: &http.Transport{DisableKeepAlives: true},
		Logger:    slog.New(slog.NewTextHandler(lines{h.t}, nil)),
	})
	require.NoError(h.t, err)
	c, err := app.Client(h.t.Context(), "acme/env")
	require.NoError(h.t, err)
	return c
}

type lines struct{ t *testing.T }

func (l lines) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// read lists the reviews of #1, as the product does.
func read(ctx context.Context, c *github.Client) error {
	_, err := github.All(10, func(o gh.ListOptions) ([]*gh.PullRequestReview, *gh.Response, error) {
		return c.API().PullRequests.ListReviews(ctx, "acme", "env", 1, &o)
	})
	return github.Wrap("list the reviews of #1", "acme/env", err)
}

func readAbsent(ctx context.Context, c *github.Client) error {
	_, _, err := c.API().PullRequests.Get(ctx, "acme", "env", 99)
	return github.Wrap("read #99", "acme/env", err)
}

func (h *hub) sent(prefix string) int { return h.CountCalls("api", prefix) }

// A new token that GitHub's machines do not know yet, in either form: the request
// is made again until it is known. Nothing is taken for gone meanwhile.
func TestFreshToken(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		long   bool
	}{
		"404, short token": {404, false}, "401, long token": {401, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHub(t)
			require.NoError(t, h.SetLongTokens(h.app.ID, tt.long))
			require.NoError(t, h.LagTokens(500*time.Millisecond, tt.status))
			c := h.client(0)
			token, err := c.Token(t.Context())
			require.NoError(t, err)
			require.Equal(t, tt.long, len(token) > 400)
			require.NoError(t, read(t.Context(), c))
			require.Equal(t, 2, h.sent("GET /repos/acme/env/pulls/1/reviews"), "at once and after a second")
			require.Equal(t, 1, h.sent("POST /app/installations"), "with one token")
		})
	}
}

// What is not there is believed only from a token that has had time to spread.
func TestFreshTokenIsNotAskedWhatIsGone(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	// Longer than the pauses of 1, 2 and 4 seconds together.
	require.NoError(t, h.LagTokens(8*time.Second, http.StatusNotFound))
	c := h.client(0)
	require.NoError(t, read(t.Context(), c), "the pull request is there")
	require.ErrorIs(t, readAbsent(t.Context(), c), approval.ErrNotFound, "and this one is not")
}

func TestLimits(t *testing.T) {
	in := func(d time.Duration) time.Time { return time.Now().Add(d) }
	const path = "^GET /repos/acme/env/pulls/1/reviews$"
	for name, tt := range map[string]struct {
		fault standin.Fault
		wait  time.Duration
	}{
		"primary, 403":                   {standin.RateLimited(path, 403, in(10*time.Minute)), 10 * time.Minute},
		"primary, 429":                   {standin.RateLimited(path, 429, in(10*time.Minute)), 10 * time.Minute},
		"primary, 403 without headers":   {standin.RateLimited(path, 403, time.Time{}), time.Minute},
		"primary, 429 without headers":   {standin.RateLimited(path, 429, time.Time{}), time.Minute},
		"secondary, 403":                 {standin.SecondaryLimit(path, 403, 2*time.Minute), 2 * time.Minute},
		"secondary, 429":                 {standin.SecondaryLimit(path, 429, 2*time.Minute), 2 * time.Minute},
		"secondary, 403 without headers": {standin.SecondaryLimit(path, 403, 0), time.Minute},
		"secondary, 429 without headers": {standin.SecondaryLimit(path, 429, 0), time.Minute},
		"429 without a word":             {standin.Fault{Match: path, Status: 429}, time.Minute},
		"429 with a page of HTML":        {standin.Unavailable(path, 429, 0), time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHub(t)
			c := h.client(0)
			_, err := h.Fail(tt.fault)
			require.NoError(t, err)
			var limited *github.Error
			require.ErrorAs(t, read(t.Context(), c), &limited)
			require.True(t, limited.Limited)
			require.Equal(t, tt.fault.Status, limited.Status)
			require.InDelta(t, tt.wait.Seconds(), limited.RetryAfter().Seconds(), 30)
			require.NotContains(t, limited.Error(), "<")

			h.ClearFaults()
			before := len(h.Calls())
			require.ErrorAs(t, read(t.Context(), c), &limited, "GitHub wants quiet")
			require.True(t, limited.Limited)
			require.Len(t, h.Calls(), before, "nothing was sent")
		})
	}
}

// Whatever the network does, the caller gets an error that is no "not found", in
// bounded time, and the next call is a fresh one.
func TestBadConnections(t *testing.T) {
	const path = "^GET /repos/acme/env/pulls/1/reviews$"
	for name, fault := range map[string]standin.Fault{
		"reset":          {Match: path, Reset: true},
		"closed":         {Match: path, Disconnect: true},
		"cut off":        {Match: path, Status: 200, Body: `[`, Cut: true},
		"too slow":       {Match: path, Status: 200, Body: `[]`, Delay: 20 * time.Second},
		"500":            standin.ServerError500(path),
		"502":            standin.Unavailable(path, 502, 0),
		"503":            standin.Unavailable(path, 503, 0),
		"503, come back": standin.Unavailable(path, 503, time.Second),
		"504":            standin.Unavailable(path, 504, 0),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHub(t)
			c := h.client(500 * time.Millisecond)
			require.NoError(t, read(t.Context(), c))
			h.ResetCalls()
			_, err := h.Fail(fault)
			require.NoError(t, err)
			started := time.Now()
			err = read(t.Context(), c)
			require.Less(t, time.Since(started), 10*time.Second)
			var failed *github.Error
			require.ErrorAs(t, err, &failed)
			require.NotErrorIs(t, err, approval.ErrNotFound)
			require.False(t, failed.Limited)
			require.NotContains(t, err.Error(), "<")
			require.Equal(t, fault.Header["Retry-After"] != "", failed.RetryAfter() > 0)
			require.Eventually(t, func() bool { return h.sent("GET /repos") > 0 }, 10*time.Second, time.Millisecond)
			require.Equal(t, 1, h.sent("GET /repos"), "retries are left to the queue")
			h.ClearFaults()
			require.NoError(t, read(t.Context(), c))
		})
	}
	t.Run("every call is slow", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		c := h.client(500 * time.Millisecond)
		require.NoError(t, read(t.Context(), c))
		h.SetDelay(20 * time.Second)
		require.ErrorContains(t, read(t.Context(), c), "no answer within 500ms")
		h.SetDelay(0)
		require.NoError(t, read(t.Context(), c))
	})
}

// A token that is refused for good reasons is refused in words that tell people
// what to do, and works again when they did it. The token of this test is young,
// so GitHub is asked for ten seconds before it is believed.
func TestAccessThatIsTakenAway(t *testing.T) {
	t.Parallel()
	suspended, lacking := newHub(t), newHub(t)
	ofSuspended, ofLacking := suspended.client(0), lacking.client(0)
	require.NoError(t, read(t.Context(), ofSuspended))
	require.NoError(t, read(t.Context(), ofLacking))
	require.NoError(t, suspended.SuspendInstallation(suspended.installation, true))
	require.NoError(t, lacking.SetPermissions(lacking.app.ID, map[string]string{"contents": "read"}))
	var errSuspended, errLacking error
	var both sync.WaitGroup
	both.Go(func() { errSuspended = read(t.Context(), ofSuspended) })
	both.Go(func() { errLacking = read(t.Context(), ofLacking) })
	both.Wait()
	_, errNoToken := suspended.client(0).Token(t.Context())

	const unsuspend = "This installation has been suspended; an owner of acme can unsuspend the GitHub App"
	for err, says := range map[error]string{
		errSuspended: unsuspend, errNoToken: unsuspend,
		errLacking: "Resource not accessible by integration; give the GitHub App the permission pull_requests: read, which an owner of acme then has to accept",
	} {
		var refused *github.Error
		require.ErrorAs(t, err, &refused)
		require.ErrorContains(t, err, says)
		require.False(t, refused.Limited, "waiting would not help")
		require.NotErrorIs(t, err, approval.ErrNotFound)
	}
	require.NoError(t, suspended.SuspendInstallation(suspended.installation, false))
	require.NoError(t, read(t.Context(), ofSuspended))
	// That permissions come back is in TestLackingTokenIsReplaced: it takes longer.
}
