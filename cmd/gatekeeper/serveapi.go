package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	authenticationclient "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/gate"
	"github.com/argo-gatekeeper/gatekeeper/internal/httpapi"
	"github.com/argo-gatekeeper/gatekeeper/internal/kubeauth"
	"github.com/argo-gatekeeper/gatekeeper/internal/measures"
	"github.com/argo-gatekeeper/gatekeeper/internal/pending"
	"github.com/argo-gatekeeper/gatekeeper/internal/readapi"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// readServer serves the read API; one that is not configured serves nothing.
type readServer struct {
	listener net.Listener
	server   *http.Server
}

// readable is what the read API shows.
type readable struct {
	decider   *gate.Gate
	record    history.Reader
	approvals *pending.Inbox
	prove     entryProving
}

// readMetrics computes the metrics of DORA as the command line does.
func readMetrics(m config.Metrics, from observations) func(context.Context, readapi.MetricsQuery) (any, error) {
	return func(ctx context.Context, q readapi.MetricsQuery) (any, error) {
		o := measureOptions{app: q.Application, gate: q.Gate, team: q.Team, from: q.From, to: q.To, last: q.Last, file: "-", output: "json", now: time.Now}
		scope, err := o.scope()
		if err != nil {
			return nil, fmt.Errorf("%w: name one of application, gate and team; an application is namespace/name", readapi.ErrAsked)
		}
		shown, err := measured(ctx, m, from, scope, o)
		switch {
		case errors.Is(err, errNoSuchScope), errors.Is(err, errNoSuchTeam):
			return nil, fmt.Errorf("%w: %w", readapi.ErrNone, err)
		case errors.Is(err, errUsage):
			return nil, fmt.Errorf("%w: %w", readapi.ErrAsked, err)
		}
		return shown, err
	}
}

// connectReadAPI listens, so that an address that is taken is known before anything
// else begins.
func connectReadAPI(ctx context.Context, live *settings, cluster argoCD, from readable, log *slog.Logger) (readServer, error) {
	cfg := live.now()
	if cfg.File.API == nil {
		return readServer{}, nil
	}
	who, err := readers(live, cluster)
	if err != nil {
		return readServer{}, err
	}
	handler := readapi.New(readapi.Options{
		Who: who, Policies: live.policies, Record: from.record, Logger: log,
		Metrics: readMetrics(cfg.File.Metrics, measures.NewLoader(from.record)), Prove: from.prove,
		Pending: func(ctx context.Context, login string) (any, error) {
			return from.approvals.Pending(ctx, pending.Request{For: login})
		},
		Applications: func() []readapi.Application {
			current := from.decider.Current()
			all := make([]readapi.Application, len(current))
			for i, c := range current {
				all[i] = shownApplication(c)
			}
			return all
		},
		Application: func(name string) (readapi.Application, bool) {
			c, ok := from.decider.CurrentOf(name)
			return shownApplication(c), ok
		},
	})
	server := httpapi.NewServer(handler)
	if cfg.File.API.CertFile != "" {
		pair := &pairFiles{cert: cfg.Path(cfg.File.API.CertFile), key: cfg.Path(cfg.File.API.KeyFile)}
		if _, err := pair.get(nil); err != nil {
			return readServer{}, err
		}
		server.TLSConfig = &tls.Config{GetCertificate: pair.get, MinVersion: tls.VersionTLS12}
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.File.API.Listen)
	if err != nil {
		return readServer{}, fmt.Errorf("listen for the read API: %w", err)
	}
	log.LogAttrs(ctx, slog.LevelInfo, "serving_read_api", slog.String("address", listener.Addr().String()))
	return readServer{listener, server}, nil
}

func shownApplication(c gate.Current) readapi.Application {
	return readapi.Application{
		Name: c.Application, UID: c.UID, Gate: c.Gate, State: c.State, Judged: c.Judged, Entry: c.Entry, Decision: c.Decision,
	}
}

// readers are those who may read.
func readers(live *settings, cluster argoCD) (readapi.Authenticator, error) {
	tokens := liveTokens{live}
	if !live.now().File.API.Kubernetes {
		return tokens, nil
	}
	authentication, err := authenticationclient.NewForConfig(cluster.config)
	if err != nil {
		return nil, fmt.Errorf("make a client for TokenReviews: %w", err)
	}
	authorization, err := authorizationclient.NewForConfig(cluster.config)
	if err != nil {
		return nil, fmt.Errorf("make a client for SubjectAccessReviews: %w", err)
	}
	return readapi.FirstOf{tokens, kubeauth.New(kubeauth.Options{
		Tokens: authentication.TokenReviews(), Accesses: authorization.SubjectAccessReviews(),
		Unknown: readapi.ErrUnknown, Forbidden: readapi.ErrForbidden,
	})}, nil
}

// run serves until the context ends.
func (s readServer) run(ctx context.Context) error {
	if s.server == nil {
		return nil
	}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		stopped <- s.server.Shutdown(stopping)
	}()
	var err error
	if s.server.TLSConfig != nil {
		err = s.server.ServeTLS(s.listener, "", "")
	} else {
		err = s.server.Serve(s.listener)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the read API: %w", err)
	}
	return <-stopped
}

// pairFiles is a certificate in files that somebody else renews. It is safe for
// concurrent use.
type pairFiles struct {
	cert, key string

	mu      sync.Mutex
	current *tls.Certificate
	looked  time.Time
	changed [2]time.Time
}

// pairPoll is how often the files are looked at, at most.
const pairPoll = 10 * time.Second

// get reads the files again when they were replaced. While they do not fit each other,
// as in between, the last pair is served on.
func (p *pairFiles) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current != nil && time.Since(p.looked) < pairPoll {
		return p.current, nil
	}
	p.looked = time.Now()
	changed := [2]time.Time{modified(p.cert), modified(p.key)}
	if p.current != nil && changed == p.changed {
		return p.current, nil
	}
	pair, err := tls.LoadX509KeyPair(p.cert, p.key)
	switch {
	case err == nil:
		p.current, p.changed = &pair, changed
	case p.current == nil:
		return nil, fmt.Errorf("read the certificate of the read API: %w", err)
	}
	return p.current, nil
}

func modified(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
