package inbox

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// SaveReview keeps the commit and the base branch on which a review was
// submitted. The first word wins: GitHub may move a review's commit later, and a
// later delivery would say the moved one.
func (s *Store) SaveReview(ctx context.Context, w approval.WitnessedReview) error {
	_, err := approval.ParseSHA(string(w.Commit))
	switch {
	case err != nil:
	case w.RepositoryID <= 0 || w.ReviewID <= 0:
		err = errors.New("an ID is missing")
	case w.Base == "":
		err = errors.New("the base branch is missing")
	}
	if err != nil {
		return fmt.Errorf("keep review %d of repository %d: %w: %w", w.ReviewID, w.RepositoryID, ErrInvalid, err)
	}
	if _, err := s.exec(ctx, "INSERT INTO reviews (repository, review, sha, base) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
		w.RepositoryID, w.ReviewID, string(w.Commit), w.Base); err != nil {
		return fmt.Errorf("keep review %d of repository %d: %w", w.ReviewID, w.RepositoryID, err)
	}
	return nil
}

// SaveHead keeps the arrival of a pull request's head. Of several arrivals of one
// commit the newest is kept, in whatever order they are saved: a head that is
// pushed again after something else was head counts as pushed later, and by
// whoever pushed it then. If two people pushed it at the same second, nobody can
// say who was last, and HeadPush knows nothing until it is pushed once more. If it
// took the place of two others at the same second, Before is not known.
func (s *Store) SaveHead(ctx context.Context, w approval.WitnessedHead) error {
	_, err := approval.ParseSHA(string(w.Head))
	if err == nil && w.Before != "" {
		_, err = approval.ParseSHA(string(w.Before))
	}
	switch {
	case err != nil:
	case w.RepositoryID <= 0 || w.Pull <= 0 || w.Pusher.ID <= 0:
		err = errors.New("an ID is missing")
	case !validTime(w.PushedAt):
		err = errors.New("the time of the push is missing")
	}
	if err != nil {
		return fmt.Errorf("keep a head of pull request %d of repository %d: %w: %w", w.Pull, w.RepositoryID, ErrInvalid, err)
	}
	if _, err := s.exec(ctx, `INSERT INTO heads (repository, pull, sha, before, pushed, pusher, pusher_login, pusher_type) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (repository, pull, sha) DO UPDATE SET
			before = CASE WHEN excluded.pushed > heads.pushed OR excluded.before = heads.before THEN excluded.before ELSE '' END,
			pusher = CASE WHEN excluded.pushed > heads.pushed OR excluded.pusher = heads.pusher THEN excluded.pusher ELSE 0 END,
			pushed = excluded.pushed, pusher_login = excluded.pusher_login, pusher_type = excluded.pusher_type
		WHERE excluded.pushed > heads.pushed OR excluded.pushed = heads.pushed AND (excluded.pusher <> heads.pusher OR excluded.before <> heads.before)`,
		w.RepositoryID, w.Pull, string(w.Head), string(w.Before), w.PushedAt.UnixNano(), int64(w.Pusher.ID), w.Pusher.Login, w.Pusher.Type); err != nil {
		return fmt.Errorf("keep a head of pull request %d of repository %d: %w", w.Pull, w.RepositoryID, err)
	}
	return nil
}

// SaveMerge keeps which pull request a commit landed. The last word wins: it only
// says where to look first.
func (s *Store) SaveMerge(ctx context.Context, w approval.WitnessedMerge) error {
	_, err := approval.ParseSHA(string(w.Commit))
	if err == nil && (w.RepositoryID <= 0 || w.Pull <= 0) {
		err = errors.New("an ID is missing")
	}
	if err != nil {
		return fmt.Errorf("keep the merge of pull request %d of repository %d: %w: %w", w.Pull, w.RepositoryID, ErrInvalid, err)
	}
	if _, err := s.exec(ctx, "INSERT INTO merges (repository, sha, pull, by_person) VALUES ($1, $2, $3, $4) ON CONFLICT (repository, sha) DO UPDATE SET pull = excluded.pull, by_person = excluded.by_person",
		w.RepositoryID, string(w.Commit), w.Pull, w.ByPerson); err != nil {
		return fmt.Errorf("keep the merge of pull request %d of repository %d: %w", w.Pull, w.RepositoryID, err)
	}
	return nil
}

