package standin_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestValidationErrors holds refusals of bodies and parameters to GitHub's form: "errors" with
// resource, field and code; code "custom" with a message; texts where GitHub has texts only.
func TestValidationErrors(t *testing.T) {
	e := newEverything(t, false)
	tok := "token " + e.bob.Token
	require.NoError(t, e.s.SetCollaborator("acme/env", "bob", "admin"))
	long := strings.Repeat("x", 65537)
	field := func(resource, field, code string) []any {
		return []any{map[string]any{"resource": resource, "field": field, "code": code}}
	}
	custom := func(resource, message string) []any {
		return []any{map[string]any{"resource": resource, "code": "custom", "message": message}}
	}
	text := func(message string) []any { return []any{message} }
	const failed, unprocessable = "Validation Failed", "Unprocessable Entity"
	number := e.params["review_id"]
	deployment, comment, ref := "/deployments/"+e.params["deployment_id"]+"/statuses", "/issues/comments/"+e.params["comment_id"], must(e.s.Pull("acme/env", 1))(t).Branch
	for _, c := range []struct {
		request, body, message string
		errors                 []any
	}{
		{"POST /pulls", `{"head":"x","base":"main"}`, failed, field("PullRequest", "title", "missing_field")},
		{"POST /pulls", `{"title":"x","head":"x","base":"nowhere"}`, failed, field("PullRequest", "base", "invalid")},
		{"POST /pulls", `{"title":"x","head":"nowhere","base":"main"}`, failed, field("PullRequest", "head", "invalid")},
		{"POST /pulls", `{"title":"x","head":"main","base":"main"}`, failed, custom("PullRequest", "No commits between main and main")},
		{"POST /pulls", `{"title":"x","head":"` + ref + `","base":"main"}`, failed, custom("PullRequest", "A pull request already exists for acme:"+ref+".")},
		{"POST /pulls", `{"title":"x","head":"x","base":"main","body":"` + long + `"}`, failed, custom("PullRequest", "body is too long (maximum is 65536 characters)")},
		{"POST /pulls", `{"title":"x","head":"x","base":"main","titel":"x"}`, "Invalid request.\n\n\"titel\" is not a permitted key.", nil},
		{"PATCH /pulls/1", `{"title":""}`, failed, field("PullRequest", "title", "missing_field")},
		{"PATCH /pulls/1", `{"state":"gone"}`, "Invalid request.\n\nFor 'properties/state', the value \"gone\" is not a member of [\"open\" \"closed\"].", nil},
		{"PATCH /pulls/1", `{"base":"nowhere"}`, failed, field("PullRequest", "base", "invalid")},
		{"PUT /pulls/1/merge", `{"merge_method":"octopus"}`, "Invalid request.\n\nFor 'properties/merge_method', the value \"octopus\" is not a member of [\"merge\" \"squash\" \"rebase\"].", nil},
		{"PUT /pulls/1/update-branch", `{}`, "There are no new commits on the base branch.", nil},
		{"POST /pulls/1/requested_reviewers", `{"reviewers":["nobody-here"]}`, failed, custom("PullRequest", "Could not resolve to a node with the given login.")},
		{"POST /pulls/1/requested_reviewers", `{"reviewers":["alice"]}`, "Review cannot be requested from pull request author.", nil},
		{"POST /pulls/1/reviews", `{"event":"COMMENT"}`, unprocessable, text("body can't be blank")},
		{"POST /pulls/1/reviews", `{"event":"PRAISE","body":"x"}`, "Invalid request.\n\nFor 'properties/event', the value \"PRAISE\" is not a member of [\"APPROVE\" \"REQUEST_CHANGES\" \"COMMENT\"].", nil},
		{"POST /pulls/1/reviews", `{"event":"COMMENT","body":"x","commit_id":"` + strings.Repeat("0", 40) + `"}`, unprocessable, text("commit_id is not part of the pull request")},
		{"POST /pulls/1/reviews", `{"event":"COMMENT","comments":[{"path":"nowhere","line":1,"body":"x"}]}`, unprocessable, text("Path could not be resolved")},
		{"PUT /pulls/1/reviews/" + number + "/dismissals", `{"message":""}`, unprocessable, text("message is missing")},
		{"PUT /pulls/1/reviews/" + number + "/dismissals", `{"message":"x"}`, "Can not dismiss a commented pull request review", nil},
		{"POST /issues/1/comments", `{"body":""}`, failed, custom("IssueComment", "body cannot be blank")},
		{"POST /issues/1/comments", `{"body":"` + long + `"}`, failed, custom("IssueComment", "body is too long (maximum is 65536 characters)")},
		{"PATCH " + comment, `{"body":""}`, failed, custom("IssueComment", "body cannot be blank")},
		{"POST " + comment + "/reactions", `{"content":"shrug"}`, "Invalid request.\n\nFor 'properties/content', the value \"shrug\" is not a member of [\"+1\" \"-1\" \"laugh\" \"confused\" \"heart\" \"hooray\" \"rocket\" \"eyes\"].", nil},
		{"POST /issues/1/reactions", `{}`, "Invalid request.\n\n\"content\" wasn't supplied.", nil},
		{"POST /labels", `{"color":"ff0000"}`, "Invalid request.\n\n\"name\" wasn't supplied.", nil},
		{"POST /labels", `{"name":"URGENT"}`, failed, field("Label", "name", "already_exists")},
		{"POST /labels", `{"name":"x","color":"red"}`, failed, field("Label", "color", "invalid")},
		{"POST /labels", `{"name":"` + long[:51] + `"}`, failed, custom("Label", "name is too long (maximum is 50 characters)")},
		{"POST /issues/1/labels", `{"labels":[""]}`, failed, field("Label", "name", "missing_field")},
		{"POST /issues/1/labels", `{"labels":[1]}`, "Invalid request.\n\nFor 'properties/labels/properties/0', the value is number, not string.", nil},
		{"POST /statuses/main", `{"state":"maybe"}`, "Invalid request.\n\nFor 'properties/state', the value \"maybe\" is not a member of [\"error\" \"failure\" \"pending\" \"success\"].", nil},
		{"POST /statuses/main", `{"state":"success","description":"` + long[:141] + `"}`, failed, custom("Status", "description is too long (maximum is 140 characters)")},
		{"POST /statuses/nowhere", `{"state":"success"}`, "No commit found for SHA: nowhere", nil},
		{"POST /deployments", `{}`, "Invalid request.\n\n\"ref\" wasn't supplied.", nil},
		{"POST /deployments", `{"ref":"main","description":"` + long[:141] + `"}`, failed, custom("Deployment", "description is too long (maximum is 140 characters)")},
		{"POST /deployments", `{"ref":"nowhere"}`, "No ref found for: nowhere", nil},
		{"POST /deployments", `{"ref":"main","payload":7}`, "Invalid request.\n\nFor 'properties/payload', the value is number, not object.", nil},
		{"POST " + deployment, `{"state":"maybe"}`, "Invalid request.\n\nFor 'properties/state', the value \"maybe\" is not a member of [\"error\" \"failure\" \"inactive\" \"in_progress\" \"queued\" \"pending\" \"success\"].", nil},
		{"POST " + deployment, `{"state":"success","description":"` + long[:141] + `"}`, failed, custom("DeploymentStatus", "description is too long (maximum is 140 characters)")},
		{"PUT /branches/main/protection", `{"enforce_admins":null,"restrictions":null,"required_status_checks":null}`, "Invalid request.\n\n\"required_pull_request_reviews\" wasn't supplied.", nil},
		{"PUT /branches/main/protection", `{"enforce_admins":null,"restrictions":null}`, "Invalid request.\n\n\"required_pull_request_reviews\" wasn't supplied.", nil},
	} {
		method, path, _ := strings.Cut(c.request, " ")
		t.Run(fmt.Sprintf("%s %.60s", c.request, c.body), func(t *testing.T) {
			status, _, answer := e.send(method, "/repos/acme/env"+path, tok, c.body)
			require.Equal(t, 422, status, answer)
			want := map[string]any{"message": c.message, "documentation_url": "https://docs.github.com/rest", "status": "422"}
			if c.errors != nil {
				want["errors"] = c.errors
			}
			expected, err := json.Marshal(want)
			require.NoError(t, err)
			require.JSONEq(t, string(expected), answer)
		})
	}
}

