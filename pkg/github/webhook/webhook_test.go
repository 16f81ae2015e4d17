package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func sign(secret, body string) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(h.Sum(nil))
}

func TestVerify(t *testing.T) {
	const body = "Hello, World!"
	// The example of GitHub's documentation ("Validating webhook deliveries").
	const documented = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
	// HMAC-SHA-1 of the body with the secret "key": once GitHub's only kind.
	const old = "b688f6f2602474b86713f193726755f0095edc8b"
	tests := map[string]struct {
		secrets   []string
		signature string
		want      error
	}{
		"GitHub's example":     {[]string{"It's a Secret to Everybody"}, documented, nil},
		"first of two":         {[]string{"new", "old"}, sign("new", body), nil},
		"second of two":        {[]string{"new", "old"}, sign("old", body), nil},
		"upper case":           {[]string{"key"}, "sha256=" + strings.ToUpper(sign("key", body)[7:]), nil},
		"another secret":       {[]string{"key"}, sign("other", body), ErrSignature},
		"another body":         {[]string{"key"}, sign("key", body+" "), ErrSignature},
		"no signature":         {[]string{"key"}, "", ErrSignature},
		"no scheme":            {[]string{"key"}, sign("key", body)[7:], ErrSignature},
		"SHA-1":                {[]string{"key"}, "sha1=" + old, ErrSignature},
		"SHA-1, other label":   {[]string{"key"}, "sha256=" + old, ErrSignature},
		"cut off":              {[]string{"key"}, sign("key", body)[:40], ErrSignature},
		"longer":               {[]string{"key"}, sign("key", body) + "00", ErrSignature},
		"not hexadecimal":      {[]string{"key"}, "sha256=" + strings.Repeat("z", 64), ErrSignature},
		"no secret":            {nil, sign("", body), ErrSecret},
		"empty secret":         {[]string{""}, sign("", body), ErrSecret},
		"empty secret besides": {[]string{"key", ""}, sign("key", body), ErrSecret},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var secrets [][]byte
			for _, s := range tt.secrets {
				secrets = append(secrets, []byte(s))
			}
			require.ErrorIs(t, Verify(secrets, tt.signature, []byte(body)), tt.want)
		})
	}
}

// payload builds a delivery; the fields that a test names replace those here.
func payload(t *testing.T, fields string) []byte {
	t.Helper()
	base := map[string]any{
		"repository": map[string]any{"id": 42, "full_name": "acme/deploy", "owner": map[string]any{"id": 1, "login": "acme", "type": "Organization"}},
		"sender":     map[string]any{"id": 7, "login": "alice", "type": "User"},
	}
	require.NoError(t, json.Unmarshal([]byte(fields), &base))
	body, err := json.Marshal(base)
	require.NoError(t, err)
	return body
}

const (
	head   = "1111111111111111111111111111111111111111"
	landed = "2222222222222222222222222222222222222222"
)

func pull(headRepository string) string {
	return `"pull_request":{"number":12,"merged":false,"merge_commit_sha":"` + landed + `",
		"created_at":"2026-11-21T10:00:00Z","updated_at":"2026-11-21T11:00:00Z",
		"head":{"ref":"topic","sha":"` + head + `","repo":` + headRepository + `},
		"base":{"ref":"main","sha":"` + landed + `","repo":{"id":42,"full_name":"acme/deploy"}}}`
}

const (
	sameRepository = `{"id":42,"full_name":"acme/deploy","owner":{"id":1}}`
	ownFork        = `{"id":99,"full_name":"alice/deploy","owner":{"id":7}}`
	foreignFork    = `{"id":98,"full_name":"mallory/deploy","owner":{"id":66}}`
)

