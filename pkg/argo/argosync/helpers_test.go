package argosync_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
)

const (
	shaA = approval.SHA("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	shaB = approval.SHA("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")
)

func newTestParser(t testing.TB) *argo.Parser {
	t.Helper()
	parser, err := argo.NewParser([]string{"github.com", "127.0.0.1:1234"})
	require.NoError(t, err)
	return parser
}

func testLogger(t *testing.T) *slog.Logger {
	t.Helper()
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// fixture reads an Application of package argo's testdata and applies merge patches.
func fixture(t testing.TB, name string, patches ...string) []byte {
	t.Helper()
	data, err := os.ReadFile("../testdata/applications/" + name + ".json")
	require.NoError(t, err)
	if len(patches) == 0 {
		return data
	}
	var object map[string]any
	require.NoError(t, json.Unmarshal(data, &object))
	for _, patch := range patches {
		var change map[string]any
		require.NoError(t, json.Unmarshal([]byte(patch), &change))
		merge(object, change)
	}
	data, err = json.Marshal(object)
	require.NoError(t, err)
	return data
}

// merge applies a merge patch (RFC 7386).
func merge(object, patch map[string]any) {
	for key, value := range patch {
		change, isObject := value.(map[string]any)
		if value == nil {
			delete(object, key)
		} else if into, ok := object[key].(map[string]any); isObject && ok {
			merge(into, change)
		} else if isObject {
			object[key] = map[string]any{}
			merge(object[key].(map[string]any), change)
		} else {
			object[key] = value
		}
	}
}

// release allows a sync of the Application to one commit for each source.
func release(t testing.TB, app approval.Application, intent string, shas ...approval.SHA) approval.Release {
	t.Helper()
	candidate := approval.Candidate{UID: app.UID, SpecDigest: app.SpecDigest}
	for i, sha := range shas {
		candidate.Revisions = append(candidate.Revisions, approval.Revision{Repository: app.Sources[i].Repository, SHA: sha})
	}
	allowed, err := approval.Decision{Verdict: approval.Allowed, Candidate: candidate}.Release(app, intent, "gatekeeper: PR #42 (alice, bob)")
	require.NoError(t, err)
	return allowed
}

func newLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// apiServer holds one Application and treats a merge patch as kube-apiserver does, as
// far as the syncer can tell. What a real one does is tested in the sandbox.
type apiServer struct {
	t testing.TB

	mu      sync.Mutex
	object  map[string]any
	patches [][]byte
	// refuse, when set, answers a patch with this status and body.
	refuse func() (code int, status string)
	// between runs after each GET, as somebody else who writes.
	between func(object map[string]any)
	// mutate changes what is stored, as an admission webhook would.
	mutate func(object map[string]any)
	// hangUp closes the connection instead of answering a patch that was stored.
	hangUp bool
	// unlocked takes patches without a resource version, as an API server does.
	unlocked bool
}

func newAPIServer(t testing.TB, object []byte) (*apiServer, dynamic.Interface) {
	t.Helper()
	server := &apiServer{t: t}
	require.NoError(t, json.Unmarshal(object, &server.object))
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	client, err := dynamic.NewForConfig(&rest.Config{Host: web.URL, QPS: -1})
	require.NoError(t, err)
	return server, client
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	metadata := s.object["metadata"].(map[string]any)
	path := fmt.Sprintf("/apis/argoproj.io/v1alpha1/namespaces/%s/applications/%s", metadata["namespace"], metadata["name"])
	if r.URL.Path != path {
		answer(w, http.StatusNotFound, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404, "message": "no such Application"}`)
		return
	}
	switch r.Method {
	case http.MethodGet:
		answer(w, http.StatusOK, s.encode())
		if s.between != nil {
			s.between(s.object)
		}
	case http.MethodPatch:
		s.patch(w, r, metadata)
	default:
		s.t.Errorf("unexpected %s %s", r.Method, r.URL)
	}
}

func (s *apiServer) patch(w http.ResponseWriter, r *http.Request, metadata map[string]any) {
	if r.Header.Get("Content-Type") != "application/merge-patch+json" || r.URL.Query().Get("fieldManager") != "gatekeeper" {
		s.t.Errorf("unexpected patch: %s %s", r.Header.Get("Content-Type"), r.URL)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Errorf("read a patch: %v", err)
	}
	s.patches = append(s.patches, body)
	if s.refuse != nil {
		code, status := s.refuse()
		answer(w, code, status)
		return
	}
	var patch map[string]any
	if err := json.Unmarshal(body, &patch); err != nil {
		s.t.Errorf("decode a patch: %v", err)
	}
	change, _ := patch["metadata"].(map[string]any)
	if change["resourceVersion"] != metadata["resourceVersion"] && !s.unlocked {
		answer(w, http.StatusConflict, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Conflict", "code": 409, "message": "the object has been modified"}`)
		return
	}
	merge(s.object, patch)
	if s.mutate != nil {
		s.mutate(s.object)
	}
	s.bump()
	if s.hangUp {
		panic(http.ErrAbortHandler)
	}
	answer(w, http.StatusOK, s.encode())
}

// bump gives the object another resource version, as every write does.
func (s *apiServer) bump() {
	metadata := s.object["metadata"].(map[string]any)
	version, err := strconv.Atoi(metadata["resourceVersion"].(string))
	if err != nil {
		s.t.Errorf("resource version: %v", err)
	}
	metadata["resourceVersion"] = strconv.Itoa(version + 1)
}

func (s *apiServer) encode() string {
	encoded, err := json.Marshal(s.object)
	if err != nil {
		s.t.Errorf("encode the object: %v", err)
	}
	return string(encoded)
}

// facts are those of the object as it is now.
func (s *apiServer) facts(t testing.TB) approval.Application {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	facts, err := newTestParser(t).Decode([]byte(s.encode()))
	require.NoError(t, err)
	return facts
}

func answer(w http.ResponseWriter, code int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = io.Copy(w, strings.NewReader(body))
}
