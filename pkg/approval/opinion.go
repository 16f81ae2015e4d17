package approval

import "slices"

// general says why an approval counts for nobody's requirement.
func (j *judge) objections(b *ballot, o *opinion) objection {
	pr, r, exclude := b.pr, o.review, &j.policy.Exclude
	switch {
	case o.user.Type != UserTypePerson:
		return objection{CodeApprovalBot, Blocked}
	case j.excluded != nil && j.excluded.has(o.user.ID):
		return objection{CodeApprovalExcluded, Blocked}
	case j.excluded != nil && len(j.excluded.missing) > 0:
		return objection{CodeQuorumPeople, Unknown}
	}
	if code := b.part(o.user.ID); code != "" {
		return objection{code, Blocked}
	}
	switch {
	case exclude.Pushers && pr.Pushers == nil:
		return objection{CodePusherUnknown, Unknown}
	case r.Edited:
		return objection{CodeApprovalEdited, Blocked}
	case r.Commit == "" || r.Commit != pr.Head:
		return objection{CodeApprovalStale, Blocked}
	case r.Base != "" && r.Base != pr.Base:
		return objection{CodeApprovalOtherBase, Blocked}
	case exclude.Unwitnessed && !r.Witnessed:
		return objection{CodeApprovalUnwitnessed, Blocked}
	case exclude.Rerequested && pr.Requested == nil:
		return objection{CodeApprovalRerequested, Unknown}
	case exclude.Rerequested && slices.Contains(pr.Requested, o.user.ID):
		return objection{CodeApprovalRerequested, Blocked}
	case exclude.Late && pr.Merged && pr.MergedAt.IsZero():
		return objection{CodeApprovalLate, Unknown}
	case exclude.Late && pr.Merged && r.SubmittedAt.After(pr.MergedAt):
		return objection{CodeApprovalLate, Blocked}
	default:
		return objection{}
	}
}

// furtherObjections say why the approval of somebody who is asked for does not
// count nevertheless.
func (j *judge) furtherObjections(b *ballot, o *opinion) objection {
	pr, r := b.pr, o.review
	switch {
	case pr.HeadPushedAt.IsZero():
		return objection{CodeApprovalUnwitnessed, Unknown}
	case r.SubmittedAt.Before(pr.HeadPushedAt):
		return objection{CodeApprovalBeforePush, Blocked}
	case !r.Witnessed && !r.SubmittedAt.After(pr.HeadPushedAt):
		// GitHub's times have a resolution of one second. Without a witness of
		// the reviewed commit the same second may be before or after the push.
		return objection{CodeApprovalBeforePush, Blocked}
	case r.Base == "":
		return objection{CodeApprovalBaseUnknown, Unknown}
	default:
		return objection{}
	}
}

// explainObjection is an objection in words.
func explainObjection(b *ballot, o *opinion, x objection) string {
	pr, login := b.pr, oneLine(o.user.Login)
	text := ""
	switch x.code {
	case CodeApprovalBot:
		text = login + " is not a person"
	case CodeApprovalExcluded:
		text = login + " is excluded from approving by the gate"
	case CodeApprovalAuthor:
		text = login + " is the author of the pull request"
	case CodeApprovalPusher:
		text = login + " pushed the head " + pr.Head.Short()
	case CodeApprovalFormerPusher:
		text = login + " pushed to the pull request"
	case CodeApprovalContributor:
		text = login + " had a part in its commits"
	case CodeApprovalEdited:
		text = "the comment of " + login + " was edited"
	case CodeApprovalStale:
		text = login + " approved " + o.review.Commit.Short() + ", but the head is " + pr.Head.Short()
	case CodeApprovalOtherBase:
		text = login + " approved it when it was to be merged into " + oneLine(o.review.Base) + ", not " + oneLine(pr.Base)
	case CodeApprovalLate:
		text = login + " approved after the merge, and the gate takes earlier reviews alone"
	case CodeApprovalRerequested:
		text = "the review of " + login + " was asked for again"
	case CodeApprovalUnwitnessed:
		text = "Gatekeeper did not see when " + login + " approved"
	case CodeApprovalBeforePush:
		text = login + " approved before the head was pushed"
		if !o.review.SubmittedAt.Before(pr.HeadPushedAt) {
			text = login + " approved in the second in which the head was pushed"
		}
	}
	if x.verdict == Blocked {
		return "not counted: " + text
	}
	switch x.code {
	case CodeQuorumPeople:
		return "it is not known whether " + login + " is excluded from approving"
	case CodePusherUnknown:
		return "it is not known who pushed to the pull request before, so it could have been " + login
	case CodeApprovalRerequested:
		return "it is not known whether the review of " + login + " was asked for again"
	case CodeApprovalLate:
		return "it is not known whether " + login + " approved before the merge"
	case CodeApprovalBaseUnknown:
		return "it is not known which branch the change was for when " + login + " approved"
	default:
		return "it is not known whether " + login + " approved after the head was pushed"
	}
}
