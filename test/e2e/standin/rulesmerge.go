package standin

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// refuseMerge tells why the rules of the base branch forbid a merge; it needs Server.mu. The texts are
// those of PUT …/merge, 405 as documented; one unmet check is named, several are counted.
func (s *Server) refuseMerge(a *actor, pr *pull, method string) error {
	rules := s.rulesOn(pr.repo, pr.baseRef, a, merging)
	reasons := s.unmet(pr, rules)
	switch {
	case rules.queue:
		reasons = append(reasons, "Changes must be made through the merge queue")
	case rules.methods != nil && !slices.Contains(rules.methods, method):
		reasons = append(reasons, map[string]string{"merge": "Merge commits", "squash": "Squash merges", "rebase": "Rebase merges"}[method]+
			" are not allowed on this repository.")
	case rules.linear && method == "merge":
		reasons = append(reasons, "This branch must not contain merge commits.")
	case rules.signatures && method == "rebase":
		reasons = append(reasons, "Base branch requires signed commits. Rebase merges cannot be automatically signed by GitHub.")
	case rules.signatures && method == "merge" && !s.allVerified(pr):
		reasons = append(reasons, "Commits must have verified signatures.")
	}
	if reasons == nil {
		return nil
	}
	if rules.ruleset {
		return refuse(http.StatusMethodNotAllowed, "Repository rule violations found\n\n%s\n\n", strings.Join(reasons, "\n\n"))
	}
	return refuse(http.StatusMethodNotAllowed, "%s", strings.Join(reasons, " "))
}

// unmet lists what a pull request lacks, apart from how it is merged; it needs Server.mu.
func (s *Server) unmet(pr *pull, rules branchRules) []string {
	var out []string
	if rules.locked {
		out = append(out, "Cannot change this locked branch")
	}
	if reason := s.unmetChecks(pr.repo, pr.headSHA, rules.checks, rules.strict && pr.behind); reason != "" {
		out = append(out, reason)
	}
	if rules.pullRequest {
		out = append(out, s.unmetReviews(pr, rules)...)
	}
	return out
}

// unmetChecks names one missing check, and counts several. A head that lacks the base leaves every
// check expected (seen in RakuenSoftware/aimee#2460, 2026-08).
func (s *Server) unmetChecks(r *repository, sha string, checks []RequiredCheck, behind bool) string {
	worst, name, n := "", "", 0
	for _, c := range checks {
		state := s.requiredState(r, sha, c)
		if behind {
			state = "expected"
		}
		if state == "success" {
			continue
		}
		if n++; n == 1 || state == "failing" || (state == "expected" && worst == "pending") {
			worst, name = state, c.Context
		}
	}
	switch {
	case n == 0:
		return ""
	case len(checks) == 1:
		return fmt.Sprintf("Required status check %q is %s.", name, worst)
	default:
		verb := "are"
		if n == 1 {
			verb = "is"
		}
		return fmt.Sprintf("%d of %d required status checks %s %s.", n, len(checks), verb, worst)
	}
}

// requiredState is success, failing, pending or expected.
func (s *Server) requiredState(r *repository, sha string, c RequiredCheck) string {
	state := "expected"
	worse := func(v string) {
		if order := []string{"expected", "success", "pending", "failing"}; slices.Index(order, v) > slices.Index(order, state) {
			state = v
		}
	}
	for _, run := range s.latestRuns(r, sha) {
		if run.name == c.Context && (c.AppID == 0 || run.suite.app.id == c.AppID) {
			worse(run.verdict())
		}
	}
	for _, st := range r.latestStatuses(sha) {
		if st.context == c.Context && (c.AppID == 0 || (s.apps[c.AppID] != nil && s.apps[c.AppID].bot == st.creator)) {
			worse(map[string]string{"success": "success", "pending": "pending"}[st.state])
			if st.state == "failure" || st.state == "error" {
				worse("failing")
			}
		}
	}
	return state
}

// verdict is success for success, neutral and skipped.
func (run *checkRun) verdict() string {
	switch {
	case run.conclusion == nil:
		return "pending"
	case slices.Contains([]string{"success", "neutral", "skipped"}, *run.conclusion):
		return "success"
	default:
		return "failing"
	}
}

// latestRuns has one run per App and name, newest first; it needs Server.mu.
func (s *Server) latestRuns(r *repository, sha string) []*checkRun {
	type key struct {
		app  *app
		name string
	}
	seen := map[key]bool{}
	var out []*checkRun
	for _, run := range slices.Backward(r.checks) {
		if k := (key{run.suite.app, run.name}); run.suite.sha == sha && !seen[k] {
			seen[k] = true
			out = append(out, run)
		}
	}
	return out
}

// latestStatuses has one status per context, newest first.
func (r *repository) latestStatuses(sha string) []*status {
	seen := map[string]bool{}
	var out []*status
	for _, st := range slices.Backward(r.statuses) {
		if st.sha == sha && !seen[st.context] {
			seen[st.context] = true
			out = append(out, st)
		}
	}
	return out
}

