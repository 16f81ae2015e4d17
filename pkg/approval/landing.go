package approval

import "strconv"

// judgedLanding is where the judgement of one landing is written.
type judgedLanding struct {
	decision *LandingDecision
	finding  *Finding
}

func (j *judge) landing(l *Line, landing *Landing, changes []*Change, out judgedLanding) judgedLanding {
	level := j.split(changes)
	d, f := out.decision, out.finding
	d.Class = level.class()
	if landing.Pull != nil {
		d.Pull, f.Pull = landing.Pull.Number, landing.Pull.Number
	}
	settle := func(v Verdict, code Code, text func(name string) string) judgedLanding {
		d.Verdict, f.Verdict, f.Code = v, v, code
		if j.explain {
			f.Text = text(nameOf(landing))
		}
		return out
	}
	says := func(text string) func(string) string { return func(name string) string { return name + text } }

	if d.Class == ClassNone {
		return settle(Allowed, CodeLandingNone, says(" changes nothing in scope"))
	}
	if landing.Unsettled != "" {
		f.Remedy = "nothing to do if this passes; Gatekeeper looks again by itself"
		return settle(Unknown, CodeLandingUnsettled, func(name string) string { return name + ": " + oneLine(landing.Unsettled) })
	}
	switch landing.Kind {
	case KindDirect:
		f.Remedy = j.restore(landing)
		return settle(Blocked, CodeLandingDirect, func(name string) string {
			if landing.Pull != nil {
				return name + " was pushed to " + l.Branch + ", and the pull request only marked as merged"
			}
			return name + " was pushed to " + l.Branch + " without a pull request"
		})
	case KindMerge, KindSquash, KindRebase, KindQueue:
	default:
		return settle(Unknown, CodeLandingKind, says(" landed in a way that is not known"))
	}
	pr := landing.Pull
	if pr == nil {
		return settle(Unknown, CodeLandingPull, says(" has no pull request in the facts"))
	}
	switch landing.Proof.Result {
	case Proven:
	case Mismatch:
		f.Remedy = j.restore(landing)
		return settle(Blocked, CodeLandingMismatch, func(name string) string {
			return name + " is not what was reviewed: " + oneLine(landing.Proof.Detail)
		})
	default:
		return settle(Unknown, CodeLandingProof, says(" could not be proven to be what was reviewed"))
	}
	if pr.Number <= 0 {
		return settle(Unknown, CodeLandingPull, says(" has a pull request without a number in the facts"))
	}
	if !pr.Merged || pr.Base != l.Branch || pr.BaseRepositoryID != l.RepositoryID || l.RepositoryID == 0 || !pr.Repository.Equal(l.Repository) {
		return settle(Blocked, CodeLandingPull, func(name string) string {
			return name + " is not a merged pull request of " + string(l.Repository) + " into " + l.Branch
		})
	}

	q := j.judge(pr, level)
	d.Approvers = q.Approvers
	f.Children = q.Finding.Children
	switch q.Finding.Verdict {
	case Allowed:
		return settle(Allowed, CodeLandingApproved, func(name string) string { return name + " is approved by " + logins(q.Approvers) })
	case Blocked, Unknown:
	default:
		q.Finding.Verdict = Unknown
	}
	f.Remedy = q.Finding.Remedy
	return settle(q.Finding.Verdict, q.Finding.Code, func(name string) string { return name + ": " + q.Finding.Text })
}

// nameOf names a landing for people.
func nameOf(l *Landing) string {
	if l.Pull == nil {
		return l.Commit.Short() + " " + strconv.Quote(l.Title)
	}
	return "#" + strconv.Itoa(l.Pull.Number) + " " + strconv.Quote(l.Pull.Title) + " (" + l.Commit.Short() + ")"
}

func (j *judge) restore(l *Landing) string {
	return j.textf(func() string {
		return "open a pull request that restores what was there before " + l.Commit.Short() + ", and have it approved"
	})
}
