package github

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// errOtherHost says that GitHub, or somebody in its place, wants us to go
// elsewhere. go-github v60 followed such a redirect and sent the installation
// token along (fixed upstream 2026-04 in 1a1890b5).
var errOtherHost = errors.New("refused to leave the configured GitHub host")

// errTooLarge says that an answer exceeded the limit.
var errTooLarge = errors.New("the answer is larger than the limit")

const (
	// errorBodyLimit bounds how much of a failed answer is read for its message.
	errorBodyLimit = 64 << 10
	// maxInFlight bounds the requests that run at the same time. GitHub allows an
	// App 100 ("Rate limits for the REST API"), of all its processes together.
	maxInFlight = 48
	// answerLimit bounds an answer. The largest we ask for are lists of 100
	// items; pull requests with long descriptions make that a few megabytes.
	answerLimit = 16 << 20
)

// Call is one request that was sent to GitHub's API.
type Call struct {
	// Endpoint is the method and the pattern of the path, for example
	// "GET /repos/{owner}/{repo}/pulls/{number}/reviews". It is one of a fixed
	// set, or "other", so it is fit for a metric's label.
	Endpoint string
	// Status is the HTTP status, 0 when there was no answer.
	Status int
	// Duration is the time until the answer's header.
	Duration time.Duration
	// Began is when it was sent.
	Began time.Time
	// Account is whose installation's token it was made with; empty for a call as the App
	// itself. Each installation has a rate limit of its own.
	Account string
	// Remaining is what is left of the rate limit, -1 when GitHub did not say, and Reset
	// when the limit begins anew, zero when GitHub did not say.
	Remaining int
	Reset     time.Time
	// Limited says that it was refused because of a limit, and of which: empty, LimitHourly
	// or LimitSecondary.
	Limited string
}

// The limits of GitHub ("Rate limits for the REST API"): that of the hour, and those
// against too much at once, which it calls secondary.
const (
	LimitHourly    = "hourly"
	LimitSecondary = "secondary"
)

// wire sends requests. It is the lowest layer of ours: whatever passes it obeys
// the limits, and whatever comes back through it is a success, a redirect or an
// *Error. Safe for concurrent use.
type wire struct {
	next      http.RoundTripper
	base      *url.URL
	endpoints endpoints
	slots     chan struct{} // one value for each request that is under way
	timeout   time.Duration
	observe   func(context.Context, Call)
	limiter   *limiter
	account   string // see Call
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	if !w.sameHost(req.URL) {
		closeBody(req)
		return nil, &Error{Err: fmt.Errorf("%w %s for %s", errOtherHost, w.base.Host, req.URL.Host)}
	}
	if err := w.limiter.check(time.Now()); err != nil {
		closeBody(req)
		return nil, err
	}

	select {
	case w.slots <- struct{}{}:
		defer func() { <-w.slots }()
	case <-req.Context().Done():
		closeBody(req)
		return nil, context.Cause(req.Context())
	}

	ctx, cancel := context.WithTimeoutCause(req.Context(), w.timeout,
		fmt.Errorf("no answer within %s", w.timeout))
	start := time.Now()
	resp, err := w.next.RoundTrip(req.WithContext(ctx))
	call := Call{
		Endpoint: w.endpoints.label(w.base, req.Method, req.URL), Began: start, Duration: time.Since(start),
		Account: w.account, Remaining: -1,
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil && req.Context().Err() == nil {
			err = cause
		}
		cancel()
		w.observe(req.Context(), call)
		return nil, err
	}
	call.Status = resp.StatusCode
	if n, err := strconv.Atoi(resp.Header.Get("X-RateLimit-Remaining")); err == nil {
		call.Remaining = n
	}
	if at, err := strconv.ParseInt(resp.Header.Get("X-RateLimit-Reset"), 10, 64); err == nil && at > 0 {
		call.Reset = time.Unix(at, 0)
	}
	if !isSuccess(resp.StatusCode) && !isRedirect(resp) {
		defer cancel()
		failed := w.failure(resp)
		if failed.Limited {
			call.Limited = LimitSecondary
			if call.Remaining == 0 {
				call.Limited = LimitHourly
			}
		}
		w.observe(req.Context(), call)
		return nil, failed
	}
	w.observe(req.Context(), call)
	w.limiter.answered(resp.Header, time.Now())
	// go-github's own limiter goes by this header; ours has seen it.
	resp.Header.Del("X-RateLimit-Reset")
	if resp.ContentLength > answerLimit {
		cancel()
		return nil, errors.Join(&Error{Status: resp.StatusCode, Err: errTooLarge}, resp.Body.Close())
	}
	resp.Body = &answerBody{
		body: resp.Body, left: answerLimit, cancel: cancel,
		mustSpeak: req.Method == http.MethodGet && resp.StatusCode == http.StatusOK,
	}
	return resp, nil
}

// failure reads the answer, closes it and says what it means. ghinstallation
// never closes the body of a failed token refresh; here it is closed already.
func (w *wire) failure(resp *http.Response) *Error {
	body, readErr := io.ReadAll(io.LimitReader(resp.Body, errorBodyLimit))
	closeErr := resp.Body.Close()
	now := time.Now()
	e := classify(resp.StatusCode, resp.Header, body, now)
	if e.Limited {
		named := resp.Header.Get("Retry-After") != "" || resp.Header.Get("X-RateLimit-Remaining") == "0"
		w.limiter.refused(e, named, now)
	}
	e.Err = errors.Join(readErr, closeErr)
	return e
}

func (w *wire) sameHost(u *url.URL) bool {
	return u.Scheme == w.base.Scheme && strings.EqualFold(u.Host, w.base.Host) && strings.HasPrefix(u.Path, w.base.Path)
}

func isSuccess(status int) bool { return status >= 200 && status <= 299 }

func isRedirect(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return resp.Header.Get("Location") != ""
	default:
		return false
	}
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close() // the request is not sent, so its body does not matter
	}
}

// checkRedirect allows what GitHub does after a rename: the same method on the
// same host. net/http would turn a redirected POST into a GET, which would make
// a write look as if it had happened.
func checkRedirect(base *url.URL) func(*http.Request, []*http.Request) error {
	return func(req *http.Request, via []*http.Request) error {
		switch {
		case len(via) > 5:
			return errors.New("too many redirects")
		case req.URL.Scheme != base.Scheme || !strings.EqualFold(req.URL.Host, base.Host):
			return fmt.Errorf("%w %s for %s", errOtherHost, base.Host, req.URL.Host)
		case req.Method != via[0].Method:
			return fmt.Errorf("refused a redirect that turns %s into %s", via[0].Method, req.Method)
		}
		return nil
	}
}

// answerBody bounds an answer, ends its timeout when it was read, and makes an
// empty answer to a GET an error: go-github v60 takes it for an empty list.
type answerBody struct {
	body      io.ReadCloser
	left      int64
	spoke     bool
	mustSpeak bool
	cancel    context.CancelFunc
}

func (b *answerBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	b.spoke = b.spoke || n > 0
	b.left -= int64(n)
	switch {
	case b.left < 0:
		return 0, errTooLarge
	case errors.Is(err, io.EOF) && b.mustSpeak && !b.spoke:
		return n, io.ErrUnexpectedEOF
	default:
		return n, err
	}
}

func (b *answerBody) Close() error {
	defer b.cancel()
	return b.body.Close()
}
