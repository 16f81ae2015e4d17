package registry

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// tokenKey names a token by whom it is for and which credentials it was got with.
type tokenKey struct {
	repository  repository
	credentials [sha256.Size]byte
}

// token is the value of an Authorization header and how long to use it.
type token struct {
	header secret
	until  time.Time
}

// login is what a repository is read with.
type login struct {
	credentials
	key   tokenKey
	known token
}

// login reads the credentials and looks whether a token got with them still lives.
func (c *Client) login(l *listing, repo repository) (login, error) {
	creds, err := readCredentials(c.options.DockerConfig, l, repo)
	if err != nil {
		return login{}, &Error{Reason: ReasonCredentials, Text: "the docker config file cannot be used", Err: err}
	}
	in := login{credentials: creds, key: tokenKey{repository: repo, credentials: creds.sum()}}
	if t, ok := c.tokens.get(in.key); ok && time.Now().Before(t.until) {
		in.known = t
	}
	return in, nil
}

func (in login) header() string { return in.known.header.reveal() }

// authorize answers a demand for credentials: a 401 with WWW-Authenticate, as the
// distribution project's token specification has it.
func (c *Client) authorize(ctx context.Context, l *listing, repo repository, in login, demand http.Header) (string, error) {
	asked, ok := pickChallenge(demand.Values("WWW-Authenticate"))
	if !ok {
		return "", unauthorized(l, "it does not say how to log in")
	}
	if asked.scheme == "basic" {
		if in.username == "" {
			return "", unauthorized(l, "it wants a user name and password, and the docker config file has none for it")
		}
		t := token{header: newSecret("Basic " + in.basic()), until: time.Now().Add(10 * time.Minute)}
		c.tokens.put(in.key, t)
		return t.header.reveal(), nil
	}
	if in.registryToken.reveal() != "" {
		return "Bearer " + in.registryToken.reveal(), nil
	}
	t, err := c.exchange(ctx, l, repo, in, asked)
	if err != nil {
		return "", err
	}
	c.tokens.put(in.key, t)
	return t.header.reveal(), nil
}

func unauthorized(l *listing, why string) *Error {
	return &Error{Reason: ReasonUnauthorized, Text: "registry " + l.Host + " refuses to be read: " + why +
		"; check the credentials in the docker config file"}
}

// exchange gets a token that may pull from one repository. The server is the one
// that the registry names; a redirect from there is not followed.
func (c *Client) exchange(ctx context.Context, l *listing, repo repository, in login, asked challenge) (token, error) {
	realm, err := url.Parse(asked.parameters["realm"])
	if err != nil || !realm.IsAbs() {
		return token{}, unauthorized(l, "it names no valid token server")
	}
	if err := l.mayAsk(realm, true); err != nil {
		return token{}, err
	}
	values := realm.Query()
	if s := asked.parameters["service"]; s != "" {
		values.Set("service", s)
	}
	values.Set("scope", "repository:"+repo.path+":pull")
	method, body := http.MethodGet, ""
	if in.identityToken.reveal() != "" {
		// The OAuth 2 form of the token specification, which Azure uses.
		values.Set("grant_type", "refresh_token")
		values.Set("client_id", "argo-gatekeeper")
		values.Set("refresh_token", in.identityToken.reveal())
		method, body = http.MethodPost, values.Encode()
	} else {
		realm.RawQuery = values.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, realm.String(), strings.NewReader(body))
	if err != nil {
		return token{}, unauthorized(l, "it names no valid token server")
	}
	switch {
	case method == http.MethodPost:
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	case in.username != "":
		req.Header.Set("Authorization", "Basic "+in.basic())
	}
	a, err := c.send(ctx, l, req, tokenLimit)
	if err != nil {
		return token{}, err
	}
	if a.status != http.StatusOK {
		return token{}, refusal(l, a)
	}
	var got struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"`
	}
	if err := json.Unmarshal(a.body, &got); err != nil {
		// The text of the error could quote the token.
		return token{}, &Error{Reason: ReasonMalformed, Text: "the token server of registry " + l.Host + " did not answer with JSON"}
	}
	if got.Token == "" {
		got.Token = got.AccessToken
	}
	if got.Token == "" || strings.ContainsAny(got.Token, "\r\n") {
		return token{}, &Error{Reason: ReasonMalformed, Text: "the token server of registry " + l.Host + " gave no token"}
	}
	// The specification says 60 seconds if nothing is said; a margin for the way.
	lives := min(max(got.ExpiresIn, 60), 3600)
	return token{header: newSecret("Bearer " + got.Token), until: time.Now().Add(time.Duration(lives-15) * time.Second)}, nil
}

// challenge is one way to log in.
type challenge struct {
	scheme     string // in lower case
	parameters map[string]string
}

// pickChallenge prefers a bearer token, which is bound to one repository.
func pickChallenge(headers []string) (challenge, bool) {
	var picked challenge
	for _, h := range headers {
		c, ok := parseChallenge(h)
		if ok && (picked.scheme == "" || c.scheme == "bearer") {
			picked = c
		}
	}
	return picked, picked.scheme != ""
}

// parseChallenge reads a header with one challenge, as registries send them.
func parseChallenge(h string) (challenge, bool) {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(h), " ")
	c := challenge{scheme: strings.ToLower(scheme), parameters: map[string]string{}}
	if len(h) > 4096 || c.scheme != "bearer" && c.scheme != "basic" {
		return challenge{}, false
	}
	for rest = strings.TrimLeft(rest, " ,"); rest != ""; rest = strings.TrimLeft(rest, " ,") {
		name, value, ok := strings.Cut(rest, "=")
		if !ok {
			return challenge{}, false
		}
		if strings.HasPrefix(value, `"`) {
			if value, rest, ok = strings.Cut(value[1:], `"`); !ok {
				return challenge{}, false
			}
		} else {
			value, rest, _ = strings.Cut(value, ",")
		}
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := c.parameters[name]; twice {
			return challenge{}, false
		}
		c.parameters[name] = strings.TrimSpace(value)
	}
	return c, true
}

// basic is the user name and password as HTTP wants them.
func (c credentials) basic() string {
	return base64.StdEncoding.EncodeToString([]byte(c.username + ":" + c.password.reveal()))
}
