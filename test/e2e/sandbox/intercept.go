package sandbox

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"k8s.io/client-go/rest"
)

// maxInterceptedBody bounds the body of a request through an Interceptor; the API
// server itself refuses more than 3 MiB.
const maxInterceptedBody = 4 << 20

// Hook watches and disturbs the requests that pass an Interceptor. Both functions
// are called concurrently, once for each request, watches included. Either may be
// nil.
type Hook struct {
	// Before is called with the complete request before the API server sees it. It
	// may read the body, and it may block for as long as it likes: the request waits.
	// If the client goes away meanwhile, the request's context ends and the request is
	// not forwarded. An error drops the request: the client sees a broken connection,
	// or the answer of a Refusal. The API server sees nothing in both cases.
	Before func(*http.Request) error
	// After is called when the API server has answered and before the client sees it;
	// it may block too, and it must leave the response's body alone. An error drops
	// the answer: the request had its effect and the client does not learn of it.
	After func(*http.Request, *http.Response) error
}

// Refusal is an error for Hook.Before that answers the request as the API server
// would refuse it.
type Refusal struct {
	// Code is the HTTP status, such as 409.
	Code int
	// Reason is the machine-readable reason, such as Conflict.
	Reason string
	// Message is the text for a person.
	Message string
}

// Error returns the message.
func (r Refusal) Error() string { return r.Message }

// Interceptor is a proxy on loopback in front of kube-apiserver.
type Interceptor struct {
	sandbox    *Sandbox
	id         Identity
	target     *url.URL
	url        string
	kubeconfig string
	hook       Hook
	transport  *http.Transport
	server     *http.Server
	done       chan struct{} // closed when the server has ended
	serveErr   error         // written before done is closed
}

// Intercept starts a proxy in front of kube-apiserver for a client that acts as id.
// The client reaches it with the proxy's Kubeconfig or RESTConfig. Close of the
// sandbox closes it.
func (s *Sandbox) Intercept(ctx context.Context, id Identity, hook Hook) (*Interceptor, error) {
	target, err := url.Parse(s.apiURL)
	if err != nil {
		return nil, fmt.Errorf("intercept: %w", err)
	}
	certPEM, keyPEM, err := s.authority.issue()
	if err != nil {
		return nil, fmt.Errorf("intercept: %w", err)
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("intercept: %w", err)
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("intercept: %w", err)
	}
	i := &Interceptor{
		sandbox: s, id: id, target: target, hook: hook,
		url:  "https://" + listener.Addr().String(),
		done: make(chan struct{}),
		// One connection for each request in flight: a held request holds no other.
		transport: &http.Transport{
			TLSClientConfig: s.tls.Clone(),
			TLSNextProto:    map[string]func(string, *tls.Conn) http.RoundTripper{},
		},
	}
	i.kubeconfig, err = s.credentials.writeKubeconfig("intercept-"+randomHex()[:8], id, i.url, s.authority.pem)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("intercept: %w", err), listener.Close())
	}
	i.server = &http.Server{
		Handler:           i,
		ReadHeaderTimeout: 10 * time.Second,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
		// HTTP/1.1 only: with HTTP/2 a killed client would be noticed late.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
		// Clients that are killed in the middle of a handshake are what this is for.
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.Join(fmt.Errorf("intercept: %w", errClosed), listener.Close())
	}
	s.interceptors = append(s.interceptors, i)
	go func() {
		defer close(i.done)
		i.serveErr = i.server.ServeTLS(listener, "", "")
	}()
	return i, nil
}

// URL returns the address of the proxy.
func (i *Interceptor) URL() string { return i.url }

// Kubeconfig returns the path of a kubeconfig that goes through the proxy.
func (i *Interceptor) Kubeconfig() string { return i.kubeconfig }

// RESTConfig returns a client configuration that goes through the proxy.
func (i *Interceptor) RESTConfig() *rest.Config {
	return i.sandbox.credentials.restConfig(i.id, i.url, i.sandbox.authority.pem)
}

// Close breaks every connection, which ends the requests that a hook holds, and
// stops listening. It may be called more than once.
func (i *Interceptor) Close() error {
	err := i.server.Close()
	<-i.done
	i.transport.CloseIdleConnections()
	if !errors.Is(i.serveErr, http.ErrServerClosed) {
		err = errors.Join(err, i.serveErr)
	}
	if err != nil {
		return fmt.Errorf("close the interceptor: %w", err)
	}
	return nil
}

// ServeHTTP forwards one request with its hooks.
func (i *Interceptor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The body is read first, so that a hook can look at it, and because net/http
	// notices that a client went away only when nothing is left to read.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxInterceptedBody))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if i.hook.Before != nil {
		err := i.hook.Before(r)
		var refusal Refusal
		switch {
		case errors.As(err, &refusal):
			refusal.write(w)
			return
		case err != nil, r.Context().Err() != nil:
			panic(http.ErrAbortHandler) // net/http breaks the connection and stays silent.
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	proxy := &httputil.ReverseProxy{
		Transport: i.transport,
		// A watch must be seen event by event.
		FlushInterval: -1,
		Rewrite:       func(p *httputil.ProxyRequest) { p.SetURL(i.target) },
		ModifyResponse: func(response *http.Response) error {
			if i.hook.After == nil {
				return nil
			}
			return i.hook.After(r, response)
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ErrorLog:     i.server.ErrorLog,
	}
	proxy.ServeHTTP(w, r)
}

// write answers with a Status object.
func (r Refusal) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(r.Code)
	// The client may be gone; that is its business.
	_ = json.NewEncoder(w).Encode(map[string]any{
		"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{},
		"status": "Failure", "code": r.Code, "reason": r.Reason, "message": r.Message,
	})
}
