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

// JudgeQuorum counts the reviews of a pull request, merged or not, against the
// policy. The changes are all paths that it changes; what they have to do with
// the repository's scope is worked out here. Reviews given after the merge count
// like those before, unless the policy says otherwise: what is gated is the sync.
//
// What is known of the images says whether they may run once the change landed; it
// is part of the judgement although it may change afterwards. Whether they proved
// themselves elsewhere is not: that differs between Applications.
func JudgeQuorum(p Policy, r ProtectedRepository, pr PullRequest, changes []Change, d Directory, images []ImageEvidence) QuorumResult {
	if p.Image != nil && p.Image.ProvenIn != nil {
		image := *p.Image
		image.ProvenIn, p.Image = nil, &image
	}
	j := newJudge(&p, &d, images, true)
	l := j.split(newScope(r.Paths).within(changes, nil))
	res := j.judge(&pr, l)
	for _, c := range l.image {
		path := pathTrust{baseline: c.Before}
		j.doubts(&path, c, 0)
		for i := range path.doubts {
			f := j.explainDoubt(&path.doubts[i])
			f.Pull = pr.Number
			res.Finding.hinder(f)
		}
	}
	return res
}

// hinder adds a finding as a child; the worst one is what the whole says.
func (f *Finding) hinder(child Finding) {
	f.Children = append(f.Children, child)
	if worse(f.Verdict, child.Verdict) != f.Verdict {
		f.Verdict, f.Code, f.Text, f.Remedy = child.Verdict, child.Code, child.Text, child.Remedy
	}
}

func (j *judge) judge(pr *PullRequest, l levels) QuorumResult {
	b := j.open(pr)
	demands, unfit := j.demands(pr, l)
	res := QuorumResult{Finding: Finding{Code: CodeQuorumMet, Verdict: Allowed, Pull: pr.Number}}
	first := len(j.approvers)
	hinder := func(f Finding) {
		f.Pull = pr.Number
		if j.explain {
			res.Finding.Children = append(res.Finding.Children, f)
		}
		if worse(res.Finding.Verdict, f.Verdict) != res.Finding.Verdict {
			res.Finding.Verdict, res.Finding.Code, res.Finding.Text, res.Finding.Remedy = f.Verdict, f.Code, f.Text, f.Remedy
		}
	}
	if len(demands)+len(unfit) == 0 {
		hinder(Finding{Code: CodePolicyEmpty, Verdict: Blocked, Text: "the quorum requires no approval, so nothing can be approved"})
	}
	counts := j.count(b, demands)
	for i := range counts {
		c := &counts[i]
		res.Needed += c.requirement.Approvals
		res.Met += min(c.filled, c.requirement.Approvals)
		for _, n := range c.counted {
			if o := &b.opinions[n]; !o.listed {
				o.listed = true
				j.approvers = append(j.approvers, *o.user)
			}
		}
		if !j.explain && c.isMet() {
			continue // what it would add is nothing but words
		}
		hinder(j.settle(b, c))
	}
	if len(l.image) > 0 {
		unfit = append(slices.Clip(unfit), j.imageHindrances(pr, l.image)...)
	}
	for _, fs := range [][]Finding{unfit, b.strange, j.hindrances(b, demands), j.checks(pr)} {
		for _, f := range fs {
			hinder(f)
		}
	}
	res.Approvers = slices.Clip(j.approvers[first:])
	switch {
	case !j.explain:
	case res.Finding.Verdict == Allowed:
		res.Finding.Text = "approved by " + logins(res.Approvers)
	case len(res.Approvers) > 0:
		res.Finding.Text += " (counted so far: " + logins(res.Approvers) + ")"
	}
	return res
}

// tally is how far a demand is met.
type tally struct {
	*demand
	counted []int32 // the opinions that count, by their place in the ballot
	// filled is how many of them fill it; fewer than all when people fill another
	// requirement of a gate that wants different ones.
	filled int
	// able are those who could still approve, reach is how many of them could
	// fill what is missing.
	able     []User
	reach    int
	unknown  bool
	children []Finding
}

// isMet says whether nothing is missing. A requirement that asks for nothing is
// never met.
func (c *tally) isMet() bool {
	return !c.requirement.asksNothing() && c.filled >= c.requirement.Approvals
}

// count counts the approvals for each demand.
func (j *judge) count(b *ballot, demands []demand) []tally {
	counts := slices.Grow(b.counts[:0], len(demands))[:len(demands)]
	b.counts = counts
	for i := range demands {
		d, c := &demands[i], &counts[i]
		*c = tally{demand: d}
		if j.explain {
			c.children = slices.Clone(b.ghosts)
		}
		first := len(b.counted)
		for n := range b.opinions {
			o := &b.opinions[n]
			x, fits := j.fits(o, d)
			if !fits {
				continue
			}
			switch x.verdict() {
			case Allowed:
				b.counted = append(b.counted, int32(n))
			case Unknown:
				c.unknown = true
			case Blocked:
			}
			if j.explain {
				c.children = append(c.children, j.explainOpinion(b, o, d, x))
			}
		}
		c.counted = slices.Clip(b.counted[first:])
		c.filled = len(c.counted)
		switch short := d.requirement.Approvals - len(c.counted); {
		case j.policy.DistinctApprovers:
			c.able = j.able(b, c, len(d.who.members))
		case short > 0 && j.explain:
			c.able = j.able(b, c, len(d.who.members))
		case short > 0:
			c.able = j.able(b, c, short)
		}
		c.reach = len(c.able)
	}
	if j.policy.DistinctApprovers {
		distinguish(b, counts)
	}
	return counts
}

