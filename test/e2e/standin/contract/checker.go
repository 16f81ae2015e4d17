package contract

import (
	"hash/maphash"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// Checker compares messages with GitHub's descriptions. All methods may be called at the same time.
type Checker struct {
	p *published
	// seen are the answers and payloads found right before: the same bytes need no second look, and a
	// client that polls gets the same bytes over and over.
	seen seen
}

// New is a Checker. It costs nothing after the first one of a process.
func New() (*Checker, error) {
	p, err := load()
	if err != nil {
		return nil, err
	}
	return &Checker{p: p, seen: seen{seed: maphash.MakeSeed()}}, nil
}

// Sources are the published packages: of the REST API, and of the events.
func (c *Checker) Sources() (api, webhooks Source) { return c.p.api.Source, c.p.hooks.Source }

// Operation is the endpoint with a path in the form of the description or of a ServeMux pattern; the names
// of parameters do not matter. It is nil when the endpoint is not described.
func (c *Checker) Operation(method, path string) *Operation { return c.p.byShape[shape(method, path)] }

// Find is the endpoint of a request, and the values of its path's parameters. Repositories may be named by
// owner and name or, as redirects and Link headers do, by ID. It is nil when there is none.
func (c *Checker) Find(method, path string) (*Operation, []string) {
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(segments) >= 2 && segments[0] == "repositories" {
		segments = append([]string{"repos", "by-id"}, segments[1:]...)
	}
	var best *Operation
	var values []string
	for _, o := range c.p.operations {
		if o.Method != method {
			continue
		}
		if v, ok := o.fits(segments); ok && (best == nil || o.before(best)) {
			best, values = o, v
		}
	}
	return best, values
}

// before prefers a word over a parameter, from the left, and a longer path over one that takes the rest.
func (o *Operation) before(other *Operation) bool {
	if len(o.segments) != len(other.segments) {
		return len(o.segments) > len(other.segments)
	}
	for i := range o.segments {
		if (o.segments[i] == "{}") != (other.segments[i] == "{}") {
			return other.segments[i] == "{}"
		}
	}
	return o.Path < other.Path // commits/{commit_sha}/… and commits/{ref}/… differ in name alone
}

// Request checks a request by its path. The error is nil or Violations.
func (c *Checker) Request(method, path string, query url.Values, body []byte) error {
	o, params := c.Find(method, path)
	if o == nil {
		return Violations{{Unchecked, method + " " + path, "path", undocumented}}
	}
	return c.OperationRequest(o, Request{Params: params, Query: query, Body: body})
}

// OperationRequest checks a request whose operation is known. The error is nil or Violations.
func (c *Checker) OperationRequest(o *Operation, r Request) error { return o.checkRequest(r).err() }

// Response checks an answer by the path of its request. The error is nil or Violations.
func (c *Checker) Response(method, path string, status int, header http.Header, body []byte) error {
	o, _ := c.Find(method, path)
	if o == nil {
		return c.NoOperation(method+" "+path, status, header, body)
	}
	return c.OperationResponse(o, status, header, body)
}

// OperationResponse checks an answer whose operation is known. The error is nil or Violations.
func (c *Checker) OperationResponse(o *Operation, status int, header http.Header, body []byte) error {
	key := c.seen.key(o, status, header.Get("Content-Type"), body)
	if c.seen.has(key) {
		return nil
	}
	found := o.checkResponse(status, header, body)
	if len(found) == 0 {
		c.seen.add(key)
	}
	return found.err()
}

// NoOperation checks the answer to a request that GitHub does not have: an error with GitHub's body.
func (c *Checker) NoOperation(of string, status int, header http.Header, body []byte) error {
	if status < 400 || status > 499 {
		return Violations{{Unchecked, of, "path", undocumented}}
	}
	o := &Operation{Method: of, otherError: c.p.otherError}
	found := o.checkResponse(status, header, body)
	return found.err()
}

// Webhook checks the payload of an event; action is empty for events that have none. The error is nil or
// Violations.
func (c *Checker) Webhook(event, action string, body []byte) error {
	of := strings.TrimSpace("event " + event + " " + action)
	s, ok := c.event(event, action)
	if !ok {
		return Violations{{Unchecked, of, "event", undocumented}}
	}
	key := c.seen.key(s, 0, "", body)
	if c.seen.has(key) {
		return nil
	}
	value, err := decode(body)
	if err != nil {
		return Violations{{Wrong, of, "body", "is not JSON: " + err.Error()}}
	}
	found := s.check(of, "body", value)
	if object, ok := value.(map[string]any); ok && action != "" && object["action"] != action {
		found = append(found, Violation{Wrong, of, "body /action", "is not the action of the event"})
	}
	if len(found) == 0 {
		c.seen.add(key)
	}
	return found.err()
}

// event finds an event by GitHub's name for the operation, "pull-request/opened".
func (c *Checker) event(name, action string) (*schema, bool) {
	id := strings.ReplaceAll(name, "_", "-")
	if action != "" {
		id += "/" + strings.ReplaceAll(action, "_", "-")
	}
	s, ok := c.p.events[id]
	return s, ok
}

// Headers checks that a delivery has the headers of every delivery. Without a secret there is no signature.
func (c *Checker) Headers(event string, header http.Header, secret bool) error {
	var out Violations
	for _, p := range c.p.hooks.Headers {
		if p.Name == "X-Hub-Signature-256" && !secret {
			continue
		}
		if p.Required && header.Get(p.Name) == "" {
			out = append(out, Violation{Wrong, "event " + event, "header " + p.Name, Missing})
		}
	}
	return out.err()
}

// mostSeen bounds each of the two generations of what was seen.
const mostSeen = 4096

// seen remembers hashes. When a generation is full, the older one is forgotten.
type seen struct {
	seed       maphash.Seed
	mu         sync.Mutex
	young, old map[seenKey]struct{}
}

type seenKey struct {
	what   any // *Operation or *schema
	status int
	length int
	hash   uint64
}

func (s *seen) key(what any, status int, mediaType string, body []byte) seenKey {
	var h maphash.Hash
	h.SetSeed(s.seed)
	_, _ = h.WriteString(mediaType) // never fails
	_ = h.WriteByte(0)
	_, _ = h.Write(body)
	return seenKey{what, status, len(body), h.Sum64()}
}

func (s *seen) has(k seenKey) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, young := s.young[k]
	_, old := s.old[k]
	return young || old
}

func (s *seen) add(k seenKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.young) >= mostSeen {
		s.old, s.young = s.young, nil
	}
	if s.young == nil {
		s.young = map[seenKey]struct{}{}
	}
	s.young[k] = struct{}{}
}