// Review is what was witnessed when a review was submitted; false when nothing
// was. The base branch is empty for reviews that were witnessed by a version that
// did not keep it.
func (s *Store) Review(ctx context.Context, repositoryID, reviewID int64) (approval.WitnessedReview, bool, error) {
	w := approval.WitnessedReview{RepositoryID: repositoryID, ReviewID: reviewID}
	found, err := s.row(ctx, []any{&w.Commit, &w.Base}, "SELECT sha, base FROM reviews WHERE repository = $1 AND review = $2", repositoryID, reviewID)
	if err != nil || !found {
		if err != nil {
			err = fmt.Errorf("read review %d of repository %d: %w", reviewID, repositoryID, err)
		}
		return approval.WitnessedReview{}, false, err
	}
	return w, true, nil
}

// HeadPush is the newest arrival of a commit as the head of a pull request; false
// when none was witnessed, or when two people pushed it at the same second. It is
// also false when another head arrived since, or in the same second: if the
// commit is the head nevertheless, it came back, and the delivery that said by
// whom was lost.
func (s *Store) HeadPush(ctx context.Context, repositoryID int64, pull int, head approval.SHA) (approval.WitnessedHead, bool, error) {
	return s.head(ctx, approval.WitnessedHead{RepositoryID: repositoryID, Pull: pull, Head: head}, "", time.Unix(0, math.MaxInt64))
}

// FormerHead is HeadPush for a head whose place another one took, at the given
// time: it is false when a third one arrived since it and not later than that.
func (s *Store) FormerHead(ctx context.Context, repositoryID int64, pull int, head, next approval.SHA, until time.Time) (approval.WitnessedHead, bool, error) {
	return s.head(ctx, approval.WitnessedHead{RepositoryID: repositoryID, Pull: pull, Head: head}, next, until)
}

func (s *Store) head(ctx context.Context, w approval.WitnessedHead, next approval.SHA, until time.Time) (approval.WitnessedHead, bool, error) {
	var pushed int64
	repositoryID, pull, head := w.RepositoryID, w.Pull, w.Head
	found, err := s.row(ctx, []any{&w.Before, &pushed, &w.Pusher.ID, &w.Pusher.Login, &w.Pusher.Type},
		"SELECT before, pushed, pusher, pusher_login, pusher_type FROM heads WHERE repository = $1 AND pull = $2 AND sha = $3 AND pusher <> 0"+
			" AND NOT EXISTS (SELECT 1 FROM heads AS o WHERE o.repository = heads.repository AND o.pull = heads.pull AND o.sha <> heads.sha"+
			" AND o.pushed >= heads.pushed AND o.sha <> $4 AND o.pushed <= $5)",
		repositoryID, pull, string(head), string(next), until.UnixNano())
	if err != nil {
		return approval.WitnessedHead{}, false, fmt.Errorf("read head %s of pull request %d of repository %d: %w", head.Short(), pull, repositoryID, err)
	}
	if !found {
		return approval.WitnessedHead{}, false, nil
	}
	w.PushedAt = time.Unix(0, pushed).UTC()
	return w, true, nil
}

// MergedPull is the number of the pull request that a commit landed, as GitHub
// said last; false when that was not witnessed. The caller reads it again.
func (s *Store) MergedPull(ctx context.Context, repositoryID int64, commit approval.SHA) (int, bool, error) {
	var pull int
	found, err := s.row(ctx, []any{&pull}, "SELECT pull FROM merges WHERE repository = $1 AND sha = $2", repositoryID, string(commit))
	if err != nil {
		return 0, false, fmt.Errorf("read the pull request of commit %s of repository %d: %w", commit.Short(), repositoryID, err)
	}
	return pull, found, nil
}
