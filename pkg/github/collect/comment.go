package collect

import (
	"context"
	"errors"
	"fmt"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/conversation"
)

// Comments remembers which comments approved a pull request, one of each person, and
// which head each was about: GitHub does not keep that.
type Comments interface {
	Comments(ctx context.Context, repositoryID int64, pull int) ([]approval.WitnessedComment, error)
}

// maxApprovals bounds the comments that are read again for one pull request, which is
// how many people approved it so.
const maxApprovals = 200

// commentsOf reads again the comments by which people approved a pull request. One that
// is gone says nothing. One that was taken back ends what the person said before it, as a
// dismissed review does: it is of the time when it was written, and GitHub leaves a
// dismissed review its submitted_at.
//
// The event of a comment names no base branch, so what is remembered is the one at
// receipt. Which one it was when the comment was written the timeline tells, as for a
// review that was not witnessed; it is read unless it was before, and returned.
//
// In the facts a comment has its ID as a negative number: GitHub counts reviews and
// comments apart, so that a review may have the same.
func (c *Collector) commentsOf(ctx context.Context, r *repo, p pull, before *past) ([]approval.Review, *past, error) {
	if c.comments == nil {
		return nil, nil, errors.New("the policy takes approvals by comment, and nothing here remembers them")
	}
	witnessed, err := c.comments.Comments(ctx, r.id, p.number)
	if err != nil {
		return nil, nil, fmt.Errorf("look up the approvals by comment of #%d: %w", p.number, err)
	}
	if len(witnessed) > maxApprovals {
		return nil, nil, fmt.Errorf("#%d has more than %d approvals by comment: %w", p.number, maxApprovals, github.ErrTruncated)
	}
	var out []approval.Review
	for _, w := range witnessed {
		who := w.Person
		review := approval.Review{
			ID: -w.Comment, User: &who, State: approval.ReviewApproved, Commit: w.Commit, Base: w.Base, Witnessed: true,
			SubmittedAt: w.At.UTC(), Method: approval.MethodComment,
		}
		if !w.Withdrawn.IsZero() {
			review.State = approval.ReviewDismissed
			review.Dismissed = &approval.Dismissal{By: &who, Was: approval.ReviewApproved}
			out = append(out, review)
			continue
		}
		now, err := conversation.ReadComment(ctx, r.client, r.name, w.Comment)
		switch {
		case errors.Is(err, approval.ErrNotFound):
			continue
		case err != nil:
			return nil, nil, err
		case now.Pull != p.number || now.App != 0 || !now.At.Equal(w.At):
			return nil, nil, fmt.Errorf("comment %d on #%d is not any more what approved it", w.Comment, p.number)
		}
		if review.User = &now.Person; now.Person.ID != w.Person.ID {
			review.User = nil // the account was deleted
		}
		review.Edited = now.Edited() || approval.TextDigest(now.Body) != w.Body
		if review.Base == p.base {
			if before == nil {
				read, err := c.pastOf(ctx, r, p, nil)
				if err != nil {
					return nil, nil, err
				}
				before = &read
			}
			review.Base = before.baseAt(w.At, p.base)
		}
		out = append(out, review)
	}
	return out, before, nil
}
