package clients

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// TestOctokitRecognisesLimits lets the throttling plugin decide what the stand-in's faults are.
func TestOctokitRecognisesLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const repo = "^GET /repos/acme/env$"
	type limit struct {
		Kind                   string
		RetryAfter, RetryCount int
		URL                    string
	}
	for _, c := range []struct {
		name   string
		fault  func() standin.Fault
		times  int
		status int     // of the end
		calls  []limit // RetryAfter -1: about a minute
	}{
		{"primary", func() standin.Fault { return standin.RateLimited403(repo, time.Now().Add(time.Minute)) }, 1, 200, []limit{{Kind: "primary", RetryAfter: -1}}},
		{"primary past", func() standin.Fault { return standin.RateLimited403(repo, time.Now().Add(-time.Minute)) }, 1, 200, []limit{{Kind: "primary"}}},
		{"primary twice", func() standin.Fault { return standin.RateLimited403(repo, time.Now().Add(time.Minute)) }, 2, 403,
			[]limit{{Kind: "primary", RetryAfter: -1}, {Kind: "primary", RetryAfter: -1, RetryCount: 1}}},
		{"secondary 403", func() standin.Fault { return standin.SecondaryLimit(repo, 403, 17*time.Second) }, 1, 200, []limit{{Kind: "secondary", RetryAfter: 17}}},
		{"secondary 429", func() standin.Fault { return standin.SecondaryLimit(repo, 429, 17*time.Second) }, 1, 200, []limit{{Kind: "secondary", RetryAfter: 17}}},
		{"secondary without a time", func() standin.Fault { return standin.SecondaryLimit(repo, 403, 0) }, 1, 200, []limit{{Kind: "secondary", RetryAfter: 60}}},
		{"refusal", func() standin.Fault {
			return standin.Fault{Match: repo, Status: 403, Body: `{"message":"Resource not accessible by integration"}`}
		}, 1, 403, nil},
		{"server error", func() standin.Fault { return standin.ServerError500(repo) }, 2, 200, nil},
		{"disconnect", func() standin.Fault { return standin.Fault{Match: repo, Disconnect: true} }, 1, 200, nil},
		{"not found", func() standin.Fault {
			return standin.Fault{Match: repo, Status: 404, Body: `{"message":"Not Found"}`}
		}, 1, 404, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			request := map[string]any{}
			if c.calls != nil {
				// The retry plugin, which repeats a 429 like any failure, would be quicker than the throttling plugin.
				request["retries"] = 0
			}
			n := w.octokit("throttled", map[string]any{"faults": []string{c.name}, "request": request})
			w.s.ResetCalls()
			n.step(c.name, nil)
			fault := c.fault()
			fault.Times = c.times
			must(w.s.Fail(fault))(t)
			n.reply(nil)
			var got map[string]struct {
				End   struct{ Status int }
				Calls []limit
			}
			n.result(&got)
			require.Equal(t, c.status, got[c.name].End.Status)
			for i := range got[c.name].Calls {
				call := &got[c.name].Calls[i]
				require.Equal(t, "/repos/{owner}/{repo}", call.URL)
				call.URL = ""
				if call.Kind == "primary" && call.RetryAfter > 30 && call.RetryAfter <= 61 {
					call.RetryAfter = -1
				}
			}
			require.Equal(t, c.calls, append([]limit(nil), got[c.name].Calls...))
			failed := 0
			for _, call := range w.s.Calls() {
				if call.Fault {
					failed++
				}
			}
			require.Equal(t, c.times, failed)
		})
	}
}

// TestOctokitUsesUpTheLimit is the stand-in's own limit, without a fault.
func TestOctokitUsesUpTheLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.s.SetRateLimit(3)
	var got struct {
		Seen  []string
		Over  refusal
		Calls []struct {
			Kind       string
			RetryAfter int
		}
		Core struct{ Limit, Used, Remaining, Reset int64 }
	}
	n := w.octokit("exhausted", map[string]any{"limit": 3})
	n.result(&got)
	require.Equal(t, []string{"3 2 1 core", "3 1 2 core", "3 0 3 core"}, got.Seen)
	got.Over.is(t, http.StatusForbidden, "API rate limit exceeded for user ID")
	require.NotEmpty(t, got.Calls, "octokit takes it for a limit")
	require.Equal(t, "primary", got.Calls[0].Kind)
	require.InDelta(t, 3600, got.Calls[0].RetryAfter, 120)
	require.Equal(t, []int64{3, 3, 0}, []int64{got.Core.Limit, got.Core.Used, got.Core.Remaining}, "reading the limit is free")
}

