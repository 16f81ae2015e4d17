package inbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// maxProgress bounds what is kept of how far something was carried out.
const maxProgress = 2 << 20

// Request is something that somebody asked for and that is not finished.
type Request struct {
	// ID is that under which it was asked, see Ask.
	ID string
	// Received is when it arrived first, by our own clock.
	Received time.Time
	Asked    approval.Asked
	// Progress is what was saved last; empty if nothing was.
	Progress []byte
	// Answered is true when all of it was carried out, so that only the reply is owed.
	Answered bool
}

// Ask keeps what somebody asks for, under an ID that is that of the comment, or of the
// press of a button. Fresh is false if it was asked before: then nothing changes.
func (s *Store) Ask(ctx context.Context, id string, a approval.Asked, received time.Time) (fresh bool, err error) {
	if !validName(id) || a.RepositoryID <= 0 || a.Pull <= 0 || a.Person.ID <= 0 || !validTime(received) {
		return false, fmt.Errorf("keep what was asked as %.40q: %w", id, ErrInvalid)
	}
	text, err := json.Marshal(a)
	if err != nil {
		return false, fmt.Errorf("keep what was asked as %s: %w", id, err)
	}
	changed, err := s.exec(ctx, `INSERT INTO asked (id, received, state, asked, progress, repository, pull)
		VALUES ($1, $2, 'pending', $3, $4, $5, $6) ON CONFLICT DO NOTHING`, id, received.UnixNano(), text, []byte{}, a.RepositoryID, a.Pull)
	if err != nil {
		return false, fmt.Errorf("keep what was asked as %s: %w", id, err)
	}
	return changed > 0, nil
}

// Requests returns what is not finished, oldest first, at most limit.
func (s *Store) Requests(ctx context.Context, limit int) ([]Request, error) {
	return s.requests(ctx, "SELECT id, received, asked, progress, answered FROM asked WHERE state = 'pending' ORDER BY received, id LIMIT $1", limit)
}

// Next returns what can be gone on with at the same time, at most limit: of each pull
// request the oldest of what was not carried out, the oldest first, and then everything
// that was carried out and not answered.
func (s *Store) Next(ctx context.Context, limit int) ([]Request, error) {
	return s.requests(ctx, `SELECT id, received, asked, progress, answered FROM (
			SELECT *, row_number() OVER (PARTITION BY repository, pull, answered ORDER BY received, id) AS nth FROM asked WHERE state = 'pending'
		) AS waiting WHERE nth = 1 OR answered ORDER BY answered, received, id LIMIT $1`, limit)
}

func (s *Store) requests(ctx context.Context, query string, limit int) (out []Request, err error) {
	defer func() {
		if err != nil {
			out, err = nil, fmt.Errorf("read what was asked: %w", err)
		}
	}()
	err = s.each(ctx, func(rows *sql.Rows) error {
		var r Request
		var received int64
		var asked []byte
		if err := rows.Scan(&r.ID, &received, &asked, &r.Progress, &r.Answered); err != nil {
			return err
		}
		if err := json.Unmarshal(asked, &r.Asked); err != nil {
			return err
		}
		if len(r.Progress) == 0 {
			r.Progress = nil
		}
		r.Received = time.Unix(0, received).UTC()
		out = append(out, r)
		return nil
	}, query, max(limit, 0))
	return out, err
}

// SaveProgress keeps how far something was carried out.
func (s *Store) SaveProgress(ctx context.Context, id string, progress []byte) error {
	if len(progress) > maxProgress {
		return fmt.Errorf("keep how far %s is: %d bytes: %w", id, len(progress), ErrInvalid)
	}
	return s.askedBefore(ctx, "keep how far "+id+" is", "UPDATE asked SET progress = $1 WHERE id = $2", append([]byte{}, progress...), id)
}

// Answer says that all of something was carried out, and only the reply is owed.
func (s *Store) Answer(ctx context.Context, id string) error {
	return s.askedBefore(ctx, "note that "+id+" was carried out", "UPDATE asked SET answered = true WHERE id = $1", id)
}

// Finish says that something needs no more work.
func (s *Store) Finish(ctx context.Context, id string) error {
	return s.askedBefore(ctx, "finish "+id, "UPDATE asked SET state = 'done', progress = $1 WHERE id = $2", []byte{}, id)
}