// TestParametersAreChecked: the words differ with what finds the mistake, the form does not.
func TestParametersAreChecked(t *testing.T) {
	w := newWorld(t)
	w.openPull("replicas: 2\n")
	for _, path := range []string{"/pulls?state=sleeping", "/pulls?page=one", "/issues/1/reactions?content=shrug",
		"/rulesets?includes_parents=some", "/collaborators?affiliation=close"} {
		status, _, answer := w.send("GET", "/repos/acme/env"+path, "token "+w.bob.Token, "")
		require.Equal(t, 422, status, path)
		var got map[string]string
		require.NoError(t, json.Unmarshal([]byte(answer), &got), "texts only")
		require.Regexp(t, `^Invalid request\.\n\n.`, got["message"], path)
	}
}

// TestCheckValidation does the same for what only an App may send.
func TestCheckValidation(t *testing.T) {
	w := newWorld(t)
	tok := w.mint(nil)
	base := `"name":"x","head_sha":"` + w.repo.Head + `"`
	for body, message := range map[string]string{
		`{}`:                                    `"head_sha" wasn't supplied.`,
		`{"name":"x","head_sha":"main"}`:        "No commit found for SHA: main",
		`{` + base + `,"status":"resting"}`:     `"resting" is not a member of`,
		`{` + base + `,"conclusion":"fine"}`:    `"fine" is not a member of`,
		`{` + base + `,"status":"completed"}`:   "a completed check run needs a conclusion.",
		`{` + base + `,"output":{"title":"x"}}`: `"summary" wasn't supplied.`,
		`{` + base + `,"actions":[{"label":"more than twenty characters","identifier":"x","description":"x"}]}`:                                                  "label",
		`{` + base + `,"output":{"title":"x","summary":"y","annotations":[{"path":"a","start_line":2,"end_line":1,"annotation_level":"notice","message":"x"}]}}`: "start_line is after end_line.",
	} {
		status, _, answer := w.send("POST", "/repos/acme/env/check-runs", tok, body)
		t.Run(body, func(t *testing.T) {
			require.Equal(t, 422, status, body)
			var got struct{ Message string }
			require.NoError(t, json.Unmarshal([]byte(answer), &got))
			require.Contains(t, got.Message, message)
		})
	}
	for body, message := range map[string]string{`{}`: `"head_sha" wasn't supplied.`, `{"head_sha":"main"}`: "No commit found for SHA: main"} {
		status, _, answer := w.send("POST", "/repos/acme/env/check-suites", tok, body)
		require.Equal(t, 422, status, body)
		require.Contains(t, strings.ReplaceAll(answer, `\"`, `"`), message)
	}
	status, _, answer := w.send("POST", "/repos/acme/env/check-suites", "token "+w.bob.Token, `{"head_sha":"`+w.repo.Head+`"}`)
	require.Equal(t, 403, status)
	require.Contains(t, answer, "You must authenticate via a GitHub App.")
}
