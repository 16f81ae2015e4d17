package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// Limits of the socket. Orders are few and small.
const (
	maxRequest = 1 << 20
	maxAnswer  = 16 << 20
	maxAtOnce  = 8
	// callTimeout bounds one order, reading the Applications it is about included.
	callTimeout = 2 * time.Minute
	readTimeout = 10 * time.Second
	// stopTimeout is for orders that are being carried out at the end.
	stopTimeout = 15 * time.Second
	// maxPath is what fits into a socket's address everywhere (104 bytes with the final
	// zero on macOS and the BSDs, 108 on Linux).
	maxPath = 103
)

// apiPath is before the verb. It changes when old clients could misread an answer.
const apiPath = "/v1/"

// Listener is the process's end of the socket.
type Listener struct {
	listener net.Listener
	path     string
}

// Listen makes the socket, for the process's own user alone, and takes the place of one
// that another process left behind. The caller must hold the lock on the record, so
// that there is no other process that uses it. Close it, or Serve it.
func Listen(ctx context.Context, path string) (*Listener, error) {
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("listen for orders: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("listen for orders: %s is not a socket; move it away", path)
	}
	// The socket gets its mode before it gets its name: nobody else can have connected.
	dir, err := os.MkdirTemp(filepath.Dir(path), ".c")
	if err != nil {
		return nil, fmt.Errorf("listen for orders: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // An empty folder that is left does no harm.
	private := filepath.Join(dir, "s")
	if len(private) > maxPath || len(path) > maxPath {
		return nil, fmt.Errorf("listen for orders: the path of the socket %s has more than %d bytes; choose a shorter dataDirectory", path, maxPath-20)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", private)
	if err != nil {
		return nil, fmt.Errorf("listen for orders: %w", err)
	}
	if unix, ok := listener.(*net.UnixListener); ok {
		unix.SetUnlinkOnClose(false) // by then it has another name
	}
	if err := errors.Join(os.Chmod(private, 0o600), os.Rename(private, path)); err != nil {
		return nil, errors.Join(fmt.Errorf("listen for orders: %w", err), listener.Close())
	}
	return &Listener{listener: listener, path: path}, nil
}

// Close stops listening and removes the socket.
func (l *Listener) Close() error {
	err := l.listener.Close()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	if removed := os.Remove(l.path); removed != nil && !errors.Is(removed, fs.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	if err != nil {
		return fmt.Errorf("stop listening for orders: %w", err)
	}
	return nil
}

// Serve takes orders until the context ends, and then lets those that have begun
// finish. It closes the listener.
func Serve(ctx context.Context, l *Listener, verbs Verbs, log *slog.Logger) error {
	s := &server{verbs: verbs, log: log, slots: make(chan struct{}, maxAtOnce)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+apiPath+"{$}", s.hello)
	mux.HandleFunc("POST "+apiPath+"{verb}", s.order)
	h := &http.Server{
		Handler: mux, ReadTimeout: readTimeout, WriteTimeout: callTimeout + readTimeout,
		IdleTimeout: readTimeout, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- h.Serve(l.listener) }()
	select {
	case err := <-failed:
		return errors.Join(fmt.Errorf("take orders: %w", err), l.Close())
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	err := h.Shutdown(stopping)
	if removed := os.Remove(l.path); removed != nil && !errors.Is(removed, fs.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	if err != nil {
		return fmt.Errorf("stop taking orders: %w", err)
	}
	return nil
}

type server struct {
	verbs Verbs
	log   *slog.Logger
	slots chan struct{}
}

// hello tells a client that somebody is there.
func (s *server) hello(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, http.StatusOK, struct{}{})
}

func (s *server) order(w http.ResponseWriter, r *http.Request) {
	verb := r.PathValue("verb")
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		s.fail(w, r, verb, &Error{Code: CodeBusy, Text: "too many orders at once", Remedy: "try again in a moment"})
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		s.fail(w, r, verb, &Error{Code: CodeInvalid, Text: "the order cannot be read: " + err.Error()})
		return
	}
	// What has begun is finished, whether or not somebody waits for the answer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), callTimeout)
	defer cancel()
	out, err := s.verbs.Do(ctx, verb, body)
	if err != nil {
		s.fail(w, r, verb, asError(err))
		return
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "order_taken", slog.String("verb", verb))
	s.answer(w, r, http.StatusOK, out)
}

func (s *server) fail(w http.ResponseWriter, r *http.Request, verb string, err *Error) {
	s.log.LogAttrs(r.Context(), slog.LevelWarn, "order_failed",
		slog.String("verb", verb), slog.String("code", string(err.Code)), slog.String("error", err.Text))
	s.answer(w, r, statusOf(err.Code), err)
}

func statusOf(c Code) int {
	switch c {
	case CodeUnknownVerb, CodeNotFound:
		return http.StatusNotFound
	case CodeInvalid:
		return http.StatusBadRequest
	case CodeRefused:
		return http.StatusForbidden
	case CodeChanged:
		return http.StatusConflict
	case CodeBusy:
		return http.StatusServiceUnavailable
	case CodeFailed:
		return http.StatusInternalServerError
	default:
		return http.StatusInternalServerError
	}
}

func (s *server) answer(w http.ResponseWriter, r *http.Request, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(value); err != nil {
		s.log.LogAttrs(r.Context(), slog.LevelWarn, "order_answer_lost", slog.Any("error", err))
	}
}
