package standin_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// FuzzManifest reads anything as an App manifest. What is accepted can be written and read again, and makes
// an App or is refused.
func FuzzManifest(f *testing.F) {
	for _, seed := range []string{
		`{"name":"x","url":"https://a.example","redirect_url":"https://a.example/done"}`, `{}`, `null`, `[]`, `{"name":1}`, "\xff",
		`{"name":"é","url":"http://[::1]:1/","redirect_url":"http://a/?x=1#y","hook_attributes":{"url":"http://a","active":true},"default_permissions":{"contents":"read"},"default_events":["push"]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := standin.ParseManifest(raw)
		if err != nil {
			var refusal *standin.APIError
			require.ErrorAs(t, err, &refusal)
			return
		}
		require.NotEmpty(t, m.RedirectURL)
		text, err := m.JSON()
		require.NoError(t, err)
		again, err := standin.ParseManifest(text)
		require.NoError(t, err)
		want, err := again.JSON()
		require.NoError(t, err)
		require.JSONEq(t, string(want), string(text))
	})
}

// TestPullHistory tells pushes from force-pushes and merges from closing.
func TestPullHistory(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.s.As("alice"), w.s.As("bob")
	change := func(text string) standin.Change {
		return standin.Change{Files: map[string]string{"prod/values.yaml": text}}
	}
	_ = must(alice.OpenPull("acme/env", standin.PullOptions{Title: "x", Change: change("1")}))(t)
	second := must(alice.PushToPull("acme/env", 1, change("2")))(t)
	third := must(alice.ForcePushPull("acme/env", 1, change("3")))(t)
	require.NoError(t, bob.EditPull("acme/env", 1, "y", "", "", "closed"))
	require.NoError(t, bob.EditPull("acme/env", 1, "", "", "", "open"))
	review := must(bob.Review("acme/env", 1, "APPROVE", ""))(t)
	require.NoError(t, bob.Dismiss("acme/env", 1, review, "Too early"))
	require.NoError(t, alice.RequestReview("acme/env", 1, "carol"))
	landed := must(bob.Merge("acme/env", 1, "merge"))(t)
	events := must(w.s.Timeline("acme/env", 1))(t)
	var kinds []string
	for _, e := range events {
		kinds = append(kinds, e.Actor+" "+e.Kind)
	}
	require.Equal(t, []string{"alice opened", "alice pushed", "alice force_pushed", "bob edited", "bob closed", "bob reopened", "bob review_dismissed",
		"alice review_requested", "bob merged"}, kinds)
	require.Equal(t, []string{second, third}, []string{events[1].After, events[2].After})
	require.Equal(t, []string{"title", "Too early", "carol"}, []string{events[3].Subject, events[6].Subject, events[7].Subject})
	require.Equal(t, review, events[6].Review)
	require.Equal(t, landed, events[8].After)
	_, err := w.s.Timeline("acme/env", 9)
	require.ErrorIs(t, err, standin.ErrNotFound)
}
