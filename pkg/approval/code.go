package approval

// Code is the stable name of a finding. Codes are part of the interface:
// scripts and dashboards rely on them, so none is ever given another meaning.
type Code string

// Findings about the facts and the Application as a whole.
const (
	CodeFactsMissing        Code = "facts.missing"
	CodePolicyEmpty         Code = "policy.empty"
	CodeApplicationForeign  Code = "application.not_protected"
	CodeApplicationDeleting Code = "application.deleting"
	CodeApplicationAuto     Code = "application.automated"
	CodeApplicationSpec     Code = "application.unsupported"
	CodeSpecApproved        Code = "spec.approved"
	CodeSpecNotAdopted      Code = "spec.not_adopted"
	CodeSpecChanged         Code = "spec.changed"
	CodeSpecUnknown         Code = "spec.unknown"
	CodeSourceNone          Code = "source.none"
	CodeSourceKind          Code = "source.kind"
	CodeSourceRepository    Code = "source.repository"
	CodeSourceRevision      Code = "source.target_revision"
	CodeSourceScope         Code = "source.outside_scope"
	CodeSourceForeign       Code = "source.fetched_from_elsewhere"
	CodeSourceClosure       Code = "source.closure_unknown"
	CodeLineMissing         Code = "line.missing"
	CodeLineBaseline        Code = "line.baseline"
	CodeLineBroken          Code = "line.broken"
	CodeLineUpToDate        Code = "line.up_to_date"
)

// Findings about what people and calendars say.
const (
	CodeHoldActive           Code = "hold.active"
	CodeHoldUnknown          Code = "hold.unknown"
	CodeWindowClosed         Code = "window.closed"
	CodeWindowUnknown        Code = "window.unknown"
	CodeBreakGlassUsed       Code = "breakglass.used"
	CodeBreakGlassVoid       Code = "breakglass.void"
	CodeBreakGlassUnreviewed Code = "breakglass.unreviewed"
	CodeBreakGlassOverdue    Code = "breakglass.overdue"
	CodeRollbackOrdered      Code = "rollback.ordered"
	CodeRollbackHeld         Code = "rollback.held"
	CodeRollbackVoid         Code = "rollback.void"
	CodeLandingRestored      Code = "landing.restored"
	CodeSyncWaits            Code = "sync.waits"
	CodeSyncAsked            Code = "sync.asked"
)

// Findings about landings.
const (
	CodeLandingApproved  Code = "landing.approved"
	CodeLandingNone      Code = "landing.outside_scope"
	CodeLandingUndone    Code = "landing.undone"
	CodeLandingUnsettled Code = "landing.unsettled"
	CodeLandingDirect    Code = "landing.direct_push"
	CodeLandingKind      Code = "landing.kind_unknown"
	CodeLandingProof     Code = "landing.unproven"
	CodeLandingMismatch  Code = "landing.mismatch"
	CodeLandingPull      Code = "landing.pull"
	CodeLandingWaiting   Code = "landing.waiting"
	CodeLandingUntrusted Code = "landing.on_untrusted_content"
)

// Findings about changes of images.
const (
	CodeImageBoth         Code = "image.needs_both"
	CodeImageUnknown      Code = "image.unknown"
	CodeImageDowngrade    Code = "image.downgrade"
	CodeImageMutable      Code = "image.mutable_tag"
	CodeImageNoDigest     Code = "image.no_digest"
	CodeImageRepository   Code = "image.repository_unknown"
	CodeImageUnseen       Code = "image.unseen"
	CodeImageNoKey        Code = "image.no_key"
	CodeImageUnverified   Code = "image.unverified"
	CodeImageNotSigned    Code = "image.not_signed"
	CodeImageTagMoved     Code = "image.tag_moved"
	CodeImageSoaking      Code = "image.soaking"
	CodeImageNotProven    Code = "image.not_proven"
	CodeImageSoakUnknown  Code = "image.soak_unknown"
	CodeSignatureTrusted  Code = "signature.trusted"
	CodeSignatureMissing  Code = "signature.missing"
	CodeSignatureStranger Code = "signature.stranger"
	CodeSignatureInvalid  Code = "signature.invalid"
	CodeSignatureUnknown  Code = "signature.unknown"
	CodeApprovalSigner    Code = "approval.signer"
)

// Findings about a quorum and the reviews that count towards it.
const (
	CodeQuorumMet            Code = "quorum.met"
	CodeQuorumMissing        Code = "quorum.missing"
	CodeQuorumUnsatisfiable  Code = "quorum.unsatisfiable"
	CodeQuorumPeople         Code = "quorum.people_unknown"
	CodeOwnersUnknown        Code = "quorum.code_owners_unknown"
	CodeOwnersNone           Code = "quorum.no_code_owner"
	CodeVeto                 Code = "review.changes_requested"
	CodeVetoDismissed        Code = "review.changes_requested_dismissed"
	CodeDismissalUnknown     Code = "review.dismissal_unknown"
	CodeAuthorUnknown        Code = "pull.author_unknown"
	CodePusherUnknown        Code = "pull.pusher_unknown"
	CodeKeptHeads            Code = "pull.kept_heads"
	CodeContributorUnknown   Code = "pull.contributor_unknown"
	CodeApprovalCounted      Code = "approval.counted"
	CodeApprovalGhost        Code = "approval.deleted_account"
	CodeApprovalBot          Code = "approval.not_a_person"
	CodeApprovalAuthor       Code = "approval.author"
	CodeApprovalContributor  Code = "approval.contributor"
	CodeApprovalPusher       Code = "approval.pusher"
	CodeApprovalOutsider     Code = "approval.outsider"
	CodeApprovalRole         Code = "approval.no_write_role"
	CodeApprovalStale        Code = "approval.older_head"
	CodeApprovalBeforePush   Code = "approval.before_push"
	CodeApprovalUnwitnessed  Code = "approval.unwitnessed"
	CodeApprovalDismissed    Code = "approval.dismissed"
	CodeApprovalExcluded     Code = "approval.excluded"
	CodeApprovalFormerPusher Code = "approval.former_pusher"
	CodeApprovalEdited       Code = "approval.edited"
	CodeApprovalOtherBase    Code = "approval.other_base"
	CodeApprovalBaseUnknown  Code = "approval.base_unknown"
	CodeApprovalLate         Code = "approval.after_merge"
	CodeApprovalRerequested  Code = "approval.asked_again"
	CodeApprovalMethod       Code = "approval.method"
	CodeCheckMissing         Code = "check.missing"
	CodeCheckPending         Code = "check.pending"
	CodeCheckFailed          Code = "check.failed"
	CodeCheckUnknown         Code = "check.unknown"
	CodeReviewUnknown        Code = "review.unknown"
)
