package histories

import (
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// elsewhere begins the cause of a landing that is not approved, but whose content
// the lenient oracle takes for right because of another one.
const elsewhere = "content trusted for another reason: "

// known are the causes for which the product is stricter than the lenient oracle,
// each with why it may be. A cause that is not here fails the test: it is to be
// understood, and then mended or added.
var known = map[string]string{
	string(approval.CodeApprovalBeforePush):              "the same head was pushed again after the approval, or nobody witnessed which came first within a second",
	string(approval.CodeApprovalStale):                   "the approved head only gained clean merges, but one of them of what is not on the branch's line, or something else was head in between",
	string(approval.CodeApprovalUnwitnessed):             "the gate asks for a witness, or the approval is of an earlier head, and the delivery was lost",
	string(approval.CodeApprovalBaseUnknown):             "the pull request was retargeted, and the delivery of the review was lost",
	string(approval.CodeApprovalLate):                    "approved in the second of the merge, or just after it",
	string(approval.CodeApprovalContributor):             "stands beside another cause",
	string(approval.CodeApprovalAuthor):                  "stands beside another cause",
	string(approval.CodeApprovalPusher):                  "stands beside another cause",
	string(approval.CodeApprovalFormerPusher):            "stands beside another cause",
	string(approval.CodeApprovalDismissed):               "stands beside another cause",
	string(approval.CodeApprovalOtherBase):               "stands beside another cause",
	string(approval.CodeApprovalOutsider):                "stands beside another cause",
	string(approval.CodeQuorumMissing):                   "follows from another cause",
	string(approval.CodeQuorumPeople):                    "follows from another cause: an approval of which it is not known whether it was in time",
	elsewhere + string(approval.CodeQuorumPeople):        "not approved for certain, and later covered by an approved landing, or back to older trusted content",
	string(approval.CodeQuorumUnsatisfiable):             "follows from another cause",
	string(approval.CodeVeto):                            "an approval in the same second as the request for changes does not clear it",
	string(approval.CodeVetoDismissed):                   "a dismissed request for changes and an approval in one second",
	string(approval.CodeContributorUnknown):              "an address that belongs to nobody could be an approver's",
	string(approval.CodePusherUnknown):                   "nobody witnessed the push, and the log does not tell",
	string(approval.CodeLandingMismatch):                 "a landing that differs from its head in one path is refused as a whole",
	string(approval.CodeLandingDirect):                   "a pull request that was only marked as merged",
	string(approval.CodeLandingUntrusted):                "approved on top of content that is not approved, although the approved head held the whole result",
	elsewhere + string(approval.CodeLandingDirect):       "pushed directly, and later covered by an approved landing, or back to older trusted content",
	elsewhere + string(approval.CodeLandingMismatch):     "merged by hand, and later covered by an approved landing, or back to older trusted content",
	elsewhere + string(approval.CodeLandingUntrusted):    "follows from another cause",
	elsewhere + string(approval.CodeQuorumMissing):       "not approved, and later covered by an approved landing, or back to older trusted content",
	elsewhere + string(approval.CodeQuorumUnsatisfiable): "not approved, and later covered by an approved landing, or back to older trusted content",
	elsewhere + string(approval.CodeVeto):                "not approved, and later covered by an approved landing, or back to older trusted content",
	elsewhere + string(approval.CodeVetoDismissed):       "not approved, and later covered by an approved landing, or back to older trusted content",
	elsewhere + string(approval.CodeDismissalUnknown):    "not approved, and later covered by an approved landing, or back to older trusted content",
	elsewhere + string(approval.CodeContributorUnknown):  "not approved, and later covered by an approved landing, or back to older trusted content",
	elsewhere + string(approval.CodePusherUnknown):       "not approved, and later covered by an approved landing, or back to older trusted content",
}

// causes are the codes that keep the given commits from being allowed: of a
// landing that the oracle takes for approved, why the product does not; of any
// other, that its content is right for another reason.
func (o *oracle) causes(d approval.Decision, line []string) map[string]bool {
	out := map[string]bool{}
	var walk func(approval.Finding)
	walk = func(f approval.Finding) {
		if f.Verdict == approval.Allowed {
			return
		}
		out[string(f.Code)] = true
		for _, c := range f.Children {
			walk(c)
		}
	}
	for _, f := range d.Findings {
		l := o.log.landings[string(f.Commit)]
		switch {
		case f.Verdict == approval.Allowed || f.Code == approval.CodeLandingWaiting:
		case f.Code == approval.CodeLineBroken:
			out[string(f.Code)] = true
		case !slices.Contains(line, string(f.Commit)):
		case l != nil && o.approved(l):
			walk(f)
		default:
			out[elsewhere+string(f.Code)] = true
		}
	}
	return out
}

func render(d approval.Decision) string {
	var b strings.Builder
	var walk func(int, approval.Finding)
	walk = func(depth int, f approval.Finding) {
		b.WriteString(strings.Repeat("  ", depth) + "[" + string(f.Verdict) + " " + string(f.Code) + "] " + f.Text + "\n")
		for _, c := range f.Children {
			walk(depth+1, c)
		}
	}
	for _, f := range d.Findings {
		walk(1, f)
	}
	return b.String()
}
