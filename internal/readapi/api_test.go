package readapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// TestEveryRouteIsDescribed: the description has the routes that there are, with their
// arguments, and no others.
func TestEveryRouteIsDescribed(t *testing.T) {
	w := newWorld(t)
	want := map[string][]string{prefix + "/openapi.yaml": nil}
	for _, r := range (&api{}).routes() {
		parts := strings.Split(r.path, "/")
		for i, part := range parts {
			if name, ok := strings.CutPrefix(part, ":"); ok {
				parts[i] = "{" + name + "}"
			}
		}
		want[prefix+strings.Join(parts, "/")] = slices.Sorted(slices.Values(r.arguments))
	}
	got := map[string][]string{}
	for path, item := range w.doc.Paths.Map() {
		require.Len(t, item.Operations(), 1, "%s only reads", path)
		var arguments []string
		for _, p := range item.Get.Parameters {
			if p.Value.In == "query" {
				arguments = append(arguments, p.Value.Name)
			}
		}
		slices.Sort(arguments)
		got[path] = arguments
	}
	require.Equal(t, want, got)
}

func TestAnswers(t *testing.T) {
	w := newWorld(t)
	require.Empty(t, get[list[applicationItem]](w, "/applications").Items)
	require.Equal(t, history.Head{}, get[history.Head](w, "/record"))
	w.apps = []Application{known("argocd/a", "prod", approval.Allowed), known("argocd/b", "prod", approval.Blocked), known("team/Late", "stage", approval.Unknown)}

	gates := get[list[gateItem]](w, "/gates").Items
	require.Len(t, gates, 2)
	require.Equal(t, map[approval.Verdict]int{approval.Allowed: 1, approval.Blocked: 1, approval.Unknown: 0}, gates[0].Applications)
	gate := get[gateDetail](w, "/gates/prod")
	require.Equal(t, gates[0].PolicyDigest, gate.PolicyDigest)
	require.Equal(t, "payments", gate.Policy.Applications[0].Project)
	w.refused(w.request("/gates/other"), http.StatusNotFound, "no such gate")

	names := func(query string) (found []string) {
		for _, item := range get[list[applicationItem]](w, "/applications"+query).Items {
			found = append(found, item.Name)
		}
		return found
	}
	require.Equal(t, []string{"argocd/a", "argocd/b", "team/Late"}, names(""))
	require.Equal(t, []string{"argocd/b"}, names("?verdict=blocked"))
	require.Equal(t, []string{"team/Late"}, names("?gate=stage"))
	require.Equal(t, []string{"team/Late"}, names("?search=LATE"))
	require.Equal(t, 1, get[list[applicationItem]](w, "/applications").Items[0].Waiting)
	app := get[Application](w, "/applications/team/Late")
	require.Equal(t, w.apps[2].Decision, app.Decision)
	w.refused(w.request("/applications/team/none"), http.StatusNotFound, "no gate protects")

	for i := range 40 {
		w.append([]string{"uid-a", "uid-b"}[i%2], fmt.Sprintf("i-%d", i))
	}
	entries := get[entryPage](w, "/record/entries?limit=10")
	require.Len(t, entries.Items, 10)
	require.Equal(t, uint64(11), entries.Next)
	var all []history.Entry
	for from := uint64(1); from != 0; {
		page := get[entryPage](w, fmt.Sprintf("/record/entries?from=%d&limit=7&application=uid-b&kind=outcome", from))
		require.LessOrEqual(t, len(page.Items), 7)
		all, from = append(all, page.Items...), page.Next
	}
	require.Len(t, all, 20)
	for _, e := range all {
		require.Equal(t, history.KindOutcome, e.Kind)
		require.Equal(t, e, get[history.Entry](w, fmt.Sprintf("/record/entries/%d", e.Sequence)))
	}
	head := get[history.Head](w, "/record")
	w.refused(w.request(fmt.Sprintf("/record/entries/%d", head.Sequence+1)), http.StatusNotFound, "has no entry")
}

