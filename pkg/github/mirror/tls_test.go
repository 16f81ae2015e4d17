package mirror

import (
	"encoding/pem"
	"net/http/httptest"
)

// certificate is what a test server is to be trusted by, in PEM form.
func certificate(s *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}
