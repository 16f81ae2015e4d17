package standin

import "net/http"

// DecodeObject is the reader of request bodies.
var DecodeObject = decodeObject

// ServeHTTP answers a request without a connection.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.http.Handler.ServeHTTP(w, r) }

// RouteInfo is what an endpoint declares about who may use it.
type RouteInfo struct {
	Method, Pattern            string
	Perms                      []string
	JWT, Open, Closed, Anybody bool
	Role                       string
}

// Routes are all endpoints.
func (s *Server) Routes() (out []RouteInfo) {
	for _, rt := range s.routes() {
		out = append(out, RouteInfo{rt.method, rt.pattern, rt.perms, rt.jwt, rt.open, rt.closed, rt.anybody, rt.leastRole().String()})
	}
	return out
}

// OwnersOf and MatchRef are what CODEOWNERS and rulesets are read with.
var (
	OwnersOf = ownersOf
	MatchRef = matchRef
)

// ReadPush parses the head of a push and returns how many commands it has, and its capabilities.
func ReadPush(body []byte) (commands int, capabilities []string, pack []byte, err error) {
	in, err := readPush(body)
	return len(in.changes), in.capabilities, in.pack, err
}

// PlaceLine finds the line of a comment in a patch: its position, and the hunk up to it.
func PlaceLine(patch string, line int, side string) (position int, hunk string, err error) {
	l, err := (&lineRequest{Body: "x", Line: &line, Side: side}).place(patch)
	if err != nil {
		return 0, "", err
	}
	return l.position, l.hunk, nil
}

// SignAsGitHub signs with the web-flow key.
func (s *Server) SignAsGitHub(payload []byte) (string, error) { return s.signAsGitHub(payload) }

// SignatureReason judges a signature over a payload for a committer's e-mail.
func (s *Server) SignatureReason(signature, payload, email string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.signatureReason(signature, payload, email)
}
