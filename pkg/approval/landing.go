package approval

import "strconv"

type judgedLanding struct {
	decision LandingDecision
	finding  Finding
}

// Classify says what kind of change a set of changed paths is for a protected
// repository.
func Classify(r ProtectedRepository, changes []Change) ChangeClass {
	return classify(r.scope().within(changes))
}

func classify(inScope []Change) ChangeClass {
	if len(inScope) == 0 {
		return ClassNone
	}
	return ClassConfig
}

func judgeLanding(l Line, landing Landing, class ChangeClass, people roll) judgedLanding {
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
		return settle(Unknown, CodeLandingUnsettled, name+": "+oneLine(landing.Unsettled), "nothing to do if this passes; Gatekeeper looks again by itself")
	}
	switch landing.Kind {
	case KindDirect:
		text := " was pushed to " + l.Branch + " without a pull request"
		if landing.Pull != nil {
			text = " was pushed to " + l.Branch + ", and the pull request only marked as merged"
		}
		return settle(Blocked, CodeLandingDirect, name+text, restore(landing))
	case KindMerge, KindSquash, KindRebase, KindQueue:
	default:
		return settle(Unknown, CodeLandingKind, name+" landed in a way that is not known", "")
	}
	pr := landing.Pull
	if pr == nil {
		return settle(Unknown, CodeLandingPull, name+" has no pull request in the facts", "")
	}
	switch landing.Proof.Result {
	case Proven:
	case Mismatch:
		return settle(Blocked, CodeLandingMismatch, name+" is not what was reviewed: "+oneLine(landing.Proof.Detail),
			restore(landing))
	default:
		return settle(Unknown, CodeLandingProof, name+" could not be proven to be what was reviewed", "")
	}
	if pr.Number <= 0 {
		return settle(Unknown, CodeLandingPull, name+" has a pull request without a number in the facts", "")
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

func restore(l Landing) string {
	return "open a pull request that restores what was there before " + l.Commit.Short() + ", and have it approved"
}
