package standin

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/contract"
)

// keptViolations bounds the memory of differences from GitHub's description; further ones are counted.
const keptViolations = 200

// violationLog has a lock of its own, which may be taken while any other is held.
type violationLog struct {
	mu    sync.Mutex
	seen  map[string]bool
	list  []string
	count int // of different ones that were not kept
}

func (l *violationLog) add(found contract.Violations) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, v := range found {
		text := v.String()
		switch {
		case l.seen[text]:
		case len(l.list) == keptViolations:
			l.count++
		default:
			if l.seen == nil {
				l.seen = map[string]bool{}
			}
			l.seen[text] = true
			l.list = append(l.list, text)
		}
	}
}

func (l *violationLog) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := append([]string(nil), l.list...)
	if l.count > 0 {
		out = append(out, fmt.Sprintf("and %d more", l.count))
	}
	return out
}

// ErrContract is what Close returns, besides others, when an answer or an event of the stand-in was not
// what GitHub describes.
var ErrContract = errors.New("the stand-in broke GitHub's description")

// Violations are the differences between what the stand-in sent and GitHub's published description, each
// once, in the order of their first appearance. Close returns them as an error. Answers of faults are not
// checked.
func (s *Server) Violations() []string { return s.violations.all() }

// ClientViolations are the differences between the requests that arrived and GitHub's published
// description, each once. Those that GitHub would refuse were refused; unknown query parameters, and bodies
// where none belongs, were ignored, as GitHub does. Close does not return them, since a test may make bad
// requests on purpose: a test of a client should want none.
func (s *Server) ClientViolations() []string { return s.clientViolations.all() }

// contractError is nil when there are no violations.
func (s *Server) contractError() error {
	if found := s.Violations(); len(found) > 0 {
		return fmt.Errorf("%w:\n%s", ErrContract, strings.Join(found, "\n"))
	}
	return nil
}

// differs keeps and logs the outcome of a check of what the stand-in sends.
func (s *Server) differs(err error) {
	if found, ok := errors.AsType[contract.Violations](err); ok {
		s.violations.add(found)
		for _, v := range found {
			s.log.LogAttrs(s.ctx, slog.LevelError, "standin.contract_violation", slog.String("of", v.Of),
				slog.String("where", v.Where), slog.String("what", v.What), slog.String("kind", string(v.Kind)))
		}
	}
}

// operationOf is what GitHub describes for a route; a route that GitHub does not have is a violation, unless
// it says why.
func (s *Server) operationOf(rt *route) *contract.Operation {
	operation := s.contract.Operation(rt.method, cmp.Or(rt.described, rt.pattern))
	if operation == nil && rt.undescribed == "" {
		s.differs(contract.Violations{{Kind: contract.Unchecked, Of: rt.method + " " + rt.pattern, Where: "route", What: "is not in the description"}})
	}
	return operation
}

// checkAnswer checks an answer before it is sent.
func (s *Server) checkAnswer(c *call, body []byte) {
	if c.status >= http.StatusInternalServerError && s.ctx.Err() != nil {
		return // work that Close cut off
	}
	if c.operation == nil {
		if c.undescribed {
			return
		}
		s.differs(s.contract.NoOperation(c.r.Method+" "+c.r.URL.Path, c.status, c.header, body))
		return
	}
	s.differs(s.contract.OperationResponse(c.operation, c.status, c.header, body))
}

// checkRequest compares a request with GitHub's description, notes every difference, and returns how GitHub
// would refuse the request; nil when it would not. Handlers have GitHub's own words for most of it, so they
// are asked first, unless first is true: nobody has better words for an unknown field, for null where a value
// belongs, or for a body that is missing or no object.
func (s *Server) checkRequest(c *call, rt *route) (refusal error, first bool) {
	if c.operation == nil {
		return nil, false
	}
	if text := strings.TrimSpace(string(c.raw)); text != "" && (!utf8.ValidString(text) || !json.Valid(c.raw)) {
		return refuse(http.StatusBadRequest, "Problems parsing JSON"), true
	}
	err := s.contract.OperationRequest(c.operation, contract.Request{Params: rt.params(c.r), Query: c.r.URL.Query(), Body: c.raw})
	found, ok := errors.AsType[contract.Violations](err)
	if !ok {
		return nil, false
	}
	s.clientViolations.add(found)
	for _, v := range found {
		s.log.LogAttrs(c.ctx, slog.LevelWarn, "standin.request_violation", slog.String("of", v.Of),
			slog.String("where", v.Where), slog.String("what", v.What), slog.String("kind", string(v.Kind)))
		answer := refusalOf(v)
		atOnce := answer != nil && (v.Where == "body" || v.Kind == contract.Unknown || strings.HasPrefix(v.What, "is null"))
		if refusal == nil || atOnce && !first {
			refusal, first = answer, atOnce
		}
	}
	return refusal, first
}

// accepted notes that a handler did what GitHub would refuse. A GET does no harm, and is refused after all.
func (s *Server) accepted(c *call, refusal error) {
	if c.r.Method == http.MethodGet || c.r.Method == http.MethodHead {
		return
	}
	s.differs(contract.Violations{{Kind: contract.Wrong, Of: c.operation.String(), Where: "request",
		What: "was accepted, but GitHub refuses it: " + refusal.Error()}})
}

// refusalOf is GitHub's answer to a request that differs from the description; nil when GitHub lets it pass.
func refusalOf(v contract.Violation) error {
	in, name, _ := strings.Cut(v.Where, " ")
	name = strings.TrimPrefix(name, "/")
	last := name[strings.LastIndexByte(name, '/')+1:]
	switch {
	case in == "path":
		return notFound() // GitHub has no route for a number that is none
	case v.Kind == contract.Unknown && (in == "query" || name == ""):
		return nil
	case v.Kind == contract.Unknown:
		return refuse(http.StatusUnprocessableEntity, "Invalid request.\n\n%q is not a permitted key.", last)
	case in == "body" && name == "":
		return refuse(http.StatusUnprocessableEntity, "Invalid request.\n\nThe body %s.", v.What)
	case v.What == contract.Missing:
		return refuse(http.StatusUnprocessableEntity, "Invalid request.\n\n%q wasn't supplied.", last)
	}
	return refuse(http.StatusUnprocessableEntity, "Invalid request.\n\nFor '%s', the value %s.", "properties/"+strings.ReplaceAll(name, "/", "/properties/"), v.What)
}

// params are the values of the parameters in a route's pattern, in order. The path that describes it may
// end in one more, which is empty then.
func (rt *route) params(r *http.Request) []string {
	var out []string
	for segment := range strings.SplitSeq(rt.pattern, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			out = append(out, r.PathValue(strings.TrimSuffix(strings.TrimSuffix(name, "}"), "...")))
		}
	}
	for range strings.Count(rt.described, "{") - len(out) {
		out = append(out, "")
	}
	return out
}

// checkDelivery checks an event before it is sent. It costs about a millisecond and is therefore done by the
// goroutine that delivers, while nothing is locked.
func (s *Server) checkDelivery(d *Delivery) {
	header := http.Header{}
	for k, v := range d.Header {
		header.Set(k, v)
	}
	s.differs(s.contract.Webhook(d.Event, d.Action, d.Payload))
	s.differs(s.contract.Headers(d.Event, header, header.Get("X-Hub-Signature") != ""))
}

// checkWaiting checks the events that Close found undelivered.
func (s *Server) checkWaiting() {
	s.eachQueue(0, func(q *deliveryQueue) {
		for _, d := range q.waiting {
			s.checkDelivery(&d)
		}
	})
}
