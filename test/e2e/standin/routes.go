package standin

import (
	"net/http"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/contract"
)

// route is one endpoint.
type route struct {
	method, pattern string
	// perms are the permissions of which an installation token needs one; nil for endpoints that
	// every token may use.
	perms []string
	jwt   bool // only for the App itself
	open  bool // for everybody: no permission is needed
	// role is the least one of a person; to read for GET and to write for the rest when it is not set.
	// Handlers may ask for more.
	role    role
	closed  bool // needs its permission, or a person, on public repositories as well
	anybody bool // an endpoint without a repository that answers without a token
	files   bool // the body carries files, so it may be large
	handle  handlerFunc
	// first routes are tried before the others: ServeMux refuses patterns of which neither is more specific.
	first bool
	// described is the path under which GitHub's description has the endpoint, where it is not the pattern's.
	described string
	// undescribed says why GitHub's description does not have the endpoint; it is not checked then.
	undescribed string
}

// locked makes a handler that only looks at or changes the state, and runs no git.
func locked(h handlerFunc) handlerFunc {
	return func(c *call) (any, error) {
		c.s.mu.Lock()
		defer c.s.mu.Unlock()
		return h(c)
	}
}

// repoPath is how the addresses of a repository begin.
const repoPath = "/repos/{owner}/{repo}"

// anyOf names the permissions of which one is needed.
func anyOf(perms ...string) []string { return perms }

// routes are all endpoints.
func (s *Server) routes() []route {
	return slices.Concat(
		s.appRoutes(),
		s.peopleRoutes(),
		s.repositoryRoutes(),
		s.gitDataRoutes(),
		s.contentsRoutes(),
		s.signingRoutes(),
		s.pullRoutes(),
		s.issueRoutes(),
		s.checkRoutes(),
		s.installationRoutes(),
		s.memberRoutes(),
		s.ruleRoutes(),
		s.deploymentRoutes(),
		s.suiteRoutes(),
		s.timelineRoutes(),
		s.labelRoutes(),
		s.reactionRoutes(),
		s.lineRoutes(),
		s.manifestRoutes(),
	)
}

func (s *Server) appRoutes() []route {
	return []route{
		{method: "GET", pattern: "/app", jwt: true, handle: locked(s.getApp)},
		{method: "GET", pattern: "/app/installations", jwt: true, handle: locked(s.listInstallations)},
		{method: "GET", pattern: "/app/installations/{installation_id}", jwt: true, handle: locked(s.getInstallation)},
		{method: "POST", pattern: "/app/installations/{installation_id}/access_tokens", jwt: true, handle: locked(s.createToken)},
		{method: "GET", pattern: "/app/hook/deliveries", jwt: true, handle: s.listDeliveries},
		{method: "GET", pattern: "/app/hook/deliveries/{delivery_id}", jwt: true, handle: s.getDelivery},
		{method: "POST", pattern: "/app/hook/deliveries/{delivery_id}/attempts", jwt: true, handle: s.redeliver},
		{method: "GET", pattern: repoPath + "/installation", jwt: true, handle: locked(s.getRepositoryInstallation)},
		{method: "GET", pattern: "/installation/repositories", perms: anyOf("metadata:read"), handle: locked(s.listInstallationRepositories)},
	}
}

func (s *Server) peopleRoutes() []route {
	return []route{
		{method: "GET", pattern: "/meta", open: true, handle: locked(s.getMeta)},
		{method: "GET", pattern: "/rate_limit", open: true, handle: locked(s.getRateLimit)},
		{method: "GET", pattern: "/user", open: true, handle: locked(s.getAuthenticatedUser)},
		{method: "GET", pattern: "/user/{account_id}", open: true, handle: locked(s.getUser)},
		{method: "GET", pattern: "/users/{username}", open: true, handle: locked(s.getUser)},
		{method: "GET", pattern: "/orgs/{org}/teams", perms: anyOf("members:read"), handle: locked(s.listTeams)},
		{method: "GET", pattern: "/orgs/{org}/teams/{team_slug}", perms: anyOf("members:read"), handle: locked(s.getTeam)},
		{method: "GET", pattern: "/orgs/{org}/teams/{team_slug}/members", perms: anyOf("members:read"), handle: locked(s.listTeamMembers)},
		{method: "GET", pattern: "/orgs/{org}/teams/{team_slug}/memberships/{username}", perms: anyOf("members:read"), handle: locked(s.getTeamMembership)},
	}
}

