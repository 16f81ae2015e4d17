package control_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/control"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/control/wire"
)

// world is a stand-in with the control API mounted, and what was asked of it.
type world struct {
	t    *testing.T
	s    *standin.Server
	api  *control.API
	hit  map[string]int // operation to successful requests
	mux  *http.ServeMux
	base string
}

func newWorld(t *testing.T, o control.Options) *world {
	t.Helper()
	s, err := standin.Start(context.WithoutCancel(t.Context()), standin.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	w := &world{t: t, s: s, api: control.New(s, o), hit: map[string]int{}, mux: http.NewServeMux(), base: s.URL() + control.Prefix}
	s.Mount(control.Prefix, w.api)
	for _, one := range w.api.Operations() {
		pattern := one.Method + " " + one.Path
		if one.Path == control.Prefix {
			pattern += "{$}"
		}
		w.mux.HandleFunc(pattern, func(http.ResponseWriter, *http.Request) {})
	}
	return w
}

// ask sends one request and returns the status and the text of the answer.
func (w *world) ask(method, path, body string, change ...func(*http.Request)) (int, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.base+path, strings.NewReader(body))
	require.NoError(w.t, err)
	for _, f := range change {
		f(req)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, resp.Body.Close()) }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	if resp.StatusCode == http.StatusOK {
		_, pattern := w.mux.Handler(req)
		w.hit[pattern]++
	}
	return resp.StatusCode, string(text)
}

// ok asks and needs success.
func (w *world) ok(method, path, body string) string {
	w.t.Helper()
	status, text := w.ask(method, path, body)
	require.Equal(w.t, http.StatusOK, status, "%s %s: %s", method, path, text)
	return text
}

// refused asks and needs a refusal.
func (w *world) refused(status int, method, path, body, because string) {
	w.t.Helper()
	got, text := w.ask(method, path, body)
	var out struct {
		Error  string
		Status int
	}
	require.NoError(w.t, wire.UnmarshalOpen([]byte(text), &out), text)
	require.Contains(w.t, out.Error, because, "%s %s", method, path)
	require.Equal(w.t, status, got, text)
	require.Equal(w.t, status, out.Status)
}

func into[T any](t *testing.T, text string) (out T) {
	t.Helper()
	require.NoError(t, wire.Unmarshal([]byte(text), &out), text)
	return out
}

func example(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "examples", "two-teams.yaml"))
	require.NoError(t, err)
	return text
}

func TestExamplesApply(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "examples", "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			w := newWorld(t, control.Options{})
			w.ok("POST", "seed", string(text))
			w.refused(http.StatusConflict, "POST", "seed", string(text), "exists already")
		})
	}
}

func TestSeedMakesWhatItSays(t *testing.T) {
	w := newWorld(t, control.Options{})
	made := into[control.Seeded](t, w.ok("POST", "seed", string(example(t))))
	require.Len(t, made.Users, 3)
	require.NotEmpty(t, made.Users[0].Token)
	require.Contains(t, string(made.Apps[0].PrivateKeyPEM), "RSA PRIVATE KEY")
	require.Len(t, made.Apps[0].Installations, 1)
	require.Equal(t, 2, made.Pulls[1].Number)

	before := w.ok("GET", "state", "")
	require.NotContains(t, before, made.Users[0].Token)
	require.NotContains(t, before, "PRIVATE KEY")
	state := into[control.State](t, before)
	require.Equal(t, w.s.URL(), state.URL)
	teams := state.Organizations[0].Teams
	require.Equal(t, "engineering", teams[1].Parent)
	require.Equal(t, []string{"alice"}, teams[2].Invited)
	require.Equal(t, map[string]string{"acme/env": "write"}, teams[0].Grants)
	pr := state.Repositories[0].Pulls[0]
	require.Equal(t, "Scale the shop up", pr.Title)
	require.Equal(t, []string{"sre"}, pr.Teams)
	require.True(t, pr.Reviews[0].Current)
	require.Equal(t, "APPROVED", pr.Reviews[0].State)
	require.Equal(t, "carol", pr.Comments[0].Author)

	w.refused(http.StatusConflict, "POST", "seed", `{"users":[{"login":"dora"},{"login":"Alice"}]}`, "user Alice")
	require.Equal(t, before, w.ok("GET", "state", ""), "a refused seed changes nothing")
}

