package events

import (
	"context"
	"crypto/rand"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Create writes one Event into its namespace.
type Create func(ctx context.Context, event *corev1.Event) error

// Application is what an Event is about.
type Application struct{ Namespace, Name, UID string }

// The types of Events.
const (
	Normal  = corev1.EventTypeNormal
	Warning = corev1.EventTypeWarning
)

const (
	again    = 10 * time.Minute
	sweep    = time.Minute
	pending  = 256
	remember = 4096
	// maxMessage is what Kubernetes allows in an Event.
	maxMessage = 1024
	// perMinute is for all Applications together, burst at once.
	perMinute, burst = 30, 30
	createTimeout    = 5 * time.Second
)

// Emitter writes Events. Make it with New; Run writes, Emit may be called at any
// time by anybody.
type Emitter struct {
	create  Create
	log     *slog.Logger
	queue   chan happening
	budget  *rate.Limiter
	results *prometheus.CounterVec
}

// happening is one thing to tell, without when.
type happening struct {
	app Application
	// service is true when it is about a Service of that name instead.
	service               bool
	kind, reason, message string
}

// seen is when an Event was written last, and how often it came since.
type seen struct {
	written time.Time
	last    time.Time
	since   int32
}

// New makes an Emitter. Register it with a registry: it counts what it writes.
func New(create Create, log *slog.Logger) *Emitter {
	return &Emitter{
		create: create, log: log, queue: make(chan happening, pending),
		budget: rate.NewLimiter(rate.Every(time.Minute/perMinute), burst),
		results: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatekeeper_events_total", Help: "Events about Applications by result: written, repeated, dropped, failed.",
		}, []string{"result"}),
	}
}

// Emit tells something about an Application. Kind is Normal or Warning, reason one
// word in CamelCase, message at most 1024 bytes; more is cut off. It never waits:
// when too much is pending, it is dropped.
func (e *Emitter) Emit(app Application, kind, reason, message string) {
	if app.Namespace == "" || app.Name == "" {
		return // an Event is about something
	}
	select {
	case e.queue <- happening{app, false, kind, reason, shorten(message)}:
	default:
		e.count("dropped")
	}
}

// EmitService is Emit for what is about Gatekeeper itself, by its Service.
func (e *Emitter) EmitService(namespace, name, kind, reason, message string) {
	select {
	case e.queue <- happening{Application{Namespace: namespace, Name: name}, true, kind, reason, shorten(message)}:
	default:
		e.count("dropped")
	}
}

// Run writes until the context ends.
func (e *Emitter) Run(ctx context.Context) {
	known := map[happening]seen{}
	tick := time.NewTicker(sweep)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case h := <-e.queue:
			e.tell(ctx, known, h)
		case <-tick.C:
			e.sweep(ctx, known)
		}
	}
}

// tell writes what is new, and counts what is not.
func (e *Emitter) tell(ctx context.Context, known map[happening]seen, h happening) {
	now := time.Now()
	if s, ok := known[h]; ok {
		s.since, s.last = s.since+1, now
		known[h] = s
		e.count("repeated")
		return
	}
	if len(known) >= remember || !e.budget.Allow() {
		e.count("dropped")
		return
	}
	known[h] = seen{written: now, last: now}
	e.write(ctx, h, 1, now, now)
}

// sweep writes how often something came again, and forgets what did not.
func (e *Emitter) sweep(ctx context.Context, known map[happening]seen) {
	now := time.Now()
	for h, s := range known {
		switch {
		case now.Sub(s.written) < again:
		case s.since == 0:
			delete(known, h)
		case e.budget.Allow():
			e.write(ctx, h, s.since, s.written, s.last)
			known[h] = seen{written: now, last: now}
		}
	}
}

func (e *Emitter) write(ctx context.Context, h happening, times int32, first, last time.Time) {
	ctx, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	apiVersion, about := "argoproj.io/v1alpha1", "Application"
	if h.service {
		apiVersion, about = "v1", "Service"
	}
	err := e.create(ctx, &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Name: shortName(h.app.Name) + "." + strings.ToLower(rand.Text()[:16]), Namespace: h.app.Namespace},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: apiVersion, Kind: about,
			Namespace: h.app.Namespace, Name: h.app.Name, UID: types.UID(h.app.UID),
		},
		Reason: h.reason, Message: h.message, Type: h.kind, Count: times,
		FirstTimestamp: metav1.NewTime(first), LastTimestamp: metav1.NewTime(last),
		Source: corev1.EventSource{Component: "gatekeeper"}, ReportingController: "argo-gatekeeper.io/gatekeeper",
	})
	if err != nil {
		e.count("failed")
		e.log.LogAttrs(ctx, slog.LevelWarn, "event_failed", slog.String("application", h.app.Namespace+"/"+h.app.Name), slog.Any("error", err))
		return
	}
	e.count("written")
}

func (e *Emitter) count(result string) { e.results.WithLabelValues(result).Inc() }

// Describe implements prometheus.Collector.
func (e *Emitter) Describe(ch chan<- *prometheus.Desc) { e.results.Describe(ch) }

// Collect implements prometheus.Collector.
func (e *Emitter) Collect(ch chan<- prometheus.Metric) { e.results.Collect(ch) }

// maxName leaves room for what makes an Event's name unique (at most 253 bytes).
const maxName = 230

func shortName(name string) string { return strings.TrimRight(name[:min(len(name), maxName)], ".-") }

func shorten(message string) string {
	message = strings.ToValidUTF8(message, "\uFFFD")
	if len(message) <= maxMessage {
		return message
	}
	const more = "…"
	return strings.ToValidUTF8(message[:maxMessage-len(more)], "") + more
}
