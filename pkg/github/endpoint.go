package github

import (
	"net/url"
	"strings"
)

// otherEndpoint labels the paths that have no pattern of their own.
const otherEndpoint = "other"

// endpoints are the paths that Gatekeeper calls, as GitHub's documentation
// writes them, split at the slashes.
type endpoints [][]string

func newEndpoints() endpoints {
	var out endpoints
	for _, pattern := range []string{
		"app",
		"app/hook/config",
		"app/hook/deliveries",
		"app/hook/deliveries/{id}",
		"app/hook/deliveries/{id}/attempts",
		"app/installations",
		"app/installations/{id}",
		"app/installations/{id}/access_tokens",
		"app-manifests/{code}/conversions",
		"installation/repositories",
		"meta",
		"orgs/{org}/installation",
		"orgs/{org}/teams/{team}",
		"orgs/{org}/teams/{team}/members",
		"orgs/{org}/teams/{team}/memberships/{user}",
		"rate_limit",
		"user/{id}",
		"users/{user}",
		"users/{user}/installation",
		"repos/{owner}/{repo}",
		"repos/{owner}/{repo}/activity",
		"repos/{owner}/{repo}/branches/{branch}",
		"repos/{owner}/{repo}/branches/{branch}/protection",
		"repos/{owner}/{repo}/check-runs",
		"repos/{owner}/{repo}/check-runs/{id}",
		"repos/{owner}/{repo}/collaborators/{user}/permission",
		"repos/{owner}/{repo}/commits",
		"repos/{owner}/{repo}/commits/{sha}",
		"repos/{owner}/{repo}/commits/{sha}/check-runs",
		"repos/{owner}/{repo}/commits/{sha}/check-suites",
		"repos/{owner}/{repo}/commits/{sha}/pulls",
		"repos/{owner}/{repo}/deployments",
		"repos/{owner}/{repo}/deployments/{id}/statuses",
		"repos/{owner}/{repo}/installation",
		"repos/{owner}/{repo}/issues/comments/{id}",
		"repos/{owner}/{repo}/issues/comments/{id}/reactions",
		"repos/{owner}/{repo}/issues/{number}/comments",
		"repos/{owner}/{repo}/issues/{number}/labels",
		"repos/{owner}/{repo}/issues/{number}/labels/{name}",
		"repos/{owner}/{repo}/issues/{number}/timeline",
		"repos/{owner}/{repo}/pulls",
		"repos/{owner}/{repo}/pulls/{number}",
		"repos/{owner}/{repo}/pulls/{number}/commits",
		"repos/{owner}/{repo}/pulls/{number}/files",
		"repos/{owner}/{repo}/pulls/{number}/merge",
		"repos/{owner}/{repo}/pulls/{number}/requested_reviewers",
		"repos/{owner}/{repo}/pulls/{number}/reviews",
		"repos/{owner}/{repo}/pulls/{number}/reviews/{id}",
		"repos/{owner}/{repo}/pulls/{number}/reviews/{id}/dismissals",
		"repos/{owner}/{repo}/rules/branches/{branch}",
		"repos/{owner}/{repo}/statuses/{sha}",
	} {
		out = append(out, strings.Split(pattern, "/"))
	}
	return out
}

// label names a request: a method and one of the patterns. After a rename
// GitHub redirects to a path that has the ID in place of owner and name.
func (e endpoints) label(base *url.URL, method string, u *url.URL) string {
	path := strings.Trim(strings.TrimPrefix(u.Path, base.Path), "/")
	if rest, ok := strings.CutPrefix(path, "repositories/"); ok {
		path = "repos/{owner}/" + rest
	}
	segments := strings.Split(path, "/")
	for _, pattern := range e {
		if matchSegments(pattern, segments) {
			return knownMethod(method) + " /" + strings.Join(pattern, "/")
		}
	}
	return knownMethod(method) + " " + otherEndpoint
}

func matchSegments(pattern, path []string) bool {
	if len(pattern) != len(path) {
		return false
	}
	for i, p := range pattern {
		if !strings.HasPrefix(p, "{") && p != path[i] {
			return false
		}
	}
	return true
}

func knownMethod(m string) string {
	switch m {
	case "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD":
		return m
	default:
		return strings.ToUpper(otherEndpoint)
	}
}
