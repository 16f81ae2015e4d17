package control_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/control"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/control/wire"
)

// FuzzSeed reads any document; what is read can be written and read again.
func FuzzSeed(f *testing.F) {
	f.Add(string(example(f)))
	f.Add(`{"users":[{"login":"bob"}],"pulls":[{"repository":"a/b","author":"bob","reviews":[{"as":"bob","event":"APPROVE"}]}]}`)
	f.Add("a: &a [*a]")
	f.Add("users: &u [{login: x}]\nrepositories: *u")
	f.Fuzz(func(t *testing.T, text string) {
		seed, err := control.ReadSeed([]byte(text))
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		again, err := wire.Marshal(seed)
		require.NoError(t, err)
		_, err = control.ReadSeed(again)
		require.NoError(t, err)
	})
}

// FuzzBody sends any body to any operation; the answer is JSON, and never a failure of the stand-in.
func FuzzBody(f *testing.F) {
	s, err := standin.Start(context.Background(), standin.Options{Dir: f.TempDir()})
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, s.Close()) })
	_, err = s.CreateUser("bob", "")
	require.NoError(f, err)
	_, err = s.CreateRepository("bob", "env", standin.RepositoryOptions{})
	require.NoError(f, err)
	api := control.New(s, control.Options{})
	ops := api.Operations()
	for i, body := range []string{`{"login":"x"}`, `{"as":"bob","title":"t","files":{"a":"b"}}`, `{"match":"(","status":500}`, `{"delay":"1s"}`, `{"as":"bob","files":{"../x":"y"}}`} {
		f.Add(byte(i*7), "bob", body)
	}
	f.Fuzz(func(t *testing.T, which byte, name, body string) {
		one := ops[int(which)%len(ops)]
		if strings.HasSuffix(one.Path, "/apps") || strings.HasSuffix(one.Path, "/wait") {
			t.Skip("makes a key, or waits")
		}
		path := strings.NewReplacer("{owner}", "bob", "{repo}", "env", "{number}", "1", "{login}", name, "{branch...}", name).Replace(one.Path)
		req, err := http.NewRequestWithContext(t.Context(), one.Method, "http://127.0.0.1/", strings.NewReader(body))
		require.NoError(t, err)
		req.URL.Path = path
		resp := httptest.NewRecorder()
		api.ServeHTTP(resp, req)
		require.NotEqual(t, http.StatusInternalServerError, resp.Code, resp.Body.String())
		if resp.Code != http.StatusMovedPermanently && resp.Code != http.StatusTemporaryRedirect { // ServeMux cleans paths
			var out any
			require.NoError(t, jsonAny(resp.Body.Bytes(), &out), resp.Body.String())
		}
		s.SetDelay(0)
		s.ClearFaults()
	})
}
