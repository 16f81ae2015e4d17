package webhook

import "github.com/argo-gatekeeper/gatekeeper/pkg/approval"

// changedComment is a comment that is not any more as it was written. Our own edits
// come back as well, and are those of a bot; we delete nothing.
func (d delivery) changedComment() *approval.ChangedComment {
	if d.Comment == nil || d.Comment.ID <= 0 {
		return nil
	}
	bot := d.Sender != nil && d.Sender.Type == "Bot"
	switch {
	case d.Action == "deleted":
		return &approval.ChangedComment{ID: d.Comment.ID, Deleted: true}
	case d.Action == "edited" && !bot:
		return &approval.ChangedComment{ID: d.Comment.ID}
	default:
		return nil
	}
}
