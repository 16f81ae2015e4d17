package standin

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

type publicKey = *rsa.PublicKey

// tokenKind is how a request is authenticated.
type tokenKind string

const (
	noToken           tokenKind = "none"
	appToken          tokenKind = "app" // the JWT of an App
	installationToken tokenKind = "installation"
	userToken         tokenKind = "user"
)

// actor is who a request acts as: a person, the bot of an App, an App itself, or nobody.
type actor struct {
	kind         tokenKind
	user         *account // the person or the bot
	app          *app     // the App, for its JWT and its installations
	installation *installation
	token        *token
}

// key is what rate limits and ETags are bound to.
func (a *actor) key() string {
	switch a.kind {
	case userToken:
		return "user " + itoa(a.user.id)
	case installationToken:
		return "installation " + itoa(a.installation.id)
	case appToken:
		return "app " + itoa(a.app.id)
	default:
		return "nobody"
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func badCredentials() *APIError { return refuse(http.StatusUnauthorized, "Bad credentials") }

// authenticate reads the Authorization header. No header is nobody; a wrong one is an error.
func (s *Server) authenticate(r *http.Request) (*actor, error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return &actor{kind: noToken}, nil
	}
	scheme, value, _ := strings.Cut(header, " ")
	switch strings.ToLower(scheme) {
	case "bearer", "token":
	case "basic":
		_, password, ok := r.BasicAuth()
		if !ok {
			return nil, badCredentials()
		}
		value = password
	default:
		return nil, badCredentials()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if strings.Count(value, ".") == 2 && !strings.HasPrefix(value, "ghs_") {
		return s.authenticateApp(value)
	}
	return s.authenticateToken(value)
}

// authenticateToken needs Server.mu.
func (s *Server) authenticateToken(value string) (*actor, error) {
	t := s.tokens[value]
	if t == nil || (!t.expires.IsZero() && !s.now().Before(t.expires)) {
		return nil, badCredentials()
	}
	if t.user != nil {
		return &actor{kind: userToken, user: t.user, token: t}, nil
	}
	i := t.installation
	if s.installations[i.id] != i {
		return nil, badCredentials()
	}
	if s.now().Before(t.minted.Add(s.tokenLag)) {
		return nil, s.tokenRefusal
	}
	if !i.suspended.IsZero() {
		return nil, refuse(http.StatusForbidden, "This installation has been suspended")
	}
	return &actor{kind: installationToken, user: i.app.bot, app: i.app, installation: i, token: t}, nil
}

// appClaims are the claims GitHub reads from an App's JWT.
type appClaims struct {
	Issuer    any         `json:"iss"` // the App ID as a number or string, or the client ID
	IssuedAt  json.Number `json:"iat"`
	ExpiresAt json.Number `json:"exp"`
}

var errClaims = errors.New("claims are checked by hand")

func (appClaims) GetExpirationTime() (*jwt.NumericDate, error) { return nil, errClaims }
func (appClaims) GetIssuedAt() (*jwt.NumericDate, error)       { return nil, errClaims }
func (appClaims) GetNotBefore() (*jwt.NumericDate, error)      { return nil, errClaims }
func (appClaims) GetIssuer() (string, error)                   { return "", errClaims }
func (appClaims) GetSubject() (string, error)                  { return "", errClaims }
func (appClaims) GetAudience() (jwt.ClaimStrings, error)       { return nil, errClaims }

// authenticateApp checks signature and times of a JWT; it needs Server.mu. The rules and texts are
// GitHub's ("Generating a JSON Web Token for a GitHub App"): RS256 only, iat in the past, exp at most ten
// minutes ahead. One minute of clock difference is let through for iat, as GitHub's advice to set it
// 60 seconds back implies none for the future.
func (s *Server) authenticateApp(value string) (*actor, error) {
	undecodable := refuse(http.StatusUnauthorized, "A JSON web token could not be decoded")
	var found *app
	claims := &appClaims{}
	_, err := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithJSONNumber(), jwt.WithoutClaimsValidation()).
		ParseWithClaims(value, claims, func(*jwt.Token) (any, error) {
			for _, a := range s.apps {
				if slices.Contains([]any{itoa(a.id), a.clientID, float64(a.id), json.Number(itoa(a.id))}, claims.Issuer) {
					found = a
					return a.key, nil
				}
			}
			return nil, errClaims
		})
	if found == nil && errors.Is(err, errClaims) {
		return nil, refuse(http.StatusNotFound, "Integration not found")
	}
	if err != nil {
		return nil, undecodable
	}
	now := s.now()
	iat, errIat := claims.IssuedAt.Int64()
	exp, errExp := claims.ExpiresAt.Int64()
	switch {
	case errIat != nil || iat <= 0 || iat > now.Unix():
		return nil, refuse(http.StatusUnauthorized,
			"'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued")
	case errExp != nil || exp <= now.Unix():
		return nil, refuse(http.StatusUnauthorized,
			"'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires")
	case exp > now.Add(10*time.Minute).Unix():
		return nil, refuse(http.StatusUnauthorized, "'Expiration time' claim ('exp') is too far in the future")
	}
	return &actor{kind: appToken, app: found}, nil
}

// sees tells whether the repository exists for the actor; it needs Server.mu.
func (s *Server) sees(a *actor, r *repository) bool {
	if !r.private {
		return true
	}
	switch a.kind {
	case userToken:
		return s.roleOf(a.user, r) >= roleRead
	case installationToken:
		return a.inScope(r)
	default:
		return false
	}
}

// inScope tells whether an installation token reaches the repository.
func (a *actor) inScope(r *repository) bool {
	return a.installation.covers(r) && (a.token.repos == nil || a.token.repos[r.id])
}

// permitted tells whether an installation token has one of the permissions ("name:level").
func (a *actor) permitted(anyOf []string) bool {
	for _, want := range anyOf {
		name, need, _ := strings.Cut(want, ":")
		if permissionLevels[a.token.permissions[name]] >= permissionLevels[need] {
			return true
		}
	}
	return false
}

// needs refuses a person whose role is too low. What an App may do was decided by its permissions,
// when the request was routed. It needs Server.mu.
func (s *Server) needs(a *actor, r *repository, min role) error {
	if a.kind == userToken && s.roleOf(a.user, r) < min {
		return refuse(http.StatusForbidden, "Must have %s access to Repository.", min)
	}
	return nil
}
