package inbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// SavePush keeps a push to a branch, and the accounts that came with it. Of several
// pushes of one commit to one branch the newest is kept, as SaveHead does it.
func (s *Store) SavePush(ctx context.Context, w approval.WitnessedPush) error {
	_, err := approval.ParseSHA(string(w.After))
	if err == nil {
		_, err = approval.ParseSHA(string(w.Before))
	}
	switch {
	case err != nil:
	case w.RepositoryID <= 0 || w.Pusher.ID <= 0:
		err = errors.New("an ID is missing")
	case w.Branch == "" || len(w.Branch) > maxBranch:
		err = errors.New("the branch is missing, or too long")
	case !validTime(w.PushedAt):
		err = errors.New("the time of the push is missing")
	}
	if err != nil {
		return fmt.Errorf("keep a push to %.80q of repository %d: %w: %w", w.Branch, w.RepositoryID, ErrInvalid, err)
	}
	branch := s.db.indexed(w.Branch)
	err = s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO pushes (repository, branch, sha, before, pushed, pusher, pusher_login, pusher_type, kept)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
			ON CONFLICT (repository, branch, sha) DO UPDATE SET
				before = CASE WHEN excluded.pushed > pushes.pushed OR excluded.before = pushes.before THEN excluded.before ELSE '' END,
				pusher = CASE WHEN excluded.pushed > pushes.pushed OR excluded.pusher = pushes.pusher THEN excluded.pusher ELSE 0 END,
				pushed = excluded.pushed, pusher_login = excluded.pusher_login, pusher_type = excluded.pusher_type, kept = excluded.kept
			WHERE excluded.pushed > pushes.pushed OR excluded.pushed = pushes.pushed AND (excluded.pusher <> pushes.pusher OR excluded.before <> pushes.before)`,
			w.RepositoryID, branch, string(w.After), string(w.Before), w.PushedAt.UnixNano(),
			int64(w.Pusher.ID), w.Pusher.Login, w.Pusher.Type, time.Now().UnixNano()); err != nil {
			return err
		}
		return saveAccounts(ctx, tx, w.RepositoryID, w.Accounts)
	})
	if err != nil {
		return fmt.Errorf("keep a push to %.80q of repository %d: %w", w.Branch, w.RepositoryID, err)
	}
	return nil
}

// maxBranch bounds the name of a branch. Git's own bound is that of a path.
const maxBranch = 4096

// BranchPush is the newest push of a commit to a branch; false when none was
// witnessed, when two people pushed it at the same second, and when the branch was
// pushed to since, or in the same second.
//
// It is no proof that nothing else came in between: GitHub sends no event for a
// push of more than 5,000 branches, nor one of more than 25 MB (GitHub docs,
// "Webhook events and payloads"), so whoever may push can see to it that a push is
// not witnessed.
func (s *Store) BranchPush(ctx context.Context, repositoryID int64, branch string, commit approval.SHA) (approval.WitnessedPush, bool, error) {
	w := approval.WitnessedPush{RepositoryID: repositoryID, Branch: branch, After: commit}
	var pushed int64
	found, err := s.row(ctx, []any{&w.Before, &pushed, &w.Pusher.ID, &w.Pusher.Login, &w.Pusher.Type},
		"SELECT before, pushed, pusher, pusher_login, pusher_type FROM pushes WHERE repository = $1 AND branch = $2 AND sha = $3 AND pusher <> 0"+
			" AND NOT EXISTS (SELECT 1 FROM pushes AS o WHERE o.repository = pushes.repository AND o.branch = pushes.branch AND o.sha <> pushes.sha"+
			" AND o.pushed >= pushes.pushed)",
		repositoryID, s.db.indexed(branch), string(commit))
	if err != nil || !found {
		if err != nil {
			err = fmt.Errorf("read the push of %s to %.80q of repository %d: %w", commit.Short(), branch, repositoryID, err)
		}
		return approval.WitnessedPush{}, false, err
	}
	w.PushedAt = time.Unix(0, pushed).UTC()
	return w, true, nil
}

// MergedByPerson is whether it was witnessed that a person, and no merge queue,
// merged the pull request with a commit.
func (s *Store) MergedByPerson(ctx context.Context, repositoryID int64, pull int, commit approval.SHA) (bool, error) {
	var one int
	found, err := s.row(ctx, []any{&one}, "SELECT 1 FROM merges WHERE repository = $1 AND sha = $2 AND pull = $3 AND by_person", repositoryID, string(commit), pull)
	if err != nil {
		return false, fmt.Errorf("read who merged commit %s of repository %d: %w", commit.Short(), repositoryID, err)
	}
	return found, nil
}

// SaveAccounts keeps whose the addresses in commits are. The first word wins, and
// zero Users are left out.
func (s *Store) SaveAccounts(ctx context.Context, repositoryID int64, accounts []approval.CommitAccounts) error {
	if repositoryID <= 0 {
		return fmt.Errorf("keep the accounts of commits of repository %d: %w", repositoryID, ErrInvalid)
	}
	if err := s.write(ctx, func(ctx context.Context, tx *sql.Tx) error { return saveAccounts(ctx, tx, repositoryID, accounts) }); err != nil {
		return fmt.Errorf("keep the accounts of commits of repository %d: %w", repositoryID, err)
	}
	return nil
}

func saveAccounts(ctx context.Context, tx *sql.Tx, repositoryID int64, accounts []approval.CommitAccounts) error {
	now := time.Now().UnixNano()
	// In one order, so that two who save the same ones do not wait for one another.
	accounts = slices.SortedFunc(slices.Values(accounts), func(a, b approval.CommitAccounts) int { return strings.Compare(string(a.Commit), string(b.Commit)) })
	for _, a := range accounts {
		if _, err := approval.ParseSHA(string(a.Commit)); err != nil {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		for _, of := range []struct {
			role string
			user approval.User
		}{{"author", a.Author}, {"committer", a.Committer}} {
			if of.user.ID <= 0 {
				continue
			}
			if _, err := tx.ExecContext(ctx, "INSERT INTO accounts (repository, sha, role, \"user\", login, type, kept) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
				repositoryID, string(a.Commit), of.role, int64(of.user.ID), of.user.Login, of.user.Type, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// Accounts are whose the addresses in these commits are, as far as it is kept.
func (s *Store) Accounts(ctx context.Context, repositoryID int64, commits []approval.SHA) (found []approval.CommitAccounts, err error) {
	defer func() {
		if err != nil {
			found, err = nil, fmt.Errorf("read the accounts of commits of repository %d: %w", repositoryID, err)
		}
	}()
	wanted, err := json.Marshal(commits)
	if err != nil {
		return nil, err
	}
	err = s.each(ctx, func(rows *sql.Rows) error {
		var commit approval.SHA
		var role string
		var user approval.User
		if err := rows.Scan(&commit, &role, &user.ID, &user.Login, &user.Type); err != nil {
			return err
		}
		if len(found) == 0 || found[len(found)-1].Commit != commit {
			found = append(found, approval.CommitAccounts{Commit: commit})
		}
		if role == "author" {
			found[len(found)-1].Author = user
		} else {
			found[len(found)-1].Committer = user
		}
		return nil
	}, "SELECT sha, role, \"user\", login, type FROM accounts WHERE repository = $1 AND "+s.db.among+" ORDER BY sha, role", repositoryID, string(wanted))
	return found, err
}
