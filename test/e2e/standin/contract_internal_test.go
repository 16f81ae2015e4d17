package standin

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func startLogged(t *testing.T) (*Server, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	s, err := Start(t.Context(), Options{Dir: t.TempDir(), Logger: slog.New(slog.NewJSONHandler(&log, nil))})
	require.NoError(t, err)
	return s, &log
}

// TestBrokenAnswersFailClose breaks what the stand-in answers and sends, and wants to hear of it.
func TestBrokenAnswersFailClose(t *testing.T) {
	answering := func(method, pattern, path string, handle handlerFunc) func(*Server) {
		return func(s *Server) {
			rt := &route{method: method, pattern: pattern, handle: handle}
			s.serveAPI(httptest.NewRecorder(), httptest.NewRequest(method, path, nil), rt, s.operationOf(rt))
		}
	}
	event := func(hook string) func(*Server) {
		return func(s *Server) {
			a := &app{queue: newDeliveryQueue(), hookURL: hook, id: 7}
			s.mu.Lock()
			s.apps[a.id] = a
			s.send(a, nil, nil, "ping", "", map[string]any{"zen": 1})
			s.mu.Unlock()
			if hook == "http://127.0.0.1:1/" {
				return // nobody delivers: Close finds it waiting
			}
			s.startDeliveries(a)
			require.NoError(t, s.WaitDelivered(s.ctx))
		}
	}
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(hook.Close)
	for _, c := range []struct {
		name string
		do   func(*Server)
		want string
	}{
		{"wrong answer", answering("GET", "/meta", "/meta", func(*call) (any, error) { return map[string]any{"hooks": 1}, nil }), "GET /meta: status 200 body /hooks: is number, not array (wrong)"},
		{"invented field", answering("GET", "/meta", "/meta", func(*call) (any, error) {
			return map[string]any{"verifiable_password_authentication": true, "x": 1}, nil
		}), "GET /meta: status 200 body /x: is not in the description (unknown)"},
		{"no answer", answering("GET", "/meta", "/meta", func(*call) (any, error) { return nil, nil }), "GET /meta: status 204: is not in the description (wrong)"}, //nolint:nilnil // a handler answers without a body so
		{"failure", answering("GET", "/meta", "/meta", func(*call) (any, error) { return nil, errors.New("broken") }), "GET /meta: status 500: is not in the description (wrong)"},
		{"endpoint that GitHub does not have", answering("GET", "/nothing", "/nothing", func(*call) (any, error) { return 1, nil }), "GET /nothing: route: is not in the description (unchecked)"},
		{"handler that should refuse", func(s *Server) {
			rt := &route{method: "PATCH", pattern: "/app/hook/config", handle: func(*call) (any, error) { return map[string]any{"url": s.URL()}, nil }}
			s.serveAPI(httptest.NewRecorder(), httptest.NewRequest("PATCH", "/app/hook/config", strings.NewReader(`{"url":1}`)), rt, s.operationOf(rt))
		}, "PATCH /app/hook/config: request: was accepted, but GitHub refuses it: 422 Invalid request.\n\nFor 'properties/url', the value is number, not string. (wrong)"},
		{"delivered event", event(hook.URL), "event ping: body /zen: is number, not string (wrong)"},
		{"waiting event", event("http://127.0.0.1:1/"), "event ping: body /zen: is number, not string (wrong)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, log := startLogged(t)
			c.do(s)
			err := s.Close()
			require.ErrorIs(t, err, ErrContract)
			require.ErrorContains(t, err, c.want)
			require.Contains(t, s.Violations(), c.want)
			require.Equal(t, c.name == "handler that should refuse", len(s.ClientViolations()) > 0)
			require.Contains(t, log.String(), `"msg":"standin.contract_violation"`)
		})
	}
}

// TestViolationsAreBounded keeps a stand-in that is wrong all the time from filling the memory.
func TestViolationsAreBounded(t *testing.T) {
	var l violationLog
	s, _ := startLogged(t)
	require.NoError(t, s.Close())
	for i := range keptViolations + 5 {
		err := s.contract.Webhook("none-"+itoa(int64(i)), "", nil)
		require.Error(t, err)
		s.differs(err)
		s.differs(err)
	}
	all := s.Violations()
	require.Len(t, all, keptViolations+1)
	require.Equal(t, "and 10 more", all[keptViolations])
	require.Empty(t, l.all())
}

// TestRoutesBesideTheDescription: one that has another path there, and one that is no part of the REST API.
func TestRoutesBesideTheDescription(t *testing.T) {
	s, _ := startLogged(t)
	answer := func(rt *route, path string) int {
		w := httptest.NewRecorder()
		mux := http.NewServeMux()
		mux.Handle(rt.method+" "+rt.pattern, boundRoute{s, rt, s.operationOf(rt)})
		mux.ServeHTTP(w, httptest.NewRequest(rt.method, path, nil))
		return w.Code
	}
	text := func(*call) (any, error) { return "text", nil }
	require.Equal(t, 200, answer(&route{method: "GET", pattern: "/web.gpg", undescribed: "a file of github.com", handle: text}, "/web.gpg"))
	require.Empty(t, s.Violations())
	require.Equal(t, 200, answer(&route{method: "GET", pattern: repoPath + "/contents", described: repoPath + "/contents/{path}", handle: text}, "/repos/a/b/contents"))
	require.Empty(t, s.ClientViolations())
	require.Len(t, s.Violations(), 1)
	require.Contains(t, s.Violations()[0], "GET /repos/{owner}/{repo}/contents/{path}: status 200 body")
	require.ErrorIs(t, s.Close(), ErrContract)
}