// opinions is the last review of each person that approves or requests changes, unless dismissed.
// Comments and pending reviews change no opinion. It needs Server.mu.
func (s *Server) opinions(pr *pull) map[*account]*review {
	out := map[*account]*review{}
	for _, v := range pr.reviews {
		switch v.state {
		case "APPROVED", "CHANGES_REQUESTED", "DISMISSED":
			if v.author != nil {
				out[v.author] = v
			}
		}
	}
	for who, v := range out {
		if v.state == "DISMISSED" || who == pr.author || !s.mayWrite(who, pr.repo) {
			delete(out, who)
		}
	}
	return out
}

// mayWrite tells whether a review of the account counts: people with write, Apps with contents:write.
func (s *Server) mayWrite(who *account, r *repository) bool {
	if who.kind != "Bot" {
		return s.roleOf(who, r) >= roleWrite
	}
	for _, i := range s.installations {
		if i.app.bot == who && i.covers(r) && i.suspended.IsZero() {
			return i.app.permissions["contents"] == "write"
		}
	}
	return false
}

func (s *Server) unmetReviews(pr *pull, rules branchRules) []string {
	var out []string
	var approvals, vetoes int
	afterPush := false
	pusher := s.lastPusher(pr)
	opinions := s.opinions(pr)
	for who, v := range opinions {
		if v.state == "CHANGES_REQUESTED" {
			vetoes++
			continue
		}
		approvals++
		afterPush = afterPush || (who != pusher && (v.commit == pr.headSHA || v.submitted.After(pr.headPushed)))
	}
	switch missing := rules.count - approvals; {
	case missing > 0 && rules.count == 1:
		out = append(out, "At least 1 approving review is required by reviewers with write access.")
	case missing > 0:
		out = append(out, fmt.Sprintf("At least %d approving reviews are required by reviewers with write access.", rules.count))
	}
	if vetoes > 0 && rules.count > 0 {
		out = append(out, "Changes have been requested by a reviewer with write access.")
	}
	if rules.codeOwners {
		if waiting := s.missingOwners(pr, opinions); waiting != nil {
			out = append(out, fmt.Sprintf("Waiting on code owner review from %s.", strings.Join(waiting, ", ")))
		}
	}
	if rules.lastPush && !afterPush {
		out = append(out, "New changes require approval from someone other than the last pusher.")
	}
	return out
}

// lastPusher is who moved the head branch to where it is; nil when nobody knows. It needs Server.mu.
func (s *Server) lastPusher(pr *pull) *account {
	for _, a := range slices.Backward(pr.headRepo.activity) {
		if a.change.ref == "refs/heads/"+pr.headRef && a.change.after == pr.headSHA {
			return a.actor
		}
	}
	return nil
}

// allVerified needs Server.mu; the commits were read when the pull request was refreshed.
func (s *Server) allVerified(pr *pull) bool {
	return !slices.ContainsFunc(pr.signed, func(c *commit) bool { return !s.verification(c).Verified })
}

// mergeableState is "mergeable_state" of an open pull request whose test merge is known; it needs Server.mu.
func (s *Server) mergeableState(pr *pull) string {
	rules := s.rulesOn(pr.repo, pr.baseRef, nil, merging)
	lacking := s.unmet(pr, rules)
	upToDate := rules
	upToDate.strict = false
	switch {
	case !pr.mergeable:
		return "dirty"
	case pr.draft:
		return "draft"
	case lacking != nil && len(s.unmet(pr, upToDate)) == 0:
		return "behind"
	case lacking != nil || (rules.signatures && !s.allVerified(pr)):
		return "blocked"
	case s.unstable(pr):
		return "unstable"
	default:
		return "clean"
	}
}

// unstable tells whether a check or status of the head is not green.
func (s *Server) unstable(pr *pull) bool {
	return slices.ContainsFunc(s.latestRuns(pr.repo, pr.headSHA), func(run *checkRun) bool { return run.verdict() != "success" }) ||
		slices.ContainsFunc(pr.repo.latestStatuses(pr.headSHA), func(st *status) bool { return st.state != "success" })
}

// mayDismiss allows writers; on a protected branch with a list of those who may dismiss, admins and those.
func (s *Server) mayDismiss(a *actor, pr *pull) error {
	if err := s.needs(a, pr.repo, roleWrite); err != nil {
		return err
	}
	p := pr.repo.protection[pr.baseRef]
	if p == nil || p.Reviews == nil || p.Reviews.Dismissers == nil || s.isAdmin(a, pr.repo) || s.among(a, pr.repo, p.Reviews.Dismissers) {
		return nil
	}
	return refuse(http.StatusForbidden, "You are not authorized to dismiss reviews on this protected branch.")
}
