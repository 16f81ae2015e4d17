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

// roll is the list of those who may vote, looked up once for all landings.
type roll struct {
	quorum   Quorum
	eligible []map[UserID]User // by requirement
	missing  [][]string        // people of a requirement who are not in the directory
	roles    map[roleKey]string
}

type roleKey struct {
	repository int64
	user       UserID
}

func newRoll(q Quorum, d Directory) roll {
	r := roll{quorum: q, roles: make(map[roleKey]string, len(d.Roles))}
	for _, role := range d.Roles {
		r.roles[roleKey{role.RepositoryID, role.User}] = role.Role
	}
	for _, requirement := range q.Requirements {
		set := map[UserID]User{}
		var missing []string
		for _, name := range requirement.Teams {
			i := slices.IndexFunc(d.Teams, func(t Team) bool { return strings.EqualFold(string(t.Name), string(name)) })
			if i < 0 {
				missing = append(missing, "team "+string(name))
				continue
			}
			for _, u := range d.Teams[i].Members {
				set[u.ID] = u
			}
		}
		for _, login := range requirement.Users {
			i := slices.IndexFunc(d.Users, func(u User) bool { return strings.EqualFold(u.Login, login) })
			if i < 0 {
				missing = append(missing, "user "+login)
				continue
			}
			set[d.Users[i].ID] = d.Users[i]
		}
		delete(set, 0)
		r.eligible = append(r.eligible, set)
		r.missing = append(r.missing, missing)
	}
	return r
}

func (r roll) mayVote(id UserID) bool {
	return slices.ContainsFunc(r.eligible, func(set map[UserID]User) bool { _, ok := set[id]; return ok })
}

func (r roll) judge(pr PullRequest) QuorumResult {
	opinions, ghosts := effective(pr.Reviews)
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
	for _, f := range r.objections(pr, opinions) {
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
		if o.State == ReviewChangesRequested && r.mayVote(o.User.ID) {
			out = append(out, Finding{
				Code: CodeVeto, Verdict: Blocked, User: o.User,
				Text:   o.User.Login + " requested changes",
				Remedy: o.User.Login + " approves, or the review is dismissed",
			})
		}
	}
	if pr.Pusher == nil || pr.Pusher.ID == 0 {
		out = append(out, Finding{
			Code: CodePusherUnknown, Verdict: Unknown,
			Text: "it is not known who pushed the head " + pr.Head.Short() + ", so nobody can be told apart from its author",
		})
	}
	for _, c := range pr.Contributors {
		if c.User == nil || c.User.ID == 0 {
			out = append(out, Finding{
				Code: CodeContributorUnknown, Verdict: Blocked, Commit: c.Commit,
				Text:   "the " + c.Role + " " + c.Email + " of " + c.Commit.Short() + " has no GitHub account, so it could be one of the approvers",
				Remedy: "whoever owns " + c.Email + " adds it to a GitHub account",
			})
			break
		}
	}
	return out
}