func (s *Server) repositoryRoutes() []route {
	return []route{
		{method: "GET", pattern: repoPath, perms: anyOf("metadata:read"), handle: locked(s.getRepository)},
		{method: "GET", pattern: repoPath + "/collaborators/{username}/permission", perms: anyOf("metadata:read"), handle: locked(s.getPermission)},
		{method: "GET", pattern: repoPath + "/branches/{branch...}", perms: anyOf("contents:read"), handle: s.getBranch},
		{method: "GET", pattern: repoPath + "/activity", perms: anyOf("contents:read"), handle: locked(s.listActivity)},
		{method: "GET", pattern: repoPath + "/compare/{basehead...}", perms: anyOf("contents:read"), handle: s.compare},
		{method: "GET", pattern: repoPath + "/commits", perms: anyOf("contents:read"), handle: s.listCommits},
		{method: "GET", pattern: repoPath + "/commits/{ref...}", perms: anyOf("contents:read"), handle: s.getCommit},
		{method: "GET", pattern: repoPath + "/commits/{sha}/pulls", perms: anyOf("pull_requests:read"), handle: s.listPullsOfCommit},
	}
}

func (s *Server) pullRoutes() []route {
	return []route{
		{method: "GET", pattern: repoPath + "/pulls", perms: anyOf("pull_requests:read"), handle: locked(s.listPulls)},
		{method: "POST", pattern: repoPath + "/pulls", role: roleRead, perms: anyOf("pull_requests:write"), handle: s.createPull},
		{method: "GET", pattern: repoPath + "/pulls/{number}", perms: anyOf("pull_requests:read"), handle: s.getPull},
		{method: "PATCH", pattern: repoPath + "/pulls/{number}", role: roleRead, perms: anyOf("pull_requests:write"), handle: s.updatePull},
		{method: "GET", pattern: repoPath + "/pulls/{number}/commits", perms: anyOf("pull_requests:read"), handle: s.listPullCommits},
		{method: "GET", pattern: repoPath + "/pulls/{number}/files", perms: anyOf("pull_requests:read"), handle: s.listPullFiles},
		{method: "PUT", pattern: repoPath + "/pulls/{number}/merge", perms: anyOf("contents:write"), handle: s.putMerge},
		{method: "PUT", pattern: repoPath + "/pulls/{number}/update-branch", role: roleRead, perms: anyOf("pull_requests:write"), handle: s.putUpdateBranch},
		{method: "GET", pattern: repoPath + "/pulls/{number}/requested_reviewers", perms: anyOf("pull_requests:read"), handle: locked(s.listRequestedReviewers)},
		{method: "POST", pattern: repoPath + "/pulls/{number}/requested_reviewers", role: roleTriage, perms: anyOf("pull_requests:write"), handle: locked(s.requestReviewers)},
		{method: "DELETE", pattern: repoPath + "/pulls/{number}/requested_reviewers", role: roleTriage, perms: anyOf("pull_requests:write"), handle: locked(s.removeReviewers)},
		{method: "GET", pattern: repoPath + "/pulls/{number}/reviews", perms: anyOf("pull_requests:read"), handle: locked(s.listReviews)},
		{method: "POST", pattern: repoPath + "/pulls/{number}/reviews", role: roleRead, perms: anyOf("pull_requests:write"), handle: s.createReview},
		{method: "GET", pattern: repoPath + "/pulls/{number}/reviews/{review_id}", perms: anyOf("pull_requests:read"), handle: locked(s.getReview)},
		{method: "PUT", pattern: repoPath + "/pulls/{number}/reviews/{review_id}", role: roleRead, perms: anyOf("pull_requests:write"), handle: locked(s.updateReview)},
		{method: "POST", pattern: repoPath + "/pulls/{number}/reviews/{review_id}/events", role: roleRead, perms: anyOf("pull_requests:write"), handle: locked(s.submitReview)},
		{method: "PUT", pattern: repoPath + "/pulls/{number}/reviews/{review_id}/dismissals", perms: anyOf("pull_requests:write"), handle: locked(s.dismissReview)},
	}
}

