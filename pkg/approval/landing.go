package approval

import "strconv"

type judgedLanding struct {
	decision LandingDecision
	finding  Finding
}

// Classify says what kind of change a set of changed paths is for a protected
// repository.
func Classify(r ProtectedRepository, changes []Change) ChangeClass {
	for _, c := range changes {
		if r.Covers(c.Path) {
			return ClassConfig
		}
	}
	return ClassNone
}

func judgeLanding(r ProtectedRepository, l Line, landing Landing, people roll) judgedLanding {
	class := Classify(r, landing.Changes)
	d := LandingDecision{Commit: landing.Commit, Kind: landing.Kind, Class: class}
	if landing.Pull != nil {
		d.Pull = landing.Pull.Number
	}
	f := Finding{Commit: landing.Commit, Pull: d.Pull}

	name := landing.Commit.Short() + " " + strconv.Quote(landing.Title)
	if landing.Pull != nil {
		name = "#" + strconv.Itoa(d.Pull) + " " + strconv.Quote(landing.Pull.Title) + " (" + landing.Commit.Short() + ")"
	}
	settle := func(v Verdict, code Code, text, remedy string) judgedLanding {
		d.Verdict, f.Verdict, f.Code, f.Text, f.Remedy = v, v, code, text, remedy
		return judgedLanding{decision: d, finding: f}
	}

	switch {
	case class == ClassNone:
		return settle(Allowed, CodeLandingNone, name+" changes nothing in scope", "")
	case landing.Unsettled != "":
		return settle(Unknown, CodeLandingUnsettled, name+": "+landing.Unsettled, "nothing to do if this passes; Gatekeeper looks again by itself")
	}
	switch landing.Kind {
	case KindDirect:
		return settle(Blocked, CodeLandingDirect, name+" was pushed to "+l.Branch+" without a pull request",
			"open a pull request that reverts "+landing.Commit.Short()+" and have it approved")
	case KindMerge, KindSquash, KindRebase, KindQueue:
	default:
		return settle(Blocked, CodeLandingKind, name+" landed in a way that is not known", "")
	}
	pr := landing.Pull
	if pr == nil {
		return settle(Unknown, CodeLandingPull, name+" has no pull request in the facts", "")
	}
	switch landing.Proof.Result {
	case Proven:
	case Mismatch:
		return settle(Blocked, CodeLandingMismatch, name+" is not what was reviewed: "+landing.Proof.Detail,
			"open a pull request that reverts "+landing.Commit.Short()+" and have it approved")
	default:
		return settle(Unknown, CodeLandingProof, name+" could not be proven to be what was reviewed", "")
	}
	if !pr.Merged || pr.Base != l.Branch || pr.BaseRepositoryID != l.RepositoryID || l.RepositoryID == 0 || !pr.Repository.Equal(l.Repository) {
		return settle(Blocked, CodeLandingPull, name+" is not a merged pull request of "+string(l.Repository)+" into "+l.Branch, "")
	}

	q := people.judge(*pr)
	d.Approvers = q.Approvers
	f.Children = q.Finding.Children
	switch q.Finding.Verdict {
	case Allowed:
		return settle(Allowed, CodeLandingApproved, name+" is approved by "+logins(q.Approvers), "")
	case Blocked:
		return settle(Blocked, q.Finding.Code, name+": "+q.Finding.Text, q.Finding.Remedy)
	default:
		return settle(Unknown, q.Finding.Code, name+": "+q.Finding.Text, q.Finding.Remedy)
	}
}
