package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	core "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/argo-gatekeeper/gatekeeper/internal/certs"
	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/enforce"
	"github.com/argo-gatekeeper/gatekeeper/internal/events"
	"github.com/argo-gatekeeper/gatekeeper/internal/gate"
	"github.com/argo-gatekeeper/gatekeeper/internal/httpapi"
	"github.com/argo-gatekeeper/gatekeeper/internal/instrument"
	"github.com/argo-gatekeeper/gatekeeper/internal/tracing"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/admission"
)

// certificates are either of the sources in package certs.
type certificates interface {
	enforce.Certificates
	GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
	Ready() error
	Expires() time.Time
	Run(ctx context.Context)
}

// enforcement is everything that makes the API server ask and answers it. A nil
// enforcement, of a configuration without that section, does nothing.
type enforcement struct {
	cfg    *config.Enforcement
	live   *settings
	parser *argo.Parser
	tracer *tracing.Tracer
	// responder answers by the rules of now; it is there once run has begun.
	responder    atomic.Pointer[admission.Responder]
	mode         admission.Mode
	certificates certificates
	enforcer     *enforce.Enforcer
	events       *events.Emitter
	metrics      *httpapi.AdmissionMetrics
	log          *slog.Logger
}

// connectEnforcement makes no request.
func connectEnforcement(ctx context.Context, live *settings, cluster argoCD, leads func() error, tracer *tracing.Tracer, registry *prometheus.Registry, log *slog.Logger) (*enforcement, error) {
	cfg := live.now()
	e := cfg.File.Enforcement
	if e == nil {
		log.LogAttrs(ctx, slog.LevelWarn, "not_enforced", slog.String("remedy", "write an enforcement section"))
		return nil, nil //nolint:nilnil // it does nothing
	}
	client, err := core.NewForConfig(cluster.config)
	if err != nil {
		return nil, fmt.Errorf("make a Kubernetes client: %w", err)
	}
	out := &enforcement{
		cfg: e, live: live, tracer: tracer, mode: admission.Mode(e.Mode), parser: cluster.parser, metrics: httpapi.NewAdmissionMetrics(), log: log,
		certificates: newCertificates(cfg, client, log),
		events: events.New(func(ctx context.Context, event *corev1.Event) error {
			_, err := client.Events(event.Namespace).Create(ctx, event, metav1.CreateOptions{FieldManager: "gatekeeper"})
			if err != nil {
				return fmt.Errorf("create an event: %w", err)
			}
			return nil
		}, log),
	}
	metrics := enforce.NewMetrics()
	out.enforcer = enforce.New(enforce.Options{
		Objects: enforce.NewCluster(cluster.client), Render: func(bundle []byte) ([]*unstructured.Unstructured, error) {
			return enforcementObjects(live.now())(bundle)
		}, Certificates: out.certificates,
		Manage: e.Managed(), May: func() bool { return leads() == nil }, Metrics: metrics, Logger: log,
	})
	registry.MustRegister(metrics, out.metrics, out.events, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gatekeeper_certificate_expires_timestamp_seconds", Help: "When the certificate for the API server ends; 0 when there is none.",
	}, func() float64 {
		if end := out.certificates.Expires(); !end.IsZero() {
			return float64(end.Unix())
		}
		return 0
	}))
	return out, nil
}

func newCertificates(cfg config.Config, client core.SecretsGetter, log *slog.Logger) certificates {
	e := cfg.File.Enforcement
	if e.Certificate.Secret == "" {
		return certs.NewFiles(certs.FileOptions{
			CertFile: cfg.Path(e.Certificate.CertFile), KeyFile: cfg.Path(e.Certificate.KeyFile), CAFile: cfg.Path(e.Certificate.CAFile),
			Hosts: e.Hosts(), Logger: log,
		})
	}
	namespace, name := e.SecretName()
	return certs.NewStore(certs.Options{
		Secrets: client.Secrets(namespace), Namespace: namespace, Name: name, Hosts: e.Hosts(), Logger: log,
	})
}

// denied makes an Event of a refusal. The application is namespace/name.
func (e *enforcement) denied(_ context.Context, application, uid, text string) {
	if e == nil {
		return
	}
	namespace, name, _ := strings.Cut(application, "/")
	e.events.Emit(events.Application{Namespace: namespace, Name: name, UID: uid}, events.Warning, "GatekeeperDenied", text)
}

// leads is told that this process has begun to lead.
func (e *enforcement) leads() {
	if e != nil {
		e.enforcer.Wake()
	}
}

// answer answers a question of the API server by the rules of now.
func (e *enforcement) answer(ctx context.Context, review []byte) ([]byte, error) {
	return e.responder.Load().Answer(ctx, review)
}

// warns says whether refusals are only warnings.
func (e *enforcement) warns() bool { return e != nil && e.mode == admission.Warn }

// ready says why the API server cannot be answered, or does not ask yet.
func (e *enforcement) ready() error {
	if e == nil {
		return nil
	}
	return errors.Join(e.certificates.Ready(), e.enforcer.Ready())
}

// run answers the API server until the context ends.
func (e *enforcement) run(ctx context.Context, g *gate.Gate) error {
	if e == nil {
		return nil
	}
	responder, err := newResponder(enforcementSettings(e.live.now()), e.parser, instrument.Admit(e.tracer, g.Admit))
	if err != nil {
		return err
	}
	e.responder.CompareAndSwap(nil, &responder)
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", e.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen for the API server: %w", err)
	}
	server := httpapi.NewAdmissionServer(instrument.Continued(e.tracer, httpapi.NewAdmission(httpapi.AdmissionOptions{
		Admit: e.answer, Warn: e.warns(), Metrics: e.metrics, Logger: e.log,
	})), e.certificates.GetCertificate, e.log)
	e.log.LogAttrs(ctx, slog.LevelInfo, "enforcing", slog.String("address", listener.Addr().String()), slog.String("mode", e.cfg.Mode))
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error {
		if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve the API server: %w", err)
		}
		return nil
	})
	all.Go(func() error {
		<-ctx.Done()
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		return server.Shutdown(stopping)
	})
	all.Go(func() error {
		e.certificates.Run(ctx)
		return nil
	})
	all.Go(func() error {
		e.events.Run(ctx)
		return nil
	})
	all.Go(func() error { return e.enforcer.Run(ctx) })
	return all.Wait()
}
