package approval

// hindrances are what keeps every approval of a pull request from counting.
func (j *judge) hindrances(b *ballot, demands []demand) []Finding {
	var out []Finding
	for i := range b.opinions {
		o := &b.opinions[i]
		switch o.review.State {
		case ReviewChangesRequested:
			if f, ok := j.veto(o, demands); ok {
				out = append(out, f)
			}
		case ReviewDismissed:
			if f, ok := j.dismissal(b, o, demands); ok {
				out = append(out, f)
			}
		case ReviewApproved, ReviewCommented, ReviewPending:
		}
	}
	pr := b.pr
	if pr.Author.ID <= 0 || len(pr.Contributors) == 0 {
		out = append(out, Finding{
			Code: CodeAuthorUnknown, Verdict: Unknown,
			Text: "it is not known who wrote this pull request, so nobody can be told apart from its authors",
		})
	}
	if pr.Pusher == nil || pr.Pusher.ID <= 0 {
		out = append(out, Finding{
			Code: CodePusherUnknown, Verdict: Unknown,
			Text: j.textf(func() string {
				return "it is not known who pushed the head " + pr.Head.Short() + ", so nobody can be told apart from its pusher"
			}),
		})
	}
	if pr.keptContradict() {
		out = append(out, Finding{
			Code: CodeKeptHeads, Verdict: Unknown,
			Text: j.textf(func() string {
				return "what is said of the earlier heads that " + pr.Head.Short() + " is a clean update of does not fit together"
			}),
		})
	}
	for i := range pr.Contributors {
		if c := &pr.Contributors[i]; c.User == nil || c.User.ID <= 0 {
			email := oneLine(c.Email)
			out = append(out, Finding{
				Code: CodeContributorUnknown, Verdict: Blocked, Commit: c.Commit,
				Text: j.textf(func() string {
					return "the " + oneLine(c.Role) + " " + email + " of " + c.Commit.Short() + " has no GitHub account, so it could be one of the approvers"
				}),
				Remedy: j.textf(func() string { return "whoever owns " + email + " adds it to a GitHub account" }),
			})
			break
		}
	}
	return out
}

// mayVeto says whether somebody's request for changes blocks: that of whoever
// could approve does, and with Veto.Writers that of everybody who may write.
func (j *judge) mayVeto(o *opinion, demands []demand) Verdict {
	missing := false
	for i := range demands {
		d := &demands[i]
		if d.who.has(o.user.ID) && !d.who.everybody {
			return Allowed
		}
		missing = missing || len(d.who.missing) > 0
		if d.who.everybody {
			switch {
			case o.voter.role == "":
				missing = true
			case hasRole(o.voter.role, d.requirement.MinimumRole):
				return Allowed
			}
		}
	}
	if j.policy.Veto.Writers {
		switch {
		case o.voter.role == "":
			missing = true
		case hasRole(o.voter.role, ""):
			return Allowed
		}
	}
	if missing {
		return Unknown
	}
	return Blocked
}

func (j *judge) veto(o *opinion, demands []demand) (Finding, bool) {
	u, login := *o.user, oneLine(o.user.Login)
	switch j.mayVeto(o, demands) {
	case Allowed:
		return Finding{
			Code: CodeVeto, Verdict: Blocked, User: &u,
			Text:   login + " requested changes",
			Remedy: login + " approves, or the review is dismissed",
		}, true
	case Unknown:
		return Finding{
			Code: CodeQuorumPeople, Verdict: Unknown, User: &u,
			Text: login + " requested changes, and it is not known whether this person may",
		}, true
	default:
		return Finding{}, false
	}
}

