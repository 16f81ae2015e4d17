package standin

import (
	"net/http"
	"strings"
)

// route is one endpoint.
type route struct {
	method, pattern string
	// perms are the permissions of which an installation token needs one; nil for endpoints that
	// every token may use.
	perms  []string
	jwt    bool // only for the App itself
	handle handlerFunc
	// first routes are tried before the others: ServeMux refuses patterns of which neither is more specific.
	first bool
}

// locked makes a handler that only looks at or changes the state, and runs no git.
func locked(h handlerFunc) handlerFunc {
	return func(c *call) (any, error) {
		c.s.mu.Lock()
		defer c.s.mu.Unlock()
		return h(c)
	}
}

func (s *Server) routes() []route {
	const repo = "/repos/{owner}/{repo}"
	p := func(perms ...string) []string { return perms }
	metadata, contents, members := p("metadata:read"), p("contents:read"), p("members:read")
	pulls, pullsWrite := p("pull_requests:read"), p("pull_requests:write")
	issues, issuesWrite := p("issues:read", "pull_requests:read"), p("issues:write", "pull_requests:write")
	checks, checksWrite := p("checks:read"), p("checks:write")
	return []route{
		{method: "GET", pattern: "/app", jwt: true, handle: locked(s.getApp)},
		{method: "GET", pattern: "/app/installations", jwt: true, handle: locked(s.listInstallations)},
		{method: "GET", pattern: "/app/installations/{installation_id}", jwt: true, handle: locked(s.getInstallation)},
		{method: "POST", pattern: "/app/installations/{installation_id}/access_tokens", jwt: true, handle: locked(s.createToken)},
		{method: "GET", pattern: "/app/hook/deliveries", jwt: true, handle: s.listDeliveries},
		{method: "GET", pattern: "/app/hook/deliveries/{delivery_id}", jwt: true, handle: s.getDelivery},
		{method: "POST", pattern: "/app/hook/deliveries/{delivery_id}/attempts", jwt: true, handle: s.redeliver},
		{method: "GET", pattern: repo + "/installation", jwt: true, handle: locked(s.getRepositoryInstallation)},
		{method: "GET", pattern: "/installation/repositories", perms: metadata, handle: locked(s.listInstallationRepositories)},

		{method: "GET", pattern: "/meta", handle: locked(s.getMeta)},
		{method: "GET", pattern: "/rate_limit", handle: locked(s.getRateLimit)},
		{method: "GET", pattern: "/user", handle: locked(s.getAuthenticatedUser)},
		{method: "GET", pattern: "/user/{account_id}", handle: locked(s.getUser)},
		{method: "GET", pattern: "/users/{username}", handle: locked(s.getUser)},
		{method: "GET", pattern: "/orgs/{org}/teams", perms: members, handle: locked(s.listTeams)},
		{method: "GET", pattern: "/orgs/{org}/teams/{team_slug}", perms: members, handle: locked(s.getTeam)},
		{method: "GET", pattern: "/orgs/{org}/teams/{team_slug}/members", perms: members, handle: locked(s.listTeamMembers)},
		{method: "GET", pattern: "/orgs/{org}/teams/{team_slug}/memberships/{username}", perms: members, handle: locked(s.getTeamMembership)},

		{method: "GET", pattern: repo, perms: metadata, handle: locked(s.getRepository)},
		{method: "GET", pattern: repo + "/collaborators/{username}/permission", perms: metadata, handle: locked(s.getPermission)},
		{method: "GET", pattern: repo + "/branches/{branch...}", perms: contents, handle: s.getBranch},
		{method: "GET", pattern: repo + "/git/ref/{ref...}", perms: contents, handle: s.getRef},
		{method: "GET", pattern: repo + "/activity", perms: contents, handle: locked(s.listActivity)},
		{method: "GET", pattern: repo + "/compare/{basehead...}", perms: contents, handle: s.compare},
		{method: "GET", pattern: repo + "/commits", perms: contents, handle: s.listCommits},
		{method: "GET", pattern: repo + "/commits/{ref...}", perms: contents, handle: s.getCommit},
		{method: "GET", pattern: repo + "/commits/{sha}/pulls", perms: pulls, handle: s.listPullsOfCommit},

		{method: "GET", pattern: repo + "/pulls", perms: pulls, handle: locked(s.listPulls)},
		{method: "POST", pattern: repo + "/pulls", perms: pullsWrite, handle: s.createPull},
		{method: "GET", pattern: repo + "/pulls/{number}", perms: pulls, handle: s.getPull},
		{method: "PATCH", pattern: repo + "/pulls/{number}", perms: pullsWrite, handle: s.updatePull},
		{method: "GET", pattern: repo + "/pulls/{number}/commits", perms: pulls, handle: s.listPullCommits},
		{method: "GET", pattern: repo + "/pulls/{number}/files", perms: pulls, handle: s.listPullFiles},
		{method: "PUT", pattern: repo + "/pulls/{number}/merge", perms: p("contents:write"), handle: s.putMerge},
		{method: "PUT", pattern: repo + "/pulls/{number}/update-branch", perms: pullsWrite, handle: s.putUpdateBranch},
		{method: "POST", pattern: repo + "/pulls/{number}/requested_reviewers", perms: pullsWrite, handle: locked(s.requestReviewers)},
		{method: "DELETE", pattern: repo + "/pulls/{number}/requested_reviewers", perms: pullsWrite, handle: locked(s.removeReviewers)},
		{method: "GET", pattern: repo + "/pulls/{number}/reviews", perms: pulls, handle: locked(s.listReviews)},
		{method: "POST", pattern: repo + "/pulls/{number}/reviews", perms: pullsWrite, handle: locked(s.createReview)},
		{method: "GET", pattern: repo + "/pulls/{number}/reviews/{review_id}", perms: pulls, handle: locked(s.getReview)},
		{method: "PUT", pattern: repo + "/pulls/{number}/reviews/{review_id}", perms: pullsWrite, handle: locked(s.updateReview)},
		{method: "POST", pattern: repo + "/pulls/{number}/reviews/{review_id}/events", perms: pullsWrite, handle: locked(s.submitReview)},
		{method: "PUT", pattern: repo + "/pulls/{number}/reviews/{review_id}/dismissals", perms: pullsWrite, handle: locked(s.dismissReview)},

		{method: "GET", pattern: repo + "/issues/{number}/comments", perms: issues, handle: locked(s.listComments)},
		{method: "POST", pattern: repo + "/issues/{number}/comments", perms: issuesWrite, handle: locked(s.createComment)},
		{method: "GET", pattern: repo + "/issues/comments/{comment_id}", perms: issues, handle: locked(s.getComment), first: true},
		{method: "PATCH", pattern: repo + "/issues/comments/{comment_id}", perms: issuesWrite, handle: locked(s.updateComment), first: true},
		{method: "DELETE", pattern: repo + "/issues/comments/{comment_id}", perms: issuesWrite, handle: locked(s.deleteComment), first: true},

		{method: "POST", pattern: repo + "/check-runs", perms: checksWrite, handle: s.createCheckRun},
		{method: "GET", pattern: repo + "/check-runs/{check_run_id}", perms: checks, handle: locked(s.getCheckRun)},
		{method: "PATCH", pattern: repo + "/check-runs/{check_run_id}", perms: checksWrite, handle: locked(s.updateCheckRun)},
		{method: "GET", pattern: repo + "/commits/{ref}/check-runs", perms: checks, handle: s.listCheckRuns},
		{method: "POST", pattern: repo + "/statuses/{sha}", perms: p("statuses:write"), handle: s.createStatus},
		{method: "GET", pattern: repo + "/commits/{ref}/statuses", perms: p("statuses:read"), handle: s.listStatuses},
	}
}

