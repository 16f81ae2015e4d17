package web_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bradleyfalzon/ghinstallation/v2"
	"github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// field is the value of a field of a page.
func field(t *testing.T, body, name string) string {
	t.Helper()
	for n := range parse(t, body).Descendants() {
		if n.Data == "input" && attr(n, "name") == name {
			return attr(n, "value")
		}
	}
	require.Fail(t, "no field "+name)
	return ""
}

// TestManifestFlow registers and installs an App as a person and the App's maker do it, over HTTP alone.
func TestManifestFlow(t *testing.T) {
	w := open(t)
	type event struct{ name, signature, body string }
	events := make(chan event, 20)
	maker := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		events <- event{r.Header.Get("X-Github-Event"), r.Header.Get("X-Hub-Signature-256"), string(body)}
	}))
	t.Cleanup(maker.Close)
	manifest := `{"name":"Gate <Keeper>","url":"https://gatekeeper.example","description":"Approvals & more","public":false,
		"hook_attributes":{"url":"` + maker.URL + `/hook"},"redirect_url":"` + maker.URL + `/done?keep=1","setup_url":"` + maker.URL + `/setup","setup_on_update":true,
		"callback_urls":["` + maker.URL + `/callback"],"default_permissions":{"contents":"read","pull_requests":"write","checks":"write"},"default_events":["push","pull_request"]}`

	// The form is on a page of the maker, so this post comes from another origin.
	crossSite := func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }
	page := w.do(http.MethodPost, "/organizations/acme/settings/apps/new?state=s%261", url.Values{"manifest": {manifest}}, crossSite)
	require.Equal(t, http.StatusOK, page.Status, alert(t, page.Body))
	for _, text := range []string{"Gate &lt;Keeper&gt;", "pull requests", "write", "pull_request", maker.URL + "/hook", maker.URL + "/done", "Create the App for acme"} {
		require.Contains(t, page.Body, text)
	}
	require.Contains(t, page.Header.Get("Content-Security-Policy"), "form-action 'self' "+maker.URL)
	harmless(t, page.Body)
	accessible(t, page.Body)
	require.Empty(t, w.gh.Apps(), "nothing was pressed yet")

	button := []string{"manifest", field(t, page.Body, "manifest"), "state", field(t, page.Body, "state"), "name", "Gatekeeper One"}
	got := w.post("/organizations/acme/settings/apps", button...)
	require.Equal(t, http.StatusSeeOther, got.Status, alert(t, got.Body))
	back, err := url.Parse(got.Location)
	require.NoError(t, err)
	require.Equal(t, maker.URL, back.Scheme+"://"+back.Host)
	require.Equal(t, []string{"1", "s&1"}, []string{back.Query().Get("keep"), back.Query().Get("state")})
	require.Empty(t, w.gh.Deliveries(w.gh.Apps()[0].ID), "nobody knows the webhook's secret yet")

	taken := w.post("/organizations/acme/settings/apps", button...)
	require.Equal(t, 422, taken.Status)
	require.Contains(t, alert(t, taken.Body), "name is already taken")
	require.Contains(t, taken.Body, "Gatekeeper One")

	convert := "/api/v3/app-manifests/" + back.Query().Get("code") + "/conversions"
	asClient := func(r *http.Request) { r.Header.Set("Accept", "application/vnd.github+json") }
	converted := w.do(http.MethodPost, convert, nil, asClient)
	require.Equal(t, http.StatusCreated, converted.Status, converted.Body)
	var app struct {
		ID                           int64
		Slug, Name, Description, PEM string
		NodeID                       string    `json:"node_id"`
		ClientID                     string    `json:"client_id"`
		ClientSecret                 string    `json:"client_secret"`
		WebhookSecret                string    `json:"webhook_secret"`
		ExternalURL                  string    `json:"external_url"`
		HTMLURL                      string    `json:"html_url"`
		CreatedAt                    time.Time `json:"created_at"`
		UpdatedAt                    time.Time `json:"updated_at"`
		Owner                        struct{ Login, Type string }
		Permissions                  map[string]string
		Events                       []string
	}
	require.NoError(t, json.Unmarshal([]byte(converted.Body), &app))
	require.Equal(t, "gatekeeper-one", app.Slug)
	require.Equal(t, "Gatekeeper One", app.Name)
	require.Equal(t, "Approvals & more", app.Description)
	require.Equal(t, "https://gatekeeper.example", app.ExternalURL)
	require.Equal(t, "acme", app.Owner.Login)
	require.Equal(t, map[string]string{"contents": "read", "pull_requests": "write", "checks": "write", "metadata": "read"}, app.Permissions)
	require.Equal(t, []string{"pull_request", "push"}, app.Events)
	require.Len(t, app.ClientSecret, 40)
	require.Len(t, app.WebhookSecret, 40)
	require.NotEmpty(t, app.NodeID)
	require.NotEmpty(t, app.ClientID)
	require.False(t, app.CreatedAt.IsZero() || app.UpdatedAt.IsZero())
	require.Equal(t, http.StatusOK, w.get(app.HTMLURL).Status)
	require.Equal(t, http.StatusNotFound, w.do(http.MethodPost, convert, nil, asClient).Status, "a code works once")

	ping := <-events
	require.Equal(t, "ping", ping.name)
	require.NoError(t, github.ValidateSignature(ping.signature, []byte(ping.body), []byte(app.WebhookSecret)))

	install := "/apps/gatekeeper-one/installations/new"
	page = w.get(install + "?state=abc")
	require.Contains(t, page.Body, `value="acme/env"`)
	require.Contains(t, page.Header.Get("Content-Security-Policy"), maker.URL)
	got = w.post(install, "account", "acme", "which", "selected")
	require.Equal(t, 422, got.Status)
	require.Contains(t, alert(t, got.Body), "at least one")
	got = w.post(install, "account", "acme", "which", "selected", "repo", "acme/env", "state", "abc")
	id := w.gh.Installations()[0].ID
	require.Equal(t, maker.URL+path("/setup?installation_id=", id, "&setup_action=install&state=abc"), got.Location)
	require.Equal(t, "installation", (<-events).name)

	itr, err := ghinstallation.New(http.DefaultTransport, app.ID, id, []byte(app.PEM))
	require.NoError(t, err)
	itr.BaseURL = strings.TrimSuffix(w.gh.APIURL(), "/")
	client, err := github.NewClient(&http.Client{Transport: itr}).WithEnterpriseURLs(w.gh.APIURL(), w.gh.APIURL())
	require.NoError(t, err)
	pulls, _, err := client.PullRequests.List(t.Context(), "acme", "env", nil)
	require.NoError(t, err)
	require.Empty(t, pulls)

	_, err = w.gh.CreateRepository("acme", "other", standin.RepositoryOptions{})
	require.NoError(t, err)
	settings := path("/settings/installations/", id)
	require.Contains(t, w.get(settings).Body, "no access")
	got = w.post(settings, "do", "add", "repo", "acme/other")
	require.Equal(t, maker.URL+path("/setup?installation_id=", id, "&setup_action=update"), got.Location)
	require.Equal(t, []string{"acme/env", "acme/other"}, w.gh.Installations()[0].Repositories)
	w.post(settings, "do", "remove", "repo", "acme/other")
	require.Equal(t, []string{"acme/env"}, w.gh.Installations()[0].Repositories)
	got = w.post(settings, "do", "remove", "repo", "acme/none")
	require.Equal(t, 422, got.Status)
	w.post(settings, "do", "suspend")
	require.True(t, w.gh.Installations()[0].Suspended)
	w.post(settings, "do", "unsuspend")
	require.False(t, w.gh.Installations()[0].Suspended)
	require.Equal(t, "/apps/gatekeeper-one?done=installation", w.post(settings, "do", "uninstall").Location)
	require.Empty(t, w.gh.Installations())
	w.post(install, "account", "acme", "which", "all")
	require.True(t, w.gh.Installations()[0].All)
}

