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
	// Images are those of Met and Needed that the image quorum counts.
	Images Progress
	// Approvers are those whose approvals were counted, each once.
	Approvers []User
	// Requirements are those that apply, in the order of the first children of Finding.
	Requirements []RequirementReport
	// Vacancies are the requirements that lack approvals.
	Vacancies []Vacancy
}

// Progress is how many of the approvals that are needed are there.
type Progress struct{ Met, Needed int }

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
		doubts := j.doubts(nil, &c.Before, c, 0)
		for i := range doubts {
			f := j.explainDoubt(&doubts[i])
			f.Pull = pr.Number
			res.Finding.hinder(f)
		}
	}
	return *res
}

// hinder adds a finding as a child; the worst one is what the whole says.
func (f *Finding) hinder(child Finding) {
	f.Children = append(f.Children, child)
	if worse(f.Verdict, child.Verdict) != f.Verdict {
		f.Verdict, f.Code, f.Text, f.Remedy = child.Verdict, child.Code, child.Text, child.Remedy
	}
}

// judge counts the reviews of a pull request. The result is overwritten by the next.
func (j *judge) judge(pr *PullRequest, l levels) *QuorumResult {
	b := j.open(pr)
	demands, unfit := j.demands(pr, l)
	res := &j.result
	*res = QuorumResult{Finding: Finding{Code: CodeQuorumMet, Verdict: Allowed, Pull: pr.Number}}
	hinder := func(f *Finding) {
		f.Pull = pr.Number
		if j.explain {
			res.Finding.Children = append(res.Finding.Children, *f)
		}
		if worse(res.Finding.Verdict, f.Verdict) != res.Finding.Verdict {
			res.Finding.Verdict, res.Finding.Code, res.Finding.Text, res.Finding.Remedy = f.Verdict, f.Code, f.Text, f.Remedy
		}
	}
	if len(demands)+len(unfit) == 0 {
		hinder(&Finding{Code: CodePolicyEmpty, Verdict: Blocked, Text: "the quorum requires no approval, so nothing can be approved"})
	}
	counts := j.count(b, demands)
	for i := range counts {
		c := &counts[i]
		res.Needed += c.requirement.Approvals
		res.Met += min(c.filled, c.requirement.Approvals)
		if c.images {
			res.Images.Needed += c.requirement.Approvals
			res.Images.Met += min(c.filled, c.requirement.Approvals)
		}
		code, verdict := c.outcome()
		if !j.explain && verdict == Allowed {
			continue // what it would add is nothing but words
		}
		f := Finding{Code: code, Verdict: verdict}
		if j.explain {
			f.Text, f.Remedy = j.explainTally(b, c, code)
			f.Children = j.explainOpinions(b, c.demand)
			res.Requirements = append(res.Requirements, c.report())
			res.Vacancies = j.vacant(res.Vacancies, c, code)
		}
		hinder(&f)
	}
	if len(l.image) > 0 {
		unfit = slices.Concat(unfit, j.both(l), j.imageHindrances(pr, l.image))
	}
	hinderAll := func(fs []Finding) {
		for i := range fs {
			hinder(&fs[i])
		}
	}
	hinderAll(unfit)
	hinderAll(b.strange)
	hinderAll(j.hindrances(b, demands))
	hinderAll(j.checks(pr))
	res.Approvers = j.approversOf(b)
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
	// counted is how many opinions count.
	counted int
	// filled is how many of them fill it; fewer than all when people fill another
	// requirement of a gate that wants different ones.
	filled int
	// able are those who could still approve, reach is how many of them could
	// fill what is missing.
	able    []User
	reach   int
	unknown bool
}

// outcome says whether a demand is met.
func (c *tally) outcome() (Code, Verdict) {
	short := c.requirement.Approvals - c.filled
	switch {
	case c.void:
		return CodePolicyEmpty, Blocked
	case short <= 0:
		return CodeQuorumMet, Allowed
	case c.unknown || len(c.who.missing) > 0:
		return CodeQuorumPeople, Unknown
	case c.reach < short && !c.who.everybody:
		return CodeQuorumUnsatisfiable, Blocked
	default:
		return CodeQuorumMissing, Blocked
	}
}

