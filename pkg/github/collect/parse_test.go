package collect

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	gh "github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func TestMentioned(t *testing.T) {
	tests := map[string]int{
		"Merge pull request #12 from acme/topic": 12,
		"Raise limits (#12)":                     12,
		"Raise limits (#1) (#12)":                12,
		"Raise limits (#12) ":                    12,
		"Raise limits (#12) again":               0,
		"Raise limits #12":                       0,
		"Merge pull request #12":                 0,
		"Merge pull request #x from y":           0,
		"(#0)":                                   0,
		"(#012)":                                 0,
		"(#-1)":                                  0,
		"(#99999999999999999999)":                0,
		"(#)":                                    0,
		"":                                       0,
	}
	for subject, want := range tests {
		n, ok := mentioned(subject)
		require.Equal(t, want, n, subject)
		require.Equal(t, want != 0, ok, subject)
	}
}

func TestNoReplyID(t *testing.T) {
	tests := map[string]int64{
		"7+alice@users.noreply.github.com":                      7,
		"41898282+github-actions[bot]@users.noreply.github.com": 41898282,
		"alice@users.noreply.github.com":                        0,
		"7+alice@users.noreply.ghes.example":                    0,
		"7+alice@users.noreply.github.com.evil.example":         0,
		"-7+alice@users.noreply.github.com":                     0,
		"0+alice@users.noreply.github.com":                      0,
		"+alice@users.noreply.github.com":                       0,
		"7x+alice@users.noreply.github.com":                     0,
		"99999999999999999999+a@users.noreply.github.com":       0,
		"noreply@github.com":                                    0,
	}
	for address, want := range tests {
		id, ok := noReplyID(address, "github.com")
		require.Equal(t, want != 0, ok, address)
		if ok {
			require.Equal(t, want, id, address)
		}
	}
	id, ok := noReplyID("7+alice@users.noreply.ghes.example", "ghes.example")
	require.True(t, ok)
	require.Equal(t, int64(7), id)
}

func TestRoleName(t *testing.T) {
	require.Equal(t, "maintain", roleName("write", "maintain"))
	require.Equal(t, "triage", roleName("read", "triage"))
	require.Equal(t, "write", roleName("write", "release-manager"), "a role of the organization's own")
	require.Equal(t, "none", roleName("none", ""))
}

const pullJSON = `{"number":1,"state":"closed","merged":true,"merged_at":"2026-03-01T12:00:00Z","title":"T","html_url":"https://x/1",
	"merge_commit_sha":"2222222222222222222222222222222222222222","user":{"id":7,"login":"alice","type":"User"},
	"head":{"ref":"topic","sha":"1111111111111111111111111111111111111111","repo":{"id":42}},
	"base":{"ref":"main","sha":"3333333333333333333333333333333333333333","repo":{"id":42}}}`

func TestParsePull(t *testing.T) {
	parse := func(old, with string) (pull, error) {
		var a gh.PullRequest
		require.NoError(t, json.Unmarshal([]byte(strings.Replace(pullJSON, old, with, 1)), &a))
		return parsePull(&a)
	}
	p, err := parse("", "")
	require.NoError(t, err)
	require.Equal(t, pull{
		number: 1, title: "T", url: "https://x/1", author: approval.User{ID: 7, Login: "alice", Type: "User"}, merged: true,
		head: "1111111111111111111111111111111111111111", headRef: "topic", headRepository: 42, base: "main", baseRepository: 42,
		mergeCommit: "2222222222222222222222222222222222222222", mergedAt: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
	}, p)

	p, err = parse(`"repo":{"id":42}},`, `"repo":null},`)
	require.NoError(t, err, "the fork was deleted")
	require.Zero(t, p.headRepository)
	p, err = parse(`{"id":7,"login":"alice","type":"User"}`, "null")
	require.NoError(t, err, "the account was deleted")
	require.Zero(t, p.author)
	p, err = parse(`"merged":true`, `"merged":false`)
	require.NoError(t, err)
	require.Empty(t, p.mergeCommit, "a test merge is no merge commit")

	p, err = parse(`"merged":true`, `"merged_by":{"id":1,"login":"github-merge-queue[bot]","type":"Bot"},"merged":true`)
	require.NoError(t, err)
	require.True(t, p.queued)
	p, err = parse(`"merged":true`, `"merged_by":{"id":1,"login":"github-merge-queue[bot]","type":"User"},"merged":true`)
	require.NoError(t, err)
	require.False(t, p.queued, "no person has this name, and none gets it")

	for old, with := range map[string]string{
		`"merge_commit_sha":"2222222222222222222222222222222222222222"`: `"merge_commit_sha":null`,
		`"sha":"1111111111111111111111111111111111111111"`:              `"sha":"1111111"`,
		`"merged_at":"2026-03-01T12:00:00Z",`:                           "",
		`"state":"closed"`:                                              `"state":"open"`,
		`"ref":"main"`:                                                  `"ref":""`,
		`"repo":{"id":42}}}`:                                            `"repo":null}}`,
	} {
		_, err := parse(old, with)
		require.Error(t, err, with)
	}
}

func TestArrives(t *testing.T) {
	require.True(t, arrives("push"))
	require.True(t, arrives("pr_merge"))
	require.False(t, arrives("branch_deletion"))
	require.False(t, arrives("something_new"))
}

func FuzzMentioned(f *testing.F) {
	f.Add("Merge pull request #12 from acme/topic")
	f.Add("x (#12)")
	f.Fuzz(func(t *testing.T, subject string) {
		n, ok := mentioned(subject)
		require.Equal(t, ok, n > 0)
	})
}

func FuzzNoReplyID(f *testing.F) {
	f.Add("7+alice@users.noreply.github.com")
	f.Fuzz(func(t *testing.T, address string) {
		id, ok := noReplyID(address, "github.com")
		if ok {
			require.Positive(t, id)
			require.True(t, strings.HasSuffix(address, "@users.noreply.github.com"))
		}
	})
}

func FuzzParsePull(f *testing.F) {
	f.Add([]byte(pullJSON))
	f.Add([]byte(`{"head":{"sha":"x"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var a gh.PullRequest
		if json.Unmarshal(body, &a) != nil {
			return
		}
		p, err := parsePull(&a)
		if err != nil {
			return
		}
		require.Len(t, string(p.head), 40)
		require.NotEmpty(t, p.base)
		require.Positive(t, p.baseRepository)
		if p.merged {
			require.Len(t, string(p.mergeCommit), 40)
			require.False(t, p.open)
		}
	})
}

func FuzzParseReview(f *testing.F) {
	f.Add([]byte(`{"id":1,"state":"approved","commit_id":"1111111111111111111111111111111111111111","submitted_at":"2026-11-21T10:00:00Z","user":{"id":1}}`))
	f.Add([]byte(`{"id":1,"commit_id":null,"user":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var a gh.PullRequestReview
		if json.Unmarshal(body, &a) != nil {
			return
		}
		r := parseReview(&a)
		require.False(t, r.Witnessed)
		if r.Commit != "" {
			require.Len(t, string(r.Commit), 40)
		}
		if r.User != nil {
			require.Positive(t, r.User.ID)
		}
	})
}
