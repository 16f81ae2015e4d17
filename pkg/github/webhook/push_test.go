package webhook

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// aPush is a push of alice's to topic, in which a test changes something.
func aPush(old, changed string) string {
	whole := `{"ref":"refs/heads/topic","before":"` + landed + `","after":"` + head + `","created":false,"deleted":false,"forced":false,
		"pusher":{"name":"alice","email":"alice@example.com"},
		"repository":{"id":42,"full_name":"acme/deploy","pushed_at":1795255200},
		"commits":[{"id":"` + head + `","author":{"name":"A","email":"a@example.com","username":"alice"},"committer":{"name":"A","email":"a@example.com","username":"alice"}}]}`
	return strings.Replace(whole, old, changed, 1)
}

func TestWitnessedPush(t *testing.T) {
	t.Parallel()
	alice := approval.User{ID: 7, Login: "alice", Type: "User"}
	whole := func() *approval.WitnessedPush {
		return &approval.WitnessedPush{
			RepositoryID: 42, Branch: "topic", Before: landed, After: head, Pusher: alice, PushedAt: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC),
			Accounts: []approval.CommitAccounts{{Commit: head, Author: alice, Committer: alice}},
		}
	}
	with := func(change func(*approval.WitnessedPush)) *approval.WitnessedPush {
		w := whole()
		change(w)
		return w
	}
	const zeros = string(noCommit)
	author := `"committer":{"name":"A","email":"a@example.com","username":"alice"}`
	for name, tt := range map[string]struct {
		old, changed string
		want         *approval.WitnessedPush // nil: nothing is witnessed
	}{
		"of one's own commit": {"", "", whole()},
		"by force":            {`"forced":false`, `"forced":true`, whole()},
		"that makes the branch": {`"before":"` + landed + `","after":"` + head + `","created":false`, `"before":"` + zeros + `","after":"` + head + `","created":true`,
			with(func(w *approval.WitnessedPush) { w.Before = noCommit })},
		"that deletes the branch": {`"after":"` + head + `","created":false,"deleted":false`, `"after":"` + zeros + `","created":false,"deleted":true`,
			with(func(w *approval.WitnessedPush) { w.After = noCommit })},
		"committed by GitHub": {author, `"committer":{"name":"GitHub","email":"noreply@github.com","username":"web-flow"}`,
			with(func(w *approval.WitnessedPush) { w.Accounts[0].Committer = approval.User{} })},
		"of another's commit": {`"username":"alice"},"committer"`, `"username":"bob"},"committer"`,
			with(func(w *approval.WitnessedPush) { w.Accounts[0].Author = approval.User{} })},
		"of nobody's commit": {`"email":"a@example.com","username":"alice"},"committer":{"name":"A","email":"a@example.com","username":"alice"}`, `"email":"x@example.com"},"committer":{}`,
			with(func(w *approval.WitnessedPush) { w.Accounts = nil })},
		"of a login in another case":    {`"username":"alice"},"committer"`, `"username":"Alice"},"committer"`, with(func(w *approval.WitnessedPush) { w.Accounts[0].Author = approval.User{} })},
		"of a commit without a name":    {`"id":"` + head, `"id":"1111111`, with(func(w *approval.WitnessedPush) { w.Accounts = nil })},
		"of no list of commits":         {`"commits":[`, `"commits":3,"c":[`, with(func(w *approval.WitnessedPush) { w.Accounts = nil })},
		"pusher and sender differ":      {`"name":"alice"`, `"name":"acme"`, nil},
		"no pusher":                     {`"pusher"`, `"p"`, nil},
		"a pusher of another kind":      {`"pusher":{`, `"pusher":7,"p":{`, nil},
		"no time":                       {`"pushed_at":1795255200`, `"pushed_at":null`, nil},
		"a time of the other kind":      {`"pushed_at":1795255200`, `"pushed_at":"2026-11-21T10:00:00Z"`, nil},
		"a time before there was one":   {`"pushed_at":1795255200`, `"pushed_at":0`, nil},
		"no commit before":              {`"before":"` + landed, `"before":"222`, nil},
		"no commit after":               {`"after":"` + head, `"after":"111`, nil},
		"onto itself":                   {`"before":"` + landed, `"before":"` + head, nil},
		"made, they say, and was not":   {`"created":false`, `"created":true`, nil},
		"was made, and they do not say": {`"before":"` + landed, `"before":"` + zeros, nil},
		"gone, and they do not say":     {`"after":"` + head, `"after":"` + zeros, nil},
		"gone, they say, and is not":    {`"deleted":false`, `"deleted":true`, nil},
		"a sender without an ID":        {`"ref"`, `"sender":{"login":"alice"},"ref"`, nil},
		"no sender":                     {`"ref"`, `"sender":null,"ref"`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fields := aPush(tt.old, tt.changed)
			require.Equal(t, tt.old == "", fields == aPush("", ""), "the case must change something")
			h, err := Parse("push", payload(t, fields))
			require.NoError(t, err, "the branch may have moved all the same")
			require.Equal(t, "topic", h.Branch)
			require.Equal(t, tt.want, h.Push)
		})
	}
	h, err := Parse("push", payload(t, aPush("refs/heads/topic", "refs/tags/topic")))
	require.NoError(t, err)
	require.Nil(t, h.Push, "a tag is no branch")
}

// GitHub lists 2,048 commits at most. Of the others nothing is known.
func TestPushOfManyCommits(t *testing.T) {
	t.Parallel()
	var list []string
	for i := range 2048 {
		list = append(list, fmt.Sprintf(`{"id":"%040x","author":{"username":"alice"},"committer":{"username":"alice"}}`, i+1))
	}
	fields := aPush(`"commits":[`, `"commits":[`+strings.Join(list, ",")+`],"c":[`)
	require.True(t, json.Valid([]byte(fields)))
	h, err := Parse("push", payload(t, fields))
	require.NoError(t, err)
	require.Len(t, h.Push.Accounts, 2048)
}

// A queue's merge is told from a person's.
func TestWhoMerged(t *testing.T) {
	t.Parallel()
	for by, want := range map[string]bool{
		`{"id":7,"login":"alice","type":"User"}`:                  true,
		`{"id":8,"login":"github-merge-queue[bot]","type":"Bot"}`: false,
		`{"id":9,"login":"dependabot[bot]","type":"Bot"}`:         false,
		`{"login":"alice","type":"User"}`:                         false,
		`null`:                                                    false,
	} {
		fields := strings.Replace(pull(sameRepository), `"merged":false`, `"merged":true,"merged_by":`+by, 1)
		h, err := Parse("pull_request", payload(t, `{"action":"closed",`+fields+`}`))
		require.NoError(t, err)
		require.Equal(t, want, h.Merge.ByPerson, by)
	}
}
