package standin

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/contract"
)

// call is one API request on its way through a handler.
type call struct {
	s      *Server
	r      *http.Request
	ctx    context.Context // ends with the server and not with the request: what was begun is finished
	actor  *actor
	repo   *repository // when the route names one
	raw    []byte      // the request's body
	header http.Header // of the answer
	status int         // of the answer, 200 when 0

	operation   *contract.Operation // what GitHub describes; nil when the address does not exist
	undescribed bool                // the address exists, but GitHub does not describe it
}

// handlerFunc answers a request with an object to be written as JSON, or an error. A nil object is
// an empty answer.
type handlerFunc func(c *call) (any, error)

// rawAnswer is an answer that is not JSON.
type rawAnswer struct {
	kind    string // media type
	content []byte
}

// accepts tells whether the caller asks for a media type of GitHub, "raw" for instance:
// application/vnd.github.raw, .v3.raw and both with +json.
func (c *call) accepts(kind string) bool {
	for part := range strings.SplitSeq(c.r.Header.Get("Accept"), ",") {
		name, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		name = strings.TrimSuffix(name, "+json")
		if name == "application/vnd.github."+kind || name == "application/vnd.github.v3."+kind {
			return true
		}
	}
	return false
}

// created is a 201 with a body.
func (c *call) created(v any) (any, error) {
	c.status = http.StatusCreated
	return v, nil
}

func (c *call) id(name string) (int64, error) {
	n, err := strconv.ParseInt(c.r.PathValue(name), 10, 64)
	if err != nil || n <= 0 {
		return 0, notFound()
	}
	return n, nil
}

// page cuts the requested page out of a list and sets the Link header.
func page[T any](c *call, all []T) ([]T, error) {
	from, to, err := c.pageBounds(len(all), 30)
	if err != nil {
		return nil, err
	}
	return all[from:to], nil
}

// pageBounds cuts after per_page entries, unless is how many without it.
func (c *call) pageBounds(total, unless int) (from, to int, err error) {
	per, err := c.number("per_page", unless)
	if err != nil {
		return 0, 0, err
	}
	n, err := c.number("page", 1)
	if err != nil {
		return 0, 0, err
	}
	per, n = min(max(per, 1), max(100, unless)), max(n, 1)
	last := max((total+per-1)/per, 1)
	var links []string
	link := func(rel string, page int) {
		links = append(links, c.link(rel, map[string]string{"page": strconv.Itoa(page)}))
	}
	if n > 1 {
		link("prev", min(n-1, last))
	}
	if n < last {
		link("next", n+1)
		link("last", last)
	}
	if n > 1 {
		link("first", 1)
	}
	if links != nil {
		c.header.Set("Link", strings.Join(links, ", "))
	}
	if n > last {
		return 0, 0, nil
	}
	return (n - 1) * per, min(n*per, total), nil
}

// link is one entry of a Link header. GitHub writes repository addresses by ID there.
func (c *call) link(rel string, set map[string]string) string {
	q := c.r.URL.Query()
	for k, v := range set {
		q.Set(k, v)
	}
	path := c.r.URL.EscapedPath()
	if c.repo != nil && strings.HasPrefix(path, "/repos/") {
		if parts := strings.SplitN(path, "/", 5); len(parts) == 5 {
			path = "/repositories/" + itoa(c.repo.id) + "/" + parts[4]
		}
	}
	return fmt.Sprintf(`<%s%s?%s>; rel="%s"`, c.s.api(), path, q.Encode(), rel)
}

func (c *call) number(name string, absent int) (int, error) {
	text := c.r.URL.Query().Get(name)
	if text == "" {
		return absent, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, refuse(http.StatusUnprocessableEntity, "Invalid request.\n\n%q is not an integer.", name)
	}
	return n, nil
}

// oneOf reads a query parameter that has a fixed set of values, the first of which is the default.
func (c *call) oneOf(name string, values ...string) (string, error) {
	text := c.r.URL.Query().Get(name)
	if text == "" {
		return values[0], nil
	}
	for _, v := range values {
		if v == text {
			return v, nil
		}
	}
	return "", refuse(http.StatusUnprocessableEntity, "Invalid request.\n\n%q is not a possible value of %q.", text, name)
}

// serveAPI is the REST API behind /, after /api/v3 was cut off.
func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request, rt *route, operation *contract.Operation) {
	c := &call{s: s, r: r, ctx: s.ctx, header: w.Header(), operation: operation, undescribed: rt != nil && rt.undescribed != ""}
	requestID := rand.Text()[:16]
	c.header.Set("Date", s.now().UTC().Format(http.TimeFormat)) // clients whose clock is wrong read it
	c.header.Set("X-Github-Request-Id", requestID)
	c.header.Set("X-Github-Media-Type", "github.v3; format=json")
	c.header.Set("X-Github-Api-Version-Selected", "2022-11-28")
	entry := Call{Time: s.now(), Kind: "api", Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Token: string(noToken)}
	started := time.Now()
	defer func() {
		entry.Pattern, entry.Duration = r.Pattern, time.Since(started)
		s.calls.add(entry)
		s.log.LogAttrs(c.ctx, slog.LevelDebug, "standin.api", slog.String("method", r.Method), slog.String("path", r.URL.Path),
			slog.Int("status", entry.Status), slog.String("token", entry.Token), slog.String("request_id", requestID))
	}()
	if err := wait(r.Context(), s.faults.apiDelay()); err != nil {
		return // the caller is gone
	}
	fault := s.faults.take(r.Method + " " + r.URL.Path)
	var body any
	var err error
	if fault == nil || fault.AfterEffect {
		body, err = s.answer(c, rt, &entry)
	}
	if fault != nil {
		entry.Status, entry.Fault = fault.Status, true
		fault.answer(r.Context(), w)
		return
	}
	entry.Status = s.write(w, c, body, err)
}

