package measures

import (
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// lastApproval is when the last of the approvals that were counted was given: with it the
// quorum was complete. It is zero when the time of one of them is not known.
func lastApproval(pull approval.PullRequest, approvers []approval.User) time.Time {
	var last time.Time
	for _, approver := range approvers {
		var newest time.Time
		for _, review := range pull.Reviews {
			if review.User != nil && review.User.ID == approver.ID && review.State == approval.ReviewApproved && review.SubmittedAt.After(newest) {
				newest = review.SubmittedAt
			}
		}
		if newest.IsZero() {
			return time.Time{}
		}
		if newest.After(last) {
			last = newest
		}
	}
	return last
}
