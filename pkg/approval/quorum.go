package approval

import (
	"slices"
	"strconv"
	"strings"
)

// QuorumResult is the judgement of a pull request's reviews.
type QuorumResult struct {
	// Finding has one child for each requirement, and one for everything that
	// keeps the whole quorum from counting.
	Finding Finding
	// Met and Needed count approvals over all requirements; surplus approvals
	// are not in Met.
	Met, Needed int
	// Approvers are those whose approvals were counted, each once.
	Approvers []User
}

// JudgeQuorum counts the reviews of a pull request against a quorum. Reviews
// given after the merge count like those before: what is gated is the sync.
func JudgeQuorum(q Quorum, pr PullRequest, d Directory) QuorumResult {
	return newRoll(q, d).judge(pr)
}

func (r roll) judge(pr PullRequest) QuorumResult {
	opinions, ghosts, strange := effective(pr.Reviews)
	parts := participants(pr)

	res := QuorumResult{Finding: Finding{Code: CodeQuorumMet, Verdict: Allowed, Pull: pr.Number}}
	hinder := func(f Finding) {
		f.Pull = pr.Number
		res.Finding.Children = append(res.Finding.Children, f)
		if worse(res.Finding.Verdict, f.Verdict) != res.Finding.Verdict {
			res.Finding.Verdict, res.Finding.Code, res.Finding.Text, res.Finding.Remedy = f.Verdict, f.Code, f.Text, f.Remedy
		}
	}
	if len(r.quorum.Requirements) == 0 {
		hinder(Finding{Code: CodePolicyEmpty, Verdict: Blocked, Text: "the quorum requires no approval, so nothing can be approved"})
	}
	for i, requirement := range r.quorum.Requirements {
		f, counted := r.judgeRequirement(i, requirement, pr, opinions, ghosts, parts)
		res.Needed += requirement.Approvals
		res.Met += min(len(counted), requirement.Approvals)
		for _, u := range counted {
			if !slices.ContainsFunc(res.Approvers, func(o User) bool { return o.ID == u.ID }) {
				res.Approvers = append(res.Approvers, u)
			}
		}
		hinder(f)
	}
	for _, f := range append(strange, r.objections(pr, opinions)...) {
		hinder(f)
	}
	if res.Finding.Verdict == Allowed {
		res.Finding.Text = "approved by " + logins(res.Approvers)
	} else if len(res.Approvers) > 0 {
		res.Finding.Text += " (counted so far: " + logins(res.Approvers) + ")"
	}
	return res
}

// objections are what keeps every approval of a pull request from counting.
func (r roll) objections(pr PullRequest, opinions []Review) []Finding {
	var out []Finding
	for _, o := range opinions {
		if o.State != ReviewChangesRequested {
			continue
		}
		u := *o.User
		switch {
		case r.mayVote(u.ID):
			out = append(out, Finding{
				Code: CodeVeto, Verdict: Blocked, User: &u,
				Text:   oneLine(u.Login) + " requested changes",
				Remedy: oneLine(u.Login) + " approves, or the review is dismissed",
			})
		case slices.ContainsFunc(r.missing, func(m []string) bool { return len(m) > 0 }):
			out = append(out, Finding{
				Code: CodeQuorumPeople, Verdict: Unknown, User: &u,
				Text: oneLine(u.Login) + " requested changes, and it is not known whether this person may",
			})
		}
	}
	if pr.Author.ID <= 0 || len(pr.Contributors) == 0 {
		out = append(out, Finding{
			Code: CodeAuthorUnknown, Verdict: Unknown,
			Text: "it is not known who wrote this pull request, so nobody can be told apart from its authors",
		})
	}
	if pr.Pusher == nil || pr.Pusher.ID <= 0 {
		out = append(out, Finding{
			Code: CodePusherUnknown, Verdict: Unknown,
			Text: "it is not known who pushed the head " + pr.Head.Short() + ", so nobody can be told apart from its pusher",
		})
	}
	for _, c := range pr.Contributors {
		if c.User == nil || c.User.ID <= 0 {
			email := oneLine(c.Email)
			out = append(out, Finding{
				Code: CodeContributorUnknown, Verdict: Blocked, Commit: c.Commit,
				Text:   "the " + oneLine(c.Role) + " " + email + " of " + c.Commit.Short() + " has no GitHub account, so it could be one of the approvers",
				Remedy: "whoever owns " + email + " adds it to a GitHub account",
			})
			break
		}
	}
	return out
}

