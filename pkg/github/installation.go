package github

// This is the only file of the project that imports ghinstallation.

import (
	"bytes"
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bradleyfalzon/ghinstallation/v2"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// youngToken is the age up to which GitHub may not know a new token everywhere
// (octokit/auth-app.js#65 and #589, akuity/kargo#6630: seconds, undocumented),
// unless Options say otherwise.
const youngToken = 10 * time.Second

// youngDelay is the pause before a request with a young token is tried again:
// 1, 2 and 4 seconds, then what is left until the token is no longer young, and
// never longer than that. So an answer is final only when it was given to a token
// that is not young: a 404 to a young one does not say that anything is gone.
func youngDelay(attempt int, left time.Duration) (time.Duration, bool) {
	if attempt == 3 {
		return left, true
	}
	return min(time.Second<<attempt, left), attempt < 3
}

// renewAfter is the age from which a token that lacks a permission is replaced.
// Permissions that an owner accepted later come with new tokens only, and
// without this it would take up to an hour until they are noticed.
const renewAfter = 15 * time.Second

// installation is the App's installation on one account. Its tokens come and
// go; when the App is removed and installed again, so does its ID. Safe for
// concurrent use.
type installation struct {
	app   *App
	owner string // the account's login
	wire  *wire
	turn  chan struct{} // holds one value while nobody looks for the source
	found atomic.Pointer[source]
}

// source mints the tokens of one installation ID.
type source struct {
	id     int64
	tokens *ghinstallation.Transport
	minted atomic.Int64 // when the newest token was minted, in Unix nanoseconds
	// lacking is true when the source before lacked a permission. Then it is no
	// surprise that this one lacks it as well, and waiting would not help.
	lacking bool
}

// finder asks GitHub for the ID of an installation.
type finder func(context.Context) (int64, error)

func newInstallation(app *App, owner string) *installation {
	in := &installation{app: app, owner: owner, wire: app.newWire(owner), turn: make(chan struct{}, 1)}
	in.turn <- struct{}{}
	return in
}

// current returns the source, looking it up when it is not known. Callers that
// wait for the same look-up share it.
func (in *installation) current(ctx context.Context, find finder) (*source, error) {
	if src := in.found.Load(); src != nil {
		return src, nil
	}
	select {
	case <-in.turn:
		defer func() { in.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if src := in.found.Load(); src != nil {
		return src, nil
	}
	id, err := find(ctx)
	if err != nil {
		return nil, err
	}
	src := in.app.newSource(id)
	in.found.Store(src)
	return src, nil
}

// forget drops a source that GitHub no longer accepts, unless somebody else
// replaced it already.
func (in *installation) forget(src *source) { in.found.CompareAndSwap(src, nil) }

// renew replaces a source, and with it its token, unless somebody else did so.
func (in *installation) renew(src *source) {
	fresh := in.app.newSource(src.id)
	fresh.lacking = true
	in.found.CompareAndSwap(src, fresh)
}

// explain says what a person can do about an error, if anything.
func (in *installation) explain(err error) error {
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok || e.Status != http.StatusForbidden || e.Limited:
	case e.needs != "":
		e.Remedy = "give the GitHub App the permission " + e.needs + ", which an owner of " + in.owner + " then has to accept"
	case strings.Contains(strings.ToLower(e.Message), "installation has been suspended"):
		e.Remedy = "an owner of " + in.owner + " can unsuspend the GitHub App in the settings, under GitHub Apps"
	}
	return err
}

// newSource builds the token source of an installation. ghinstallation writes
// to the AppsTransport at every refresh, which is a data race when several
// installations share one; so each gets its own. The base URL must be set on the
// Transport, that of the AppsTransport is not used for refreshing.
func (a *App) newSource(id int64) *source {
	src := &source{id: id}
	src.tokens = ghinstallation.NewFromAppsTransport(appsTransport(&mint{next: a.wire, src: src}, a.id, a.key.Load()), id)
	src.tokens.BaseURL = strings.TrimSuffix(a.base.String(), "/")
	return src
}

func appsTransport(next http.RoundTripper, id int64, key *rsa.PrivateKey) *ghinstallation.AppsTransport {
	return ghinstallation.NewAppsTransportFromPrivateKey(next, id, key)
}

// signed authenticates requests as the App itself.
func (a *App) signed(next http.RoundTripper, key func() *rsa.PrivateKey) http.RoundTripper {
	return cloning{func() http.RoundTripper { return appsTransport(next, a.id, key()) }}
}

// cloning keeps AppsTransport from changing its caller's request, which a
// RoundTripper must not do: it adds an Accept header each time. Each request is signed
// with the key of that moment.
type cloning struct{ next func() http.RoundTripper }

func (c cloning) RoundTrip(req *http.Request) (*http.Response, error) {
	return c.next().RoundTrip(req.Clone(req.Context()))
}

func (s *source) token(ctx context.Context) (string, error) {
	token, err := s.tokens.Token(ctx)
	if err != nil {
		return "", fmt.Errorf("get a token of installation %d: %w", s.id, err)
	}
	return token, nil
}

// age is that of the newest token; very old when there is none.
func (s *source) age(now time.Time) time.Duration { return now.Sub(time.Unix(0, s.minted.Load())) }

// mint looks at a new token before ghinstallation does, which would panic on
// "null" and would send whatever else it is given.
type mint struct {
	next http.RoundTripper
	src  *source
}

func (m *mint) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := m.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, errorBodyLimit))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return nil, fmt.Errorf("read the new token: %w", err)
	}
	var token struct {
		Token     string    `json:"token"`
		ExpiresAt time.Time `json:"expires_at"`
	}
	now := time.Now()
	switch {
	case !isSuccess(resp.StatusCode):
		return nil, fmt.Errorf("GitHub answered %d to the request for a token", resp.StatusCode)
	case json.Unmarshal(body, &token) != nil:
		return nil, errors.New("GitHub's answer holds no token")
	case !validToken(token.Token):
		return nil, errors.New("GitHub's answer holds no usable token")
	case !token.ExpiresAt.After(now):
		return nil, fmt.Errorf("the new token expired at %s: is this machine's clock right?", token.ExpiresAt.UTC().Format(time.RFC3339))
	}
	m.src.minted.Store(now.UnixNano())
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// validToken takes a token for an opaque string: since April 2026 there are two
// formats, of about 40 and about 520 characters.
func validToken(s string) bool {
	if s == "" || len(s) > 8192 {
		return false
	}
	for _, r := range s {
		if r <= ' ' || r > '~' {
			return false
		}
	}
	return true
}