// handler is the whole server: git first, since its paths have the forms of others, then the API.
func (s *Server) handler() http.Handler {
	first, others := http.NewServeMux(), http.NewServeMux()
	for _, rt := range s.routes() {
		mux := others
		if rt.first {
			mux = first
		}
		mux.Handle(rt.method+" "+rt.pattern, boundRoute{s, &rt})
		if rest, ok := strings.CutPrefix(rt.pattern, "/repos/{owner}/{repo}"); ok {
			mux.Handle(rt.method+" /repositories/{repository_id}"+rest, boundRoute{s, &rt})
		}
	}
	others.Handle("/", boundRoute{s, nil})
	api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := first.Handler(r); pattern != "" {
			first.ServeHTTP(w, r)
			return
		}
		others.ServeHTTP(w, r)
	})
	enterprise := http.StripPrefix("/api/v3", api)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.active.RLock()
		defer s.active.RUnlock()
		if target, ok := gitTarget(r.URL.Path); ok {
			s.serveGit(w, r, target)
			return
		}
		if strings.HasPrefix(r.URL.Path, "/api/v3/") {
			enterprise.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	})
}

// boundRoute is a route as an http.Handler; a nil route is an address the API does not have.
type boundRoute struct {
	s  *Server
	rt *route
}

func (b boundRoute) ServeHTTP(w http.ResponseWriter, r *http.Request) { b.s.serveAPI(w, r, b.rt) }