func TestManifestCodeExpires(t *testing.T) {
	w := open(t)
	m := standin.Manifest{Name: "One", URL: "https://app.example", RedirectURL: "https://app.example/done"}
	code, err := w.gh.CreateFromManifest("alice", m)
	require.NoError(t, err)
	w.now(time.Hour)
	_, err = w.gh.CompleteManifest(code)
	var refusal *standin.APIError
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, http.StatusNotFound, refusal.Status)
}

func TestManifestOfPerson(t *testing.T) {
	w := open(t)
	const manifest = `{"name":"Mine","url":"https://app.example","redirect_url":"https://app.example/done","hook_attributes":{"url":"https://app.example/hook","active":false}}`
	page := w.post("/settings/apps/new", "manifest", manifest, "state", "s")
	require.Equal(t, http.StatusOK, page.Status)
	require.Contains(t, page.Body, "It has no webhook")
	got := w.post("/settings/apps", "manifest", field(t, page.Body, "manifest"), "state", "s", "name", "Mine", "as", "alice")
	require.True(t, strings.HasPrefix(got.Location, "https://app.example/done?code="), got.Location)
	u, err := url.Parse(got.Location)
	require.NoError(t, err)
	converted := w.do(http.MethodPost, "/api/v3/app-manifests/"+u.Query().Get("code")+"/conversions", nil)
	require.Contains(t, converted.Body, `"webhook_secret":null`)
	require.Equal(t, "alice", w.gh.Apps()[0].Owner)
}

