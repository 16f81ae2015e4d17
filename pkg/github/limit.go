package github

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// secondaryWait is GitHub's minimum wait after a secondary limit without a
	// retry-after header ("Rate limits for the REST API", GitHub docs). It is
	// doubled with every further one up to longestWait.
	secondaryWait = time.Minute
	longestWait   = 2 * time.Hour
)

// classify turns an answer that is no success into an *Error. It exists because
// go-github v60 knows rate limits only as 403: a 429 became an ordinary error
// (fixed upstream 2026-01 in 72c952a2), and a secondary limit was recognised by
// the documentation URL alone.
func classify(status int, h http.Header, body []byte, now time.Time) *Error {
	var answer struct {
		Message          string `json:"message"`
		DocumentationURL string `json:"documentation_url"`
		Errors           []struct {
			Message string `json:"message"`
			Field   string `json:"field"`
			Code    string `json:"code"`
		} `json:"errors"`
	}
	e := &Error{Status: status}
	if json.Unmarshal(body, &answer) == nil {
		parts := []string{answer.Message}
		for _, detail := range answer.Errors {
			parts = append(parts, strings.TrimSpace(detail.Field+" "+detail.Code+" "+detail.Message))
		}
		e.Message = oneLine(strings.Join(parts, "; "))
		e.Message = strings.Trim(e.Message, "; ")
	}
	if status == http.StatusNotModified {
		e.Message = "the answer is \"not modified\", but no condition was sent"
	}

	e.Retry = retryAfter(h, now)
	if status != http.StatusForbidden && status != http.StatusTooManyRequests {
		return e
	}
	text := strings.ToLower(answer.Message)
	exhausted := h.Get("X-RateLimit-Remaining") == "0"
	e.Limited = status == http.StatusTooManyRequests || exhausted || h.Get("Retry-After") != "" ||
		strings.Contains(text, "rate limit") || strings.Contains(text, "abuse detection") ||
		strings.HasSuffix(answer.DocumentationURL, "secondary-rate-limits") ||
		strings.HasSuffix(answer.DocumentationURL, "#abuse-rate-limits")
	if status == http.StatusForbidden && !e.Limited {
		e.needs = permissionNeeded(h)
	}
	if e.Limited && e.Retry == 0 {
		if exhausted {
			e.Retry = untilReset(h, now)
		}
		e.Retry = max(e.Retry, 0)
		if e.Retry == 0 {
			e.Retry = secondaryWait
		}
	}
	return e
}

// permissionNeeded reads the header in which GitHub names the permissions of which
// the token has none ("Permissions required for GitHub Apps", GitHub docs), for
// example "pull_requests=read; issues=read".
func permissionNeeded(h http.Header) string {
	text := oneLine(h.Get("X-Accepted-GitHub-Permissions"))
	return strings.NewReplacer("=", ": ", ";", " or", ",", " and").Replace(text)
}

// retryAfter reads the header in both forms of RFC 9110: seconds or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0
	}
	if seconds, err := strconv.ParseInt(v, 10, 64); err == nil {
		if seconds <= 0 {
			return time.Second
		}
		return time.Duration(min(seconds, int64(longestWait/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return clampWait(at.Sub(now))
	}
	return 0
}

// untilReset is the time to the start of the next window of the primary limit.
func untilReset(h http.Header, now time.Time) time.Duration {
	seconds, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64)
	if err != nil || seconds <= 0 {
		return 0
	}
	// The header has whole seconds, so one more is needed to be past it.
	return clampWait(time.Unix(seconds, 0).Sub(now) + time.Second)
}

func clampWait(d time.Duration) time.Duration { return min(max(d, time.Second), longestWait) }

// limiter keeps an installation quiet for as long as GitHub asked. GitHub may
// ban an App that goes on while it is limited. It replaces go-github's own
// limiter, which guesses the kind of limit from the path and takes everything
// below /api/v3/ for one kind. Safe for concurrent use.
type limiter struct {
	mu        sync.Mutex
	until     time.Time
	secondary int // consecutive refusals for which GitHub named no time
}

// check returns an error while requests are not welcome.
func (l *limiter) check(now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !now.Before(l.until) {
		return nil
	}
	return &Error{
		Limited: true, Retry: l.until.Sub(now),
		Message: "not sent: GitHub asked to wait until " + l.until.UTC().Format(time.TimeOnly) + " UTC",
	}
}

// refused notes an answer that said to wait. When GitHub repeats itself without
// naming a time, the wait is doubled: once for each wait that was kept, not for
// each of several requests that were under way together.
func (l *limiter) refused(e *Error, named bool, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !named {
		if now.Before(l.until) {
			e.Retry = l.until.Sub(now)
			return
		}
		e.Retry = min(e.Retry<<min(l.secondary, 6), longestWait)
		l.secondary++
	}
	if until := now.Add(e.Retry); until.After(l.until) {
		l.until = until
	}
}

// answered notes a success: it ends a series of refusals, and it may be the
// last one that the primary limit allows.
func (l *limiter) answered(h http.Header, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.secondary = 0
	if h.Get("X-RateLimit-Remaining") != "0" {
		return
	}
	if resource := h.Get("X-RateLimit-Resource"); resource != "" && resource != "core" {
		return // another limit, for example that of searches
	}
	if until := now.Add(untilReset(h, now)); until.After(l.until) {
		l.until = until
	}
}
