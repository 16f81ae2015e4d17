package clients

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// probotEnv is how Probot is told of a GitHub Enterprise Server and of its App.
func probotEnv(w *world) []string {
	return []string{"GHE_HOST=" + strings.TrimPrefix(w.s.URL(), "http://"), "GHE_PROTOCOL=http",
		"APP_ID=" + strconv.FormatInt(w.app.ID, 10), "PRIVATE_KEY=" + string(w.app.PrivateKeyPEM), "WEBHOOK_SECRET=" + webhookSecret}
}

func TestProbot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := startNode(t, "probot.mjs", map[string]any{"scenario": "serve"}, probotEnv(w)...)
	var url string
	n.step("listening", &url)
	last := func() standin.Delivery {
		all := w.s.Deliveries(w.app.ID)
		return all[len(all)-1]
	}

	require.NoError(t, w.s.SetWebhook(w.app.ID, url, "another secret"))
	w.delivered()
	require.Equal(t, http.StatusBadRequest, last().StatusCode, "Probot refuses a wrong signature: %s", last().Response)
	require.Contains(t, last().Response, "signature does not match")
	require.NoError(t, w.s.SetWebhook(w.app.ID, url, ""))
	w.delivered()
	require.Equal(t, http.StatusBadRequest, last().StatusCode, "and a missing one: %s", last().Response)
	require.Contains(t, last().Response, "x-hub-signature-256")
	require.NoError(t, w.s.SetWebhook(w.app.ID, url, webhookSecret))
	w.delivered()
	require.Equal(t, http.StatusOK, last().StatusCode, last().Response)

	runs := func(o standin.OpenedPull) standin.CheckRun {
		t.Helper()
		w.delivered()
		list := must(w.s.CheckRuns("acme/env", o.Head))(t)
		require.Len(t, list, 1)
		return list[0]
	}
	first := w.openPull("replicas: 2\n")
	run := runs(first)
	require.Equal(t, "probot action_required One approval is needed.", strings.Join([]string{run.Name, run.Conclusion, run.Summary}, " "))
	require.Equal(t, w.app.ID, run.AppID)
	comments := must(w.s.Comments("acme/env", first.Number))(t)
	require.Len(t, comments, 1)
	require.Equal(t, "gatekeeper[bot]: Hello @alice.", comments[0].Author+": "+comments[0].Body)

	must(w.s.As("bob").Review("acme/env", first.Number, "REQUEST_CHANGES", "no"))(t)
	require.Equal(t, "action_required", runs(first).Conclusion)
	must(w.s.As("bob").Review("acme/env", first.Number, "APPROVE", "yes"))(t)
	run = runs(first)
	require.Equal(t, "success Approved by bob.", run.Conclusion+" "+run.Summary, "events have the state in lower case")

	second := w.openPull("replicas: 3\n")
	must(w.s.As("alice").Comment("acme/env", second.Number, "/review"))(t)
	w.delivered()
	reviews := must(w.s.Reviews("acme/env", second.Number))(t)
	require.Len(t, reviews, 1, "the bot's own comment is not answered")
	require.Equal(t, "gatekeeper[bot] COMMENTED Looked at it.", reviews[0].Author+" "+reviews[0].State+" "+reviews[0].Body)
	require.NoError(t, w.s.As("alice").ClickAction("acme/env", runs(second).ID, "skip"))
	run = runs(second)
	require.Equal(t, "neutral skip by alice", run.Conclusion+" "+run.Summary)

	n.reply(nil)
	var got struct {
		Version, App string
		Seen         []struct{ ID, Name, Action string }
	}
	n.result(&got)
	require.Equal(t, "gatekeeper", got.App)
	require.Regexp(t, `^14\.`, got.Version)
	var seen, want []string
	for _, e := range got.Seen {
		seen = append(seen, e.Name+"."+e.Action+" "+e.ID)
	}
	for _, d := range w.s.Deliveries(w.app.ID)[2:] {
		require.Equal(t, "OK", d.Status, "%s: %s", d.Event, d.Response)
		want = append(want, d.Event+"."+d.Action+" "+d.GUID)
	}
	require.Equal(t, want, seen, "what was signed was handled, and nothing else")
	require.Equal(t, 1, w.s.CountCalls("api", "POST /app/installations/"), "one token served all")
	for _, c := range w.s.Calls() {
		require.Less(t, c.Status, 300, "%s %s", c.Method, c.Path)
	}
}