func (r roll) judgeRequirement(i int, requirement Requirement, pr PullRequest, opinions []Review, ghosts []Finding, parts map[UserID]Code) (Finding, []User) {
	f := Finding{Code: CodeQuorumMissing, Verdict: Blocked, Pull: pr.Number, Children: slices.Clone(ghosts)}
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
	able := r.stillAble(i, counted, parts)
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
		f.Text = progress + "; it is not known whether everybody who approved may do so"
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
	no := func(code Code, text string) (Finding, bool) {
		return Finding{Code: code, Verdict: Blocked, Text: "not counted: " + text, User: o.User, Commit: o.Commit}, true
	}
	switch o.State {
	case ReviewApproved:
	case ReviewDismissed:
		return no(CodeApprovalDismissed, "the review of "+u.Login+" was dismissed")
	case ReviewChangesRequested, ReviewCommented, ReviewPending:
		return Finding{}, false
	default:
		return no(CodeApprovalUnwitnessed, "the review of "+u.Login+" has the unknown state "+strconv.Quote(string(o.State)))
	}
	if u.Type != UserTypePerson {
		return no(CodeApprovalBot, u.Login+" is not a person")
	}
	switch code := parts[u.ID]; code {
	case CodeApprovalAuthor:
		return no(code, u.Login+" is the author of the pull request")
	case CodeApprovalPusher:
		return no(code, u.Login+" pushed the head "+pr.Head.Short())
	case CodeApprovalContributor:
		return no(code, u.Login+" had a part in its commits")
	}
	if _, ok := r.eligible[i][u.ID]; !ok {
		return no(CodeApprovalOutsider, u.Login+" is not one of "+requirementPeople(r.quorum.Requirements[i]))
	}
	switch role, ok := r.roles[roleKey{pr.BaseRepositoryID, u.ID}]; {
	case !ok:
		return Finding{Code: CodeApprovalRole, Verdict: Unknown, User: o.User, Text: "the role of " + u.Login + " in " + string(pr.Repository) + " is not known"}, true
	case role != "write" && role != "maintain" && role != "admin":
		return no(CodeApprovalRole, u.Login+" may not write to "+string(pr.Repository))
	}
	switch {
	case o.Commit == "" || o.Commit != pr.Head:
		return no(CodeApprovalStale, u.Login+" approved "+o.Commit.Short()+", but the head is "+pr.Head.Short())
	case pr.HeadPushedAt.IsZero() || o.SubmittedAt.IsZero():
		return no(CodeApprovalUnwitnessed, "it is not known whether "+u.Login+" approved after the head was pushed")
	case o.SubmittedAt.Before(pr.HeadPushedAt):
		return no(CodeApprovalBeforePush, u.Login+" approved before the head was pushed")
	case !o.Witnessed && !o.SubmittedAt.After(pr.HeadPushedAt):
		// GitHub's times have a resolution of one second. Without a witness of
		// the reviewed commit the same second may be before or after the push.
		return no(CodeApprovalBeforePush, u.Login+" approved in the second in which the head was pushed")
	}
	return Finding{Code: CodeApprovalCounted, Verdict: Allowed, User: o.User, Commit: o.Commit, Text: u.Login + " approved " + o.Commit.Short()}, true
}

// effective folds the reviews to the latest opinion of each person, in the
// order of each person's first review. APPROVED, CHANGES_REQUESTED and
// DISMISSED replace what the person said before; COMMENTED and PENDING say
// nothing. The fold is that of GitHub's latestOpinionatedReviews. Reviews of
// deleted accounts come back as findings.
func effective(reviews []Review) (opinions []Review, ghosts []Finding) {
	at := make(map[UserID]int, len(reviews))
	for _, r := range reviews {
		switch r.State {
		case ReviewCommented, ReviewPending:
			continue
		case ReviewApproved, ReviewChangesRequested, ReviewDismissed:
		}
		if r.User == nil || r.User.ID == 0 {
			ghosts = append(ghosts, Finding{Code: CodeApprovalGhost, Verdict: Blocked, Text: "not counted: a review by a deleted account"})
			continue
		}
		if i, ok := at[r.User.ID]; ok {
			opinions[i] = r
			continue
		}
		at[r.User.ID] = len(opinions)
		opinions = append(opinions, r)
	}
	return opinions, ghosts
}

// participants are those who had a hand in the pull request, with the reason
// that weighs most.
func participants(pr PullRequest) map[UserID]Code {
	parts := make(map[UserID]Code, len(pr.Contributors)+2)
	for _, c := range pr.Contributors {
		if c.User != nil {
			parts[c.User.ID] = CodeApprovalContributor
		}
	}
	if pr.Pusher != nil {
		parts[pr.Pusher.ID] = CodeApprovalPusher
	}
	parts[pr.Author.ID] = CodeApprovalAuthor
	return parts
}

// stillAble are those who could fulfil the requirement but have not.
func (r roll) stillAble(i int, counted []User, parts map[UserID]Code) []User {
	var out []User
	for id, u := range r.eligible[i] {
		if _, part := parts[id]; part || u.Type != UserTypePerson {
			continue
		}
		if slices.ContainsFunc(counted, func(c User) bool { return c.ID == id }) {
			continue
		}
		out = append(out, u)
	}
	slices.SortFunc(out, func(a, b User) int { return strings.Compare(a.Login, b.Login) })
	return out
}

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
		names[i] = u.Login
	}
	return strings.Join(names, ", ")
}