func TestOctokitAsksConditionally(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.openPull("replicas: 2\n")
	n := w.octokit("conditional", nil)
	n.step("change", nil)
	w.openPull("replicas: 3\n")
	n.reply(nil)
	var got struct {
		ETag        string
		Remaining   []int
		Same, Other int
		Differs     bool
		Changed     struct{ Status, Count, Before int }
	}
	n.result(&got)
	require.Regexp(t, `^W/"[0-9a-f]{64}"$`, got.ETag)
	require.Equal(t, []int{304, 200}, []int{got.Same, got.Other}, "tags belong to one token")
	require.True(t, got.Differs)
	require.Equal(t, []int{4999, 4999, 4998}, got.Remaining, "304 is free")
	require.Equal(t, []int{200, 2, 1}, []int{got.Changed.Status, got.Changed.Count, got.Changed.Before})
}

// deliveries are the App's, as JSON can carry them.
func deliveries(w *world) []map[string]string {
	var out []map[string]string
	for _, d := range w.s.Deliveries(w.app.ID) {
		out = append(out, map[string]string{"event": d.Event, "payload": string(d.Payload), "signature": d.Header["X-Hub-Signature-256"]})
	}
	return out
}

func TestOctokitVerifiesDeliveries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// Nobody listens there: what counts is what was sent.
	require.NoError(t, w.s.SetWebhook(w.app.ID, "http://127.0.0.1:9/hook", webhookSecret))
	opened := w.openPull("replicas: \"½ & <2>\"\n")
	must(w.s.As("bob").Review("acme/env", opened.Number, "APPROVE", "größer 👍\u2028"))(t)
	must(w.s.As("bob").Merge("acme/env", opened.Number, "squash"))(t)
	w.delivered()
	sent := deliveries(w)
	require.Greater(t, len(sent), 4)
	var got [][3]bool
	startNode(t, "octokit.mjs", map[string]any{"scenario": "verify", "secret": webhookSecret, "deliveries": sent}).result(&got)
	require.Len(t, got, len(sent))
	for i, verdict := range got {
		require.Equal(t, [3]bool{true, false, false}, verdict, sent[i]["event"])
	}
}

func TestOctokitRedelivers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	type delivery struct{ ID, Name, Action string }
	var got struct {
		Before   int
		Received []delivery
		Details  []struct {
			Event, Action, Status, GUID, Header string
			Verified                            bool
			Redelivered                         int
		}
		All []struct {
			GUID, Status string
			Redelivery   bool
			Code         int
		}
	}
	n := w.octokit("redeliver", map[string]any{"secret": webhookSecret})
	var url string
	n.step("listening", &url)
	require.NoError(t, w.s.SetWebhook(w.app.ID, url, webhookSecret))
	w.delivered()
	w.s.DropDeliveries(3)
	opened := w.openPull("replicas: 2\n") // a push, its check suite and a pull request
	must(w.s.As("bob").Review("acme/env", opened.Number, "APPROVE", ""))(t)
	w.delivered()
	n.reply(nil)
	n.step("dropped", nil)
	n.reply(nil)
	n.step("redelivered", nil)
	w.delivered()
	n.reply(nil)
	n.result(&got)
	require.Equal(t, 2, got.Before, "the ping and the review")
	var events []string
	for _, d := range got.Received {
		events = append(events, d.Name+"."+d.Action)
	}
	require.Equal(t, []string{"ping.", "pull_request_review.submitted", "push.", "check_suite.requested", "pull_request.opened"}, events)
	require.Len(t, got.Details, 3)
	for i, d := range got.Details {
		require.Equal(t, "failed to connect to host", d.Status)
		require.Equal(t, 202, d.Redelivered)
		require.Equal(t, d.GUID, d.Header)
		require.Equal(t, d.GUID, got.Received[2+i].ID, "a redelivery keeps its GUID")
		require.True(t, d.Verified, "the API's payload is what was signed")
	}
	// Newest first: three redeliveries, then the first attempts.
	require.Len(t, got.All, 8)
	require.True(t, got.All[0].Redelivery && got.All[2].Redelivery && !got.All[3].Redelivery)
	var codes []int
	for _, d := range got.All {
		codes = append(codes, d.Code)
	}
	require.Equal(t, []int{200, 200, 200, 200, 0, 0, 0, 200}, codes)
	for _, d := range w.s.Deliveries(w.app.ID) {
		require.True(t, json.Valid(d.Payload))
	}
}
