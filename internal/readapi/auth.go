package readapi

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
)

// Authenticator says who a bearer token belongs to, and whether they may read the path.
// Its errors wrap ErrUnknown, ErrForbidden, of which the reader sees the text, or nothing
// of both when it is not known.
type Authenticator interface {
	Authenticate(ctx context.Context, token, path string) (name string, err error)
}

// Errors of an Authenticator.
var (
	// ErrUnknown: nobody has this token.
	ErrUnknown = errors.New("the token is not known")
	// ErrForbidden: whoever has it may not read this.
	ErrForbidden = errors.New("the token does not give the right to read this")
)

// Token is one that the configuration names. It may read everything.
type Token struct {
	// Name is whose it is, for the log and the rate limit.
	Name  string
	Value []byte
}

// Tokens knows those of the configuration. It is safe for concurrent use.
type Tokens []Token

// Authenticate implements Authenticator. It takes the same time for every token.
func (t Tokens) Authenticate(_ context.Context, token, _ string) (string, error) {
	asked, found := sha256.Sum256([]byte(token)), ""
	for _, known := range t {
		sum := sha256.Sum256(known.Value)
		if subtle.ConstantTimeCompare(asked[:], sum[:]) == 1 {
			found = known.Name
		}
	}
	if found == "" {
		return "", ErrUnknown
	}
	return found, nil
}

// FirstOf asks one after the other while the token is not known.
type FirstOf []Authenticator

// Authenticate implements Authenticator.
func (f FirstOf) Authenticate(ctx context.Context, token, path string) (string, error) {
	err := error(ErrUnknown)
	for _, a := range f {
		var name string
		if name, err = a.Authenticate(ctx, token, path); !errors.Is(err, ErrUnknown) {
			return name, err
		}
	}
	return "", err
}

// maxToken is longer than the tokens of service accounts with many claims.
const maxToken = 16 << 10

// bearer is the token of a request (RFC 6750).
func bearer(r *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	return token, ok && strings.EqualFold(scheme, "bearer") && token != "" && len(token) <= maxToken
}

// authenticated lets through whoever may read.
func (a *api) authenticated(c *gin.Context) {
	token, ok := bearer(c.Request)
	if !ok {
		c.Header("WWW-Authenticate", `Bearer realm="gatekeeper"`)
		fail(c, newProblem(http.StatusUnauthorized, "unauthorized", "Who is asking?",
			"send a token: Authorization: Bearer TOKEN; the configuration's api.tokens name those that may read"))
		return
	}
	name, err := a.Who.Authenticate(c.Request.Context(), token, c.Request.URL.Path)
	switch {
	case errors.Is(err, ErrUnknown):
		c.Header("WWW-Authenticate", `Bearer realm="gatekeeper", error="invalid_token"`)
		fail(c, newProblem(http.StatusUnauthorized, "unauthorized", "The token is not known", "it may have been replaced, or have expired"))
	case errors.Is(err, ErrForbidden):
		fail(c, newProblem(http.StatusForbidden, "forbidden", "This may not be read with this token", err.Error()))
	case err != nil:
		a.Logger.LogAttrs(c.Request.Context(), slog.LevelError, "api_authentication_failed", slog.Any("error", err))
		fail(c, newProblem(http.StatusServiceUnavailable, "unavailable", "It is not known who is asking", "try again in a moment; Gatekeeper's log says why"))
	default:
		if wait := a.limits.take(name); wait > 0 {
			c.Header("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
			fail(c, newProblem(http.StatusTooManyRequests, "too-many-requests", "Too many requests", "wait as long as Retry-After says"))
			return
		}
		c.Next()
	}
}