func (s *Server) issueRoutes() []route {
	return []route{
		{method: "GET", pattern: repoPath + "/issues/{number}/comments", perms: anyOf("issues:read", "pull_requests:read"), handle: locked(s.listComments)},
		{method: "POST", pattern: repoPath + "/issues/{number}/comments", role: roleRead, perms: anyOf("issues:write", "pull_requests:write"), handle: locked(s.createComment)},
		{method: "GET", pattern: repoPath + "/issues/comments/{comment_id}", perms: anyOf("issues:read", "pull_requests:read"), handle: locked(s.getComment), first: true},
		{method: "PATCH", pattern: repoPath + "/issues/comments/{comment_id}", role: roleRead, perms: anyOf("issues:write", "pull_requests:write"), handle: locked(s.updateComment), first: true},
		{method: "DELETE", pattern: repoPath + "/issues/comments/{comment_id}", role: roleRead, perms: anyOf("issues:write", "pull_requests:write"), handle: locked(s.deleteComment), first: true},
	}
}

func (s *Server) checkRoutes() []route {
	return []route{
		{method: "POST", pattern: repoPath + "/check-runs", perms: anyOf("checks:write"), handle: s.createCheckRun},
		{method: "GET", pattern: repoPath + "/check-runs/{check_run_id}", perms: anyOf("checks:read"), handle: locked(s.getCheckRun)},
		{method: "PATCH", pattern: repoPath + "/check-runs/{check_run_id}", perms: anyOf("checks:write"), handle: locked(s.updateCheckRun)},
		{method: "GET", pattern: repoPath + "/commits/{ref}/check-runs", perms: anyOf("checks:read"), handle: s.listCheckRuns},
		{method: "POST", pattern: repoPath + "/statuses/{sha}", perms: anyOf("statuses:write"), handle: s.createStatus},
		{method: "GET", pattern: repoPath + "/commits/{ref}/statuses", perms: anyOf("statuses:read"), handle: s.listStatuses},
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
		operation := s.operationOf(&rt)
		mux.Handle(rt.method+" "+rt.pattern, boundRoute{s, &rt, operation})
		if rest, ok := strings.CutPrefix(rt.pattern, repoPath); ok {
			mux.Handle(rt.method+" /repositories/{repository_id}"+rest, boundRoute{s, &rt, operation})
		}
	}
	others.Handle("/", boundRoute{s, nil, nil})
	api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := first.Handler(r); pattern != "" {
			first.ServeHTTP(w, r)
			return
		}
		others.ServeHTTP(w, r)
	})
	known := func(r *http.Request) bool {
		if _, pattern := first.Handler(r); pattern != "" {
			return true
		}
		_, pattern := others.Handler(r)
		return pattern != "/"
	}
	enterprise := http.StripPrefix("/api/v3", api)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.active.RLock()
		defer s.active.RUnlock()
		if mounted := s.mounts.find(r.URL.Path); mounted != nil {
			mounted.ServeHTTP(w, r)
			return
		}
		if target, ok := gitTarget(r.URL.Path); ok {
			s.serveGit(w, r, target)
			return
		}
		if strings.HasPrefix(r.URL.Path, "/api/v3/") {
			enterprise.ServeHTTP(w, r)
			return
		}
		if mounted := s.pages.find(r, known); mounted != nil {
			mounted.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	})
}

// boundRoute is a route as an http.Handler; a nil route is an address the API does not have.
type boundRoute struct {
	s         *Server
	rt        *route
	operation *contract.Operation
}

func (b boundRoute) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.s.serveAPI(w, r, b.rt, b.operation)
}
