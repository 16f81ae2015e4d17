package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Client asks registries. Safe for concurrent use.
type Client struct {
	options  Options
	listings map[string]*listing
	slots    chan struct{} // one value for each request that is under way

	mu    sync.Mutex
	wires map[string]*wire

	tokens    *memory[tokenKey, token]
	types     *memory[imageKey, string]
	evidences *memory[imageKey, evidence]
}

const (
	// manifestLimit is what the distribution specification recommends registries to
	// accept at least, and what they commonly refuse to exceed.
	manifestLimit = 4 << 20
	// payloadLimit bounds a simple-signing payload, which has some 250 bytes.
	payloadLimit = 64 << 10
	// bundleLimit bounds a Sigstore bundle, which has a few kilobytes.
	bundleLimit = 1 << 20
	tokenLimit  = 64 << 10
	hopLimit    = 4
)

// question is one GET or HEAD below a repository.
type question struct {
	method string
	path   string // below /v2/<repository>/
	query  url.Values
	accept string
	limit  int64
	// content is true for a blob: its bytes are checked against a digest, so it may
	// come from any public host.
	content bool
}

// answer is a response that was read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ask sends one question and follows redirects and one demand for credentials.
// Statuses of 400 and above that the caller does not accept are errors.
func (c *Client) ask(ctx context.Context, l *listing, repo repository, q question, accepted ...int) (answer, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return answer{}, failure(ctx, l, ctx.Err())
	}
	u := l.base + "/v2/" + repo.path + "/" + q.path
	if len(q.query) > 0 {
		u += "?" + q.query.Encode()
	}
	login, err := c.login(l, repo)
	if err != nil {
		return answer{}, err
	}
	a, err := c.follow(ctx, l, q, u, login.header())
	if err != nil {
		return answer{}, err
	}
	if a.status == http.StatusUnauthorized {
		header, err := c.authorize(ctx, l, repo, login, a.header)
		if err != nil {
			return answer{}, err
		}
		if a, err = c.follow(ctx, l, q, u, header); err != nil {
			return answer{}, err
		}
	}
	if a.status == http.StatusOK || slices.Contains(accepted, a.status) {
		return a, nil
	}
	return answer{}, refusal(l, a)
}

// follow sends a question to a URL and, as far as they are allowed, where the
// answers point to. Credentials go to the first host alone.
func (c *Client) follow(ctx context.Context, l *listing, q question, target, authorization string) (answer, error) {
	first := ""
	for range hopLimit {
		u, err := url.Parse(target)
		if err != nil {
			return answer{}, redirectRefused(l, "it names no valid address")
		}
		if err := l.mayAsk(u, q.content); err != nil {
			return answer{}, err
		}
		if first == "" {
			first = u.Host
		}
		req, err := http.NewRequestWithContext(ctx, q.method, target, nil)
		if err != nil {
			return answer{}, redirectRefused(l, "it names no valid address")
		}
		if q.accept != "" {
			req.Header.Set("Accept", q.accept)
		}
		if authorization != "" && u.Host == first {
			req.Header.Set("Authorization", authorization)
		}
		a, err := c.send(ctx, l, req, q.limit)
		if err != nil {
			return answer{}, err
		}
		switch a.status {
		case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		default:
			return a, nil
		}
		next, err := u.Parse(a.header.Get("Location"))
		if err != nil {
			return answer{}, redirectRefused(l, "it names no valid address")
		}
		target = next.String()
	}
	return answer{}, redirectRefused(l, "it redirects too often")
}

// mayAsk checks the address of a request made on behalf of a registry.
func (l *listing) mayAsk(u *url.URL, anyPublic bool) error {
	own := l.isOwn(u.Host)
	switch {
	case u.User != nil || u.Hostname() == "":
		return redirectRefused(l, "it names no valid address")
	case u.Scheme != "https" && (u.Scheme != "http" || !l.Insecure || !own):
		return redirectRefused(l, "the address is not HTTPS")
	case own || anyPublic:
		return nil
	default:
		return redirectRefused(l, "manifests are read from "+quote(u.Host)+" only if the configuration lists it among the redirects of this registry")
	}
}

