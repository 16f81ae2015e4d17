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
		{"POST /pulls", `{"titel":"x"}`, "Invalid request.\n\n\"titel\" is not a permitted key.", nil},
		{"PATCH /pulls/1", `{"title":""}`, failed, field("PullRequest", "title", "missing_field")},
		{"PATCH /pulls/1", `{"state":"gone"}`, failed, field("PullRequest", "state", "invalid")},
		{"PATCH /pulls/1", `{"base":"nowhere"}`, failed, field("PullRequest", "base", "invalid")},
		{"PUT /pulls/1/merge", `{"merge_method":"octopus"}`, failed, field("PullRequest", "merge_method", "invalid")},
		{"PUT /pulls/1/update-branch", `{}`, "There are no new commits on the base branch.", nil},
		{"POST /pulls/1/requested_reviewers", `{"reviewers":["nobody-here"]}`, failed, custom("PullRequest", "Could not resolve to a node with the given login.")},
		{"POST /pulls/1/requested_reviewers", `{"reviewers":["alice"]}`, "Review cannot be requested from pull request author.", nil},
		{"POST /pulls/1/reviews", `{"event":"COMMENT"}`, unprocessable, text("body can't be blank")},
		{"POST /pulls/1/reviews", `{"event":"PRAISE","body":"x"}`, unprocessable, text("event is invalid")},
		{"POST /pulls/1/reviews", `{"event":"COMMENT","body":"x","commit_id":"` + strings.Repeat("0", 40) + `"}`, unprocessable, text("commit_id is not part of the pull request")},
		{"POST /pulls/1/reviews", `{"event":"COMMENT","comments":[{"path":"nowhere","line":1,"body":"x"}]}`, unprocessable, text("Path could not be resolved")},
		{"PUT /pulls/1/reviews/" + number + "/dismissals", `{"message":""}`, unprocessable, text("message is missing")},
		{"PUT /pulls/1/reviews/" + number + "/dismissals", `{"message":"x"}`, "Can not dismiss a commented pull request review", nil},
		{"POST /issues/1/comments", `{"body":""}`, failed, custom("IssueComment", "body cannot be blank")},
		{"POST /issues/1/comments", `{"body":"` + long + `"}`, failed, custom("IssueComment", "body is too long (maximum is 65536 characters)")},
		{"PATCH " + comment, `{"body":""}`, failed, custom("IssueComment", "body cannot be blank")},
		{"POST " + comment + "/reactions", `{"content":"shrug"}`, failed, field("Reaction", "content", "invalid")},
		{"POST /issues/1/reactions", `{}`, failed, field("Reaction", "content", "invalid")},
		{"POST /labels", `{"color":"ff0000"}`, failed, field("Label", "name", "missing_field")},
		{"POST /labels", `{"name":"URGENT"}`, failed, field("Label", "name", "already_exists")},
		{"POST /labels", `{"name":"x","color":"red"}`, failed, field("Label", "color", "invalid")},
		{"POST /labels", `{"name":"` + long[:51] + `"}`, failed, custom("Label", "name is too long (maximum is 50 characters)")},
		{"POST /issues/1/labels", `{"labels":[""]}`, failed, field("Label", "name", "missing_field")},
		{"POST /issues/1/labels", `{"labels":[1]}`, "Invalid request.\n\nFor 'items', 1 is not a string.", nil},
		{"POST /statuses/main", `{"state":"maybe"}`, failed, field("Status", "state", "invalid")},
		{"POST /statuses/main", `{"state":"success","description":"` + long[:141] + `"}`, failed, custom("Status", "description is too long (maximum is 140 characters)")},
		{"POST /statuses/nowhere", `{"state":"success"}`, "No commit found for SHA: nowhere", nil},
		{"POST /deployments", `{}`, failed, field("Deployment", "ref", "missing_field")},
		{"POST /deployments", `{"ref":"main","description":"` + long[:141] + `"}`, failed, custom("Deployment", "description is too long (maximum is 140 characters)")},
		{"POST /deployments", `{"ref":"nowhere"}`, "No ref found for: nowhere", nil},
		{"POST /deployments", `{"ref":"main","payload":7}`, "Invalid request.\n\nFor 'properties/payload', 7 is not an object or a string.", nil},
		{"POST " + deployment, `{"state":"maybe"}`, failed, field("DeploymentStatus", "state", "invalid")},
		{"POST " + deployment, `{"state":"success","description":"` + long[:141] + `"}`, failed, custom("DeploymentStatus", "description is too long (maximum is 140 characters)")},
		{"PUT /branches/main/protection", `{"enforce_admins":null,"restrictions":null,"required_status_checks":null}`, "Invalid request.\n\n\"required_pull_request_reviews\" wasn't supplied.", nil},
		{"PUT /branches/main/protection", `{"enforce_admins":null,"restrictions":null}`, "Invalid request.\n\n\"required_status_checks\", \"required_pull_request_reviews\" weren't supplied.", nil},
		{"GET /pulls?state=sleeping", ``, "Invalid request.\n\n\"sleeping\" is not a possible value of \"state\".", nil},
		{"GET /pulls?page=one", ``, "Invalid request.\n\n\"page\" is not an integer.", nil},
		{"GET /issues/1/reactions?content=shrug", ``, "Invalid request.\n\n\"shrug\" is not a possible value of \"content\".", nil},
		{"GET /rulesets?includes_parents=some", ``, "Invalid request.\n\n\"some\" is not a possible value of \"includes_parents\".", nil},
		{"GET /collaborators?affiliation=close", ``, "Invalid request.\n\n\"close\" is not a possible value of \"affiliation\".", nil},
	} {
		method, path, _ := strings.Cut(c.request, " ")
		status, _, answer := e.send(method, "/repos/acme/env"+path, tok, c.body)
		name := fmt.Sprintf("%s %.80s", c.request, c.body)
		require.Equal(t, 422, status, "%s %s", name, answer)
		want := map[string]any{"message": c.message, "documentation_url": "https://docs.github.com/rest", "status": "422"}
		if c.errors != nil {
			want["errors"] = c.errors
		}
		expected, err := json.Marshal(want)
		require.NoError(t, err)
		require.JSONEq(t, string(expected), answer, name)
	}
}

// TestCheckValidation does the same for what only an App may send.
func TestCheckValidation(t *testing.T) {
	w := newWorld(t)
	tok := w.mint(nil)
	base := `"name":"x","head_sha":"` + w.repo.Head + `"`
	for body, message := range map[string]string{
		`{}`:                                       `"name", "head_sha" weren't supplied.`,
		`{"name":"x","head_sha":"main"}`:           "No commit found for SHA: main",
		`{` + base + `,"status":"resting"}`:        "resting is not a possible value of status.",
		`{` + base + `,"conclusion":"fine"}`:       "fine is not a possible value of conclusion.",
		`{` + base + `,"status":"completed"}`:      "a completed check run needs a conclusion.",
		`{` + base + `,"output":{"title":"x"}}`:    "output needs title and summary.",
		`{` + base + `,"actions":[{"label":"x"}]}`: "label and identifier have 1 to 20 characters",
		`{` + base + `,"output":{"title":"x","summary":"y","annotations":[{"path":"a"}]}}`: "an annotation needs path",
	} {
		status, _, answer := w.send("POST", "/repos/acme/env/check-runs", tok, body)
		require.Equal(t, 422, status, body)
		var got struct{ Message string }
		require.NoError(t, json.Unmarshal([]byte(answer), &got))
		require.Contains(t, got.Message, message, body)
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
