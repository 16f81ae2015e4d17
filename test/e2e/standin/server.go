package standin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/contract"
)

// Options of Start. The zero value works.
type Options struct {
	// Dir holds the repositories. When empty, a temporary folder is made and removed by Close.
	Dir string
	// Listen is a loopback address; 127.0.0.1:0 when empty.
	Listen string
	// Logger receives one debug event per request and per delivery; none when nil.
	Logger *slog.Logger
	// Now is the clock of every timestamp, token and limit; time.Now when nil.
	Now func() time.Time
	// TLS serves https and nothing else, with the certificate of an authority made for this server
	// (CACertPEM), for 127.0.0.1 and localhost. Webhooks may still go to plain HTTP.
	TLS bool
}

// Server is a running stand-in. All methods may be called at the same time.
type Server struct {
	ctx        context.Context // of control calls, git processes and deliveries; ends with Close
	cancel     context.CancelFunc
	log        *slog.Logger
	now        func() time.Time
	dir        string
	ownDir     bool
	base       string     // http://host:port, or https with Options.TLS
	authority  *authority // nil without Options.TLS
	gitBackend string     // path of git http-backend
	http       *http.Server
	hooks      *http.Client
	faults     *faults
	calls      *callLog
	contract   *contract.Checker
	// violations are our own, clientViolations those of the requests that arrived.
	violations, clientViolations violationLog
	done                         sync.WaitGroup
	active                       sync.RWMutex // held for reading by every request
	mounts                       mounts
	pages                        pages

	mu            sync.Mutex // guards everything below, and all that hangs on it; held briefly, never while git runs
	counters      map[string]int64
	accounts      map[int64]*account
	logins        map[string]*account // lower case
	emails        map[string]*account // lower case
	repos         map[int64]*repository
	names         map[string]*repository // lower-case owner/name, former names included
	apps          map[int64]*app
	installations map[int64]*installation
	tokens        map[string]*token
	limits        map[string]*limitWindow
	limit         int
	indexLag      time.Duration
	signing       *signing
	tokenLag      time.Duration
	tokenRefusal  *APIError
	reanchor      bool
	conversions   map[string]*conversion // by the code of the App manifest flow
}

// Start listens and returns at once; Close, or the end of ctx, stops it.
func Start(ctx context.Context, o Options) (*Server, error) {
	s := &Server{
		log: o.Logger, now: o.Now, dir: o.Dir, faults: &faults{}, calls: &callLog{},
		counters: map[string]int64{}, accounts: map[int64]*account{}, logins: map[string]*account{},
		emails: map[string]*account{}, repos: map[int64]*repository{}, names: map[string]*repository{},
		apps: map[int64]*app{}, installations: map[int64]*installation{}, tokens: map[string]*token{},
		limits: map[string]*limitWindow{}, limit: 5000, conversions: map[string]*conversion{},
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	var err error
	if s.signing, err = newSigning(); err != nil {
		return nil, err
	}
	listen := o.Listen
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	host, _, err := net.SplitHostPort(listen)
	ip := net.ParseIP(host)
	if err != nil || ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("listen on %q: a loopback address is needed", listen)
	}
	if s.contract, err = contract.New(); err != nil {
		return nil, fmt.Errorf("read GitHub's description: %w", err)
	}
	scheme := "http://"
	if o.TLS {
		scheme = "https://"
		if s.authority, err = newAuthority(ip); err != nil {
			return nil, err
		}
	}
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "github-standin-"); err != nil {
			return nil, fmt.Errorf("create folder: %w", err)
		}
		s.ownDir = true
	}
	for _, sub := range []string{"home", "repos"} {
		if err := os.MkdirAll(filepath.Join(s.dir, sub), 0o700); err != nil {
			return nil, errors.Join(fmt.Errorf("create folder: %w", err), s.removeDir())
		}
	}
	if s.gitBackend, err = findBackend(ctx, filepath.Join(s.dir, "home")); err != nil {
		return nil, errors.Join(fmt.Errorf("find git http-backend: %w", err), s.removeDir())
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen on %s: %w", listen, err), s.removeDir())
	}
	s.base = scheme + listener.Addr().String()
	running, cancel := context.WithCancel(ctx)
	s.ctx, s.cancel = running, cancel
	s.hooks = &http.Client{
		Timeout:       10 * time.Second,
		Transport:     &http.Transport{MaxIdleConnsPerHost: 4},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	s.http = &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:    slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), // handshakes that clients break off
		BaseContext: func(net.Listener) context.Context { return s.ctx }}
	if s.authority != nil {
		s.http.TLSConfig = s.authority.config
	}
	s.done.Go(func() {
		if err := s.serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.LogAttrs(s.ctx, slog.LevelError, "standin.serve_failed", slog.Any("error", err))
		}
	})
	context.AfterFunc(running, func() { _ = s.http.Close() })
	return s, nil
}

// URL is the address people see: html_url and git clone addresses start with it. The REST API is
// served there too, as on api.github.com.
func (s *Server) URL() string { return s.base }

// APIURL is the REST base in the form of GitHub Enterprise Server, with a slash at the end.
func (s *Server) APIURL() string { return s.base + "/api/v3/" }

// api is the start of "url" fields.
func (s *Server) api() string { return s.base + "/api/v3" }

// Close stops serving and delivering, waits for both, and removes a folder that Start made. The error wraps
// ErrContract when the stand-in sent what GitHub would not, see Violations.
func (s *Server) Close() error {
	s.cancel()
	err := s.http.Close()
	s.done.Wait()
	s.active.Lock()
	defer s.active.Unlock()
	s.hooks.CloseIdleConnections()
	s.checkWaiting()
	return errors.Join(err, s.removeDir(), s.contractError())
}

func (s *Server) removeDir() error {
	if !s.ownDir {
		return nil
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("remove folder: %w", err)
	}
	return nil
}

// locked runs f while holding the state.
func (s *Server) locked(f func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return f()
}
