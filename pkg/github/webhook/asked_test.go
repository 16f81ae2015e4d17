package webhook

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

const (
	byAlice = `{"action":"created","installation":{"id":5},"issue":{"number":12,"pull_request":{"url":"x"}},` +
		`"comment":{"id":31,"body":"On it.\r\n/gk hold --reason x","created_at":"2026-11-21T10:00:00Z","user":{"id":7,"login":"alice","type":"User"},"performed_via_github_app":null}}`
	pressed = `{"action":"requested_action","installation":{"id":5},"requested_action":{"identifier":"hold"},` +
		`"check_run":{"id":77,"head_sha":"` + head + `","app":{"id":9},"external_id":"gatekeeper/pull/12"}}`
)

func TestAsked(t *testing.T) {
	alice := approval.User{ID: 7, Login: "alice", Type: "User"}
	h, err := Parse("issue_comment", payload(t, byAlice))
	require.NoError(t, err)
	require.Equal(t, &approval.Asked{
		RepositoryID: 42, Repository: "acme/deploy", Installation: 5, Pull: 12, Person: alice, Comment: 31,
		At: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC), Text: approval.TextDigest("On it.\r\n/gk hold --reason x"),
	}, h.Asked)
	require.Zero(t, h.Pull, "it changes nothing by itself")

	h, err = Parse("check_run", payload(t, pressed))
	require.NoError(t, err)
	require.Equal(t, &approval.Asked{
		RepositoryID: 42, Repository: "acme/deploy", Installation: 5, Pull: 12, Person: alice, Button: "hold", CheckRun: 77, App: 9, Head: head,
	}, h.Asked)
}

// TestNotAsked: what is no order of a person gives none.
func TestNotAsked(t *testing.T) {
	for name, change := range map[string][2]string{
		"edited later":        {`"action":"created"`, `"action":"edited"`},
		"deleted":             {`"action":"created"`, `"action":"deleted"`},
		"no command":          {`/gk hold`, `please /gk hold`},
		"of a bot":            {`"login":"alice","type":"User"`, `"login":"alice","type":"Bot"`},
		"of an organization":  {`"login":"alice","type":"User"`, `"login":"alice","type":"Organization"`},
		"written by an App":   {`"performed_via_github_app":null`, `"performed_via_github_app":{"id":3}`},
		"of somebody else":    {`"user":{"id":7`, `"user":{"id":8`},
		"of a deleted person": {`"user":{"id":7,"login":"alice","type":"User"}`, `"user":null`},
		"on an issue":         {`"pull_request":{"url":"x"}`, `"pull_request":null`},
		"without a time":      {`"created_at":"2026-11-21T10:00:00Z",`, ``},
		"without an ID":       {`"id":31`, `"id":0`},
	} {
		require.Contains(t, byAlice, change[0])
		h, err := Parse("issue_comment", payload(t, strings.Replace(byAlice, change[0], change[1], 1)))
		require.NoError(t, err, name)
		require.Nil(t, h.Asked, name)
	}
	h, err := Parse("issue_comment", payload(t, strings.Replace(byAlice, `"action"`, `"sender":{"id":9,"login":"gatekeeper[bot]","type":"Bot"},"action"`, 1)))
	require.NoError(t, err)
	require.Nil(t, h.Asked, "sent by a bot")

	for name, change := range map[string][2]string{
		"another button":    {`"identifier":"hold"`, `"identifier":"deploy"`},
		"re-run":            {`"action":"requested_action"`, `"action":"rerequested"`},
		"without an App":    {`"app":{"id":9}`, `"app":null`},
		"without a pull":    {`gatekeeper/pull/12`, `else`},
		"without a head":    {head, `abc`},
		"without an action": {`"requested_action":{"identifier":"hold"},`, ``},
		"by a bot":          {`"action"`, `"sender":{"id":9,"login":"x[bot]","type":"Bot"},"action"`},
	} {
		require.Contains(t, pressed, change[0])
		h, err := Parse("check_run", payload(t, strings.Replace(pressed, change[0], change[1], 1)))
		require.NoError(t, err, name)
		require.Nil(t, h.Asked, name)
	}
}
