package approval

import (
	"slices"
	"strconv"
	"strings"
)

// explainOpinions are the findings on what was said that has to do with a demand.
func (j *judge) explainOpinions(b *ballot, d *demand) []Finding {
	out := slices.Clone(b.ghosts)
	for n := range b.opinions {
		o := &b.opinions[n]
		if x := o.fits(d); x != objNone {
			out = append(out, j.explainOpinion(b, o, d, x))
		}
	}
	return out
}

// explainOpinion is the finding on one person's word.
func (j *judge) explainOpinion(b *ballot, o *opinion, d *demand, x objection) Finding {
	u, login := *o.user, oneLine(o.user.Login)
	f := Finding{User: &u, Commit: o.review.Commit}
	f.Code, f.Verdict = x.finding()
	switch x {
	case objCounted:
		f.Text = login + " approved " + o.review.Commit.Short()
		if o.review.Commit != b.pr.Head {
			f.Text = login + " approved " + ofKept(o.review.Commit)
		}
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
		if hasRole(o.voter.role, "") {
			f.Text = "not counted: " + login + " has the role " + o.voter.role + ", and " + d.requirement.MinimumRole + " is needed"
		}
	default:
		f.Text = explainObjection(b, o, x)
	}
	return f
}

// explainTally says in words how far a demand is met, and who could meet it.
func (j *judge) explainTally(b *ballot, c *tally, code Code) (text, remedy string) {
	requirement := c.requirement
	if c.void {
		return "a requirement asks for nothing, so nothing can fulfil it", ""
	}
	text = strconv.Itoa(min(c.filled, requirement.Approvals)) + " of " + plural(requirement.Approvals, "approval")
	if c.about != "" {
		text += " for " + c.about
	}
	if requirement.Name != "" {
		text = requirement.Name + ": " + text
	}
	short := requirement.Approvals - c.filled
	switch code {
	case CodeQuorumMet:
		return text, ""
	case CodeQuorumPeople:
		if len(c.who.missing) > 0 {
			return text + "; not known: " + strings.Join(c.who.missing, ", "), ""
		}
		return text + "; it is not known whether all approvals count", ""
	case CodeQuorumUnsatisfiable:
		return unsatisfiable(text, short, c), "add people to " + c.who.text + ", or let somebody else author the change"
	default:
	}
	text += "; waiting for " + strconv.Itoa(short) + " more of " + c.who.text
	number := "#" + strconv.Itoa(b.pr.Number)
	if c.who.everybody {
		return text, c.who.text + " of " + string(b.pr.Repository) + " can approve " + number
	}
	if c.filled < c.counted {
		text += " who fill no other requirement"
	}
	return text, people(len(c.able)) + " can still approve " + number + ": " + some(c.able)
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
