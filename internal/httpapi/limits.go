package httpapi

import (
	"net/http"
	"time"
)

const (
	// maxWebhookBody is the largest payload that GitHub sends; larger ones are
	// not delivered at all (GitHub docs, "Webhook events and payloads").
	maxWebhookBody = 25 << 20
	maxHeader      = 32 << 10
	maxDeliveryID  = 128
	maxEventName   = 64

	readHeaderTimeout = 5 * time.Second
	// readTimeout is GitHub's own: it gives up on a delivery after 10 seconds.
	readTimeout  = 10 * time.Second
	writeTimeout = 30 * time.Second
	idleTimeout  = 2 * time.Minute
	// maxConcurrent webhooks are read, verified and stored side by side, which
	// bounds the memory that bodies can take. Others wait for patience before
	// they are refused; what GitHub then counts as failed can be redelivered.
	maxConcurrent = 16
	patience      = 5 * time.Second
)

// NewServer makes a server with every limit set.
func NewServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
	}
}
