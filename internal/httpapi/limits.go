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

// The limits of admission.
const (
	// maxReview holds the old and the new object and a megabyte of the rest. What can
	// be stored has at most 2 MiB: that is what the API server's client sends to etcd,
	// however large etcd's own limit of 1.5 MiB was made (etcd client v3,
	// defaultMaxCallSendMsgSize).
	maxReview = 5 << 20
	// reviewHead is read before a place is free; the UID stands in the beginning.
	reviewHead = 4 << 10
	// maxReviews are read and judged side by side, which bounds the memory that they
	// can take.
	maxReviews = 64
	// answerTimeout is when the answer is a refusal at the latest, a second less what
	// the way takes; admitTimeout leaves a judgement the time to refuse by itself.
	answerTimeout = 900 * time.Millisecond
	admitTimeout  = 850 * time.Millisecond
	// reviewTimeout ends what hangs below all that.
	reviewTimeout = 5 * time.Second
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
