package standin

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"
)

// suiteFacts is what a check suite has besides its App and commit.
type suiteFacts struct {
	commit        *commit
	branch        string // "" when the commit was at the tip of none
	before, after string
	updated       time.Time
	restarted     int64 // runs up to this ID were made before the suite was asked for again
}

// suite is the App's check suite for a commit, made when there is none; it needs Server.mu.
func (s *Server) suite(r *repository, a *app, commit *commit) *checkSuite {
	for _, suite := range r.suites {
		if suite.app == a && suite.sha == commit.sha {
			return suite
		}
	}
	suite := &checkSuite{id: s.nextID("check_suite"), app: a, repo: r, sha: commit.sha, created: s.now(),
		suiteFacts: suiteFacts{commit: commit, updated: s.now()}}
	for _, name := range sortedKeys(r.refs) {
		if branch := (refChange{ref: name}).branch(); branch != "" && r.refs[name] == commit.sha {
			suite.branch = branch
			break
		}
	}
	r.suites = append(r.suites, suite)
	return suite
}

// openSuites makes a suite for every App that may write checks, as GitHub does on a push, and tells it.
func (s *Server) openSuites(ctx context.Context, p push, c refChange) error {
	if c.branch() == "" || c.after == zeroSHA {
		return nil
	}
	commit, err := p.repo.git.commit(ctx, c.after)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range s.sortedInstallations() {
		if !i.covers(p.repo) || !i.suspended.IsZero() || i.app.permissions["checks"] != "write" {
			continue
		}
		n := len(p.repo.suites)
		suite := s.suite(p.repo, i.app, commit)
		if len(p.repo.suites) == n { // the commit was pushed before
			continue
		}
		suite.branch, suite.before, suite.after = c.branch(), c.before, c.after
		s.emitSuite(suite, p.actor.user, "requested", i.app)
	}
	return nil
}

// emitSuite needs Server.mu.
func (s *Server) emitSuite(suite *checkSuite, sender *account, action string, only ...*app) {
	shape := s.checkSuite(suite)
	shape.Repository = nil
	s.emit(suite.repo, sender, "check_suite", action, map[string]any{"check_suite": shape}, only...)
}

// runs are the latest runs of the suite, one per name, since it was last asked for.
func (suite *checkSuite) runs() []*checkRun {
	seen := map[string]bool{}
	var out []*checkRun
	for _, run := range slices.Backward(suite.repo.checks) {
		if run.suite == suite && run.id > suite.restarted && !seen[run.name] {
			seen[run.name] = true
			out = append(out, run)
		}
	}
	return out
}

// state sums up the runs: completed when all are, with the worst conclusion.
func (suite *checkSuite) state() (status string, conclusion *string) {
	runs := suite.runs()
	done, started := 0, false
	have := map[string]bool{}
	for _, run := range runs {
		started = started || run.status == "in_progress"
		if run.conclusion != nil {
			done++
			have[*run.conclusion] = true
		}
	}
	if done == 0 || done < len(runs) {
		if started || done > 0 {
			return "in_progress", nil
		}
		return "queued", nil
	}
	for _, v := range []string{"failure", "timed_out", "action_required", "cancelled", "success", "neutral", "skipped"} {
		if have[v] {
			return "completed", &v
		}
	}
	return "completed", nil
}

// suiteMoved tells of a suite whose last run has just ended; it needs Server.mu.
func (s *Server) suiteMoved(suite *checkSuite, sender *account) {
	suite.updated = s.now()
	if status, _ := suite.state(); status == "completed" {
		s.emitSuite(suite, sender, "completed")
	}
}

// maxSameRuns is how many runs of one name GitHub keeps in a suite.
const maxSameRuns = 1000

// pruneRuns drops the oldest runs of a name beyond the limit; it needs Server.mu.
func (s *Server) pruneRuns(suite *checkSuite, name string) {
	same := 0
	for _, run := range suite.repo.checks {
		if run.suite == suite && run.name == name {
			same++
		}
	}
	suite.repo.checks = slices.DeleteFunc(suite.repo.checks, func(run *checkRun) bool {
		drop := same > maxSameRuns && run.suite == suite && run.name == name
		if drop {
			same--
		}
		return drop
	})
}

