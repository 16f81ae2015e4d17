package httpapi

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

// webhooks receives GitHub's deliveries.
type webhooks struct {
	verify func(signature string, body []byte) error
	store  func(ctx context.Context, guid, event string, body []byte) error
	log    *slog.Logger
	slots  chan struct{}
	// metrics may be nil.
	metrics *WebhookMetrics
}

func (w webhooks) receive(c *gin.Context) {
	began := time.Now()
	c.Request = received(c.Request, began)
	w.metrics.observe(w.take(c), time.Since(began))
}

// take verifies one delivery over its raw bytes, before anything reads them, and stores
// it. Nothing is said about why a signature is wrong. It returns the result.
func (w webhooks) take(c *gin.Context) string {
	wait := time.NewTimer(patience)
	defer wait.Stop()
	select {
	case w.slots <- struct{}{}:
		defer func() { <-w.slots }()
	case <-wait.C:
		c.Header("Retry-After", "1")
		refuse(c, http.StatusServiceUnavailable, "too many deliveries at once")
		return webhookBusy
	}
	ctx := c.Request.Context()
	guid, event := c.GetHeader("X-GitHub-Delivery"), c.GetHeader("X-GitHub-Event")
	if !isToken(guid, maxDeliveryID) || !isToken(event, maxEventName) {
		refuse(c, http.StatusBadRequest, "X-GitHub-Delivery and X-GitHub-Event are required")
		return webhookHeaders
	}
	if kind, _, _ := strings.Cut(c.ContentType(), ";"); kind != "application/json" {
		refuse(c, http.StatusUnsupportedMediaType, "set the webhook's content type to application/json")
		return webhookContentType
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, maxWebhookBody))
	if err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			refuse(c, http.StatusRequestEntityTooLarge, "the payload is larger than 25 MB")
			return webhookTooLarge
		}
		refuse(c, http.StatusBadRequest, "the payload could not be read")
		return webhookUnreadable
	}
	attrs := []slog.Attr{slog.String("delivery", guid), slog.String("event", event)}
	if err := w.verify(c.GetHeader("X-Hub-Signature-256"), body); err != nil {
		w.log.LogAttrs(ctx, slog.LevelWarn, "delivery_refused", append(attrs, slog.Any("error", err))...)
		refuse(c, http.StatusUnauthorized, "the signature is not valid")
		return webhookSignature
	}
	if err := w.store(ctx, guid, event, body); err != nil {
		w.log.LogAttrs(ctx, slog.LevelError, "delivery_not_stored", append(attrs, slog.Any("error", err))...)
		refuse(c, http.StatusServiceUnavailable, "the delivery could not be stored; deliver it again")
		return webhookNotStored
	}
	c.JSON(http.StatusAccepted, gin.H{"delivery": guid})
	return webhookStored
}

func refuse(c *gin.Context, status int, text string) {
	c.AbortWithStatusJSON(status, gin.H{"error": text})
}

// isToken says whether a header value is short and of harmless characters, so
// that it can be stored and logged as it is.
func isToken(s string, limit int) bool {
	if s == "" || len(s) > limit {
		return false
	}
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
		default:
			return false
		}
	}
	return true
}
