package httpapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

const (
	asked   = `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"7f0b","object":{}}}`
	granted = `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":"7f0b","allowed":true}}`
	denied  = `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":"7f0b","allowed":false,"status":{"code":403,"message":"#42 waits for bob"}}}`
)

func admitter(admit func(ctx context.Context, review []byte) ([]byte, error), warn bool) (http.Handler, *AdmissionMetrics) {
	m := NewAdmissionMetrics()
	return NewAdmission(AdmissionOptions{Admit: admit, Warn: warn, Metrics: m, Logger: slog.New(slog.DiscardHandler)}), m
}

func answers(text string, err error) func(context.Context, []byte) ([]byte, error) {
	return func(context.Context, []byte) ([]byte, error) { return []byte(text), err }
}

func post(t *testing.T, h http.Handler, contentType string, body io.Reader) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/admission", body)
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// verdicts are the counts by verdict.
func verdicts(t *testing.T, m *AdmissionMetrics) map[string]uint64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(m)
	families, err := registry.Gather()
	require.NoError(t, err)
	out := map[string]uint64{}
	for _, f := range families {
		for _, metric := range f.GetMetric() {
			if f.GetName() == "gatekeeper_admission_seconds" {
				out[metric.GetLabel()[0].GetValue()] = metric.GetHistogram().GetSampleCount()
			} else {
				require.Zero(t, metric.GetGauge().GetValue(), "nothing is in flight any more")
			}
		}
	}
	return out
}

func TestAdmission(t *testing.T) {
	long := strings.Repeat(" ", maxReview)
	for _, c := range []struct {
		name, contentType, body string
		admit                   func(context.Context, []byte) ([]byte, error)
		want                    int
		verdict, text           string
	}{
		{name: "allowed", admit: answers(granted, nil), verdict: verdictAllowed, text: `"allowed":true`},
		{name: "denied", admit: answers(denied, nil), verdict: verdictDenied, text: "#42 waits for bob"},
		{name: "content type with a parameter", contentType: "application/json; charset=utf-8", admit: answers(granted, nil), verdict: verdictAllowed, text: `"allowed":true`},
		{name: "error", admit: answers("", errors.New("secret detail")), verdict: verdictFailed, text: "could not judge"},
		{name: "panic", admit: func(context.Context, []byte) ([]byte, error) { panic("secret detail") }, verdict: verdictFailed, text: "could not judge"},
		{name: "no answer", admit: answers("", nil), verdict: verdictFailed, text: "could not judge"},
		{name: "answer of another request", admit: answers(strings.Replace(granted, "7f0b", "7f0c", 1), nil), verdict: verdictFailed, text: "could not judge"},
		{name: "answer without response", admit: answers(`{}`, nil), verdict: verdictFailed, text: "could not judge"},
		{name: "refusal that would be tried again", admit: answers(strings.Replace(denied, "403", "409", 1), nil), verdict: verdictFailed, text: "could not judge"},
		{name: "refusal without a status", admit: answers(`{"response":{"uid":"7f0b"}}`, nil), verdict: verdictFailed, text: "could not judge"},
		{name: "too large", body: asked + long, admit: answers(granted, nil), verdict: verdictTooLarge, text: "too large"},
		{name: "UID far behind", body: `{"a":"` + strings.Repeat("x", 2*reviewHead) + `",` + asked[1:], admit: answers(granted, nil), verdict: verdictAllowed, text: `"allowed":true`},
		{name: "form", contentType: "text/plain", admit: answers(granted, nil), want: http.StatusUnsupportedMediaType, verdict: verdictUnreadable},
		{name: "no JSON", body: "hello", admit: answers("", errors.New("no review")), want: http.StatusBadRequest, verdict: verdictUnreadable},
		{name: "no UID", body: `{"request":{}}`, admit: answers(granted, nil), want: http.StatusBadRequest, verdict: verdictUnreadable},
		{name: "UID that is none", body: `{"request":{"uid":{}}}`, admit: answers(granted, nil), want: http.StatusBadRequest, verdict: verdictUnreadable},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.body == "" {
				c.body = asked
			}
			if c.contentType == "" {
				c.contentType = "application/json"
			}
			if c.want == 0 {
				c.want = http.StatusOK
			}
			h, m := admitter(c.admit, false)
			w := post(t, h, c.contentType, strings.NewReader(c.body))
			require.Equal(t, c.want, w.Code, w.Body)
			require.Contains(t, w.Body.String(), c.text)
			require.NotContains(t, w.Body.String(), "secret detail")
			require.Equal(t, map[string]uint64{c.verdict: 1}, verdicts(t, m))
			if c.want == http.StatusOK && c.verdict != verdictAllowed {
				requireRefusal(t, w)
			}
		})
	}
}