// simpleCommitJSON is "simple-commit".
type simpleCommitJSON struct {
	ID        string           `json:"id"`
	TreeID    string           `json:"tree_id"`
	Message   string           `json:"message"`
	Timestamp stamp            `json:"timestamp"`
	Author    simplePersonJSON `json:"author"`
	Committer simplePersonJSON `json:"committer"`
}

type simplePersonJSON struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

func simpleCommit(c *commit) simpleCommitJSON {
	return simpleCommitJSON{ID: c.sha, TreeID: c.tree, Message: strings.TrimSuffix(c.message, "\n"), Timestamp: stamp(c.committer.when),
		Author: simplePersonJSON{c.author.Name, c.author.Email}, Committer: simplePersonJSON{c.committer.Name, c.committer.Email}}
}

// fullSuiteJSON is "check-suite"; events leave the repository out.
type fullSuiteJSON struct {
	checkSuiteJSON
	Repository       *repositoryJSON  `json:"repository,omitempty"`
	HeadCommit       simpleCommitJSON `json:"head_commit"`
	LatestRuns       int              `json:"latest_check_runs_count"`
	CheckRunsURL     string           `json:"check_runs_url"`
	Rerequestable    bool             `json:"rerequestable"`
	RunsRerequestale bool             `json:"runs_rerequestable"`
}

func (s *Server) checkSuite(suite *checkSuite) fullSuiteJSON {
	status, conclusion := suite.state()
	u := suite.repo.links.URL + "/check-suites/" + itoa(suite.id)
	return fullSuiteJSON{
		checkSuiteJSON: checkSuiteJSON{ID: suite.id, NodeID: nodeID("CS", suite.id), HeadBranch: nullable(suite.branch), HeadSHA: suite.sha,
			Status: status, Conclusion: conclusion, URL: u, Before: nullable(suite.before), After: nullable(suite.after),
			PullRequests: openPullsAt(suite.repo, suite.sha), App: s.app(suite.app), CreatedAt: stamp(suite.created), UpdatedAt: stamp(suite.updated)},
		Repository: s.repository(suite.repo), HeadCommit: simpleCommit(suite.commit), LatestRuns: len(suite.runs()),
		CheckRunsURL: u + "/check-runs", Rerequestable: true, RunsRerequestale: true,
	}
}

func (s *Server) suiteRoutes() []route {
	read, write := anyOf("checks:read"), anyOf("checks:write")
	one, run := repoPath+"/check-suites/{check_suite_id}", repoPath+"/check-runs/{check_run_id}"
	return []route{
		{method: "POST", pattern: repoPath + "/check-suites", perms: write, handle: s.createSuite},
		{method: "GET", pattern: one, perms: read, handle: locked(s.getSuite)},
		{method: "GET", pattern: one + "/check-runs", perms: read, handle: locked(s.listSuiteRuns)},
		{method: "POST", pattern: one + "/rerequest", perms: write, handle: locked(s.rerequestSuite)},
		{method: "POST", pattern: run + "/rerequest", perms: write, handle: locked(s.rerequestRun)},
		{method: "GET", pattern: run + "/annotations", perms: read, handle: locked(s.listAnnotations)},
		{method: "GET", pattern: repoPath + "/commits/{ref}/check-suites", perms: read, handle: s.listSuites},
		{method: "GET", pattern: repoPath + "/commits/{ref}/status", perms: anyOf("statuses:read"), handle: s.getCombinedStatus},
	}
}

func (c *call) suite() (*checkSuite, error) {
	id, err := c.id("check_suite_id")
	if err != nil {
		return nil, err
	}
	for _, suite := range c.repo.suites {
		if suite.id == id {
			return suite, nil
		}
	}
	return nil, notFound()
}

func (s *Server) getSuite(c *call) (any, error) {
	suite, err := c.suite()
	if err != nil {
		return nil, err
	}
	return s.checkSuite(suite), nil
}

