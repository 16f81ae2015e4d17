package inbox

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Bounds of judgements.
const (
	// MaxJudgement bounds what is kept of one Application, in bytes.
	MaxJudgement = 1 << 20
	// judgementRows and judgementBytes bound what is written in one transaction.
	judgementRows  = 500
	judgementBytes = 4 << 20
)

// Judgement is the latest judgement of an Application.
type Judgement struct {
	// Application is its namespace/name.
	Application string
	UID         string
	// At is when it was made, by the leader's clock. Of what is read it is when the leader
	// last vouched for it, if that is later.
	At time.Time
	// Term is that of the leader that wrote it. It is not looked at when it is written.
	Term Term
	// Body is what was judged, opaque here.
	Body []byte
}

func (j Judgement) check() error {
	switch {
	case j.Application == "" || len(j.Application) > 2*maxName || j.UID == "" || len(j.UID) > maxName:
		return fmt.Errorf("of %.80q with the UID %.40q: %w", j.Application, j.UID, ErrInvalid)
	case !validTime(j.At):
		return fmt.Errorf("of %s at %s: %w", j.Application, j.At.Format(time.RFC3339), ErrInvalid)
	case len(j.Body) == 0 || len(j.Body) > MaxJudgement:
		return fmt.Errorf("of %s with %d bytes: %w", j.Application, len(j.Body), ErrInvalid)
	default:
		return nil
	}
}

// SaveJudgements keeps what the leader judged, instead of what was kept of the same
// Applications. It fails with ErrDeposed when another process leads since; nothing is
// kept then. It writes in several transactions if there is much. If one of them fails,
// some is kept and the rest is not.
func (s *Shared) SaveJudgements(ctx context.Context, term Term, judgements []Judgement) error {
	seen := map[string]bool{}
	for _, j := range judgements {
		err := j.check()
		if err == nil && seen[j.Application] {
			err = fmt.Errorf("two of %s: %w", j.Application, ErrInvalid)
		}
		if err != nil {
			return fmt.Errorf("keep a judgement %w", err)
		}
		seen[j.Application] = true
	}
	// In one order, so that two who save the same ones do not wait for one another.
	judgements = slices.SortedFunc(slices.Values(judgements), func(a, b Judgement) int { return strings.Compare(a.Application, b.Application) })
	for len(judgements) > 0 {
		n, size := 0, 0
		for n < len(judgements) && n < judgementRows && (n == 0 || size+len(judgements[n].Body) <= judgementBytes) {
			size += len(judgements[n].Body)
			n++
		}
		if err := s.saveJudgements(ctx, term, judgements[:n]); err != nil {
			return fmt.Errorf("keep %d judgements: %w", len(judgements), err)
		}
		judgements = judgements[n:]
	}
	return nil
}