func redirectRefused(l *listing, why string) *Error {
	return &Error{Reason: ReasonRedirect, Text: "registry " + l.Host + " sends us to another address, which was not followed: " + why}
}

// send makes one request and reads its answer, of up to limit bytes.
func (c *Client) send(ctx context.Context, l *listing, req *http.Request, limit int64) (answer, error) {
	transport, err := c.wire(l)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("User-Agent", "argo-gatekeeper")
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return answer{}, failure(ctx, l, err)
	}
	defer func() { _ = resp.Body.Close() }()
	a := answer{status: resp.StatusCode, header: resp.Header}
	if req.Method == http.MethodHead {
		return a, nil
	}
	if resp.StatusCode != http.StatusOK {
		// Only for the error code in it; its end does not matter.
		a.body, _ = io.ReadAll(io.LimitReader(resp.Body, tokenLimit))
		return a, nil
	}
	if resp.ContentLength > limit {
		return answer{}, tooLarge(l, limit)
	}
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return answer{}, failure(ctx, l, err)
	}
	if int64(len(a.body)) > limit {
		return answer{}, tooLarge(l, limit)
	}
	return a, nil
}

func tooLarge(l *listing, limit int64) *Error {
	return &Error{Reason: ReasonTooLarge, Text: fmt.Sprintf(
		"registry %s answered with more than %d bytes where an image or signature has less; it was not read", l.Host, limit)}
}

// failure explains a request without an answer. Errors of a transport do not hold
// the address, which could carry the signature of a blob store.
func failure(ctx context.Context, l *listing, err error) *Error {
	switch {
	case errors.Is(err, errAddress):
		return &Error{Reason: ReasonRedirect, Text: "registry " + l.Host + " led to an address that must not be asked", Err: err}
	case errors.Is(ctx.Err(), context.Canceled):
		return &Error{Reason: ReasonCanceled, Text: "the question to registry " + l.Host + " was given up", Err: err}
	case ctx.Err() != nil:
		return &Error{Reason: ReasonTimeout, Text: "registry " + l.Host + " did not answer in time; this is tried again", Err: err}
	default:
		return &Error{Reason: ReasonUnreachable, Text: "registry " + l.Host + " cannot be reached; this is tried again", Err: err}
	}
}

// refusal explains an answer that is none.
func refusal(l *listing, a answer) *Error {
	said := fmt.Sprintf("registry %s answered %d %s", l.Host, a.status, http.StatusText(a.status))
	if code := errorCode(a.body); code != "" {
		said += " (" + code + ")"
	}
	after := retryAfter(a.header.Get("Retry-After"))
	switch a.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return &Error{Reason: ReasonUnauthorized, After: after, Text: said +
			"; check that the docker config file has credentials that may read this repository, and that the repository exists"}
	case http.StatusNotFound:
		return &Error{Reason: ReasonNotFound, Text: said + "; push the image, or correct its name"}
	case http.StatusTooManyRequests:
		return &Error{Reason: ReasonLimited, After: after, Text: said + "; this is tried again. Credentials usually raise the limit"}
	default:
		return &Error{Reason: ReasonUnavailable, After: after, Text: said + "; this is tried again"}
	}
}

// retryAfter reads seconds; dates are not used by registries. At most an hour.
func retryAfter(s string) time.Duration {
	seconds, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds), 3600) * time.Second
}

var codeGrammar = regexp.MustCompile(`^[A-Z][A-Z_]{1,40}$`)

// errorCode finds the code in an error of the distribution specification. The
// message beside it is the registry's own text and is not passed on.
func errorCode(body []byte) string {
	var e struct {
		Errors []struct {
			Code string `json:"code"`
		} `json:"errors"`
	}
	if json.Unmarshal(bytes.TrimSpace(body), &e) != nil || len(e.Errors) == 0 || !codeGrammar.MatchString(e.Errors[0].Code) {
		return ""
	}
	return e.Errors[0].Code
}