func (r roll) judgeRequirement(i int, requirement Requirement, pr PullRequest, opinions []Review, ghosts []Finding, parts map[UserID]Code) (Finding, []User) {
	f := Finding{Code: CodeQuorumMissing, Verdict: Blocked, Pull: pr.Number}
	if n := len(ghosts) + len(opinions); n > 0 {
		f.Children = append(make([]Finding, 0, n), ghosts...)
	}
	var counted []User
	unknown := false
	for _, o := range opinions {
		c, ok := r.judgeOpinion(i, pr, o, parts)
		if !ok {
			continue
		}
		f.Children = append(f.Children, c)
		switch c.Verdict {
		case Allowed:
			counted = append(counted, *o.User)
		case Unknown:
			unknown = true
		case Blocked:
		}
	}

	who := requirementPeople(requirement)
	progress := strconv.Itoa(min(len(counted), requirement.Approvals)) + " of " + plural(requirement.Approvals, "approval")
	if requirement.Name != "" {
		progress = requirement.Name + ": " + progress
	}
	short := requirement.Approvals - len(counted)
	var able []User
	if short > 0 {
		able = r.stillAble(i, pr, counted, parts)
	}
	switch {
	case requirement.Approvals < 1 || len(requirement.Teams)+len(requirement.Users) == 0:
		f.Code, f.Text = CodePolicyEmpty, "a requirement asks for nothing, so nothing can fulfil it"
	case short <= 0:
		f.Code, f.Verdict, f.Text = CodeQuorumMet, Allowed, progress
	case len(r.missing[i]) > 0:
		f.Code, f.Verdict = CodeQuorumPeople, Unknown
		f.Text = progress + "; not known: " + strings.Join(r.missing[i], ", ")
	case unknown:
		f.Code, f.Verdict = CodeQuorumPeople, Unknown
		f.Text = progress + "; it is not known whether all approvals count"
	case len(able) < short:
		f.Code = CodeQuorumUnsatisfiable
		f.Text = progress + "; " + strconv.Itoa(short) + " more needed of " + who + ", but only " + strconv.Itoa(len(able)) + " of them can still approve"
		f.Remedy = "add people to " + who + ", or let somebody else author the change"
	default:
		f.Text = progress + "; waiting for " + strconv.Itoa(short) + " more of " + who
		f.Remedy = people(len(able)) + " can still approve #" + strconv.Itoa(pr.Number) + ": " + some(able)
	}
	return f, counted
}

// judgeOpinion says whether one person's review fulfils a requirement. Reviews
// that neither approve nor were withdrawn give no finding.
func (r roll) judgeOpinion(i int, pr PullRequest, o Review, parts map[UserID]Code) (Finding, bool) {
	u := *o.User
	login := oneLine(u.Login)
	no := func(code Code, text string) (Finding, bool) {
		return Finding{Code: code, Verdict: Blocked, Text: "not counted: " + text, User: &u, Commit: o.Commit}, true
	}
	unknown := func(code Code, text string) (Finding, bool) {
		return Finding{Code: code, Verdict: Unknown, Text: text, User: &u, Commit: o.Commit}, true
	}
	switch o.State {
	case ReviewApproved:
	case ReviewDismissed:
		return no(CodeApprovalDismissed, "the review of "+login+" was dismissed")
	default:
		return Finding{}, false
	}
	if u.Type != UserTypePerson {
		return no(CodeApprovalBot, login+" is not a person")
	}
	switch code := parts[u.ID]; code {
	case CodeApprovalAuthor:
		return no(code, login+" is the author of the pull request")
	case CodeApprovalPusher:
		return no(code, login+" pushed the head "+pr.Head.Short())
	case CodeApprovalContributor:
		return no(code, login+" had a part in its commits")
	default:
	}
	if o.Commit == "" || o.Commit != pr.Head {
		return no(CodeApprovalStale, login+" approved "+o.Commit.Short()+", but the head is "+pr.Head.Short())
	}
	if _, ok := r.eligible[i][u.ID]; !ok {
		if len(r.missing[i]) > 0 {
			return unknown(CodeQuorumPeople, "it is not known whether "+login+" is one of "+requirementPeople(r.quorum.Requirements[i]))
		}
		return no(CodeApprovalOutsider, login+" is not one of "+requirementPeople(r.quorum.Requirements[i]))
	}
	switch {
	case pr.HeadPushedAt.IsZero():
		return unknown(CodeApprovalUnwitnessed, "it is not known whether "+login+" approved after the head was pushed")
	case o.SubmittedAt.Before(pr.HeadPushedAt):
		return no(CodeApprovalBeforePush, login+" approved before the head was pushed")
	case !o.Witnessed && !o.SubmittedAt.After(pr.HeadPushedAt):
		// GitHub's times have a resolution of one second. Without a witness of
		// the reviewed commit the same second may be before or after the push.
		return no(CodeApprovalBeforePush, login+" approved in the second in which the head was pushed")
	}
	switch role, ok := r.roles[roleKey{pr.BaseRepositoryID, u.ID}]; {
	case !ok || role == contradictory:
		return unknown(CodeApprovalRole, "the role of "+login+" in "+string(pr.Repository)+" is not known")
	case !mayWrite(role):
		return no(CodeApprovalRole, login+" may not write to "+string(pr.Repository))
	}
	return Finding{Code: CodeApprovalCounted, Verdict: Allowed, User: &u, Commit: o.Commit, Text: login + " approved " + o.Commit.Short()}, true
}

// mayWrite says whether a repository role includes writing. Custom roles are
// reported by GitHub under the role that they are based on.
func mayWrite(role string) bool { return role == "write" || role == "maintain" || role == "admin" }

func requirementPeople(r Requirement) string {
	names := make([]string, 0, len(r.Teams)+len(r.Users))
	for _, t := range r.Teams {
		names = append(names, string(t))
	}
	return strings.Join(append(names, r.Users...), ", ")
}

func people(n int) string {
	if n == 1 {
		return "1 person"
	}
	return strconv.Itoa(n) + " people"
}

// some names at most five people.
func some(users []User) string {
	if len(users) > 5 {
		return logins(users[:5]) + " and " + strconv.Itoa(len(users)-5) + " more"
	}
	return logins(users)
}

func logins(users []User) string {
	names := make([]string, len(users))
	for i, u := range users {
		names[i] = oneLine(u.Login)
	}
	return strings.Join(names, ", ")
}
