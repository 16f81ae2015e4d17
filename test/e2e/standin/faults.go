package standin

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"time"
)

// Fault makes requests fail. The first fault that matches a request is used up by it.
type Fault struct {
	// Match is a regular expression over "METHOD /path", without /api/v3 and without the query. Git
	// requests look like "GET /acme/env.git/info/refs". Empty matches every request.
	Match  string
	Status int
	Header map[string]string
	Body   string
	// Times is how many requests fail; 0 means until the fault is removed.
	Times int
	// Delay is waited before the answer.
	Delay time.Duration
	// AfterEffect lets the request do its work first: it failed for the caller, but happened.
	AfterEffect bool
	// Disconnect closes the connection without an answer.
	Disconnect bool
	// Reset breaks the connection off with a TCP reset and without an answer.
	Reset bool
	// Cut sends status, header and body, announces more than that, and closes the connection.
	Cut bool

	match *regexp.Regexp
	id    int64 // see Faults
}

// The limits below are GitHub's ("Rate limits for the REST API").

// RateLimited403 is an exhausted primary limit that ends at reset.
func RateLimited403(match string, reset time.Time) Fault {
	return Fault{Match: match, Status: http.StatusForbidden, Header: map[string]string{"X-Ratelimit-Limit": "5000",
		"X-Ratelimit-Remaining": "0", "X-Ratelimit-Used": "5000", "X-Ratelimit-Reset": itoa(reset.Unix()), "X-Ratelimit-Resource": "core"},
		Body: `{"message":"API rate limit exceeded for installation.","documentation_url":"https://docs.github.com/rest/overview/rate-limits-for-the-rest-api","status":"403"}`}
}

// SecondaryLimit is the limit on bursts; status is 403 or 429. A retryAfter of 0 sends no header.
func SecondaryLimit(match string, status int, retryAfter time.Duration) Fault {
	f := Fault{Match: match, Status: status, Header: map[string]string{},
		Body: fmt.Sprintf(`{"message":"You have exceeded a secondary rate limit. Please wait a few minutes before you try again.","documentation_url":"https://docs.github.com/free-pro-team@latest/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits","status":"%d"}`, status)}
	if retryAfter > 0 {
		f.Header["Retry-After"] = strconv.Itoa(int(retryAfter / time.Second))
	}
	return f
}

// ServerError500 is GitHub having a bad day.
func ServerError500(match string) Fault {
	return Fault{Match: match, Status: http.StatusInternalServerError, Body: `{"message":"Server Error","documentation_url":"https://docs.github.com/rest","status":"500"}`}
}

// faults has a lock of its own: it is asked before anything else.
type faults struct {
	mu    sync.Mutex
	list  []*Fault
	last  int64 // ID
	delay time.Duration
}

// Fail adds a fault and returns what removes it.
func (s *Server) Fail(f Fault) (remove func(), err error) {
	id, err := s.AddFault(f)
	if err != nil {
		return nil, err
	}
	return func() { _ = s.RemoveFault(id) }, nil // it may be used up already
}

// AddFault is Fail for callers that remove by ID.
func (s *Server) AddFault(f Fault) (id int64, err error) {
	if f.match, err = regexp.Compile(f.Match); err != nil {
		return 0, fmt.Errorf("fault: %w", err)
	}
	if f.Status == 0 && !f.Disconnect && !f.Reset {
		return 0, fmt.Errorf("fault %q has no status", f.Match)
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.last++
	f.id = s.faults.last
	s.faults.list = append(s.faults.list, &f)
	return f.id, nil
}

// ClearFaults removes all faults.
func (s *Server) ClearFaults() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.list = nil
}

// SetDelay makes every API call take this much longer; git requests and control calls do not wait.
func (s *Server) SetDelay(perAPICall time.Duration) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.delay = perAPICall
}

// take finds the fault for a request and uses it up by one.
func (f *faults) take(request string) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, fault := range f.list {
		if !fault.match.MatchString(request) {
			continue
		}
		if fault.Times == 1 {
			f.list = append(f.list[:i:i], f.list[i+1:]...)
		} else if fault.Times > 1 {
			fault.Times--
		}
		return fault
	}
	return nil
}

func (f *faults) apiDelay() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.delay
}

// wait sleeps unless the caller goes away.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// answer sends the fault instead of an answer.
func (f *Fault) answer(ctx context.Context, w http.ResponseWriter) {
	if err := wait(ctx, f.Delay); err != nil || f.Disconnect || f.Reset {
		if f.Reset {
			reset(w)
		}
		panic(http.ErrAbortHandler) // net/http closes the connection
	}
	for k, v := range f.Header {
		w.Header().Set(k, v)
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	if f.Cut {
		w.Header().Set("Content-Length", strconv.Itoa(len(f.Body)+1))
	}
	w.WriteHeader(f.Status)
	_, _ = w.Write([]byte(f.Body)) // the caller may be gone already
	if f.Cut {
		_ = http.NewResponseController(w).Flush() // so that the beginning arrives
		panic(http.ErrAbortHandler)
	}
}
