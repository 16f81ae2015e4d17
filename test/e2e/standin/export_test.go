package standin

import "net/http"

// DecodeObject is the reader of request bodies.
var DecodeObject = decodeObject

// ServeHTTP answers a request without a connection.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.http.Handler.ServeHTTP(w, r) }

// SignAsGitHub signs with the web-flow key.
func (s *Server) SignAsGitHub(payload []byte) (string, error) { return s.signAsGitHub(payload) }

// SignatureReason judges a signature over a payload for a committer's e-mail.
func (s *Server) SignatureReason(signature, payload, email string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.signatureReason(signature, payload, email)
}