func (s *Server) createSuite(c *call) (any, error) {
	if c.actor.kind != installationToken {
		return nil, refuse(http.StatusForbidden, "You must authenticate via a GitHub App.")
	}
	var in struct {
		HeadSHA string `json:"head_sha"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	if in.HeadSHA == "" {
		return nil, refuse(http.StatusUnprocessableEntity, "Invalid request.\n\n\"head_sha\" wasn't supplied.")
	}
	sha, err := s.resolve(c.ctx, c.repo, in.HeadSHA)
	if err != nil {
		return nil, err
	}
	if sha != in.HeadSHA {
		return nil, refuse(http.StatusUnprocessableEntity, "No commit found for SHA: %s", in.HeadSHA)
	}
	commit, err := c.repo.git.commit(c.ctx, sha)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(c.repo.suites)
	suite := s.suite(c.repo, c.actor.app, commit)
	if len(c.repo.suites) > n {
		c.status = http.StatusCreated
	}
	return s.checkSuite(suite), nil
}

func (s *Server) listSuites(c *call) (any, error) {
	sha, err := s.mustResolve(c.ctx, c.repo, c.r.PathValue("ref"))
	if err != nil {
		return nil, err
	}
	appID, err := c.number("app_id", 0)
	if err != nil {
		return nil, err
	}
	name := c.r.URL.Query().Get("check_name")
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []fullSuiteJSON{}
	for _, suite := range c.repo.suites {
		if suite.sha == sha && (appID == 0 || int64(appID) == suite.app.id) &&
			(name == "" || slices.ContainsFunc(suite.runs(), func(run *checkRun) bool { return run.name == name })) {
			found = append(found, s.checkSuite(suite))
		}
	}
	shown, err := page(c, found)
	return map[string]any{"total_count": len(found), "check_suites": shown}, err
}

func (s *Server) listSuiteRuns(c *call) (any, error) {
	suite, err := c.suite()
	if err != nil {
		return nil, err
	}
	filter, err := c.oneOf("filter", "latest", "all")
	if err != nil {
		return nil, err
	}
	list := suite.runs()
	if filter == "all" {
		list = slices.DeleteFunc(slices.Clone(c.repo.checks), func(run *checkRun) bool { return run.suite != suite })
		slices.Reverse(list)
	}
	q := c.r.URL.Query()
	found := []checkRunJSON{}
	for _, run := range list {
		if (q.Get("check_name") == "" || q.Get("check_name") == run.name) && (q.Get("status") == "" || q.Get("status") == run.status) {
			found = append(found, s.checkRun(run))
		}
	}
	shown, err := page(c, found)
	return map[string]any{"total_count": len(found), "check_runs": shown}, err
}

// mayRerequest allows the App that owns the checks, and people with write.
func (s *Server) mayRerequest(c *call, suite *checkSuite) error {
	if c.actor.kind == installationToken && c.actor.app != suite.app {
		return forbidden()
	}
	return s.needs(c.actor, c.repo, roleWrite)
}

// rerequestSuite resets the suite to queued and asks its App, and no other, to check again.
func (s *Server) rerequestSuite(c *call) (any, error) {
	suite, err := c.suite()
	if err != nil {
		return nil, err
	}
	if err := s.mayRerequest(c, suite); err != nil {
		return nil, err
	}
	s.restart(suite, c.actor.user)
	return c.created(struct{}{})
}

// restart needs Server.mu.
func (s *Server) restart(suite *checkSuite, sender *account) {
	if runs := suite.runs(); len(runs) > 0 {
		suite.restarted = runs[0].id
	}
	suite.updated = s.now()
	s.emitSuite(suite, sender, "rerequested", suite.app)
}

func (s *Server) rerequestRun(c *call) (any, error) {
	run, err := c.checkRun()
	if err != nil {
		return nil, err
	}
	if err := s.mayRerequest(c, run.suite); err != nil {
		return nil, err
	}
	if run.status != "completed" {
		return nil, refuse(http.StatusUnprocessableEntity, "This check run is not rerequestable")
	}
	s.emit(run.suite.repo, c.actor.user, "check_run", "rerequested", map[string]any{"check_run": s.eventCheckRun(run)}, run.suite.app)
	return c.created(struct{}{})
}

// RerequestSuite presses "Re-run all checks" of an App's suite; only that App hears of it.
func (a As) RerequestSuite(repo string, appID int64, sha string) error {
	act, err := a.actor()
	if err != nil {
		return err
	}
	r, err := a.s.find(repo)
	if err != nil {
		return err
	}
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	if err := a.s.needs(act, r, roleWrite); err != nil {
		return err
	}
	for _, suite := range r.suites {
		if suite.app.id == appID && suite.sha == sha {
			a.s.restart(suite, act.user)
			return nil
		}
	}
	return notFound()
}
