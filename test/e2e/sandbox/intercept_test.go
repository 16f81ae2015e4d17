package sandbox

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/clientcmd"
)

// upstream is a bare sandbox whose API server is a plain HTTPS server that counts
// what reaches it and echoes the body.
func upstream(t *testing.T) (*Sandbox, *atomic.Int32) {
	t.Helper()
	s, _ := bare(t)
	var reached atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		if r.URL.Query().Has("watch") {
			for event := range 2 {
				_, _ = fmt.Fprintf(w, "event %d\n", event)
				_ = http.NewResponseController(w).Flush()
			}
			<-r.Context().Done()
			return
		}
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s %s", r.Method, r.Header.Get("Authorization"), body)
	}))
	certPEM, keyPEM, err := s.authority.issue()
	require.NoError(t, err)
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	require.NoError(t, err)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	s.apiURL = server.URL
	return s, &reached
}

// send sends a PATCH through an interceptor.
func send(ctx context.Context, i *Interceptor, body string) (string, int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPatch, i.URL()+"/apis/thing", strings.NewReader(body))
	if err != nil {
		return "", 0, err
	}
	request.Header.Set("Authorization", "Bearer secret")
	response, err := i.sandbox.https.Do(request)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	return string(answer), response.StatusCode, err
}

func TestInterceptorForwards(t *testing.T) {
	s, reached := upstream(t)
	var seen, answered atomic.Value
	i, err := s.Intercept(t.Context(), Gatekeeper, Hook{
		Before: func(r *http.Request) error {
			body, err := io.ReadAll(r.Body)
			seen.Store(r.Method + " " + r.URL.Path + " " + string(body))
			return err
		},
		After: func(r *http.Request, response *http.Response) error {
			answered.Store(r.URL.Path + " " + response.Status)
			return nil
		},
	})
	require.NoError(t, err)
	answer, code, err := send(t.Context(), i, "change")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "PATCH Bearer secret change", answer, "a body that the hook has read still arrives")
	require.Equal(t, "PATCH /apis/thing change", seen.Load())
	require.Equal(t, "/apis/thing 200 OK", answered.Load())
	require.Equal(t, int32(1), reached.Load())

	config, err := clientcmd.BuildConfigFromFlags("", i.Kubeconfig())
	require.NoError(t, err)
	require.Equal(t, i.URL(), config.Host)
	require.Equal(t, s.credentials.tokens[Gatekeeper], config.BearerToken)
	require.Equal(t, config.BearerToken, i.RESTConfig().BearerToken)
}

func TestInterceptorHolds(t *testing.T) {
	s, reached := upstream(t)
	held, release := make(chan struct{}), make(chan struct{})
	i, err := s.Intercept(t.Context(), Gatekeeper, Hook{Before: func(*http.Request) error {
		close(held)
		<-release
		return nil
	}})
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() {
		_, _, err := send(t.Context(), i, "")
		done <- err
	}()
	<-held
	require.Zero(t, reached.Load())
	close(release)
	require.NoError(t, <-done)
	require.Equal(t, int32(1), reached.Load())
}

// TestInterceptorForgetsTheDead is what a test that kills gatekeeper while its
// request is held relies on.
func TestInterceptorForgetsTheDead(t *testing.T) {
	s, reached := upstream(t)
	held, gone := make(chan struct{}), make(chan struct{})
	i, err := s.Intercept(t.Context(), Gatekeeper, Hook{Before: func(r *http.Request) error {
		close(held)
		<-r.Context().Done()
		close(gone)
		return nil
	}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, _, err := send(ctx, i, "change")
		done <- err
	}()
	<-held
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	<-gone
	require.NoError(t, i.Close())
	require.Zero(t, reached.Load())
}

func TestInterceptorDrops(t *testing.T) {
	lost := errors.New("lost")
	for name, c := range map[string]struct {
		hook    Hook
		reached int32
	}{
		"the request": {Hook{Before: func(*http.Request) error { return lost }}, 0},
		"the answer":  {Hook{After: func(*http.Request, *http.Response) error { return lost }}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s, reached := upstream(t)
			i, err := s.Intercept(t.Context(), Gatekeeper, c.hook)
			require.NoError(t, err)
			_, _, err = send(t.Context(), i, "change")
			require.ErrorIs(t, err, io.EOF)
			require.Equal(t, c.reached, reached.Load())
		})
	}
}

func TestInterceptorRefuses(t *testing.T) {
	s, reached := upstream(t)
	i, err := s.Intercept(t.Context(), Gatekeeper, Hook{Before: func(*http.Request) error {
		return fmt.Errorf("on purpose: %w", Refusal{Code: http.StatusConflict, Reason: "Conflict", Message: "try again"})
	}})
	require.NoError(t, err)
	answer, code, err := send(t.Context(), i, "change")
	require.NoError(t, err)
	require.Equal(t, http.StatusConflict, code)
	require.JSONEq(t, `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","code":409,"reason":"Conflict","message":"try again"}`, answer)
	require.Zero(t, reached.Load())
}

func TestInterceptorRefusesHugeBodies(t *testing.T) {
	s, reached := upstream(t)
	i, err := s.Intercept(t.Context(), Gatekeeper, Hook{})
	require.NoError(t, err)
	_, _, err = send(t.Context(), i, strings.Repeat("x", maxInterceptedBody+1))
	require.Error(t, err)
	require.Zero(t, reached.Load())
}

func TestInterceptorStreamsWatches(t *testing.T) {
	s, _ := upstream(t)
	i, err := s.Intercept(t.Context(), Gatekeeper, Hook{})
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, i.URL()+"/apis/thing?watch=1", nil)
	require.NoError(t, err)
	response, err := s.https.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	lines := bufio.NewScanner(response.Body)
	for event := range 2 {
		// The answer never ends, so these arrive only if nothing is buffered.
		require.True(t, lines.Scan())
		require.Equal(t, fmt.Sprintf("event %d", event), lines.Text())
	}
	require.NoError(t, i.Close())
	require.False(t, lines.Scan())
	require.Error(t, lines.Err(), "a broken watch is not taken for one that ended")
	require.NoError(t, i.Close(), "again, without harm")
}

func TestInterceptAfterClose(t *testing.T) {
	s, _ := upstream(t)
	require.NoError(t, s.Close())
	_, err := s.Intercept(t.Context(), Gatekeeper, Hook{})
	require.Error(t, err)
	require.NoDirExists(t, s.Dir())
}