// TestAskedOfOthers: what others work out is handed on, with what the reader can put right.
func TestAskedOfOthers(t *testing.T) {
	w := newWorld(t)
	get[map[string]any](w, "/metrics?gate=prod&from=2026-01-01&to=2026-02-01")
	require.Equal(t, MetricsQuery{Gate: "prod", From: "2026-01-01", To: "2026-02-01"}, w.metrics)
	w.refused(w.request("/metrics?gate=none"), http.StatusNotFound, "gate none")
	w.refused(w.request("/metrics?gate=bad"), http.StatusBadRequest, "the gate bad")
	require.Equal(t, []any{"of carol"}, get[map[string]any](w, "/pending?for=carol")["unread"])

	w.refused(w.request("/record/entries/1/proof"), http.StatusNotFound, "checkpoints.keyFile")
	w.prove = func(_ context.Context, sequence uint64) (Proof, error) {
		return Proof{Sequence: sequence, Checkpoint: "signed", Proof: "proof"}, nil
	}
	w.serve(w.record)
	w.refused(w.request("/record/entries/1/proof"), http.StatusNotFound, "has no entry 1")
	w.append("uid-a", "i")
	require.Equal(t, Proof{Sequence: 3, Checkpoint: "signed", Proof: "proof"}, get[Proof](w, "/record/entries/3/proof"))
	w.refused(w.request("/record/entries/x/proof"), http.StatusBadRequest, "by its number")
}

// TestPages: every Application is on exactly one page, whatever the size, also when some
// come and go in between.
func TestPages(t *testing.T) {
	w := newWorld(t)
	for i := range 23 {
		w.apps = append(w.apps, known(fmt.Sprintf("argocd/app-%02d", i), "prod", approval.Blocked))
	}
	for _, limit := range []int{1, 5, 22, 23, 24, 500} {
		seen, page := []string{}, ""
		for {
			got := get[list[applicationItem]](w, fmt.Sprintf("/applications?limit=%d&page=%s", limit, page))
			for _, item := range got.Items {
				seen = append(seen, item.Name)
			}
			if page = got.Next; page == "" {
				break
			}
			require.Len(t, got.Items, limit)
		}
		require.Len(t, seen, 23, "%d on a page", limit)
		require.True(t, slices.IsSorted(seen))
	}
	first := get[list[applicationItem]](w, "/applications?limit=5")
	w.apps = slices.Delete(w.apps, 4, 6)
	require.Equal(t, "argocd/app-06", get[list[applicationItem]](w, "/applications?limit=1&page="+first.Next).Items[0].Name)
}

func TestETags(t *testing.T) {
	w := newWorld(t)
	w.apps = []Application{known("argocd/a", "prod", approval.Allowed)}
	first := w.asked(w.request("/applications"))
	tag := first.Header().Get("ETag")
	require.NotEmpty(t, tag)
	for _, header := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
		again := w.request("/applications")
		again.Header.Set("If-None-Match", header)
		got := w.asked(again)
		require.Equal(t, http.StatusNotModified, got.Code, header)
		require.Empty(t, got.Body.String())
	}
	w.apps[0].State = "synced"
	again := w.request("/applications")
	again.Header.Set("If-None-Match", tag)
	require.Equal(t, http.StatusOK, w.asked(again).Code)
}

func TestRefusedRequests(t *testing.T) {
	w := newWorld(t)
	for path, detail := range map[string]string{
		"/applications?verdicts=blocked":                   "is no argument of this route; it has gate, verdict, search, limit, page",
		"/gates?limit=1":                                   "it has none",
		"/applications?verdict=green":                      "allowed, blocked or unknown",
		"/applications?gate=none":                          "no such gate",
		"/applications?limit=0":                            "between 1 and 500",
		"/applications?limit=501":                          "between 1 and 500",
		"/applications?limit=1&limit=2":                    "more than once",
		"/applications?page=%21":                           "an answer named in next",
		"/applications?search=" + strings.Repeat("x", 600): "too long",
		"/record/entries?kind=other":                       "no kind of entry",
		"/record/entries?from=0":                           "from 1 on",
		"/record/entries?from=-1":                          "from 1 on",
		"/record/entries/x":                                "by its number",
		"/record/entries/99999999999999999999":             "by its number",
	} {
		w.refused(w.request(path), http.StatusBadRequest, detail)
	}
	w.refused(w.request("/other"), http.StatusNotFound, "openapi.yaml")
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		request := w.request("/gates")
		request.Method = method
		w.refused(request, http.StatusMethodNotAllowed, "only reads")
	}
}