// fits says whether one person's last word fulfils a demand. Words that neither
// approve nor were withdrawn have nothing to do with it.
func (j *judge) fits(o *opinion, d *demand) (objection, bool) {
	switch {
	case o.review.State == ReviewDismissed:
		return objDismissed, true
	case o.review.State != ReviewApproved:
		return objNone, false
	case o.general != objNone:
		return o.general, true
	case !d.requirement.accepts(o.review.Method):
		return objMethod, true
	case !j.isMember(o, d) && len(d.who.missing) > 0:
		return objMemberUnknown, true
	case !j.isMember(o, d):
		return objOutsider, true
	case o.further != objNone:
		return o.further, true
	case o.role == "":
		return objRoleUnknown, true
	case !hasRole(o.role, d.requirement.MinimumRole):
		return objRole, true
	default:
		return objCounted, true
	}
}

// explainOpinion is the finding on one person's word.
func (j *judge) explainOpinion(b *ballot, o *opinion, d *demand, x objection) Finding {
	u, login := *o.user, oneLine(o.user.Login)
	f := Finding{User: &u, Commit: o.review.Commit}
	f.Code, f.Verdict = x.finding()
	switch x {
	case objCounted:
		f.Text = login + " approved " + o.review.Commit.Short()
	case objDismissed:
		f.Text = "not counted: the review of " + login + " was dismissed"
	case objMethod:
		f.Text = "not counted: " + login + " approved by a comment, and reviews alone are taken"
		if o.review.Method != MethodComment {
			f.Text = "not counted: " + login + " approved by a review, and comments alone are taken"
		}
	case objMemberUnknown:
		f.Text = "it is not known whether " + login + " is one of " + d.who.text
	case objOutsider:
		f.Text = "not counted: " + login + " is not one of " + d.who.text
	case objRoleUnknown:
		f.Text = "the role of " + login + " in " + string(b.pr.Repository) + " is not known"
	case objRole:
		f.Text = "not counted: " + login + " may not write to " + string(b.pr.Repository)
		if hasRole(o.role, "") {
			f.Text = "not counted: " + login + " has the role " + o.role + ", and " + d.requirement.MinimumRole + " is needed"
		}
	default:
		f.Text = explainObjection(b, o, x)
	}
	return f
}

// settle says whether a demand is met, and if not, who could meet it.
func (j *judge) settle(b *ballot, c *tally) Finding {
	requirement := c.requirement
	f := Finding{Code: CodeQuorumMissing, Verdict: Blocked, Children: c.children}
	progress := j.textf(func() string {
		text := strconv.Itoa(min(c.filled, requirement.Approvals)) + " of " + plural(requirement.Approvals, "approval")
		if c.about != "" {
			text += " for " + c.about
		}
		if requirement.Name != "" {
			text = requirement.Name + ": " + text
		}
		return text
	})
	short := requirement.Approvals - c.filled
	switch {
	case requirement.asksNothing():
		f.Code, f.Text = CodePolicyEmpty, "a requirement asks for nothing, so nothing can fulfil it"
		return f
	case short <= 0:
		f.Code, f.Verdict, f.Text = CodeQuorumMet, Allowed, progress
		return f
	case len(c.who.missing) > 0:
		f.Code, f.Verdict = CodeQuorumPeople, Unknown
		f.Text = j.textf(func() string { return progress + "; not known: " + strings.Join(c.who.missing, ", ") })
		return f
	case c.unknown:
		f.Code, f.Verdict = CodeQuorumPeople, Unknown
		f.Text = j.textf(func() string { return progress + "; it is not known whether all approvals count" })
		return f
	case c.who.everybody:
		f.Text = j.textf(func() string { return progress + "; waiting for " + strconv.Itoa(short) + " more of " + c.who.text })
		f.Remedy = j.textf(func() string {
			return c.who.text + " of " + string(b.pr.Repository) + " can approve #" + strconv.Itoa(b.pr.Number)
		})
		return f
	}
	if c.reach < short {
		f.Code = CodeQuorumUnsatisfiable
		f.Text = j.textf(func() string { return unsatisfiable(progress, short, c) })
		f.Remedy = j.textf(func() string { return "add people to " + c.who.text + ", or let somebody else author the change" })
		return f
	}
	f.Text = j.textf(func() string {
		text := progress + "; waiting for " + strconv.Itoa(short) + " more of " + c.who.text
		if c.filled < len(c.counted) {
			text += " who fill no other requirement"
		}
		return text
	})
	f.Remedy = j.textf(func() string {
		return people(len(c.able)) + " can still approve #" + strconv.Itoa(b.pr.Number) + ": " + some(c.able)
	})
	return f
}

func unsatisfiable(progress string, short int, c *tally) string {
	text := progress + "; " + strconv.Itoa(short) + " more needed of " + c.who.text + ", but only " + strconv.Itoa(c.reach) + " of them can still approve"
	if len(c.who.gone) > 0 {
		text += " (" + strings.Join(c.who.gone, ", ") + " does not exist, or the App may not see it)"
	}
	return text
}

// able are those who could fulfil the demand but have not, at most as many as
// are asked for.
func (j *judge) able(b *ballot, c *tally, most int) []User {
	members := c.who.members
	if j.explain {
		members = c.who.ordered
	}
	var out []User
	for _, u := range members {
		if len(out) == most {
			break
		}
		if u.Type != UserTypePerson || b.part(u.ID) != objNone || (j.excluded != nil && j.excluded.has(u.ID)) {
			continue
		}
		if role := j.roleIn(b.pr.BaseRepositoryID, u.ID); role != "" && !hasRole(role, c.requirement.MinimumRole) {
			continue
		}
		if slices.ContainsFunc(c.counted, func(n int32) bool { return b.opinions[n].user.ID == u.ID }) {
			continue
		}
		out = append(out, u)
	}
	return out
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
