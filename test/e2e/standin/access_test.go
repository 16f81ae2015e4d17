package standin_test

import (
	"cmp"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// families are the permissions of GitHub's endpoints ("Permissions required for GitHub Apps"), by the
// first pattern that matches; * stands for read with GET and write with everything else.
var families = []struct{ pattern, perms string }{
	{"^/installation/(repositories|token)$", "metadata:read"},
	{"^/orgs/", "members:read"},
	{"/branches/{branch}/protection", "administration:*"},
	{"/(rules|rulesets|collaborators)(/|$)", "metadata:read"},
	{"/pulls/{number}/merge$", "contents:write"},
	{"/commits/{sha}/pulls$", "pull_requests:read"},
	{"/commits/{ref}/check-", "checks:read"},
	{"/check-(runs|suites)", "checks:*"},
	{"/commits/{ref}/status(es)?$", "statuses:read"},
	{"/statuses/{sha}$", "statuses:*"},
	{"/deployments", "deployments:*"},
	{"/(issues|labels)", "issues:* pull_requests:*"},
	{"/pulls", "pull_requests:*"},
	{"/(branches|git|contents|compare|commits|activity|merges|merge-upstream)(/|$)", "contents:*"},
	{"^/repos/{owner}/{repo}/teams$", "administration:read"},
	{"^/repos/{owner}/{repo}$", "metadata:read"},
}

func documentedPermissions(r standin.RouteInfo) string {
	for _, f := range families {
		if regexp.MustCompile(f.pattern).MatchString(r.Pattern) {
			level := "write"
			if r.Method == http.MethodGet {
				level = "read"
			}
			return strings.ReplaceAll(f.perms, "*", level)
		}
	}
	return "nothing is documented"
}

// leastRoles are what people need where it is not read for GET and write for everything else. Authors
// and reviewers may do some of it with read; the handlers know them.
var leastRoles = []struct{ pattern, role string }{
	{"^(GET|PUT|DELETE) .*/branches/{branch}/protection", "admin"},
	{"^GET .*/collaborators(/{username})?$", "write"},
	{"^POST .*/pulls$", "read"},
	{"^PATCH .*/pulls/{number}$", "read"},
	{"^PUT .*/pulls/{number}/update-branch$", "read"},
	{"^(POST|DELETE) .*/requested_reviewers$", "triage"},
	{"^(POST|PUT) .*/reviews(/{review_id}(/events)?)?$", "read"},
	{"^POST .*/issues/{number}/comments$", "read"},
	{"^(PATCH|DELETE) .*/issues/comments/{comment_id}$", "read"},
	{"^(POST|DELETE) .*/reactions", "read"},
	{"^(POST|PUT|DELETE) .*/issues/{number}/labels", "triage"},
	{"^GET ", "read"},
	{"", "write"},
}

func documentedRole(r standin.RouteInfo) string {
	for _, l := range leastRoles {
		if regexp.MustCompile(l.pattern).MatchString(r.Method + " " + r.Pattern) {
			return l.role
		}
	}
	return ""
}

// everything is the world with one of each thing that addresses name, in a private and a public repository.
type everything struct {
	*world
	params map[string]string
}

func newEverything(t *testing.T, public bool) *everything {
	w := newWorld(t)
	require.NoError(t, w.s.AddMember("acme", "mallory"))
	must(w.s.CreateUser("outsider", ""))(t)
	must(w.s.CreateRepository("acme", "other", standin.RepositoryOptions{Public: true}))(t)
	require.NoError(t, w.s.GrantTeam("acme", "sre", "acme/env", "write"))
	_, client := w.more("maker", map[string]string{"deployments": "write", "contents": "write"})
	w.protect(standin.Protection{})
	pr := w.openPull("replicas: 2\n")
	run, _, err := client.Checks.CreateCheckRun(t.Context(), "acme", "env", github.CreateCheckRunOptions{Name: "x", HeadSHA: pr.Head})
	require.NoError(t, err)
	deployment, _, err := client.Repositories.CreateDeployment(t.Context(), "acme", "env", &github.DeploymentRequest{Ref: new("main"), AutoMerge: new(false)})
	require.NoError(t, err)
	status, _, err := client.Repositories.CreateDeploymentStatus(t.Context(), "acme", "env", deployment.GetID(), &github.DeploymentStatusRequest{State: new("queued")})
	require.NoError(t, err)
	comment := must(w.s.As("bob").Comment("acme/env", 1, "x"))(t)
	reaction, _, err := w.as(w.bob).Reactions.CreateIssueReaction(t.Context(), "acme", "env", 1, "heart")
	require.NoError(t, err)
	require.NoError(t, w.s.As("bob").Label("acme/env", 1, "urgent"))
	must(w.s.Install(w.app.ID, "bob"))(t) // for /users/{username}/installation
	runGit(t, w.repo.GitDir, "tag", "-a", "-m", "one", "v1", "main")
	id := func(n int64) string { return strconv.FormatInt(n, 10) }
	w.take()
	e := &everything{w, map[string]string{
		"git ref": "heads/main", "git refs": "heads/main", "git matching-refs": "heads", "git blobs": w.git("rev-parse", "main:README.md"),
		"git trees": w.git("rev-parse", "main^{tree}"), "git commits": pr.Head, "git tags": w.git("rev-parse", "v1"), "path": "README.md",
		"owner": "acme", "repo": "env", "org": "acme", "team_slug": "sre", "username": "bob", "account_id": id(w.bob.ID), "number": "1",
		"branch": "main", "ref": "main", "sha": pr.Head, "basehead": "main..." + pr.Branch, "name": "urgent",
		"installation_id": id(w.installation), "delivery_id": id(w.s.Deliveries(w.app.ID)[0].ID),
		"review_id":    id(must(w.s.As("bob").Review("acme/env", 1, "COMMENT", "x"))(t)),
		"comment_id":   id(comment),
		"check_run_id": id(run.GetID()), "check_suite_id": id(run.GetCheckSuite().GetID()), "reaction_id": id(reaction.GetID()),
		"deployment_id": id(deployment.GetID()), "status_id": id(status.GetID()),
		"ruleset_id": id(must(w.s.SetRuleset("acme/env", standin.Ruleset{Name: "x"}))(t)),
	}}
	if public {
		require.NoError(t, w.s.SetVisibility("acme/env", true))
	}
	return e
}

var pathParameter = regexp.MustCompile(`\{([a-z_]+)(\.\.\.)?\}`)

// path fills in the names of things.
func (e *everything) path(r standin.RouteInfo) string {
	return pathParameter.ReplaceAllStringFunc(r.Pattern, func(text string) string {
		name := pathParameter.FindStringSubmatch(text)[1]
		if _, kind, ok := strings.Cut(r.Pattern, "/git/"); ok && (name == "ref" || name == "sha") {
			kind, _, _ = strings.Cut(kind, "/")
			name = "git " + kind
		}
		value, ok := e.params[name]
		require.True(e.t, ok, "%s %s: add what {%s} stands for to newEverything", r.Method, r.Pattern, name)
		return value
	})
}

// mint makes an installation token.
func (w *world) mint(o *github.InstallationTokenOptions) string {
	w.t.Helper()
	tok, _, err := w.appClient().Apps.CreateInstallationToken(w.t.Context(), w.installation, o)
	require.NoError(w.t, err)
	return "token " + tok.GetToken()
}

func TestEveryRouteDeclaresWhoMayUseIt(t *testing.T) {
	w := newWorld(t)
	for _, r := range w.s.Routes() {
		name := r.Method + " " + r.Pattern
		switch {
		case r.JWT, r.Open:
			require.Empty(t, r.Perms, name)
		default:
			require.NotEmpty(t, r.Perms, "%s declares no permissions, nor that it is open", name)
			require.Equal(t, documentedPermissions(r), strings.Join(r.Perms, " "), name)
			require.Equal(t, documentedRole(r), r.Role, name)
		}
	}
}

// TestWhoMayUseWhat holds every endpoint to what GitHub answers everybody who may not use it, and
// to answering those who may read.
func TestWhoMayUseWhat(t *testing.T) {
	private, public := newEverything(t, false), newEverything(t, true)
	now := time.Now().Unix()
	jwtOf := func(e *everything) string {
		return e.jwt(jwt.SigningMethodRS256, jwt.MapClaims{"iss": e.app.ID, "iat": now - 30, "exp": now + 90})
	}
	// bare has no permission but the one every App has; far is installed on another repository.
	installations := map[string]int64{}
	other := func(e *everything, slug, repo string, permissions map[string]string) string {
		a := must(e.s.CreateApp(standin.AppOptions{Slug: slug, Owner: "acme", PrivateKeyPEM: key(t), Permissions: permissions}))(t)
		w := *e.world
		w.app, w.installation = a, must(e.s.Install(a.ID, "acme", repo))(t)
		installations[slug] = w.installation
		return w.mint(nil)
	}
	all := map[string]string{"administration": "write", "contents": "write", "pull_requests": "write", "issues": "write", "checks": "write",
		"statuses": "write", "deployments": "write", "members": "write"}
	full := map[*everything]string{private: other(private, "full", "env", all), public: other(public, "full", "env", all)}
	bare, far, farPublic := other(private, "bare", "env", nil), other(private, "far", "other", all), other(public, "far", "other", all)
	narrow := private.mint(&github.InstallationTokenOptions{Permissions: &github.InstallationPermissions{Metadata: new("read")}})
	suspended := other(private, "asleep", "env", all)
	user := func(e *everything, login string) string {
		u := must(e.s.CreateUser(login, ""))(t)
		return "token " + u.Token
	}
	outsider, outsiderPublic, reader := user(private, "stranger"), user(public, "stranger"), user(private, "reading")
	require.NoError(t, private.s.AddMember("acme", "reading"))
	require.NoError(t, private.s.SuspendInstallation(installations["asleep"], true))

	const fine = 0 // any success
	for _, r := range private.s.Routes() {
		reads, ofRepo := r.Method == http.MethodGet, strings.Contains(r.Pattern, "{repo}") && !r.JWT
		metadata := strings.Join(r.Perms, " ") == "metadata:read"
		low := map[string]int{"admin": 404, "maintain": 403, "write": 403, "triage": 403}[r.Role] // for whoever only reads
		if r.Pattern == "/installation/repositories" || r.Pattern == "/installation/token" || r.Open {
			continue // TestAppEndpoints, TestInstallationsOverTheAPI, TestOpenEndpoints
		}
		check := func(column string, e *everything, authorization string, want int, text string) {
			t.Helper()
			status, header, body := e.send(r.Method, e.path(r), authorization, "")
			name := column + ": " + r.Method + " " + r.Pattern + "\n" + body
			if want == fine {
				require.Less(t, status, 400, name)
				return
			}
			require.Equal(t, want, status, name)
			require.Contains(t, body, text, name)
			if text == "Resource not accessible by integration" && (column == "without permission" || column == "narrowed") {
				require.Equal(t, strings.NewReplacer(":", "=", " ", "; ").Replace(documentedPermissions(r)), header.Get("X-Accepted-Github-Permissions"), name)
			}
		}
		const undecodable, integration, missing = "A JSON web token could not be decoded", "Resource not accessible by integration", "Not Found"
		check("bad credentials", private, "token ghp_wrong", 401, "Bad credentials")
		check("suspended", private, suspended, 403, "This installation has been suspended")
		if r.JWT {
			for column, authorization := range map[string]string{"nobody": "", "installation": full[private], "person": reader} {
				check(column, private, authorization, 401, undecodable)
			}
			if reads {
				check("App", private, jwtOf(private), fine, "")
			}
			continue
		}
		check("App JWT", private, jwtOf(private), 403, integration)
		if reads {
			check("installation", private, full[private], fine, "")
			check("installation", public, full[public], fine, "")
		}
		if !metadata {
			check("without permission", private, bare, 403, integration)
			check("narrowed", private, narrow, 403, integration)
		}
		if !ofRepo {
			if !r.Anybody {
				check("nobody", private, "", 401, "Requires authentication")
				check("outsider", private, outsider, 404, missing)
			}
			check("member", private, reader, fine, "")
			continue
		}
		check("outside the selection", private, far, 404, missing)
		check("outsider", private, outsider, 404, missing)
		if reads {
			check("nobody", private, "", 404, missing)
		} else {
			check("nobody", private, "", 401, "Requires authentication")
		}
		switch {
		case reads && !r.Closed:
			check("nobody on public", public, "", fine, "")
			check("outsider on public", public, outsiderPublic, fine, "")
			check("elsewhere on public", public, farPublic, fine, "")
			check("reader", private, reader, cmp.Or(low, fine), "")
		case reads:
			check("nobody on public", public, "", 401, "Requires authentication")
			check("elsewhere on public", public, farPublic, 403, integration)
			check("reader", private, reader, cmp.Or(low, fine), "")
		default:
			check("elsewhere on public", public, farPublic, 403, integration)
			if low != 0 {
				check("outsider on public", public, outsiderPublic, low, "")
				check("reader", private, reader, low, "")
			}
		}
	}
}

func TestOpenEndpoints(t *testing.T) {
	w := newWorld(t)
	for _, r := range w.s.Routes() {
		if !r.Open || r.Pattern == "/user" || r.Method != http.MethodGet {
			continue
		}
		path := strings.NewReplacer("{username}", "bob", "{account_id}", strconv.FormatInt(w.bob.ID, 10)).Replace(r.Pattern)
		for _, authorization := range []string{"", "token " + w.bob.Token, w.mint(nil)} {
			status, _, body := w.send("GET", path, authorization, "")
			require.Equal(t, 200, status, "%s %s", path, body)
		}
	}
	for authorization, want := range map[string]int{"": 401, "token " + w.bob.Token: 200, w.mint(nil): 403} {
		status, _, _ := w.send("GET", "/user", authorization, "")
		require.Equal(t, want, status)
	}
}

func TestArchivedRepositoriesAreReadOnly(t *testing.T) {
	e := newEverything(t, false)
	require.NoError(t, e.s.ArchiveRepository("acme/env", true))
	require.NoError(t, e.s.SetCollaborator("acme/env", "bob", "admin"))
	for _, r := range e.s.Routes() {
		if r.Method == http.MethodGet || !strings.Contains(r.Pattern, "{repo}") || r.JWT {
			continue
		}
		status, _, body := e.send(r.Method, e.path(r), "token "+e.bob.Token, "")
		require.Equal(t, 403, status, r)
		require.Contains(t, body, "Repository was archived so is read-only.")
	}
}