func TestWhoMayRead(t *testing.T) {
	w := newWorld(t)
	for header, detail := range map[string]string{
		"":                          "send a token",
		"Basic " + goodToken:        "send a token",
		"Bearer":                    "send a token",
		"Bearer ":                   "send a token",
		"Bearer " + goodToken + "x": "not known",
		"Bearer " + goodToken[:10]:  "not known",
		"Bearer " + strings.Repeat("x", maxToken+1): "send a token",
	} {
		for _, r := range (&api{}).routes() {
			request := w.request(r.path)
			request.Header.Set("Authorization", header)
			w.refused(request, http.StatusUnauthorized, detail)
		}
	}
	open := httptest.NewRequest(http.MethodGet, prefix+"/openapi.yaml", nil)
	require.Equal(t, http.StatusOK, w.asked(open).Code, "the description is for everybody")

	w.who = FirstOf{w.who, WhoFunc(func(_ context.Context, token, path string) (string, error) {
		switch {
		case token == "broken":
			return "", errors.New("the API server is away")
		case token == "half" && path == prefix+"/gates":
			return "half", nil
		case token == "half":
			return "", fmt.Errorf("half: %w", ErrForbidden)
		}
		return "", ErrUnknown
	})}
	as := func(token, path string) *http.Request {
		request := w.request(path)
		request.Header.Set("Authorization", "bearer "+token)
		return request
	}
	require.Equal(t, http.StatusOK, w.asked(as("half", "/gates")).Code)
	w.refused(as("half", "/record"), http.StatusForbidden, "half: the token does not give the right")
	w.refused(as("other", "/gates"), http.StatusUnauthorized, "not known")
	w.refused(as("broken", "/gates"), http.StatusServiceUnavailable, "try again")
	require.Equal(t, http.StatusOK, w.asked(as(goodToken, "/gates")).Code)
	require.NotContains(t, w.log.String(), goodToken)
}

func TestRateLimit(t *testing.T) {
	w := newWorld(t)
	limited := 0
	for range 3 * burst {
		if got := w.asked(w.request("/record")); got.Code == http.StatusTooManyRequests {
			require.Equal(t, "1", got.Header().Get("Retry-After"))
			limited++
		}
	}
	require.Positive(t, limited)
	w.who = Tokens{{Name: "other", Value: []byte(goodToken)}}
	require.Equal(t, http.StatusOK, w.asked(w.request("/record")).Code, "each has a limit of its own")
	l := newLimits()
	for i := range 2 * maxReaders {
		l.take(fmt.Sprint(i))
		require.LessOrEqual(t, len(l.readers), maxReaders)
	}
}

// brokenRecord fails, or panics.
type brokenRecord struct {
	history.Reader
	panics bool
}

func (b brokenRecord) Head(context.Context) (history.Head, error) {
	if b.panics {
		panic("a secret detail")
	}
	return history.Head{}, errors.New("a secret detail")
}

func TestFailures(t *testing.T) {
	w := newWorld(t)
	for _, panics := range []bool{false, true} {
		w.serve(brokenRecord{panics: panics})
		got := w.asked(w.request("/record"))
		require.Equal(t, http.StatusInternalServerError, got.Code)
		require.NotContains(t, got.Body.String(), "secret")
		require.Contains(t, w.log.String(), "a secret detail")
	}
}

func TestHeaders(t *testing.T) {
	w := newWorld(t)
	got := w.asked(w.request("/gates"))
	require.Equal(t, "nosniff", got.Header().Get("X-Content-Type-Options"))
	require.Equal(t, "private, no-cache", got.Header().Get("Cache-Control"))
	require.Contains(t, got.Header().Get("Content-Security-Policy"), "default-src 'none'")
}

func TestTokens(t *testing.T) {
	tokens := Tokens{{Name: "a", Value: []byte("one")}, {Name: "b", Value: []byte("two")}}
	for token, want := range map[string]string{"one": "a", "two": "b"} {
		name, err := tokens.Authenticate(t.Context(), token, "")
		require.NoError(t, err)
		require.Equal(t, want, name)
	}
	for _, token := range []string{"", "on", "onee", "two\x00"} {
		_, err := tokens.Authenticate(t.Context(), token, "")
		require.ErrorIs(t, err, ErrUnknown)
	}
	_, err := Tokens(nil).Authenticate(t.Context(), "", "")
	require.ErrorIs(t, err, ErrUnknown)
}
