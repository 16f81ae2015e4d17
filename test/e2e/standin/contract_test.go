package standin_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/contract"
)

// TestDriftingClientsAreRefused sends what GitHub would refuse before it looks at anything.
func TestDriftingClientsAreRefused(t *testing.T) {
	w := newWorld(t)
	w.openPull("replicas: 2\n")
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		message, violation       string
	}{
		{"field missing", "POST", "/pulls", `{"title":"x","head":"a"}`, 422, "", "body /base: is missing (wrong)"},
		{"field unknown", "PUT", "/pulls/1/merge", `{"merge_methods":"squash"}`, 422, "Invalid request.\n\n\"merge_methods\" is not a permitted key.", "body /merge_methods: is not in the description (unknown)"},
		{"field of another type", "POST", "/issues/1/comments", `{"body":1}`, 422, "Invalid request.\n\nFor 'properties/body', number is not a string.", "body /body: is number, not string (wrong)"},
		{"value", "PUT", "/pulls/1/merge", `{"merge_method":"octopus"}`, 422, "", "body /merge_method: \"octopus\" is not a member"},
		{"body missing", "POST", "/pulls", "", 422, "Invalid request.\n\nThe body is missing.", "body: is missing (wrong)"},
		{"body that is none", "POST", "/pulls", "[]", 422, "Invalid request.\n\nThe body is array, not object.", "body: is array, not object (wrong)"},
		{"null", "PATCH", "/pulls/1", `{"base":null}`, 422, "Invalid request.\n\nFor 'properties/base', the value is null, not string.", "body /base: is null, not string (wrong)"},
		{"query that no handler reads", "GET", "/commits/main/statuses?page=x", "", 422, "", "query page: is string, not integer (wrong)"},
		{"query", "GET", "/pulls?state=merged", "", 422, "\"merged\" is not a possible value of \"state\".", "query state: \"merged\" is not a member"},
		{"number in the path", "GET", "/pulls/one", "", 404, "Not Found", "path pull_number: is string, not integer (wrong)"},
		{"unknown parameter", "GET", "/pulls?stat=open", "", 200, "", "query stat: is not in the description (unknown)"},
		{"unexpected body", "GET", "/pulls", "{}", 200, "", "body: is there, but none is documented (unknown)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, _, body := w.send(c.method, "/repos/acme/env"+c.path, "token "+w.alice.Token, c.body)
			require.Equal(t, c.status, status, string(body))
			if c.message != "" {
				var answer struct{ Message string }
				require.NoError(t, json.Unmarshal([]byte(body), &answer))
				require.Contains(t, answer.Message, c.message)
			}
			found := w.s.ClientViolations()
			require.NotEmpty(t, found)
			require.Contains(t, found[len(found)-1], c.violation)
		})
	}
	require.Empty(t, w.s.Violations())
}

// TestFaultsAreNotChecked: a fault may answer what GitHub never would.
func TestFaultsAreNotChecked(t *testing.T) {
	w := newWorld(t)
	_, err := w.s.Fail(standin.Fault{Match: "GET /meta", Status: 218, Body: "<html>"})
	require.NoError(t, err)
	status, _, _ := w.send("GET", "/meta", "", "")
	require.Equal(t, 218, status)
	require.Empty(t, w.s.Violations())
}

// TestEveryFieldIsGuarded changes each field of real answers, one at a time: another type, and one more
// field beside it. What passes is not guarded and must be listed here.
func TestEveryFieldIsGuarded(t *testing.T) {
	w := newWorld(t)
	opened := w.openPull("replicas: 2\n")
	must(w.s.As("bob").Review("acme/env", opened.Number, "APPROVE", "fine"))(t)
	w.take()
	checker, err := contract.New()
	require.NoError(t, err)
	get := func(path string) (name string, value any, check func([]byte) error) {
		status, header, body := w.send("GET", path, "token "+w.alice.Token, "")
		require.Equal(t, 200, status)
		require.NoError(t, json.Unmarshal([]byte(body), &value))
		return path, value, func(b []byte) error { return checker.Response("GET", path, 200, header, b) }
	}
	sweep := func(name string, value any, check func([]byte) error) {
		total, passed := 0, []string{}
		try := func(where string) {
			total++
			text, err := json.Marshal(value)
			require.NoError(t, err)
			if check(text) == nil {
				passed = append(passed, where)
			}
		}
		text, err := json.Marshal(value)
		require.NoError(t, err)
		require.NoError(t, check(text), "%s, unchanged", name)
		mutate(value, "", try)
		require.Greater(t, total, 5, name)
		require.Empty(t, passed, "%s: changes that nobody notices, of %d", name, total)
	}
	for _, path := range []string{"", "/pulls/1", "/pulls/1/reviews", "/pulls/1/files", "/pulls/1/commits", "/commits", "/commits/main", "/branches/main", "/compare/main...main"} {
		sweep(get("/repos/acme/env" + path))
	}
	left := map[string]bool{"pull_request": true, "pull_request_review": true, "push": true}
	for _, d := range w.s.Deliveries(w.app.ID) {
		if !left[d.Event] {
			continue
		}
		delete(left, d.Event)
		var value any
		require.NoError(t, json.Unmarshal(d.Payload, &value))
		sweep(fmt.Sprint(d.Event, " ", d.Action), value, func(b []byte) error { return checker.Webhook(d.Event, d.Action, b) })
	}
	require.Empty(t, left, "events that never came")
}

// mutate changes one thing of a value at a time and calls try.
func mutate(value any, where string, try func(where string)) {
	switch v := value.(type) {
	case map[string]any:
		v["invented"] = 1
		try(where + "/invented")
		delete(v, "invented")
		for name, old := range v {
			v[name] = map[string]any{"invented": []any{1}}
			if _, object := old.(map[string]any); object {
				v[name] = "text"
			}
			try(where + "/" + name)
			v[name] = old
			mutate(old, where+"/"+name, try)
		}
	case []any:
		for i, old := range v {
			v[i] = []any{}
			try(fmt.Sprint(where, "/", i))
			v[i] = old
			mutate(old, fmt.Sprint(where, "/", i), try)
			break // the others are alike
		}
	}
}