func (s *Shared) saveJudgements(ctx context.Context, term Term, judgements []Judgement) error {
	var applications, uids []string
	var ats []int64
	var bodies [][]byte
	for _, j := range judgements {
		applications, uids, ats, bodies = append(applications, j.Application), append(uids, j.UID), append(ats, j.At.UnixNano()), append(bodies, j.Body)
	}
	return s.leading(ctx, term, besides, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO judgements (application, uid, term, at, late, judgement)
			SELECT application, uid, $1, at, false, judgement
			FROM unnest(CAST($2 AS text[]), CAST($3 AS text[]), CAST($4 AS bigint[]), CAST($5 AS bytea[])) AS fresh (application, uid, at, judgement)
			ON CONFLICT (application) DO UPDATE SET uid = excluded.uid, term = excluded.term, at = excluded.at, late = false, judgement = excluded.judgement`,
			int64(term), applications, uids, ats, bodies)
		if err != nil {
			return err
		}
		return s.tell(ctx, tx, ChangeJudgement)
	})
}

// ForgetJudgements drops what is kept of Applications: they are gone, or what is thought of
// them cannot be kept. It fails with ErrDeposed when another process leads since.
func (s *Shared) ForgetJudgements(ctx context.Context, term Term, applications []string) error {
	if len(applications) == 0 {
		return nil
	}
	err := s.leading(ctx, term, besides, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM judgements WHERE application = ANY (CAST($1 AS text[]))", applications); err != nil {
			return err
		}
		return s.tell(ctx, tx, ChangeJudgement)
	})
	if err != nil {
		return fmt.Errorf("forget the judgements of %d Applications: %w", len(applications), err)
	}
	return nil
}

// Vouch says that what the leader wrote in its term is still what it thinks, judged anew
// not before a time: of all Applications but those that are late, of which it is given when
// they were judged last. So that a judgement stays young while nothing changes, and nothing
// has to be written of ten thousand. It fails with ErrDeposed when another process leads
// since.
func (s *Shared) Vouch(ctx context.Context, term Term, judged time.Time, late map[string]time.Time) error {
	if !validTime(judged) {
		return fmt.Errorf("vouch for %s: %w", judged.Format(time.RFC3339), ErrInvalid)
	}
	applications, ats := make([]string, 0, len(late)), make([]int64, 0, len(late))
	for application, at := range late {
		if !validTime(at) {
			return fmt.Errorf("vouch for %s at %s: %w", application, at.Format(time.RFC3339), ErrInvalid)
		}
		applications, ats = append(applications, application), append(ats, at.UnixNano())
	}
	err := s.leading(ctx, term, changes, func(ctx context.Context, tx *sql.Tx) error {
		for _, statement := range []struct {
			text string
			args []any
		}{
			{"UPDATE leadership SET vouched = $1", []any{judged.UnixNano()}},
			{`UPDATE judgements SET late = true, at = old.at
				FROM unnest(CAST($2 AS text[]), CAST($3 AS bigint[])) AS old (application, at)
				WHERE judgements.application = old.application AND judgements.term = $1 AND (NOT judgements.late OR judgements.at <> old.at)`, []any{int64(term), applications, ats}},
			{"UPDATE judgements SET late = false WHERE late AND term = $1 AND NOT application = ANY (CAST($2 AS text[]))", []any{int64(term), applications}},
		} {
			if _, err := tx.ExecContext(ctx, statement.text, statement.args...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("vouch for the judgements: %w", err)
	}
	return nil
}

// PruneJudgements drops what former leaders judged before a time and the present one did
// not: Applications that are gone. It says how many, and fails with ErrDeposed when another
// process leads since.
func (s *Shared) PruneJudgements(ctx context.Context, term Term, before time.Time) (dropped int, err error) {
	err = s.leading(ctx, term, besides, func(ctx context.Context, tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, "DELETE FROM judgements WHERE term < $1 AND at < $2", int64(term), before.UnixNano())
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		dropped = int(n)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("drop the judgements of former leaders: %w", err)
	}
	return dropped, nil
}

// judgementColumns are those of a Judgement: what the leader vouches for is as young as that.
const judgementColumns = `j.application, j.uid, j.term, CASE WHEN j.term = l.term AND NOT j.late AND l.vouched > j.at THEN l.vouched ELSE j.at END, j.judgement
	FROM judgements AS j CROSS JOIN leadership AS l`

func scanJudgement(row interface{ Scan(into ...any) error }) (Judgement, error) {
	var j Judgement
	var at int64
	if err := row.Scan(&j.Application, &j.UID, &j.Term, &at, &j.Body); err != nil {
		return Judgement{}, err
	}
	j.At = time.Unix(0, at).UTC()
	return j, nil
}

// Judgement is the latest one of an Application, by namespace/name; false when there is
// none. The caller compares the UID.
func (s *Shared) Judgement(ctx context.Context, application string) (found Judgement, ok bool, err error) {
	err = s.each(ctx, func(rows *sql.Rows) error {
		found, err = scanJudgement(rows)
		ok = err == nil
		return err
	}, "SELECT "+judgementColumns+" WHERE j.application = $1", application)
	if err != nil {
		return Judgement{}, false, fmt.Errorf("read the judgement of %s: %w", application, err)
	}
	return found, ok, nil
}

// Judgements calls each with the latest judgement of each Application, in the order of
// their names. It reads them piece by piece, so they are not all of one moment.
func (s *Shared) Judgements(ctx context.Context, each func(Judgement)) error {
	last, more := "", true
	for more {
		n, size := 0, 0
		err := s.each(ctx, func(rows *sql.Rows) error {
			j, err := scanJudgement(rows)
			if err != nil {
				return err
			}
			each(j)
			last = j.Application
			n++
			size += len(j.Body)
			return nil
		}, `SELECT application, uid, term, at, judgement FROM (
				SELECT *, sum(octet_length(judgement)) OVER (ORDER BY application) - octet_length(judgement) AS before
				FROM (SELECT `+judgementColumns+` WHERE j.application > $1 ORDER BY j.application LIMIT $2) AS page (application, uid, term, at, judgement)
			) AS measured WHERE before < $3 ORDER BY application`, last, judgementRows, judgementBytes)
		if err != nil {
			return fmt.Errorf("read the judgements: %w", err)
		}
		more = n == judgementRows || size >= judgementBytes
	}
	return nil
}

// PendingBefore says whether deliveries that were received before a time wait to be
// processed. The time is by the clock of whichever process received them. For deliveries of
// any time, those of clocks that are ahead included, it is the zero time.
func (s *Store) PendingBefore(ctx context.Context, before time.Time) (bool, error) {
	received := int64(math.MaxInt64)
	if !before.IsZero() {
		if !validTime(before) {
			return false, fmt.Errorf("look for deliveries before %s: %w", before.Format(time.RFC3339), ErrInvalid)
		}
		received = before.UnixNano()
	}
	var waiting bool
	if _, err := s.row(ctx, []any{&waiting}, "SELECT EXISTS (SELECT 1 FROM deliveries WHERE state = 'pending' AND received < $1)", received); err != nil {
		return false, fmt.Errorf("look for pending deliveries: %w", err)
	}
	return waiting, nil
}