func TestManifestIsRefused(t *testing.T) {
	w := open(t)
	with := func(more string) string {
		return `{"name":"x","url":"https://a.example","redirect_url":"https://a.example/done"` + more + `}`
	}
	for name, c := range map[string]struct{ manifest, says string }{
		"nothing":              {``, "empty"},
		"no JSON":              {`{`, "parsing JSON"},
		"unknown key":          {with(`,"hooks":{}`), "permitted key"},
		"no redirect_url":      {`{"name":"x","url":"https://a.example"}`, "redirect_url must be given"},
		"no url":               {`{"name":"x","redirect_url":"https://a.example"}`, "url must be given"},
		"script as address":    {`{"name":"x","url":"https://a.example","redirect_url":"javascript:alert(1)"}`, "not an address"},
		"address of policies":  {`{"name":"x","url":"https://a.example","redirect_url":"https://a;script-src *"}`, "not an address"},
		"unknown permission":   {with(`,"default_permissions":{"coffee":"read"}`), "does not exist"},
		"unknown level":        {with(`,"default_permissions":{"contents":"own"}`), "cannot be"},
		"level it cannot have": {with(`,"default_permissions":{"workflows":"read"}`), "cannot be"},
		"unknown event":        {with(`,"default_events":["coffee"]`), "cannot be subscribed"},
		"event of all":         {with(`,"default_events":["installation"]`), "cannot be subscribed"},
		"event unsupported":    {with(`,"default_permissions":{"contents":"read"},"default_events":["pull_request"]`), "needs pull_requests"},
		"hook without address": {with(`,"hook_attributes":{}`), "hook url"},
		"long name":            {`{"name":"` + strings.Repeat("x", 35) + `","url":"https://a.example","redirect_url":"https://a.example/done"}`, "too long"},
		"many callbacks":       {with(`,"callback_urls":["` + strings.Repeat(`https://a.example","`, 10) + `https://a.example"]`), "no more than 10"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, p := range []string{"/organizations/acme/settings/apps/new", "/organizations/acme/settings/apps"} {
				got := w.post(p, "manifest", c.manifest, "name", "x")
				require.GreaterOrEqual(t, got.Status, 400, p)
				require.Less(t, got.Status, 500, p)
				require.Contains(t, alert(t, got.Body), c.says, p)
			}
		})
	}
	require.Empty(t, w.gh.Apps())
	require.Equal(t, 404, w.post("/organizations/nobody/settings/apps/new", "manifest", with("")).Status)
	require.Equal(t, 422, w.post("/organizations/acme/settings/apps", "manifest", with(""), "name", "—").Status, "a name without letters")
}
