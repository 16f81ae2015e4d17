package standin

import "net/http"

// DecodeObject is the reader of request bodies.
var DecodeObject = decodeObject

// ServeHTTP answers a request without a connection.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.http.Handler.ServeHTTP(w, r) }
