package github

import (
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func TestClassify(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	reset := func(d time.Duration) string { return strconv.FormatInt(now.Add(d).Unix(), 10) }
	tests := map[string]struct {
		status   int
		header   map[string]string
		body     string
		limited  bool
		retry    time.Duration
		notFound bool
		message  string
	}{
		"not found": {status: 404, body: `{"message":"Not Found"}`, notFound: true, message: "Not Found"},
		"gone":      {status: 410, body: `{"message":"Gone"}`, notFound: true, message: "Gone"},
		"forbidden": {status: 403, header: map[string]string{"X-RateLimit-Remaining": "4999", "X-RateLimit-Reset": reset(time.Hour)}, body: `{"message":"Resource not accessible by integration"}`, message: "Resource not accessible by integration"},
		"primary":   {status: 403, header: map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset(10 * time.Minute)}, body: `{"message":"API rate limit exceeded"}`, limited: true, retry: 10*time.Minute + time.Second, message: "API rate limit exceeded"},
		"primary as 429": {status: 429, header: map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset(10 * time.Minute)},
			limited: true, retry: 10*time.Minute + time.Second},
		"429 without a header": {status: 429, limited: true, retry: time.Minute},
		"secondary, header":    {status: 403, header: map[string]string{"Retry-After": "120"}, body: `{"message":"You have exceeded a secondary rate limit"}`, limited: true, retry: 2 * time.Minute, message: "You have exceeded a secondary rate limit"},
		"secondary, no header": {status: 403, header: map[string]string{"X-RateLimit-Remaining": "4000"}, body: `{"message":"You have exceeded a secondary rate limit. Wait."}`, limited: true, retry: time.Minute, message: "You have exceeded a secondary rate limit. Wait."},
		"secondary, link only": {status: 403, body: `{"documentation_url":"https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"}`, limited: true, retry: time.Minute},
		"retry after a date":   {status: 429, header: map[string]string{"Retry-After": now.Add(90 * time.Second).Format(http.TimeFormat)}, limited: true, retry: 90 * time.Second},
		"retry after zero":     {status: 429, header: map[string]string{"Retry-After": "0"}, limited: true, retry: time.Second},
		"retry after an age":   {status: 429, header: map[string]string{"Retry-After": "999999999999"}, limited: true, retry: 2 * time.Hour},
		"retry after nonsense": {status: 429, header: map[string]string{"Retry-After": "soon"}, limited: true, retry: time.Minute},
		"reset in the past":    {status: 403, header: map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset(-time.Hour)}, limited: true, retry: time.Second},
		"unavailable":          {status: 503, header: map[string]string{"Retry-After": "5"}, retry: 5 * time.Second},
		"invalid": {status: 422, body: `{"message":"Validation Failed","errors":[{"field":"head_sha","code":"invalid"},{"message":"No commit"}]}`,
			message: "Validation Failed; head_sha invalid; No commit"},
		"not modified":       {status: 304, message: `the answer is "not modified", but no condition was sent`},
		"no JSON":            {status: 502, body: "<html>"},
		"control characters": {status: 404, body: `{"message":"a\u001b[31m\nb"}`, notFound: true, message: "a [31m b"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := http.Header{}
			for k, v := range tt.header {
				h.Set(k, v)
			}
			e := classify(tt.status, h, []byte(tt.body), now)
			require.Equal(t, tt.status, e.Status)
			require.Equal(t, tt.limited, e.Limited)
			require.Equal(t, tt.retry, e.RetryAfter())
			require.Equal(t, tt.message, e.Message)
			require.Equal(t, tt.notFound, e.Is(approval.ErrNotFound))
		})
	}
}

func TestRateLimitKeepsQuietUntilItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		s := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
			sent++
			if sent == 1 {
				w.Header().Set("Retry-After", "30")
				writeJSON(w, http.StatusTooManyRequests, map[string]any{"message": "slow down"})
				return
			}
			writeJSON(w, http.StatusOK, map[string]any{"id": 1})
		})
		c := inMemoryClient(t, s)
		time.Sleep(time.Minute) // so that the token is not young

		var e *Error
		require.ErrorAs(t, getRepository(t.Context(), c), &e)
		require.Equal(t, 30*time.Second, e.RetryAfter())
		require.Equal(t, "read the repository of acme/deploy: GitHub answered 429 Too Many Requests: slow down (rate limit, wait 30s)", e.Error())

		time.Sleep(20 * time.Second)
		require.ErrorAs(t, getRepository(t.Context(), c), &e)
		require.Equal(t, 10*time.Second, e.RetryAfter())
		require.Zero(t, e.Status)
		require.Equal(t, 1, sent, "a request went out while GitHub wanted none")

		time.Sleep(10 * time.Second)
		require.NoError(t, getRepository(t.Context(), c))
		require.Equal(t, 2, sent)
	})
}

func TestSecondaryLimitDoublesOncePerWait(t *testing.T) {
	l := &limiter{}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	refuse := func() time.Duration {
		e := &Error{Status: 403, Limited: true, Retry: secondaryWait}
		l.refused(e, false, now)
		return e.Retry
	}
	require.Equal(t, time.Minute, refuse())
	require.Equal(t, time.Minute, refuse(), "a request that was under way at the same time")
	now = now.Add(time.Minute)
	require.Equal(t, 2*time.Minute, refuse())
	now = now.Add(2 * time.Minute)
	require.Equal(t, 4*time.Minute, refuse())
	now = now.Add(4 * time.Minute)
	l.answered(http.Header{}, now)
	require.Equal(t, time.Minute, refuse(), "a success starts anew")
	for range 20 {
		now = now.Add(longestWait)
		require.LessOrEqual(t, refuse(), longestWait)
	}
}

// go-github v60 takes every path below /api/v3/ for the core limit, so an
// exhausted search limit would block everything.
func TestOtherLimitsDoNotBlockOnEnterpriseServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/api/v3/search/issues" {
				w.Header().Set("X-RateLimit-Resource", "search")
				w.Header().Set("X-RateLimit-Limit", "30")
				w.Header().Set("X-RateLimit-Remaining", "0")
				w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(time.Now().Add(time.Minute).Unix(), 10))
			}
			writeJSON(w, http.StatusOK, map[string]any{})
		})
		app := newTestApp(t, "https://ghes.test/api/v3", s, inMemory{s})
		c, err := app.Client(t.Context(), "acme/deploy")
		require.NoError(t, err)
		_, _, err = c.API().Search.Issues(t.Context(), "x", nil)
		require.NoError(t, err)
		require.NoError(t, getRepository(t.Context(), c))
	})
}

func TestLastRequestOfTheWindowBlocksTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-RateLimit-Remaining", "0")
			w.Header().Set("X-RateLimit-Resource", "core")
			w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(time.Now().Add(time.Minute).Unix(), 10))
			writeJSON(w, http.StatusOK, map[string]any{})
		})
		c := inMemoryClient(t, s)
		require.NoError(t, getRepository(t.Context(), c))
		var e *Error
		require.ErrorAs(t, getRepository(t.Context(), c), &e)
		require.True(t, e.Limited)
		time.Sleep(e.RetryAfter())
		require.NoError(t, getRepository(t.Context(), c))
	})
}

func FuzzClassify(f *testing.F) {
	f.Add(403, "10", "0", "1700000000", []byte(`{"message":"x"}`))
	f.Add(429, "Fri, 21 Nov 2026 12:00:00 GMT", "", "-5", []byte(`{"errors":[{"code":1}]}`))
	f.Fuzz(func(t *testing.T, status int, after, remaining, reset string, body []byte) {
		h := http.Header{}
		h.Set("Retry-After", after)
		h.Set("X-RateLimit-Remaining", remaining)
		h.Set("X-RateLimit-Reset", reset)
		e := classify(status, h, body, time.Unix(1_700_000_000, 0))
		require.GreaterOrEqual(t, e.Retry, time.Duration(0))
		require.LessOrEqual(t, e.Retry, longestWait)
		if e.Limited {
			require.Positive(t, e.Retry)
		}
		require.NotContains(t, e.Error(), "\n")
	})
}