func TestSeedRefusals(t *testing.T) {
	w := newWorld(t, control.Options{})
	w.ok("POST", "users", `{"login":"alice"}`)
	for name, c := range map[string]struct {
		status   int
		in, want string
	}{
		"empty":              {400, "", "the seed is empty"},
		"not YAML":           {400, "a: [", "neither YAML nor JSON"},
		"unknown key":        {400, "users: [{login: bob, mail: x}]", "users[0].mail: unknown key; the keys here are: login, name, emails"},
		"unknown deep":       {400, "apps: [{slug: a, owner: b, installations: [{acount: x}]}]", "apps[0].installations[0].acount: unknown key"},
		"missing":            {400, "users: [{name: Bob}]", "users[0].login: is needed"},
		"number":             {400, "users: [{login: 7}]", "put it in quotes"},
		"number as key":      {400, "1: x", "keys must be texts"},
		"twice":              {400, "users: []\nusers: []", "already defined"},
		"named twice":        {409, "users: [{login: bob}, {login: BOB}]", "user BOB"},
		"user as org":        {409, "organizations: [{login: alice}]", "user alice"},
		"unknown owner":      {422, "organizations: [{login: acme, owners: [zoe]}]", `no user "zoe", owner of acme`},
		"unknown member":     {422, "organizations: [{login: acme, teams: [{slug: sre, members: [zoe]}]}]", `no user "zoe", member of acme/sre`},
		"unknown repo":       {422, "organizations: [{login: acme, teams: [{slug: sre, grants: {acme/x: read}}]}]", `no repository "acme/x"`},
		"unknown role":       {422, "repositories: [{name: alice/x, collaborators: {alice: king}}]", `no role "king"`},
		"bad repo name":      {422, "repositories: [{name: x}]", `"x" is not named owner/name`},
		"unknown account":    {422, "apps: [{slug: a, owner: zoe}]", `no account "zoe"`},
		"unknown event":      {422, "repositories: [{name: alice/x}]\npulls: [{repository: alice/x, author: alice, reviews: [{as: alice, event: LGTM}]}]", `no event "LGTM"`},
		"unknown team":       {422, "repositories: [{name: alice/x}]\npulls: [{repository: alice/x, author: alice, reviewers: [alice/sre]}]", `no team "alice/sre"`},
		"unknown pull place": {422, "pulls: [{repository: alice/x, author: alice}]", `no repository "alice/x", pulls[0]`},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			w.refused(c.status, "POST", "seed", c.in, c.want)
			require.Len(t, w.s.UserStates(), 1)
		})
	}
	w.t = t
	w.refused(422, "POST", "seed", "repositories: [{name: alice/x}]\npulls: [{repository: alice/x, author: alice, title: t, files: {a: b}, reviews: [{as: alice, event: APPROVE}]}]",
		"the seed stopped halfway: pulls[0]: reviews[0]: 422 Unprocessable Entity Can not approve your own pull request; made until then: repository alice/x")
}

func TestAccess(t *testing.T) {
	w := newWorld(t, control.Options{})
	for name, c := range map[string]struct {
		status int
		method string
		change func(*http.Request)
		want   string
	}{
		"rebound host":          {403, "GET", func(r *http.Request) { r.Host = "evil.example:80" }, "not a loopback address"},
		"rebound private":       {403, "GET", func(r *http.Request) { r.Host = "10.0.0.1" }, "not a loopback address"},
		"no host name":          {403, "GET", func(r *http.Request) { r.Host = "127.0.0.1.evil.example" }, "not a loopback address"},
		"localhost":             {200, "GET", func(r *http.Request) { r.Host = "localhost:9090" }, ""},
		"IPv6":                  {200, "GET", func(r *http.Request) { r.Host = "[::1]:9090" }, ""},
		"cross-site page":       {403, "DELETE", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, "other origins"},
		"other origin":          {403, "DELETE", func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, "other origins"},
		"same origin":           {200, "DELETE", func(r *http.Request) { r.Header.Set("Origin", w.s.URL()) }, ""},
		"program, not a person": {200, "DELETE", func(*http.Request) {}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			path := "calls"
			status, text := w.ask(c.method, path, "", c.change)
			require.Equal(t, c.status, status, text)
			require.Contains(t, text, c.want)
		})
	}
}

