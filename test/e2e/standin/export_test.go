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
