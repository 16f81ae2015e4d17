package httpapi

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"
)

// Options are what the handler serves.
type Options struct {
	// Verify checks a webhook's X-Hub-Signature-256 over its raw body.
	Verify func(signature string, body []byte) error
	// Store keeps a verified delivery durably before it returns.
	Store func(ctx context.Context, guid, event string, body []byte) error
	// Ready says why the process cannot do its work yet; nil when it can.
	Ready func(ctx context.Context) error
	// Metrics serves Prometheus.
	Metrics http.Handler
	// Webhooks may be nil.
	Webhooks *WebhookMetrics
	Logger   *slog.Logger
}

// New makes the handler.
func New(o Options) http.Handler {
	// gin prints every route in its debug mode, which is its default.
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.Use(recoverer(o.Logger))
	w := webhooks{verify: o.Verify, store: o.Store, log: o.Logger, slots: make(chan struct{}, maxConcurrent), metrics: o.Webhooks}
	e.POST("/webhooks/github", w.receive)
	e.GET("/healthz", func(c *gin.Context) { c.String(http.StatusOK, "ok\n") })
	e.GET("/readyz", func(c *gin.Context) {
		if err := o.Ready(c.Request.Context()); err != nil {
			c.String(http.StatusServiceUnavailable, "not ready: %s\n", err)
			return
		}
		c.String(http.StatusOK, "ready\n")
	})
	e.GET("/metrics", gin.WrapH(o.Metrics))
	return e
}

// recoverer answers a panic with 500 and no detail; the detail is in the log.
func recoverer(log *slog.Logger) gin.HandlerFunc {
	return gin.CustomRecoveryWithWriter(nil, func(c *gin.Context, recovered any) {
		log.LogAttrs(c.Request.Context(), slog.LevelError, "handler_panicked",
			slog.String("path", c.FullPath()), slog.Any("panic", recovered))
		c.AbortWithStatus(http.StatusInternalServerError)
	})
}