func requireRefusal(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	var r review
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &r))
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "7f0b", r.Response.UID)
	require.False(t, r.Response.Allowed)
	require.Equal(t, http.StatusForbidden, r.Response.Status.Code)
	require.NotEmpty(t, r.Response.Status.Message)
}

// TestAdmissionLate: whatever Admit does with its time, there is an answer.
func TestAdmissionLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer dismissed()
		release := make(chan struct{})
		defer close(release)
		h, m := admitter(func(context.Context, []byte) ([]byte, error) { // it does not look at its context
			<-release
			return []byte(granted), nil
		}, false)
		began := time.Now()
		w := post(t, h, "application/json", strings.NewReader(asked))
		require.Equal(t, answerTimeout, time.Since(began))
		requireRefusal(t, w)
		require.Equal(t, map[string]uint64{verdictLate: 1}, verdicts(t, m))

		// It still has its place; when all are taken, that is an answer, too.
		for range maxReviews - 1 {
			go post(t, h, "application/json", strings.NewReader(asked))
		}
		synctest.Wait()
		began = time.Now()
		w = post(t, h, "application/json", strings.NewReader(asked))
		require.Equal(t, answerTimeout, time.Since(began))
		requireRefusal(t, w)
		require.Contains(t, w.Body.String(), "too many requests")
	})
}

func TestAdmissionContextEndsEarlier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer dismissed()
		h, _ := admitter(func(ctx context.Context, _ []byte) ([]byte, error) {
			<-ctx.Done()
			return []byte(denied), nil
		}, false)
		w := post(t, h, "application/json", strings.NewReader(asked))
		require.Contains(t, w.Body.String(), "waits for bob", "a judgement that minds its context has the word")
	})
}

func TestAdmissionWarns(t *testing.T) {
	h, _ := admitter(answers("", errors.New("broken")), true)
	w := post(t, h, "application/json", strings.NewReader(asked))
	var r review
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &r))
	require.True(t, r.Response.Allowed)
	require.Len(t, r.Response.Warnings, 1)
}

// TestAdmissionServer talks to the real server: both protocols, one connection for
// many requests, no old TLS, and somebody who sends slowly.
func TestAdmissionServer(t *testing.T) {
	certificate := httptest.NewUnstartedServer(nil)
	certificate.StartTLS()
	defer certificate.Close()
	roots := x509.NewCertPool()
	roots.AddCert(certificate.Certificate())

	h, _ := admitter(answers(granted, nil), false)
	var text strings.Builder
	server := NewAdmissionServer(h, func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return &certificate.TLS.Certificates[0], nil
	}, slog.New(slog.NewTextHandler(&text, nil)))
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- server.ServeTLS(listener, "", "") }()

	for _, http2 := range []bool{true, false} {
		connections := 0
		client := http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "example.com"}, ForceAttemptHTTP2: http2,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				connections++
				return (&net.Dialer{}).DialContext(ctx, network, address)
			},
		}}
		for range 20 {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+listener.Addr().String()+"/admission", strings.NewReader(asked))
			require.NoError(t, err)
			r.Header.Set("Content-Type", "application/json")
			response, err := client.Do(r)
			require.NoError(t, err)
			require.Equal(t, http2, response.ProtoMajor == 2)
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			require.JSONEq(t, granted, string(body))
		}
		require.Equal(t, 1, connections)
		client.CloseIdleConnections()
	}

	old, err := (&tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: "example.com", MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}}).DialContext(t.Context(), "tcp", listener.Addr().String())
	require.Error(t, err)
	require.Nil(t, old)

	// The rest of the review never comes.
	slow, err := (&tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: "example.com"}}).DialContext(t.Context(), "tcp", listener.Addr().String())
	require.NoError(t, err)
	_, err = io.WriteString(slow, "POST /admission HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n"+asked)
	require.NoError(t, err)
	answer, err := io.ReadAll(slow)
	require.NoError(t, err)
	require.Contains(t, string(answer), `"code":403`)
	require.NoError(t, slow.Close())

	require.NoError(t, server.Shutdown(t.Context()))
	require.ErrorIs(t, <-done, http.ErrServerClosed)
	require.Contains(t, text.String(), "msg=admission_connection")
}

func FuzzReviewUID(f *testing.F) {
	f.Add([]byte(asked))
	f.Add([]byte(asked[:60]))
	f.Add([]byte(`{"request":{"object":{"uid":"x"},"uid":"y"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		uid := reviewUID(text)
		if uid == "" {
			return
		}
		require.LessOrEqual(t, len(uid), maxUID)
		var whole struct{ Request struct{ UID string } }
		if json.Unmarshal(text, &whole) == nil && strings.Count(strings.ToLower(string(text)), "uid") == 1 && strings.Count(strings.ToLower(string(text)), "request") == 1 {
			require.Equal(t, whole.Request.UID, uid)
		}
	})
}