// answer authenticates, limits, authorises and handles.
func (s *Server) answer(c *call, rt *route, entry *Call) (any, error) {
	var err error
	c.actor, err = s.authenticate(c.r)
	if err != nil {
		c.actor = &actor{kind: noToken}
		_ = s.locked(func() error { s.limitHeaders(c, s.window(c.actor)); return nil })
		return nil, err
	}
	entry.Token = string(c.actor.kind)
	if c.actor.user != nil {
		entry.Login = c.actor.user.login
	}
	if err := s.countLimit(c); err != nil {
		return nil, err
	}
	if rt == nil {
		return nil, notFound()
	}
	if err := s.locked(func() error { return s.authorize(c, rt) }); err != nil {
		return nil, err
	}
	if err := c.readBody(rt.bodyLimit()); err != nil {
		return nil, err
	}
	refusal, first := s.checkRequest(c, rt)
	if refusal != nil && first {
		return nil, refusal
	}
	body, err := rt.handle(c)
	if refusal != nil && err == nil {
		s.accepted(c, refusal)
		return nil, refusal
	}
	if err != nil || c.repo == nil || c.r.Method == http.MethodGet {
		return body, err
	}
	return body, s.advanceQueues(c.ctx, c.repo) // a check may have been what a merge queue waits for
}

// authorize finds the repository of the route and checks what the token may do; it needs Server.mu.
func (s *Server) authorize(c *call, rt *route) error {
	if rt.jwt != (c.actor.kind == appToken) {
		if rt.jwt {
			return refuse(http.StatusUnauthorized, "A JSON web token could not be decoded")
		}
		if rt.perms != nil {
			return forbidden()
		}
	}
	if rt.perms == nil {
		return nil
	}
	if c.actor.kind == noToken && c.r.Method != http.MethodGet {
		return refuse(http.StatusUnauthorized, "Requires authentication")
	}
	byName, id := c.r.PathValue("owner") != "", c.r.PathValue("repository_id")
	if byName || id != "" {
		if byName {
			c.repo = s.names[fold(c.r.PathValue("owner")+"/"+c.r.PathValue("repo"))]
		} else if n, err := c.id("repository_id"); err == nil {
			c.repo = s.repos[n]
		}
		if c.repo == nil || !s.sees(c.actor, c.repo) {
			return notFound()
		}
		if byName && !strings.EqualFold(c.repo.fullName(), c.r.PathValue("owner")+"/"+c.r.PathValue("repo")) {
			return movedTo(c)
		}
		if c.actor.kind == installationToken && !c.actor.inScope(c.repo) && c.r.Method != http.MethodGet {
			return forbidden()
		}
	}
	return s.mayUse(c, rt)
}

// movedTo answers for a former name of a repository.
func movedTo(c *call) error {
	status := http.StatusMovedPermanently
	if c.r.Method != http.MethodGet {
		status = http.StatusTemporaryRedirect
	}
	path := strings.SplitN(c.r.URL.EscapedPath(), "/", 5)
	target := c.s.api() + "/repositories/" + itoa(c.repo.id)
	if len(path) == 5 {
		target += "/" + path[4]
	}
	if c.r.URL.RawQuery != "" {
		target += "?" + c.r.URL.RawQuery
	}
	return &APIError{Status: status, Message: "Moved Permanently", movedTo: target, header: http.Header{"Location": {target}}}
}

// write sends the answer and returns its status.
func (s *Server) write(w http.ResponseWriter, c *call, body any, err error) int {
	if err != nil {
		var refusal *APIError
		if !errors.As(err, &refusal) {
			s.log.LogAttrs(c.ctx, slog.LevelError, "standin.failed", slog.String("path", c.r.URL.Path), slog.Any("error", err))
			refusal = refuse(http.StatusInternalServerError, "Server Error: %v", err)
		}
		maps.Copy(c.header, refusal.header)
		c.status, body = refusal.Status, refusal.body()
	}
	if body == nil {
		if c.status == 0 {
			c.status = http.StatusNoContent
		}
		s.checkAnswer(c, nil)
		w.WriteHeader(c.status)
		return c.status
	}
	var buf bytes.Buffer
	if raw, ok := body.(rawAnswer); ok {
		c.header.Set("Content-Type", raw.kind)
		buf.Write(raw.content)
	} else {
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(body); err != nil {
			s.log.LogAttrs(c.ctx, slog.LevelError, "standin.encode_failed", slog.Any("error", err))
			w.WriteHeader(http.StatusInternalServerError)
			return http.StatusInternalServerError
		}
		c.header.Set("Content-Type", "application/json; charset=utf-8")
	}
	if c.status == 0 {
		c.status = http.StatusOK
	}
	s.checkAnswer(c, buf.Bytes())
	if c.r.Method == http.MethodGet && c.status == http.StatusOK {
		// As on GitHub, the tag depends on the token and not on the content alone.
		sum := sha256.Sum256(append([]byte(c.r.Header.Get("Authorization")), buf.Bytes()...))
		tag := `W/"` + hex.EncodeToString(sum[:]) + `"`
		c.header.Set("ETag", tag)
		if c.r.Header.Get("If-None-Match") == tag {
			s.refundLimit(c)
			w.WriteHeader(http.StatusNotModified)
			return http.StatusNotModified
		}
	}
	w.WriteHeader(c.status)
	if _, err := w.Write(buf.Bytes()); err != nil {
		s.log.LogAttrs(c.ctx, slog.LevelDebug, "standin.write_failed", slog.Any("error", err))
	}
	return c.status
}