func (s *Store) askedBefore(ctx context.Context, op, statement string, args ...any) error {
	changed, err := s.exec(ctx, statement, args...)
	if err == nil && changed == 0 {
		err = ErrUnknown
	}
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

// PruneAsked forgets what was finished and was received before a time, and says how
// much. What was forgotten and is delivered again would be carried out again, so the
// time is to be Retention ago, or longer.
func (s *Store) PruneAsked(ctx context.Context, before time.Time) (int, error) {
	changed, err := s.exec(ctx, "DELETE FROM asked WHERE state = 'done' AND received < $1", before.UnixNano())
	if err != nil {
		return 0, fmt.Errorf("forget what was asked before %s: %w", before.Format(time.RFC3339), err)
	}
	return int(changed), nil
}

// SaveComment keeps that a comment approves a head. Of one comment the first word wins,
// and of one person on one pull request the comment that was written last, or of those of
// one second the one with the highest ID. What the person took back before it was heard of
// is kept as taken back.
func (s *Store) SaveComment(ctx context.Context, w approval.WitnessedComment) error {
	_, err := approval.ParseSHA(string(w.Commit))
	switch {
	case err != nil:
	case w.RepositoryID <= 0 || w.Pull <= 0 || w.Comment <= 0 || w.Person.ID <= 0:
		err = errors.New("an ID is missing")
	case w.Base == "" || w.Body == "" || !validTime(w.At):
		err = errors.New("the base branch, the text or the time is missing")
	}
	if err != nil {
		return fmt.Errorf("keep the approval by comment %d: %w: %w", w.Comment, ErrInvalid, err)
	}
	err = s.alone(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO comment_approvals (comment, repository, pull, person, login, type, sha, base, written, body, withdrawn)
			SELECT CAST($1 AS bigint), CAST($2 AS bigint), CAST($3 AS bigint), CAST($4 AS bigint), CAST($5 AS text), CAST($6 AS text),
				CAST($7 AS text), CAST($8 AS text), CAST($9 AS bigint), CAST($10 AS text),
				coalesce((SELECT at FROM comment_withdrawals WHERE repository = $2 AND pull = $3 AND person = $4 AND at >= $9), 0)
			WHERE NOT EXISTS (SELECT 1 FROM comment_approvals WHERE comment = $1)
			ON CONFLICT (repository, pull, person) DO UPDATE SET comment = excluded.comment, login = excluded.login, type = excluded.type,
				sha = excluded.sha, base = excluded.base, written = excluded.written, body = excluded.body, withdrawn = excluded.withdrawn
			WHERE (excluded.written, excluded.comment) > (comment_approvals.written, comment_approvals.comment)`,
			w.Comment, w.RepositoryID, w.Pull, int64(w.Person.ID), w.Person.Login, w.Person.Type, string(w.Commit), w.Base, w.At.UnixNano(), w.Body)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep the approval by comment %d: %w", w.Comment, err)
	}
	return nil
}

// Withdraw takes back what a person approved on a pull request by a comment that was
// written before a time or in that second, whether or not that was heard of yet, and says
// how many are taken back by that so far, 0 or 1.
func (s *Store) Withdraw(ctx context.Context, repositoryID int64, pull int, person approval.UserID, at time.Time) (int, error) {
	if !validTime(at) {
		return 0, fmt.Errorf("take back approvals of #%d: %w", pull, ErrInvalid)
	}
	// No comment is kept in between: it would be taken back by neither.
	err := s.alone(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO comment_withdrawals (repository, pull, person, at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (repository, pull, person) DO UPDATE SET at = excluded.at WHERE excluded.at > comment_withdrawals.at`,
			repositoryID, pull, int64(person), at.UnixNano()); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE comment_approvals SET withdrawn = $1 WHERE repository = $2 AND pull = $3 AND person = $4 AND written <= $1 AND withdrawn = 0",
			at.UnixNano(), repositoryID, pull, int64(person))
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("take back approvals of #%d: %w", pull, err)
	}
	var n int
	_, err = s.row(ctx, []any{&n}, "SELECT count(*) FROM comment_approvals WHERE repository = $1 AND pull = $2 AND person = $3 AND withdrawn = $4",
		repositoryID, pull, int64(person), at.UnixNano())
	if err != nil {
		return 0, fmt.Errorf("count the approvals of #%d: %w", pull, err)
	}
	return n, nil
}

// Comments are the comments that approved a pull request, one of each person, oldest
// first, those that were taken back included.
func (s *Store) Comments(ctx context.Context, repositoryID int64, pull int) (out []approval.WitnessedComment, err error) {
	defer func() {
		if err != nil {
			out, err = nil, fmt.Errorf("read the approvals by comment of #%d of repository %d: %w", pull, repositoryID, err)
		}
	}()
	err = s.each(ctx, func(rows *sql.Rows) error {
		w := approval.WitnessedComment{RepositoryID: repositoryID, Pull: pull}
		var written, withdrawn int64
		if err := rows.Scan(&w.Comment, &w.Person.ID, &w.Person.Login, &w.Person.Type, &w.Commit, &w.Base, &written, &w.Body, &withdrawn); err != nil {
			return err
		}
		w.At = time.Unix(0, written).UTC()
		if withdrawn != 0 {
			w.Withdrawn = time.Unix(0, withdrawn).UTC()
		}
		out = append(out, w)
		return nil
	}, `SELECT comment, person, login, type, sha, base, written, body, withdrawn
		FROM comment_approvals WHERE repository = $1 AND pull = $2 ORDER BY written, comment`, repositoryID, pull)
	return out, err
}

// Comments is as that of Store.
func (w *Witness) Comments(ctx context.Context, repositoryID int64, pull int) ([]approval.WitnessedComment, error) {
	return w.store.Comments(ctx, repositoryID, pull)
}
