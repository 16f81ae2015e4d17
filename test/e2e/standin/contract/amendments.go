package contract

import "regexp"

// amendment is a place where GitHub contradicts its own description: a violation that is none.
type amendment struct {
	of     string // an operation or event; a regular expression over all of it
	where  string // the same
	kind   Kind
	sample Violation // one that it lets pass
	reason string    // with the date and the evidence
}

// amendments is every such place. What is here is not checked any more, so a line needs evidence from
// GitHub's descriptions or documentation, and not the wish that a test passes.
func amendments() []amendment {
	const (
		operation = "GET /repos/{owner}/{repo}/pulls"
		installed = "GET /app/installations"
	)
	return []amendment{
		{of: ".*", where: `status 4\d\d body /status`, kind: Unknown,
			sample: Violation{Unknown, operation, "status 422 body /status", ""},
			reason: "2026-11-21: every error body has status, as basic-error says; the two shapes of 422 do not list it"},
		{of: installed, where: `status 200 body /\d+/account/(name|slug|created_at|updated_at)`, kind: Wrong,
			sample: Violation{Wrong, installed, "status 200 body /0/account/slug", Missing},
			reason: "2026-11-21: account is allOf user and enterprise here, and no account is both; the schema installation has anyOf"},
		{of: installed, where: `status 200 body /\d+/client_id`, kind: Unknown,
			sample: Violation{Unknown, installed, "status 200 body /0/client_id", ""},
			reason: "2026-11-21: the schema installation, which GET /app/installations/{installation_id} answers with, has client_id"},
		{of: "event pull_request_review edited", where: `body /pull_request/(base|head)/repo/(has_discussions|web_commit_signoff_required)`, kind: Unknown,
			sample: Violation{Unknown, "event pull_request_review edited", "body /pull_request/base/repo/has_discussions", ""},
			reason: "2026-11-21: pull_request_review submitted and every pull_request event list both for the same object"},
		{of: "event pull_request(_review)? .*", where: `body /(pull_request/requested_teams/\d+|requested_team)(/parent)?/(notification_setting|organization_id|type)`, kind: Unknown,
			sample: Violation{Unknown, "event pull_request review_requested", "body /requested_team/notification_setting", ""},
			reason: "2026-11-21: the events team and membership list all three for the same object, and so does GET pulls"},
	}
}

// tolerated are the amendments, ready for use.
type tolerated []struct {
	of, where *regexp.Regexp
	kind      Kind
}

func newTolerated() (tolerated, error) {
	list := amendments()
	out := make(tolerated, len(list))
	for i, a := range list {
		var err error
		if out[i].of, err = regexp.Compile("^" + a.of + "$"); err != nil {
			return nil, err
		}
		if out[i].where, err = regexp.Compile("^" + a.where + "$"); err != nil {
			return nil, err
		}
		out[i].kind = a.kind
	}
	return out, nil
}

func (t tolerated) has(v Violation) bool {
	for _, a := range t {
		if a.kind == v.Kind && a.of.MatchString(v.Of) && a.where.MatchString(v.Where) {
			return true
		}
	}
	return false
}