func TestRefusals(t *testing.T) {
	w := newWorld(t, control.Options{})
	w.ok("POST", "seed", string(example(t)))
	w.ok("POST", "users", `{"login":"dave"}`)
	for name, c := range map[string]struct {
		status                   int
		method, path, body, want string
	}{
		"no operation":      {404, "GET", "nowhere", "", "there is no operation GET /_standin/v1/nowhere; GET /_standin/v1/ lists them"},
		"method":            {405, "PUT", "users", "{}", "possible: GET, POST"},
		"unknown key":       {400, "POST", "users", `{"login":"x","nmae":"y"}`, "nmae: unknown key; the keys here are: login, name, emails"},
		"missing key":       {400, "POST", "users", ``, "login: is needed: of the person"},
		"not JSON":          {400, "POST", "users", `login=x`, "not JSON"},
		"too large":         {413, "POST", "users", strings.Repeat(" ", 8<<20+1), "8388608 bytes are allowed"},
		"query with POST":   {400, "POST", "users?login=x", `{}`, "takes a JSON body and no query"},
		"body with GET":     {400, "GET", "users", `{}`, "takes query parameters and no body"},
		"unknown parameter": {400, "GET", "calls?kin=api", "", "kin: unknown parameter; the parameters here are: kind, last"},
		"double parameter":  {400, "GET", "calls?kind=api&kind=git", "", "appears twice"},
		"bad parameter":     {400, "GET", "calls?last=many", "", "many is not a whole number"},
		"bad kind":          {400, "GET", "calls?kind=web", "", "neither api nor git"},
		"negative":          {400, "GET", "calls?last=-1", "", "negative"},
		"missing parameter": {400, "GET", "calls/count", "", "kind: is needed"},
		"taken":             {422, "POST", "users", `{"login":"ALICE"}`, `login "ALICE" is taken`},
		"bad login":         {422, "POST", "users", `{"login":"a b"}`, `login "a b" is not allowed`},
		"unknown person": {404, "POST", "repositories/acme/env/pulls/1/comments", `{"as":"zoe","body":"x"}`,
			`no user "zoe"; there are: alice, bob, carol, dave (add one with POST /_standin/v1/users)`},
		"unknown repository": {404, "GET", "repositories/acme/other/pulls", "", `no repository "acme/other"; there are: acme/env`},
		"unknown pull":       {404, "GET", "repositories/acme/env/pulls/9", "", `no pull request #9 in acme/env; there are: #1, #2`},
		"pull not a number":  {400, "GET", "repositories/acme/env/pulls/x", "", `number: x is not a whole number`},
		"unknown org":        {404, "POST", "organizations/other/teams", `{"team":"x"}`, `no organization "other"; there are: acme`},
		"unknown team":       {404, "PUT", "organizations/acme/teams/x/members/bob", `{}`, `no team "x" in acme; there are: engineering, sre, security`},
		"unknown app":        {404, "PUT", "apps/9/webhook", `{"url":""}`, `no app 9; there are: 101 (gatekeeper)`},
		"deliveries of none": {404, "GET", "apps/9/deliveries", "", `no app 9; there are: 101 (gatekeeper)`},
		"unknown delivery":   {404, "POST", "apps/101/deliveries/9/redeliver", "", "no past delivery 9 of app 101"},
		"no installation":    {404, "POST", "installations/9/suspend", "", "no installation 9; there are: 40001 (gatekeeper on acme)"},
		"unknown branch":     {404, "GET", "repositories/acme/env/branches/a/b", "", `no branch "a/b" in acme/env`},
		"unknown fault":      {404, "DELETE", "faults/9", "", "no fault 9"},
		"unknown button":     {422, "POST", "repositories/acme/env/checks/9/click", `{"as":"bob","action":"x"}`, "no check run 9"},
		"own approval": {422, "POST", "repositories/acme/env/pulls/1/reviews", `{"as":"alice","event":"APPROVE"}`,
			"Unprocessable Entity: Can not approve your own pull request"},
		"no right":         {403, "POST", "repositories/acme/env/pulls/1/merge", `{"as":"dave"}`, "Must have write access"},
		"bad review state": {400, "POST", "repositories/acme/env/pulls/1/forced-reviews", `{"login":"bob","state":"LGTM"}`, `"LGTM" is not APPROVED`},
		"empty comment":    {400, "PATCH", "repositories/acme/env/comments/1", `{"as":"bob","body":""}`, "DELETE removes a comment"},
		"empty commit":     {400, "PUT", "repositories/acme/env/branches/x", `{"as":"bob","sha":""}`, "DELETE removes a branch"},
		"short commit":     {400, "POST", "repositories/acme/env/reverts", `{"as":"bob","sha":"abc","title":"x"}`, "40 characters"},
		"odd verification": {400, "PUT", "verifications/abc", `{"verified":true,"reason":"unsigned"}`, "verified needs the reason valid"},
		"negative drop":    {400, "POST", "deliveries/drop", `{"count":-1}`, "negative"},
		"long wait":        {400, "POST", "deliveries/wait", `{"timeout":"2h"}`, "between 0s and 1m0s"},
		"bare fault":       {422, "POST", "faults", `{"match":"x"}`, "has no status"},
		"fault pattern":    {422, "POST", "faults", `{"match":"(","status":500}`, "missing closing )"},
		"fault kind":       {400, "POST", "faults", `{"kind":"slow"}`, `"slow" is not rate-limit, secondary-limit or server-error`},
		"fault and status": {400, "POST", "faults", `{"kind":"rate-limit","status":500}`, "leave them out"},
		"secondary status": {400, "POST", "faults", `{"kind":"secondary-limit","status":500}`, "403 or 429"},
		"negative times":   {400, "POST", "faults", `{"status":500,"times":-1}`, "negative"},
		"negative knob":    {400, "PATCH", "knobs", `{"delay":"-1s"}`, "negative"},
		"bad permission":   {422, "PUT", "apps/101/permissions", `{"permissions":{"checks":"all"}}`, `checks: "all"`},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			w.refused(c.status, c.method, c.path, c.body, c.want)
		})
	}
	w.t = t
	_, text := w.ask("POST", "repositories/acme/env/pulls/1/reviews", `{"as":"alice","event":"APPROVE"}`)
	require.Contains(t, text, `"github": true`, "GitHub would refuse it too")
}

func TestSecretsAreSavedOnce(t *testing.T) {
	saved := map[string]string{}
	w := newWorld(t, control.Options{Save: func(name string, secret []byte) (string, error) {
		if name == "tokens/mallory" {
			return "", fmt.Errorf("disk full")
		}
		saved[name] = string(secret)
		return "/secrets/" + name, nil
	}})
	u := into[control.NewUser](t, w.ok("POST", "users", `{"login":"bob"}`))
	require.Equal(t, "/secrets/tokens/bob", u.TokenFile)
	require.Equal(t, u.Token+"\n", saved["tokens/bob"])
	app := into[control.NewApp](t, w.ok("POST", "apps", `{"slug":"gk","owner":"bob"}`))
	require.Equal(t, "/secrets/apps/gk.pem", app.PrivateKeyFile)
	require.Equal(t, string(app.PrivateKeyPEM), saved["apps/gk.pem"])
	w.refused(500, "POST", "users", `{"login":"mallory"}`, "it was created, but its secret cannot be saved: disk full")
}
