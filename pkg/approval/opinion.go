package approval

import "slices"

// objections say why an approval counts for nobody's requirement.
func (j *judge) objections(b *ballot, o *opinion) objection {
	pr, r, exclude := b.pr, o.review, &j.policy.Exclude
	switch {
	case o.user.Type != UserTypePerson:
		return objBot
	case j.excluded != nil && j.excluded.has(o.user.ID):
		return objExcluded
	case j.excluded != nil && len(j.excluded.missing) > 0:
		return objExcludedUnknown
	}
	if part := b.part(o.user.ID); part != objNone {
		return part
	}
	switch {
	case exclude.Pushers && pr.Pushers == nil:
		return objPushersUnknown
	case r.Edited:
		return objEdited
	case r.Commit == "" || (r.Commit != pr.Head && pr.kept(r.Commit) == nil):
		return objStale
	case r.Base != "" && r.Base != pr.Base:
		return objOtherBase
	case exclude.Unwitnessed && !r.Witnessed:
		return objUnwitnessed
	case exclude.Rerequested && pr.Requested == nil:
		return objRerequestedUnknown
	case exclude.Rerequested && slices.Contains(pr.Requested, o.user.ID):
		return objRerequested
	case exclude.Late && pr.Merged && (pr.MergedAt.IsZero() || r.SubmittedAt.Equal(pr.MergedAt)):
		// GitHub's times have a resolution of one second, so within that of the
		// merge nobody can say which was first.
		return objLateUnknown
	case exclude.Late && pr.Merged && r.SubmittedAt.After(pr.MergedAt):
		return objLate
	default:
		return objNone
	}
}

// furtherObjections say why the approval of somebody who is asked for does not
// count nevertheless.
func (j *judge) furtherObjections(b *ballot, o *opinion) objection {
	pr, r := b.pr, o.review
	ofHead := r.Commit == pr.Head
	switch {
	case pr.HeadPushedAt.IsZero():
		return objPushTimeUnknown
	case !ofHead && pr.keptObjection(r) != objNone:
		return pr.keptObjection(r)
	case ofHead && r.SubmittedAt.Before(pr.HeadPushedAt):
		return objBeforePush
	case ofHead && (!r.Witnessed || r.Method == MethodComment) && !r.SubmittedAt.After(pr.HeadPushedAt):
		// GitHub's times have a resolution of one second. Without a witness of
		// the reviewed commit the same second may be before or after the push. The
		// event of a comment does not name a commit; its time alone tells.
		return objBeforePush
	case r.Base == "":
		return objBaseUnknown
	default:
		return objNone
	}
}

// explainObjection is an objection in words.
func explainObjection(b *ballot, o *opinion, x objection) string {
	pr, login := b.pr, oneLine(o.user.Login)
	text := ""
	switch x {
	case objBot:
		text = login + " is not a person"
	case objExcluded:
		text = login + " is excluded from approving by the gate"
	case objAuthor:
		text = login + " is the author of the pull request"
	case objPusher:
		text = login + " pushed the head " + pr.Head.Short()
	case objKeptPusher:
		text = login + " pushed " + ofKept(pr.keptBy(o.user.ID).Commit)
	case objFormerPusher:
		text = login + " pushed to the pull request"
	case objContributor:
		text = login + " had a part in its commits"
	case objSigner:
		text = login + " holds a key with which it was signed"
	case objEdited:
		text = "the comment of " + login + " was edited"
	case objStale:
		text = login + " approved " + o.review.Commit.Short() + ", but the head is " + pr.Head.Short()
	case objOtherBase:
		text = login + " approved it when it was to be merged into " + oneLine(o.review.Base) + ", not " + oneLine(pr.Base)
	case objLate:
		text = login + " approved after the merge, and the gate takes earlier reviews alone"
	case objRerequested:
		text = "the review of " + login + " was asked for again"
	case objUnwitnessed:
		text = "Gatekeeper did not see when " + login + " approved"
	case objKeptUnwitnessed:
		text = "Gatekeeper did not see when " + login + " approved " + ofKept(o.review.Commit)
	case objBeforePush:
		if k := pr.kept(o.review.Commit); k != nil {
			text = login + " approved before, or in the second in which, " + k.Commit.Short() + " was pushed"
			break
		}
		text = login + " approved before the head was pushed"
		if !o.review.SubmittedAt.Before(pr.HeadPushedAt) {
			text = login + " approved in the second in which the head was pushed"
		}
	case objExcludedUnknown:
		return "it is not known whether " + login + " is excluded from approving"
	case objPushersUnknown:
		return "it is not known who pushed to the pull request before, so it could have been " + login
	case objRerequestedUnknown:
		return "it is not known whether the review of " + login + " was asked for again"
	case objLateUnknown:
		return "it is not known whether " + login + " approved before the merge"
	case objBaseUnknown:
		return "it is not known which branch the change was for when " + login + " approved"
	default:
		return "it is not known whether " + login + " approved after the head was pushed"
	}
	return "not counted: " + text
}
