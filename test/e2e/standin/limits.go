package standin

import (
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Call is one request that was answered.
type Call struct {
	Time     time.Time
	Duration time.Duration // without the time to send the answer
	Kind     string        // "api" or "git"
	Method   string
	Pattern  string // the route, "GET /repos/{owner}/{repo}/pulls/{number}"; "/" when there is none
	Path     string // without /api/v3
	Query    string
	Status   int
	Token    string // none, app, installation, user
	Login    string // who the request acted as
	Fault    bool   // a fault answered
}

type callLog struct {
	mu    sync.Mutex
	calls []Call
}

func (l *callLog) add(c Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, c)
}

// Calls are all requests since the start or ResetCalls, in the order in which they were answered.
func (s *Server) Calls() []Call {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	return append([]Call(nil), s.calls.calls...)
}

// ResetCalls forgets the requests so far.
func (s *Server) ResetCalls() {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	s.calls.calls = nil
}

// limitWindow is the primary rate limit of one caller.
type limitWindow struct {
	used  int
	reset time.Time
}

// SetRateLimit changes the requests per hour that each installation and user has; 5,000 at first.
func (s *Server) SetRateLimit(perHour int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit = perHour
}

// window needs Server.mu.
func (s *Server) window(a *actor) *limitWindow {
	w := s.limits[a.key()]
	if w == nil || !s.now().Before(w.reset) {
		w = &limitWindow{reset: s.now().Add(time.Hour)}
		s.limits[a.key()] = w
	}
	return w
}

// countLimit counts a request, sets the headers, and refuses above the limit. The App's own
// endpoints and /rate_limit are free.
func (s *Server) countLimit(c *call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.window(c.actor)
	over := w.used >= s.limit
	if c.actor.kind != appToken && c.r.URL.Path != "/rate_limit" && !over {
		w.used++
	}
	s.limitHeaders(c, w)
	if over && c.r.URL.Path != "/rate_limit" && c.actor.kind != appToken {
		return refuse(http.StatusForbidden, "API rate limit exceeded for %s.", c.limited())
	}
	return nil
}

// limited is how GitHub names who has used up the limit.
func (c *call) limited() string {
	switch c.actor.kind {
	case userToken:
		return "user ID " + itoa(c.actor.user.id)
	case installationToken:
		return "installation ID " + itoa(c.actor.installation.id)
	default:
		host, _, _ := net.SplitHostPort(c.r.RemoteAddr)
		return host
	}
}

// refundLimit takes back what an answer 304 cost.
func (s *Server) refundLimit(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.window(c.actor); w.used > 0 && c.actor.kind != appToken {
		w.used--
		s.limitHeaders(c, w)
	}
}

func (s *Server) limitHeaders(c *call, w *limitWindow) {
	c.header.Set("X-Ratelimit-Limit", strconv.Itoa(s.limit))
	c.header.Set("X-Ratelimit-Remaining", strconv.Itoa(max(s.limit-w.used, 0)))
	c.header.Set("X-Ratelimit-Used", strconv.Itoa(w.used))
	c.header.Set("X-Ratelimit-Reset", itoa(w.reset.Unix()))
	c.header.Set("X-Ratelimit-Resource", "core")
}

func (s *Server) getRateLimit(c *call) (any, error) {
	w := s.window(c.actor)
	rate := map[string]int64{"limit": int64(s.limit), "used": int64(w.used), "remaining": int64(max(s.limit-w.used, 0)), "reset": w.reset.Unix()}
	search := map[string]int64{"limit": 30, "used": 0, "remaining": 30, "reset": s.now().Add(time.Minute).Unix()}
	return map[string]any{"resources": map[string]any{"core": rate, "search": search}, "rate": rate}, nil
}

func (s *Server) getMeta(*call) (any, error) {
	loopback := []string{"127.0.0.0/8"}
	return map[string]any{"verifiable_password_authentication": false, "hooks": loopback, "web": loopback, "api": loopback, "git": loopback}, nil
}
