package readapi

import (
	"context"
	_ "embed"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/deployments"
)

// Options are what is served, and to whom.
type Options struct {
	Who Authenticator
	// Policies are those of now.
	Policies func() []approval.Policy
	// Applications lists all that are protected and judged, by name; Application is one
	// of them by "namespace/name".
	Applications func() []Application
	Application  func(name string) (Application, bool)
	Record       history.Reader
	// Metrics are those of DORA, Pending is what waits for approvals, of a login or of
	// everybody. Their errors may wrap ErrAsked and ErrNone.
	Metrics func(ctx context.Context, q MetricsQuery) (any, error)
	Pending func(ctx context.Context, login string) (any, error)
	// Prove proves an entry under a checkpoint of now; nil when nothing is signed.
	Prove  func(ctx context.Context, sequence uint64) (Proof, error)
	Logger *slog.Logger
}

// prefix is before every path. The number changes when an answer changes so that it
// could be misread.
const prefix = "/api/v1"

const (
	// maxAtOnce bounds the memory that answers can take.
	maxAtOnce = 16
	// answerTimeout is how long an answer may take.
	answerTimeout = 20 * time.Second
)

type api struct {
	Options
	model  *deployments.Model
	limits *limits
	slots  chan struct{}
}

// openAPI describes the routes.
//
//go:embed openapi.yaml
var openAPI []byte

// route is one that can be read, with the arguments that it has.
type route struct {
	path      string
	arguments []string
	answer    func(*gin.Context) (any, error)
}

func (a *api) routes() []route {
	return []route{
		{"/gates", nil, a.gates},
		{"/gates/:gate", nil, a.gate},
		{"/applications", []string{"gate", "verdict", "search", "limit", "page"}, a.applications},
		{"/applications/:namespace/:name", nil, a.application},
		{"/applications/:namespace/:name/deployments", []string{"from", "limit"}, a.deployments},
		{"/applications/:namespace/:name/deployments/:number", nil, a.deployment},
		{"/applications/:namespace/:name/compare", []string{"from", "to"}, a.compare},
		{"/pending", []string{"for"}, a.pending},
		{"/metrics", []string{"application", "gate", "team", "from", "to", "last"}, a.metrics},
		{"/record", nil, a.head},
		{"/record/entries", []string{"kind", "application", "from", "limit"}, a.entries},
		{"/record/entries/:sequence", nil, a.entry},
		{"/record/entries/:sequence/proof", nil, a.proof},
	}
}

// New makes the handler of everything below /api/v1.
func New(o Options) http.Handler {
	// gin prints every route in its debug mode, which is its default.
	gin.SetMode(gin.ReleaseMode)
	a := &api{Options: o, model: deployments.New(o.Record), limits: newLimits(), slots: make(chan struct{}, maxAtOnce)}
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.Use(a.recovered, headers)
	e.NoRoute(func(c *gin.Context) { fail(c, notFound("the routes are in "+prefix+"/openapi.yaml")) })
	e.NoMethod(func(c *gin.Context) {
		fail(c, newProblem(http.StatusMethodNotAllowed, "read-only", "This API only reads", "orders are given by comments and on the command line"))
	})
	e.GET(prefix+"/openapi.yaml", func(c *gin.Context) { c.Data(http.StatusOK, "application/yaml", openAPI) })
	for _, r := range a.routes() {
		e.GET(prefix+r.path, a.bounded, a.authenticated, checked(r.arguments...), a.handle(r.answer))
	}
	return e
}

// headers keep browsers from doing anything with an answer but showing it.
func headers(c *gin.Context) {
	c.Header("X-Content-Type-Options", "nosniff")
	c.Header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
}

// bounded limits how many are answered at once and for how long.
func (a *api) bounded(c *gin.Context) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), answerTimeout)
	defer cancel()
	c.Request = c.Request.WithContext(ctx)
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
		c.Next()
	case <-ctx.Done():
		fail(c, newProblem(http.StatusServiceUnavailable, "busy", "Too many requests at once", "try again in a moment"))
	}
}

// recovered answers a panic with 500 and no detail; the detail is in the log.
func (a *api) recovered(c *gin.Context) {
	defer func() {
		if value := recover(); value != nil {
			a.Logger.LogAttrs(c.Request.Context(), slog.LevelError, "api_panicked",
				slog.String("path", c.FullPath()), slog.Any("panic", value), slog.String("stack", string(debug.Stack())))
			fail(c, newProblem(http.StatusInternalServerError, "failed", "Gatekeeper could not answer", "its log says why"))
		}
	}()
	c.Next()
}
