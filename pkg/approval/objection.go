package approval

// objection is why one person's word does not fulfil a demand. It is a number, so
// that counting moves no pointers.
type objection uint8

const (
	objNone objection = iota
	objCounted
	objDismissed
	objBot
	objExcluded
	objExcludedUnknown
	objAuthor
	objPusher
	objKeptPusher
	objFormerPusher
	objContributor
	objSigner
	objPushersUnknown
	objEdited
	objStale
	objOtherBase
	objUnwitnessed
	objKeptUnwitnessed
	objRerequestedUnknown
	objRerequested
	objLateUnknown
	objLate
	objPushTimeUnknown
	objBeforePush
	objBaseUnknown
	objMethod
	objMemberUnknown
	objOutsider
	objRoleUnknown
	objRole
)

// finding is the code and the verdict that an objection has in a decision. An
// objection that is not listed weighs as Unknown.
func (x objection) finding() (Code, Verdict) {
	switch x {
	case objCounted:
		return CodeApprovalCounted, Allowed
	case objDismissed:
		return CodeApprovalDismissed, Blocked
	case objBot:
		return CodeApprovalBot, Blocked
	case objExcluded:
		return CodeApprovalExcluded, Blocked
	case objExcludedUnknown:
		return CodeQuorumPeople, Unknown
	case objAuthor:
		return CodeApprovalAuthor, Blocked
	case objPusher, objKeptPusher:
		return CodeApprovalPusher, Blocked
	case objFormerPusher:
		return CodeApprovalFormerPusher, Blocked
	case objContributor:
		return CodeApprovalContributor, Blocked
	case objSigner:
		return CodeApprovalSigner, Blocked
	case objPushersUnknown:
		return CodePusherUnknown, Unknown
	case objEdited:
		return CodeApprovalEdited, Blocked
	case objStale:
		return CodeApprovalStale, Blocked
	case objOtherBase:
		return CodeApprovalOtherBase, Blocked
	case objUnwitnessed, objKeptUnwitnessed:
		return CodeApprovalUnwitnessed, Blocked
	case objRerequestedUnknown:
		return CodeApprovalRerequested, Unknown
	case objRerequested:
		return CodeApprovalRerequested, Blocked
	case objLateUnknown:
		return CodeApprovalLate, Unknown
	case objLate:
		return CodeApprovalLate, Blocked
	case objPushTimeUnknown:
		return CodeApprovalUnwitnessed, Unknown
	case objBeforePush:
		return CodeApprovalBeforePush, Blocked
	case objBaseUnknown:
		return CodeApprovalBaseUnknown, Unknown
	case objMethod:
		return CodeApprovalMethod, Blocked
	case objMemberUnknown:
		return CodeQuorumPeople, Unknown
	case objOutsider:
		return CodeApprovalOutsider, Blocked
	case objRoleUnknown:
		return CodeApprovalRole, Unknown
	case objRole:
		return CodeApprovalRole, Blocked
	default:
		return CodeReviewUnknown, Unknown
	}
}

// verdict is the verdict of an objection.
func (x objection) verdict() Verdict {
	_, v := x.finding()
	return v
}
