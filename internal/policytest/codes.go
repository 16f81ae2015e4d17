package policytest

import "github.com/argo-gatekeeper/gatekeeper/pkg/approval"

// codes are the codes that a finding can have.
func codes() []string {
	all := [...]approval.Code{
		approval.CodeFactsMissing, approval.CodePolicyEmpty, approval.CodeApplicationForeign, approval.CodeApplicationDeleting,
		approval.CodeApplicationAuto, approval.CodeApplicationSpec, approval.CodeSpecApproved,
		approval.CodeSpecNotAdopted, approval.CodeSpecChanged, approval.CodeSpecUnknown, approval.CodeSourceNone, approval.CodeSourceKind,
		approval.CodeSourceRepository, approval.CodeSourceRevision, approval.CodeSourceScope, approval.CodeSourceForeign, approval.CodeSourceClosure,
		approval.CodeLineMissing, approval.CodeLineBaseline, approval.CodeLineBroken, approval.CodeLineUpToDate,
		approval.CodeLandingApproved, approval.CodeLandingNone, approval.CodeLandingUndone, approval.CodeLandingUnsettled,
		approval.CodeLandingDirect, approval.CodeLandingKind, approval.CodeLandingProof, approval.CodeLandingMismatch,
		approval.CodeLandingPull, approval.CodeLandingWaiting, approval.CodeLandingUntrusted, approval.CodeQuorumMet,
		approval.CodeQuorumMissing, approval.CodeQuorumUnsatisfiable, approval.CodeQuorumPeople, approval.CodeOwnersUnknown,
		approval.CodeOwnersNone, approval.CodeVeto, approval.CodeVetoDismissed, approval.CodeDismissalUnknown,
		approval.CodeAuthorUnknown, approval.CodePusherUnknown, approval.CodeContributorUnknown, approval.CodeApprovalCounted,
		approval.CodeApprovalGhost, approval.CodeApprovalBot, approval.CodeApprovalAuthor, approval.CodeApprovalContributor,
		approval.CodeApprovalPusher, approval.CodeApprovalOutsider, approval.CodeApprovalRole, approval.CodeApprovalStale,
		approval.CodeApprovalBeforePush, approval.CodeApprovalUnwitnessed, approval.CodeApprovalDismissed, approval.CodeApprovalExcluded,
		approval.CodeApprovalFormerPusher, approval.CodeApprovalEdited, approval.CodeApprovalOtherBase, approval.CodeApprovalBaseUnknown,
		approval.CodeApprovalLate, approval.CodeApprovalRerequested, approval.CodeApprovalMethod, approval.CodeKeptHeads, approval.CodeCheckMissing,
		approval.CodeCheckPending, approval.CodeCheckFailed, approval.CodeCheckUnknown, approval.CodeReviewUnknown,
		approval.CodeImageUnknown, approval.CodeImageDowngrade, approval.CodeImageMutable, approval.CodeImageNoDigest,
		approval.CodeImageRepository, approval.CodeImageUnseen, approval.CodeImageNoKey, approval.CodeImageUnverified, approval.CodeImageNotSigned,
		approval.CodeImageTagMoved, approval.CodeImageSoaking, approval.CodeImageNotProven, approval.CodeImageSoakUnknown,
		approval.CodeImageBoth, approval.CodeSignatureTrusted, approval.CodeSignatureMissing, approval.CodeSignatureStranger, approval.CodeSignatureInvalid,
		approval.CodeSignatureUnknown, approval.CodeApprovalSigner,
		approval.CodeHoldActive, approval.CodeHoldUnknown, approval.CodeWindowClosed, approval.CodeWindowUnknown,
		approval.CodeSyncUngated, approval.CodeSyncWaits, approval.CodeSyncAsked,
		approval.CodeBreakGlassUsed, approval.CodeBreakGlassVoid, approval.CodeBreakGlassUnreviewed, approval.CodeBreakGlassOverdue, approval.CodeRollbackOrdered, approval.CodeRollbackHeld, approval.CodeRollbackVoid, approval.CodeLandingRestored,
	}
	out := make([]string, len(all))
	for i, c := range all {
		out[i] = string(c)
	}
	return out
}
