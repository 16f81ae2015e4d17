package standin_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMountsAreAskedFirstAndUncounted(t *testing.T) {
	w := newWorld(t)
	answer := func(status int) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(status) })
	}
	get := func(path string) int {
		req, err := http.NewRequestWithContext(t.Context(), "GET", w.s.URL()+path, nil)
		require.NoError(t, err)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	w.s.Mount("/_a/deep/", answer(http.StatusAccepted))
	w.s.Mount("/_a/", answer(http.StatusTeapot))
	require.Equal(t, http.StatusTeapot, get("/_a/x"))
	require.Equal(t, http.StatusTeapot, get("/_a/x/info/refs"), "before git")
	require.Equal(t, http.StatusAccepted, get("/_a/deep/x"), "the longest pattern wins")
	w.s.Mount("/_a/deep/", answer(http.StatusGone))
	require.Equal(t, http.StatusGone, get("/_a/deep/x"), "mounting again replaces")
	require.Empty(t, w.s.Calls())
	require.Equal(t, http.StatusOK, get("/meta"))
	require.Len(t, w.s.Calls(), 1)
}
