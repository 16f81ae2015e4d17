package inbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Judged is what an open pull request was judged on when it was reported on last.
type Judged struct {
	// Policy identifies the policies.
	Policy string
	// News is the number of the newest event that was heard of before the facts were read.
	News uint64
	// Basis identifies what is read of git; empty when that is not known.
	Basis string
	// Concerned is true when some gate has to do with it.
	Concerned bool
}

// Scope says for which open pull requests there may be news: those into a branch of a
// repository, with an empty branch all of the repository, and with neither all.
type Scope struct {
	Repository approval.RepositoryName
	Branch     string
}

// Key is the scope as it is kept: names of repositories in lower case.
func (s Scope) Key() Scope {
	return Scope{approval.RepositoryName(strings.ToLower(string(s.Repository))), s.Branch}
}

// maxBasis bounds what identifies the grounds of a judgement, in bytes.
const maxBasis = 256

// SaveJudged keeps what a pull request was judged on. The last word wins.
func (s *Store) SaveJudged(ctx context.Context, repository approval.RepositoryName, pull int, j Judged) error {
	if repository == "" || pull <= 0 || j.Policy == "" || len(j.Policy) > maxBasis || len(j.Basis) > maxBasis || j.News > 1<<62 {
		return fmt.Errorf("keep what %s#%d was judged on: %w", repository, pull, ErrInvalid)
	}
	if _, err := s.exec(ctx, `INSERT INTO judged (repository, pull, policy, news, basis, concerned) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (repository, pull) DO UPDATE SET policy = excluded.policy, news = excluded.news, basis = excluded.basis, concerned = excluded.concerned`,
		strings.ToLower(string(repository)), pull, j.Policy, int64(j.News), j.Basis, j.Concerned); err != nil {
		return fmt.Errorf("keep what %s#%d was judged on: %w", repository, pull, err)
	}
	return nil
}

// Judged is what a pull request was judged on; false when that is not known.
func (s *Store) Judged(ctx context.Context, repository approval.RepositoryName, pull int) (j Judged, found bool, err error) {
	var news int64
	found, err = s.row(ctx, []any{&j.Policy, &news, &j.Basis, &j.Concerned}, "SELECT policy, news, basis, concerned FROM judged WHERE repository = $1 AND pull = $2",
		strings.ToLower(string(repository)), pull)
	if err != nil {
		return Judged{}, false, fmt.Errorf("read what %s#%d was judged on: %w", repository, pull, err)
	}
	j.News = uint64(max(news, 0))
	return j, found, nil
}

// ForgetJudged drops what a pull request was judged on: it is closed.
func (s *Store) ForgetJudged(ctx context.Context, repository approval.RepositoryName, pull int) error {
	if _, err := s.exec(ctx, "DELETE FROM judged WHERE repository = $1 AND pull = $2", strings.ToLower(string(repository)), pull); err != nil {
		return fmt.Errorf("forget what %s#%d was judged on: %w", repository, pull, err)
	}
	return nil
}

// SaveNews gives the newest event of a scope a number, which is higher than any before, and
// keeps it.
func (s *Store) SaveNews(ctx context.Context, about Scope) (number uint64, err error) {
	if about.Repository == "" && about.Branch != "" {
		return 0, fmt.Errorf("keep that there is news of %q: %w", about.Branch, ErrInvalid)
	}
	about = about.Key()
	if about.Branch != s.db.indexed(about.Branch) {
		about.Branch = "" // News of the whole repository is of that branch too.
	}
	var n int64
	err = s.alone(ctx, func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `INSERT INTO news (repository, branch, number) VALUES ($1, $2, (SELECT coalesce(max(number), 0) + 1 FROM news))
			ON CONFLICT (repository, branch) DO UPDATE SET number = excluded.number RETURNING number`, string(about.Repository), about.Branch).Scan(&n)
	})
	if err == nil && n <= 0 {
		err = errors.New("its number is not positive")
	}
	if err != nil {
		return 0, fmt.Errorf("keep that there is news of %s %s: %w", about.Repository, about.Branch, err)
	}
	return uint64(max(n, 0)), nil
}

// News are the numbers of the newest events, by scope.
func (s *Store) News(ctx context.Context) (all map[Scope]uint64, err error) {
	all = map[Scope]uint64{}
	err = s.each(ctx, func(rows *sql.Rows) error {
		var about Scope
		var n int64
		err := rows.Scan(&about.Repository, &about.Branch, &n)
		all[about] = uint64(max(n, 0))
		return err
	}, "SELECT repository, branch, number FROM news")
	if err != nil {
		return nil, fmt.Errorf("read of what there is news: %w", err)
	}
	return all, nil
}
