package contract

import "regexp"

// amendment is a place where GitHub contradicts its own description: a violation that is none. The texts are
// regular expressions over all of a violation's.
type amendment struct {
	kind   Kind
	of     string
	where  string
	what   string
	sample Violation // one that it lets pass
	reason string    // with the date and the evidence
}

// amendments is every such place. What is here is not checked any more, so a line needs evidence from
// GitHub's descriptions or documentation, and not the wish that a test passes.
func amendments() []amendment {
	const (
		pulls     = "GET /repos/{owner}/{repo}/pulls"
		installed = "GET /app/installations"
		teamRepo  = "GET /orgs/{org}/teams/{team_slug}/repos/{owner}/{repo}"
		statuses  = "GET /repos/{owner}/{repo}/deployments/{deployment_id}/statuses"
	)
	return []amendment{
		{kind: Wrong, of: `GET /repos/.*/issues/\{issue_number\}/timeline`, where: `status 200 body /\d+/user`, what: "is null, not object",
			sample: Violation{Wrong, "GET /repos/{owner}/{repo}/issues/{issue_number}/timeline", "status 200 body /0/user", "is null, not object"},
			reason: "2026-11-21: a reviewed entry is the review itself, and pull-request-review has its user nullable, for deleted accounts"},
		{kind: Wrong, of: `(POST|PUT) /repos/.*/issues/\{issue_number\}/labels`, where: "body", what: "is array, not object",
			sample: Violation{Wrong, "PUT /repos/{owner}/{repo}/issues/{issue_number}/labels", "body", "is array, not object"},
			reason: "2026-11-21: GitHub takes a list of names as well, which is all that go-github sends; the description once had both"},
		{kind: Unknown, of: `DELETE /repos/.*/contents/\{path\}`, where: "body /content", what: ".*",
			sample: Violation{Unknown, "DELETE /repos/{owner}/{repo}/contents/{path}", "body /content", undocumented},
			reason: "2026-11-21: go-github has one type for writing and deleting files and always sends content; its DeleteFile works with GitHub"},
		{kind: Wrong, of: `PUT /repos/.*/protection`, where: "body /required_status_checks/contexts", what: Missing,
			sample: Violation{Wrong, "PUT /repos/{owner}/{repo}/branches/{branch}/protection", "body /required_status_checks/contexts", Missing},
			reason: "2026-11-21: contexts is required and closing down, says the description, in favour of checks, which go-github sends alone"},
		{kind: Unknown, of: `.*/pulls.*|event pull_request.*`, where: `(status 20\d )?body ?(/\d+|/pull_request)?/requested_teams/\d+/parent`, what: ".*",
			sample: Violation{Unknown, "event pull_request closed", "body /pull_request/requested_teams/0/parent", undocumented},
			reason: "2026-11-21: GET pulls and pull_request review_requested list the parent of the same object; pull-request has team-simple"},
		{kind: Unknown, of: ".*", where: `status 4\d\d body /status`, what: ".*",
			sample: Violation{Unknown, pulls, "status 422 body /status", undocumented},
			reason: "2026-11-21: every error body has status, as basic-error says; the two shapes of 422 do not list it"},
		{kind: Wrong, of: installed, where: `status 200 body /\d+/account/(name|slug|created_at|updated_at)`, what: Missing,
			sample: Violation{Wrong, installed, "status 200 body /0/account/slug", Missing},
			reason: "2026-11-21: account is allOf user and enterprise here, and no account is both; the schema installation has anyOf"},
		{kind: Unknown, of: installed, where: `status 200 body /\d+/client_id`, what: ".*",
			sample: Violation{Unknown, installed, "status 200 body /0/client_id", undocumented},
			reason: "2026-11-21: the schema installation, which GET /app/installations/{installation_id} answers with, has client_id"},
		{kind: Unknown, of: "event pull_request_review edited", where: `body /pull_request/(base|head)/repo/(has_discussions|web_commit_signoff_required)`, what: ".*",
			sample: Violation{Unknown, "event pull_request_review edited", "body /pull_request/base/repo/has_discussions", undocumented},
			reason: "2026-11-21: pull_request_review submitted and every pull_request event list both for the same object"},
		{kind: Unknown, of: "event team .*", where: `body /repository/(has_discussions|web_commit_signoff_required)`, what: ".*",
			sample: Violation{Unknown, "event team edited", "body /repository/has_discussions", undocumented},
			reason: "2026-11-21: repository-webhooks, the repository of every other event, lists both"},
		{kind: Unknown, of: `GET /orgs/\{org\}/teams/\{team_slug\}/repos/\{owner\}/\{repo\}`, where: "status 200 body /has_discussions", what: ".*",
			sample: Violation{Unknown, teamRepo, "status 200 body /has_discussions", undocumented},
			reason: "2026-11-21: minimal-repository, repository and full-repository list it; team-repository has their other has_ fields"},
		{kind: Unknown, of: "event pull_request(_review)? .*", where: `body /(pull_request/requested_teams/\d+|requested_team)(/parent)?/(notification_setting|organization_id|type)`, what: ".*",
			sample: Violation{Unknown, "event pull_request review_requested", "body /requested_team/notification_setting", undocumented},
			reason: "2026-11-21: the events team and membership list all three for the same object, and so does GET pulls"},
		{kind: Unknown, of: "event pull_request (closed|edited|reopened)", where: `body /pull_request/requested_teams/\d+/parent`, what: ".*",
			sample: Violation{Unknown, "event pull_request edited", "body /pull_request/requested_teams/0/parent", undocumented},
			reason: "2026-11-21: pull_request labeled and synchronize list it for the same object"},
		{kind: Wrong, of: `(POST|PUT) /repos/.*/issues/.*/labels`, where: "body", what: "is array, not object",
			sample: Violation{Wrong, "POST /repos/{owner}/{repo}/issues/{issue_number}/labels", "body", "is array, not object"},
			reason: "2026-11-21: go-github v60 sends the bare list in AddLabelsToIssue and ReplaceLabelsForIssue, and works with GitHub"},
		{kind: Wrong, of: `GET /repos/.*/pulls|event pull_request(_review)? .*`, where: `(status 200 body /\d+|body /pull_request)/labels/\d+/description`, what: "is null, not string",
			sample: Violation{Wrong, pulls, "status 200 body /0/labels/0/description", "is null, not string"},
			reason: "2026-11-21: the schemas pull-request and label have it nullable; a label needs no description"},
		{kind: Wrong, of: `(GET|POST) /repos/.*/deployments/.*|event deployment_status .*`, where: `.* (/\d+)?(/deployment_status)?/(environment_url|log_url|target_url)`, what: `"" is no uri: .*`,
			sample: Violation{Wrong, statuses, "status 200 body /0/log_url", `"" is no uri: relative url`},
			reason: "2026-11-21: the description's own default of all three is the empty text"},
		{kind: Unknown, of: "event .*", where: "body /(.*/)?app/permissions/merge_queues", what: ".*",
			sample: Violation{Unknown, "event check_suite completed", "body /check_suite/app/permissions/merge_queues", undocumented},
			reason: "2026-11-21: app-permissions, which both descriptions have, lists it"},
		{kind: Unknown, of: "event deployment(_status)? .*", where: `body /deployment(_status)?/performed_via_github_app/client_id`, what: ".*",
			sample: Violation{Unknown, "event deployment created", "body /deployment/performed_via_github_app/client_id", undocumented},
			reason: "2026-11-21: the schema integration, which is an App everywhere in the API, has client_id"},
		{kind: Wrong, of: "event check_(suite|run) .*", where: `body /.*app/events/\d+`, what: `"repository_ruleset" is not a member of .*`,
			sample: Violation{Wrong, "event check_suite requested", "body /check_suite/app/events/0", `"repository_ruleset" is not a member of ["push"]`},
			reason: "2026-11-21: Apps may subscribe to repository_ruleset (docs \"Webhook events and payloads\"); the list is older than the event"},
		{kind: Wrong, of: "event check_suite rerequested", where: `body /check_suite/app/events/\d+`, what: `"merge_group" is not a member of .*`,
			sample: Violation{Wrong, "event check_suite rerequested", "body /check_suite/app/events/0", `"merge_group" is not a member of ["push"]`},
			reason: "2026-11-22: check_suite completed and requested list it for the same object"},
	}
}

// tolerated are the amendments, ready for use.
type tolerated []struct {
	of, where, what *regexp.Regexp
	kind            Kind
}

func newTolerated() (tolerated, error) {
	list := amendments()
	out := make(tolerated, len(list))
	for i, a := range list {
		var err error
		if out[i].of, err = regexp.Compile("^(" + a.of + ")$"); err != nil {
			return nil, err
		}
		if out[i].where, err = regexp.Compile("^(" + a.where + ")$"); err != nil {
			return nil, err
		}
		if out[i].what, err = regexp.Compile("^(" + a.what + ")$"); err != nil {
			return nil, err
		}
		out[i].kind = a.kind
	}
	return out, nil
}

func (t tolerated) has(v Violation) bool {
	for _, a := range t {
		if a.kind == v.Kind && a.of.MatchString(v.Of) && a.where.MatchString(v.Where) && a.what.MatchString(v.What) {
			return true
		}
	}
	return false
}
