package readapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

const goodToken = "a-token-that-nobody-can-guess-0123"

// world is the API over a real record, with its description at hand.
type world struct {
	t       *testing.T
	handler http.Handler
	record  *sqlite.Store
	apps    []Application
	doc     *openapi3.T
	router  routers.Router
	log     *bytes.Buffer
	who     Authenticator
	// metrics is what was asked for last; prove signs.
	metrics MetricsQuery
	prove   func(ctx context.Context, sequence uint64) (Proof, error)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	record, err := sqlite.Create(t.Context(), filepath.Join(t.TempDir(), "record.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, record.Close()) })
	w := &world{t: t, record: record, log: &bytes.Buffer{}, who: Tokens{{Name: "grafana", Value: []byte(goodToken)}}}
	w.doc, err = openapi3.NewLoader().LoadFromData(openAPI)
	require.NoError(t, err)
	require.NoError(t, w.doc.Validate(t.Context()))
	w.router, err = legacy.NewRouter(w.doc)
	require.NoError(t, err)
	w.serve(record)
	return w
}

func (w *world) serve(record history.Reader) {
	w.handler = New(Options{
		Who: WhoFunc(func(ctx context.Context, token, path string) (string, error) {
			return w.who.Authenticate(ctx, token, path)
		}),
		Policies: func() []approval.Policy {
			return []approval.Policy{{Gate: "prod", Applications: []approval.Selector{{Project: "payments"}}}, {Gate: "stage"}}
		},
		Applications: func() []Application { return w.apps },
		Application: func(name string) (Application, bool) {
			for _, a := range w.apps {
				if a.Name == name {
					return a, true
				}
			}
			return Application{}, false
		},
		Metrics: func(_ context.Context, q MetricsQuery) (any, error) {
			w.metrics = q
			switch q.Gate {
			case "none":
				return nil, fmt.Errorf("gate none: %w", ErrNone)
			case "bad":
				return nil, fmt.Errorf("the gate bad: %w", ErrAsked)
			}
			return map[string]any{"window": map[string]any{}, "policy": map[string]any{}, "benchmark": nil, "reports": []any{}}, nil
		},
		Pending: func(_ context.Context, login string) (any, error) {
			return map[string]any{"items": []any{}, "unread": []string{"of " + login}}, nil
		},
		Prove: w.prove, Record: record, Logger: slog.New(slog.NewJSONHandler(w.log, nil)),
	})
}

// WhoFunc is an Authenticator.
type WhoFunc func(ctx context.Context, token, path string) (string, error)

// Authenticate implements Authenticator.
func (f WhoFunc) Authenticate(ctx context.Context, token, path string) (string, error) {
	return f(ctx, token, path)
}

// asked sends a request and holds the answer against the description.
func (w *world) asked(request *http.Request) *httptest.ResponseRecorder {
	w.t.Helper()
	recorder := httptest.NewRecorder()
	w.handler.ServeHTTP(recorder, request)
	route, params, err := w.router.FindRoute(request)
	if err != nil {
		require.Contains(w.t, []int{http.StatusNotFound, http.StatusMethodNotAllowed}, recorder.Code, "%s is not described", request.URL.Path)
		return recorder
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: request, PathParams: params, Route: route},
		Status:                 recorder.Code, Header: recorder.Header(),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	}
	input.SetBodyBytes(recorder.Body.Bytes())
	if recorder.Code != http.StatusNotModified {
		require.NoError(w.t, openapi3filter.ValidateResponse(w.t.Context(), input), "%s", recorder.Body)
	}
	return recorder
}

func (w *world) request(path string) *http.Request {
	request := httptest.NewRequest(http.MethodGet, prefix+path, nil)
	request.Header.Set("Authorization", "Bearer "+goodToken)
	return request
}

// get reads an answer of 200 into a value.
func get[T any](w *world, path string) T {
	w.t.Helper()
	got := w.asked(w.request(path))
	require.Equal(w.t, http.StatusOK, got.Code, "%s: %s", path, got.Body)
	var value T
	decoder := json.NewDecoder(got.Body)
	decoder.DisallowUnknownFields()
	require.NoError(w.t, decoder.Decode(&value), path)
	return value
}

// refused reads a problem.
func (w *world) refused(request *http.Request, status int, detail string) {
	w.t.Helper()
	got := w.asked(request)
	require.Equal(w.t, status, got.Code, "%s", got.Body)
	require.Equal(w.t, "application/problem+json", got.Header().Get("Content-Type"))
	var p problem
	require.NoError(w.t, json.NewDecoder(io.LimitReader(got.Body, 1<<16)).Decode(&p))
	require.Equal(w.t, status, p.Status)
	require.True(w.t, strings.HasPrefix(p.Type, problemType))
	require.Contains(w.t, p.Title+" "+p.Detail, detail)
}

// append adds a deployment of an Application to the record.
func (w *world) append(application, id string) {
	w.t.Helper()
	head, err := w.record.Head(w.t.Context())
	require.NoError(w.t, err)
	_, err = w.record.Append(w.t.Context(), head, historytest.Deployment(w.t, head, application, "prod", id, history.ResultSucceeded)...)
	require.NoError(w.t, err)
}

func known(name, gate string, verdict approval.Verdict) Application {
	return Application{
		Name: name, UID: "uid-" + name, Gate: gate, State: "not synced", Judged: time.Date(2026, 8, 3, 9, 0, 0, 0, time.UTC), Entry: 7,
		Decision: approval.Decision{Gate: gate, Application: name, Verdict: verdict, Lines: []approval.LineDecision{{
			Landings: []approval.LandingDecision{{Verdict: approval.Blocked}, {Verdict: approval.Blocked, Undone: true}, {Verdict: approval.Allowed}},
		}}},
	}
}