// dismissal says whether a dismissed request for changes still blocks. On GitHub
// whoever may write can dismiss a review, the author of the change included.
func (j *judge) dismissal(b *ballot, o *opinion, demands []demand) (Finding, bool) {
	may := j.mayVeto(o, demands)
	if may == Blocked {
		return Finding{}, false
	}
	u, login, d := *o.user, oneLine(o.user.Login), o.review.Dismissed
	unknown := func(text string) (Finding, bool) {
		return Finding{
			Code: CodeDismissalUnknown, Verdict: Unknown, User: &u, Text: text,
			Remedy: login + " reviews again",
		}, true
	}
	if d == nil {
		return unknown("the review of " + login + " was dismissed, and it is not known what it said and who dismissed it")
	}
	switch d.Was {
	case ReviewApproved, ReviewCommented:
		return Finding{}, false
	case ReviewChangesRequested:
	default:
		return unknown("the review of " + login + " was dismissed, and it is not known what it said")
	}
	if may == Unknown {
		return unknown(login + " requested changes and the review was dismissed, and it is not known whether this person may")
	}
	switch j.mayDismiss(b, o, demands) {
	case Allowed:
		return Finding{}, false
	case Unknown:
		return unknown(login + " requested changes, and it is not known whether whoever dismissed the review may")
	default:
		by := "GitHub"
		if d.By != nil {
			by = oneLine(d.By.Login)
		}
		return Finding{
			Code: CodeVetoDismissed, Verdict: Blocked, User: &u,
			Text:   login + " requested changes, and " + by + ", who dismissed the review, may not",
			Remedy: login + " reviews again",
		}, true
	}
}

// mayDismiss says whether the request for changes was dismissed by somebody who
// may do so: the reviewer, those whom the policy names, or by default those who
// could approve and admins, but nobody who had a part in the change.
func (j *judge) mayDismiss(b *ballot, o *opinion, demands []demand) Verdict {
	by := o.review.Dismissed.By
	if by == nil || by.ID <= 0 || by.Type != UserTypePerson {
		return Blocked
	}
	if by.ID == o.user.ID {
		return Allowed
	}
	if b.part(by.ID) != objNone {
		return Blocked
	}
	if j.dismissers != nil {
		switch {
		case j.dismissers.has(by.ID):
			return Allowed
		case len(j.dismissers.missing) > 0:
			return Unknown
		default:
			return Blocked
		}
	}
	role := j.roleOf(by.ID)
	unknown := role == ""
	if role == "admin" {
		return Allowed
	}
	for i := range demands {
		d := &demands[i]
		switch {
		case d.who.has(by.ID) && hasRole(role, d.requirement.MinimumRole):
			return Allowed
		case len(d.who.missing) > 0:
			unknown = true
		}
	}
	if unknown {
		return Unknown
	}
	return Blocked
}

// checks are the named checks that have not succeeded on the head. A skipped or
// neutral run has checked nothing.
func (j *judge) checks(pr *PullRequest) []Finding {
	var out []Finding
	for i := range j.policy.Checks {
		required := &j.policy.Checks[i]
		add := func(code Code, v Verdict, what, remedy string) {
			out = append(out, Finding{
				Code: code, Verdict: v, Commit: pr.Head, Remedy: remedy,
				Text: j.textf(func() string { return "the check " + oneLine(required.Name) + " " + what + " on " + pr.Head.Short() }),
			})
		}
		var found *Check
		twice := false
		for n := range pr.Checks {
			if c := &pr.Checks[n]; c.Name == required.Name && c.AppID == required.AppID {
				twice = twice || (found != nil && *found != *c)
				found = c
			}
		}
		switch {
		case required.Name == "" || required.AppID <= 0:
			add(CodePolicyEmpty, Blocked, "has no name or no App", "mend the gate's configuration")
		case twice:
			add(CodeCheckUnknown, Unknown, "is in the facts twice, with different results", "")
		case found == nil:
			add(CodeCheckMissing, Blocked, "has not run", "start it; it counts only from the expected App")
		case found.Commit != pr.Head:
			add(CodeCheckUnknown, Unknown, "is known for another commit alone, not", "")
		case found.Conclusion == "":
			add(CodeCheckPending, Blocked, "has not finished", "nothing to do if it succeeds")
		case found.Conclusion != "success":
			add(CodeCheckFailed, Blocked, "ended with "+oneLine(found.Conclusion), "mend what it found and have the new head approved, or run it again")
		}
	}
	return out
}