// installationTransport authenticates the requests of one repository's client.
type installationTransport struct {
	in   *installation
	find finder
}

// RoundTrip sends the request with a token. With a young token it tries again
// after 1, 2 and 4 seconds and when the token is no longer young; a token that
// stopped working or lacks a permission, or an installation that is gone, is
// looked up anew once.
func (t *installationTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	defer closeBody(req) // what is sent are copies
	ctx := req.Context()
	renewed := false
	for attempt := 0; ; {
		src, token, err := t.token(ctx)
		if err != nil {
			return nil, err
		}
		out, err := authenticated(req, token)
		if err != nil {
			return nil, err
		}
		resp, err := t.in.wire.RoundTrip(out)
		var e *Error
		if !errors.As(err, &e) || e.Limited || !tokenMayBeUnknown(e.Status) || !resendable(req) {
			return resp, err
		}
		age := src.age(time.Now())
		young := t.in.app.options.YoungToken
		delay, again := youngDelay(attempt, young-age)
		lacks := e.Status == http.StatusForbidden && e.needs != ""
		switch {
		case again && age < young && (!lacks || !src.lacking):
			if err := pause(ctx, delay); err != nil {
				return nil, err
			}
			attempt++
		case lacks && !renewed && attempt == 0 && age >= renewAfter:
			renewed = true
			t.in.renew(src)
		case e.Status == http.StatusUnauthorized && !renewed && attempt == 0:
			renewed = true
			t.in.forget(src)
		default:
			return nil, t.in.explain(err)
		}
	}
}

// token returns a token that is valid for more than a minute. A 404 at minting
// means that the installation is gone; a new one may have taken its place.
func (t *installationTransport) token(ctx context.Context) (*source, string, error) {
	src, err := t.in.current(ctx, t.find)
	if err != nil {
		return nil, "", err
	}
	token, err := src.token(ctx)
	if errors.Is(err, approval.ErrNotFound) {
		t.in.forget(src)
		if src, err = t.in.current(ctx, t.find); err == nil {
			token, err = src.token(ctx)
		}
	}
	return src, token, t.in.explain(err)
}

func authenticated(req *http.Request, token string) (*http.Request, error) {
	out := req.Clone(req.Context())
	out.Header.Set("Authorization", "Bearer "+token)
	if req.Body != nil && req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, fmt.Errorf("read the request again: %w", err)
		}
		out.Body = body
	}
	return out, nil
}

func resendable(req *http.Request) bool { return req.Body == nil || req.GetBody != nil }

func tokenMayBeUnknown(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusNotFound
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