func TestParse(t *testing.T) {
	about := approval.Hint{RepositoryID: 42, Repository: "acme/deploy"}
	aboutPull := about
	aboutPull.Pull = 12
	again := aboutPull
	again.Again = true
	with := func(h approval.Hint, change func(*approval.Hint)) approval.Hint { change(&h); return h }
	pushed := func(hour int) func(*approval.Hint) {
		return func(h *approval.Hint) {
			h.Head = &approval.WitnessedHead{
				RepositoryID: 42, Pull: 12, Head: head, PushedAt: time.Date(2026, 11, 21, hour, 0, 0, 0, time.UTC),
				Pusher: approval.User{ID: 7, Login: "alice", Type: "User"},
			}
		}
	}
	onto := func(before approval.SHA) func(*approval.Hint) {
		return func(h *approval.Hint) {
			pushed(11)(h)
			h.Head.Before = before
		}
	}
	tests := map[string]struct {
		event, fields string
		want          approval.Hint
	}{
		"push onto a head":            {"pull_request", `{"action":"synchronize","before":"` + landed + `",` + pull(sameRepository) + `}`, with(aboutPull, onto(landed))},
		"push onto a short head":      {"pull_request", `{"action":"synchronize","before":"2222222",` + pull(sameRepository) + `}`, with(aboutPull, onto(""))},
		"opened, with a former head":  {"pull_request", `{"action":"opened","before":"` + landed + `",` + pull(ownFork) + `}`, with(aboutPull, pushed(10))},
		"push of commits":             {"pull_request", `{"action":"synchronize",` + pull(sameRepository) + `}`, with(aboutPull, pushed(11))},
		"push to a fork":              {"pull_request", `{"action":"synchronize",` + pull(foreignFork) + `}`, with(aboutPull, pushed(11))},
		"push to a fork that is gone": {"pull_request", `{"action":"synchronize",` + pull("null") + `}`, with(aboutPull, pushed(11))},
		"opened here":                 {"pull_request", `{"action":"opened",` + pull(sameRepository) + `}`, aboutPull},
		"opened from one's fork":      {"pull_request", `{"action":"opened",` + pull(ownFork) + `}`, with(aboutPull, pushed(10))},
		"opened from another's fork":  {"pull_request", `{"action":"opened",` + pull(foreignFork) + `}`, aboutPull},
		"reopened from one's fork":    {"pull_request", `{"action":"reopened",` + pull(ownFork) + `}`, with(aboutPull, pushed(11))},
		"reopened here":               {"pull_request", `{"action":"reopened",` + pull(sameRepository) + `}`, aboutPull},
		"edited":                      {"pull_request", `{"action":"edited","changes":{"base":{"ref":{"from":"dev"}}},` + pull(ownFork) + `}`, aboutPull},
		"labeled":                     {"pull_request", `{"action":"labeled",` + pull(ownFork) + `}`, about},
		"closed":                      {"pull_request", `{"action":"closed",` + pull(sameRepository) + `}`, aboutPull},
		"merged": {"pull_request", `{"action":"closed",` + strings.Replace(pull(sameRepository), `"merged":false`, `"merged":true`, 1) + `}`, with(aboutPull, func(h *approval.Hint) {
			h.Branch = "main"
			h.Merge = &approval.WitnessedMerge{RepositoryID: 42, Pull: 12, Commit: landed}
		})},
		"review": {"pull_request_review", `{"action":"submitted","review":{"id":5,"commit_id":"` + head + `"},` + pull(sameRepository) + `}`, with(aboutPull, func(h *approval.Hint) {
			h.Review = &approval.WitnessedReview{RepositoryID: 42, ReviewID: 5, Commit: head, Base: "main"}
		})},
		"comment":          {"issue_comment", `{"action":"created","issue":{"number":12,"pull_request":{"url":"x"}},"comment":{"id":3,"body":"Nice.","created_at":"2026-11-21T10:00:00Z","user":{"id":7,"type":"User"}}}`, about},
		"comment, edited":  {"issue_comment", `{"action":"edited","issue":{"number":12,"pull_request":{"url":"x"}}}`, aboutPull},
		"review dismissed": {"pull_request_review", `{"action":"dismissed","review":{"id":5,"commit_id":"` + landed + `"},` + pull(sameRepository) + `}`, aboutPull},
		"review edited":    {"pull_request_review", `{"action":"edited","review":{"id":5,"commit_id":null},` + pull(sameRepository) + `}`, aboutPull},
		"push":             {"push", `{"ref":"refs/heads/release/1.2"}`, with(about, func(h *approval.Hint) { h.Branch = "release/1.2" })},
		"push of a tag":    {"push", `{"ref":"refs/tags/v1"}`, about},
		"deleted branch":   {"push", `{"ref":"refs/heads/main","deleted":true,"after":"0000000000000000000000000000000000000000"}`, with(about, func(h *approval.Hint) { h.Branch = "main" })},
		"comment of a bot": {"issue_comment", `{"action":"edited","sender":{"id":7,"login":"gatekeeper[bot]","type":"Bot"},"issue":{"number":12,"pull_request":{"url":"x"}}}`, about},
		"comment edited":   {"issue_comment", `{"action":"edited","comment":{"id":31},"issue":{"number":12,"pull_request":{"url":"x"}}}`, with(aboutPull, func(h *approval.Hint) { h.Comment = &approval.ChangedComment{ID: 31} })},
		"comment deleted": {"issue_comment", `{"action":"deleted","comment":{"id":31},"sender":{"id":7,"login":"tidy[bot]","type":"Bot"},"issue":{"number":12,"pull_request":{"url":"x"}}}`,
			with(aboutPull, func(h *approval.Hint) { h.Comment = &approval.ChangedComment{ID: 31, Deleted: true} })},
		"edited by us": {"issue_comment", `{"action":"edited","comment":{"id":31},"sender":{"id":7,"login":"gatekeeper[bot]","type":"Bot"},"issue":{"number":12,"pull_request":{"url":"x"}}}`, about},
		"merge group": {"merge_group", `{"action":"checks_requested","merge_group":{"head_sha":"` + head + `","head_ref":"refs/heads/gh-readonly-queue/main/pr-12-` + landed + `","base_sha":"` + landed + `","base_ref":"refs/heads/main"}}`,
			with(about, func(h *approval.Hint) {
				h.Group = &approval.MergeGroup{Branch: "main", Ref: "gh-readonly-queue/main/pr-12-" + landed, Base: landed, Head: head}
			})},
		"merge group gone":  {"merge_group", `{"action":"destroyed","reason":"dequeued","merge_group":null}`, about},
		"comment, no pull":  {"issue_comment", `{"action":"created","issue":{"number":12}}`, about},
		"comment, null":     {"issue_comment", `{"action":"created","issue":{"number":12,"pull_request":null}}`, about},
		"membership":        {"membership", `{"action":"added","repository":null}`, approval.Hint{People: true}},
		"team":              {"team", `{"action":"edited"}`, with(about, func(h *approval.Hint) { h.People = true })},
		"organization":      {"organization", `{"action":"member_removed","repository":null}`, approval.Hint{People: true}},
		"member":            {"member", `{"action":"edited"}`, with(about, func(h *approval.Hint) { h.People = true })},
		"check again":       {"check_run", `{"action":"rerequested","check_run":{"pull_requests":[{"number":12},{"number":13}]}}`, again},
		"check again, ours": {"check_run", `{"action":"rerequested","check_run":{"external_id":"gatekeeper/pull/12","pull_requests":[{"number":13}]}}`, again},
		"check again, of a group": {"check_run", `{"action":"rerequested","check_run":{"head_sha":"` + head + `","external_id":"gatekeeper/group/` + landed + `/gh-readonly-queue/release/1.2/pr-12-` + landed + `","pull_requests":[{"number":13}]}}`,
			with(about, func(h *approval.Hint) {
				h.Again = true
				h.Group = &approval.MergeGroup{Branch: "release/1.2", Ref: "gh-readonly-queue/release/1.2/pr-12-" + landed, Base: landed, Head: head}
			})},
		"check of a group, button": {"check_run", `{"action":"requested_action","check_run":{"head_sha":"` + head + `","external_id":"gatekeeper/group/` + landed + `/gh-readonly-queue/main/pr-12-` + landed + `"}}`, about},
		"check of a group, done":   {"check_run", `{"action":"completed","check_run":{"external_id":"gatekeeper/group/"}}`, about},
		"check, button":            {"check_run", `{"action":"requested_action","check_run":{"external_id":"gatekeeper/pull/12"}}`, aboutPull},
		"check, foreign ID":        {"check_run", `{"action":"rerequested","check_run":{"external_id":"else","pull_requests":[]}}`, about},
		"check completed":          {"check_run", `{"action":"completed","check_run":{"pull_requests":[{"number":12}]}}`, about},
		"suite again":              {"check_suite", `{"action":"rerequested","check_suite":{"pull_requests":[{"number":12}]}}`, again},
		"suite again, of a head": {"check_suite", `{"action":"rerequested","check_suite":{"head_sha":"` + head + `","pull_requests":[{"number":12}]}}`,
			with(again, func(h *approval.Hint) { h.Suite = head })},
		"suite again, of a fork or a group": {"check_suite", `{"action":"rerequested","check_suite":{"head_sha":"` + head + `","head_branch":null,"pull_requests":[]}}`,
			with(about, func(h *approval.Hint) { h.Suite = head })},
		"suite done":        {"check_suite", `{"action":"completed","check_suite":{"head_sha":"` + head + `","pull_requests":[{"number":12}]}}`, about},
		"ping":              {"ping", `{}`, approval.Hint{}},
		"unsuspended":       {"installation", `{"action":"unsuspend","repository":null}`, approval.Hint{Access: true}},
		"given permissions": {"installation", `{"action":"new_permissions_accepted","repository":null}`, approval.Hint{Access: true}},
		"given repository":  {"installation_repositories", `{"action":"added","repository":null}`, approval.Hint{Access: true}},
		"unknown":           {"repository_ruleset", `{"repository":null}`, approval.Hint{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h, err := Parse(tt.event, payload(t, tt.fields))
			require.NoError(t, err)
			require.Equal(t, tt.want, h)
		})
	}
	require.Equal(t, "gatekeeper/pull/12", ExternalID(12))
}