// approversOf are those whose approvals were counted. Often the same people
// approve several changes in a row, and then these share a list.
func (j *judge) approversOf(b *ballot) []User {
	if len(b.approvers) == 0 {
		return nil
	}
	if !sameUsers(j.latest, b.approvers) {
		if cap(j.approvers)-len(j.approvers) < len(b.approvers) {
			j.approvers = make([]User, 0, max(2*cap(j.approvers), len(b.approvers)))
		}
		first := len(j.approvers)
		for _, a := range b.approvers {
			j.approvers = append(j.approvers, *a)
		}
		j.latest = slices.Clip(j.approvers[first:])
	}
	return j.latest
}

// sameUsers says whether both lists name the same people by the same logins. All
// of them are persons, or they would not have been counted.
func sameUsers(a []User, b []*User) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].ID != b[i].ID || a[i].Login != b[i].Login {
			return false
		}
	}
	return true
}

// count counts the approvals for each demand, and lists those who gave them.
func (j *judge) count(b *ballot, demands []demand) []tally {
	counts := slices.Grow(b.counts[:0], len(demands))[:len(demands)]
	b.counts = counts
	unmet := false // an earlier one
	for i := range demands {
		d, c := &demands[i], &counts[i]
		*c = tally{demand: d}
		for n := range b.opinions {
			o := &b.opinions[n]
			switch x := o.fits(d); {
			case x == objCounted:
				c.counted++
				if !o.listed {
					o.listed = true
					b.approvers = append(b.approvers, o.user)
				}
			case x != objNone && x.verdict() == Unknown:
				c.unknown = true
			}
		}
		c.filled = c.counted
		switch short := d.requirement.Approvals - c.filled; {
		case j.policy.DistinctApprovers, j.explain && short > 0:
			c.able = j.able(b, c)
			c.reach = len(c.able)
		case short > 0 && !unmet:
			// Without words, of several unmet demands the first alone says why.
			c.reach = j.reach(b, c, short)
			unmet = true
		}
	}
	if j.policy.DistinctApprovers {
		distinguish(b, counts)
	}
	return counts
}

// fits says whether one person's last word fulfils a demand: objCounted when it
// does, objNone for words that neither approve nor were withdrawn and have
// nothing to do with it.
func (o *opinion) fits(d *demand) objection {
	if d.fixed > 0 && o.clear != nil {
		return o.clear[d.fixed-1].clear
	}
	return o.weigh(d)
}

// weigh is fits for any word and any demand.
func (o *opinion) weigh(d *demand) objection {
	if o.general != objNone || !o.approves {
		return o.general
	}
	return o.standing(d).weigh(o.further)
}

func unsatisfiable(progress string, short int, c *tally) string {
	text := progress + "; " + strconv.Itoa(short) + " more needed of " + c.who.text + ", but only " + strconv.Itoa(c.reach) + " of them can still approve"
	if len(c.who.gone) > 0 {
		text += " (" + strings.Join(c.who.gone, ", ") + " does not exist, or the App may not see it)"
	}
	return text
}

// able are those who could fulfil the demand but have not.
func (j *judge) able(b *ballot, c *tally) []User {
	members := c.who.members
	if j.explain {
		members = c.who.byLogin
	}
	var out []User
	for _, u := range members() {
		if j.isAble(b, c, u) {
			out = append(out, *u)
		}
	}
	return out
}

// reach counts those who could fulfil the demand but have not, up to most.
func (j *judge) reach(b *ballot, c *tally, most int) int {
	n := 0
	for _, u := range c.who.members() {
		if n == most {
			break
		}
		if j.isAble(b, c, u) {
			n++
		}
	}
	return n
}

func (j *judge) isAble(b *ballot, c *tally, u *User) bool {
	if u.Type != UserTypePerson || b.part(u.ID) != objNone || (j.excluded != nil && j.excluded.has(u.ID)) {
		return false
	}
	if role := j.roleOf(u.ID); role != "" && !hasRole(role, c.requirement.MinimumRole) {
		return false
	}
	o := j.opinionOf(b, u.ID)
	return o == nil || o.fits(c.demand) != objCounted
}