// Whether a witness is taken must not depend on the head being named in some
// other way: the names below are Mallory's to choose.
func TestOpeningDoesNotMakeAPusher(t *testing.T) {
	mallory := `{"action":"opened",` + pull(`{"id":42,"full_name":"alice/deploy","owner":{"id":7}}`) + `}`
	h, err := Parse("pull_request", payload(t, mallory))
	require.NoError(t, err)
	require.Nil(t, h.Head, "same repository ID: GitHub's activity log knows who pushed")
}

func TestParseRefuses(t *testing.T) {
	noRepository := `"repository":null`
	tests := map[string]struct{ event, fields string }{
		"no repository":             {"push", `{"ref":"refs/heads/main",` + noRepository + `}`},
		"repository without ID":     {"push", `{"ref":"refs/heads/main","repository":{"id":0,"full_name":"acme/deploy"}}`},
		"repository without name":   {"push", `{"ref":"refs/heads/main","repository":{"id":42}}`},
		"repository name with dots": {"push", `{"ref":"refs/heads/main","repository":{"id":42,"full_name":"acme/.."}}`},
		"push without ref":          {"push", `{}`},
		"pull without number":       {"pull_request", `{"action":"synchronize","pull_request":{"number":0}}`},
		"no pull":                   {"pull_request", `{"action":"synchronize"}`},
		"pull, no repository":       {"pull_request", `{"action":"edited",` + pull(sameRepository) + `,` + noRepository + `}`},
		"short head":                {"pull_request", `{"action":"synchronize",` + strings.Replace(pull(sameRepository), head, "1111111", 1) + `}`},
		"no sender":                 {"pull_request", `{"action":"synchronize","sender":null,` + pull(sameRepository) + `}`},
		"sender without ID":         {"pull_request", `{"action":"synchronize","sender":{"login":"x"},` + pull(sameRepository) + `}`},
		"no time":                   {"pull_request", `{"action":"synchronize",` + strings.Replace(pull(sameRepository), `"updated_at":"2026-11-21T11:00:00Z"`, `"updated_at":null`, 1) + `}`},
		"merged without commit":     {"pull_request", `{"action":"closed",` + strings.Replace(strings.Replace(pull(sameRepository), `"merged":false`, `"merged":true`, 1), `"merge_commit_sha":"`+landed+`"`, `"merge_commit_sha":null`, 1) + `}`},
		"merged without base":       {"pull_request", `{"action":"closed",` + strings.Replace(strings.Replace(pull(sameRepository), `"merged":false`, `"merged":true`, 1), `"ref":"main"`, `"ref":""`, 1) + `}`},
		"review without ID":         {"pull_request_review", `{"action":"dismissed","review":{},` + pull(sameRepository) + `}`},
		"review without commit":     {"pull_request_review", `{"action":"submitted","review":{"id":5,"commit_id":null},` + pull(sameRepository) + `}`},
		"review without pull":       {"pull_request_review", `{"action":"submitted","review":{"id":5,"commit_id":"` + head + `"}}`},
		"comment without issue":     {"issue_comment", `{"action":"created"}`},
		"no check run":              {"check_run", `{"action":"rerequested"}`},
		"check of no pull":          {"check_run", `{"action":"rerequested","check_run":{"external_id":"gatekeeper/pull/-1"}}`},
		"check of no group":         {"check_run", `{"action":"rerequested","check_run":{"head_sha":"` + head + `","external_id":"gatekeeper/group/"}}`},
		"check of no queue":         {"check_run", `{"action":"rerequested","check_run":{"head_sha":"` + head + `","external_id":"gatekeeper/group/` + landed + `/main"}}`},
		"check of a group nowhere":  {"check_run", `{"action":"rerequested","check_run":{"head_sha":"` + head + `","external_id":"gatekeeper/group/` + landed + `/gh-readonly-queue/pr-12"}}`},
		"check of a group on what":  {"check_run", `{"action":"rerequested","check_run":{"head_sha":"` + head + `","external_id":"gatekeeper/group/x/gh-readonly-queue/main/pr-12"}}`},
		"check of a headless group": {"check_run", `{"action":"rerequested","check_run":{"external_id":"gatekeeper/group/` + landed + `/gh-readonly-queue/main/pr-12"}}`},
		"check of pull zero":        {"check_run", `{"action":"rerequested","check_run":{"pull_requests":[{}]}}`},
		"member without repository": {"member", `{"action":"added","repository":{}}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h, err := Parse(tt.event, payload(t, tt.fields))
			require.ErrorIs(t, err, ErrPayload)
			require.Equal(t, approval.Hint{}, h)
		})
	}
	for _, body := range []string{"", "null", "[]", "{", `{"repository":7}`} {
		_, err := Parse("push", []byte(body))
		require.ErrorIs(t, err, ErrPayload, body)
	}
	_, err := Parse("push", make([]byte, BodyLimit+1))
	require.ErrorContains(t, err, "bytes")
}

func FuzzVerify(f *testing.F) {
	f.Add("key", "sha256=00", []byte("body"))
	f.Add("", "", []byte(nil))
	f.Fuzz(func(t *testing.T, secret, signature string, body []byte) {
		err := Verify([][]byte{[]byte(secret)}, signature, body)
		if err == nil {
			require.NotEmpty(t, secret)
			require.Equal(t, sign(secret, string(body)), strings.ToLower(signature))
		}
		if secret != "" {
			require.NoError(t, Verify([][]byte{[]byte("other"), []byte(secret)}, sign(secret, string(body)), body))
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, event := range []string{"pull_request", "pull_request_review", "push", "issue_comment", "check_run", "check_suite", "member", "ping"} {
		f.Add(event, []byte(`{"action":"synchronize","repository":{"id":1,"full_name":"a/b"},"sender":{"id":1,"login":"x"},`+pull(ownFork)+`}`))
		f.Add(event, []byte(`{"action":"submitted","review":{"id":1,"commit_id":"`+head+`"}}`))
	}
	f.Add("check_run", []byte(`{"action":"rerequested","repository":{"id":1,"full_name":"a/b"},"check_run":{"head_sha":"`+head+`","external_id":"gatekeeper/group/`+landed+`/gh-readonly-queue/main/pr-12-`+landed+`"}}`))
	f.Add("push", []byte(aPush(`"ref"`, `"sender":{"id":7,"login":"alice"},"ref"`)))
	f.Fuzz(func(t *testing.T, event string, body []byte) {
		h, err := Parse(event, body)
		if err != nil {
			require.Equal(t, approval.Hint{}, h)
			return
		}
		if h.Pull != 0 || h.Branch != "" {
			require.Positive(t, h.RepositoryID)
			_, err := approval.ParseRepositoryName(string(h.Repository))
			require.NoError(t, err)
		}
		require.GreaterOrEqual(t, h.Pull, 0)
		if h.Head != nil {
			require.Positive(t, h.Head.Pusher.ID)
			require.False(t, h.Head.PushedAt.IsZero())
			require.Equal(t, h.Pull, h.Head.Pull)
		}
		if h.Push != nil {
			require.Equal(t, h.Branch, h.Push.Branch)
			require.Positive(t, h.Push.Pusher.ID)
			require.Len(t, string(h.Push.Before), 40)
			require.Len(t, string(h.Push.After), 40)
			require.False(t, h.Push.PushedAt.IsZero())
			for _, a := range h.Push.Accounts {
				require.Len(t, string(a.Commit), 40)
				require.True(t, a.Author == h.Push.Pusher || a.Committer == h.Push.Pusher)
			}
		}
		if h.Group != nil {
			require.NotEmpty(t, h.Group.Branch)
			require.Len(t, string(h.Group.Base), 40)
			require.Len(t, string(h.Group.Head), 40)
		}
		if h.Review != nil {
			require.Len(t, string(h.Review.Commit), 40)
			require.Positive(t, h.Review.ReviewID)
		}
	})
}
