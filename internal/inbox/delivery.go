package inbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of a delivery.
const (
	// MaxBody is the largest body: GitHub sends no webhook beyond 25 MB
	// (docs.github.com, "Webhook events and payloads", read August 2026).
	MaxBody = 25 << 20
	// MaxAttempts is how often a delivery is tried before it is parked. To
	// process one is local work, so a failure does not pass by itself.
	MaxAttempts = 5
	// Retention is how long a delivery is kept at least: GitHub redelivers for 3
	// days, GitHub Enterprise Server for 7, and a GUID that was forgotten would
	// be taken for a new one.
	Retention = 8 * 24 * time.Hour
	// maxName bounds the GUID, the event and the reason of a failure.
	maxName = 256
	// maxBatch is after how many bytes of bodies Pending returns early.
	maxBatch = 8 << 20
)

// ErrUnknown says that there is no delivery with that GUID.
var ErrUnknown = errors.New("no such delivery")

// Delivery is one webhook delivery whose signature was verified.
type Delivery struct {
	// GUID is GitHub's X-GitHub-Delivery; a redelivery has the same one.
	GUID string
	// Event is GitHub's X-GitHub-Event.
	Event string
	// Received is when it arrived first, by our own clock.
	Received time.Time
	Body     []byte
}

func (d Delivery) check() error {
	switch {
	case !validName(d.GUID):
		return fmt.Errorf("the GUID %.40q: %w", d.GUID, ErrInvalid)
	case !validName(d.Event):
		return fmt.Errorf("the event %.40q: %w", d.Event, ErrInvalid)
	case !validTime(d.Received):
		return fmt.Errorf("received at %s: %w", d.Received.Format(time.RFC3339), ErrInvalid)
	case len(d.Body) == 0 || len(d.Body) > MaxBody:
		return fmt.Errorf("a body of %d bytes: %w", len(d.Body), ErrInvalid)
	default:
		return nil
	}
}

func validName(s string) bool { return s != "" && len(s) <= maxName && utf8.ValidString(s) }

// validTime is true for what fits into nanoseconds since 1970.
func validTime(t time.Time) bool { return t.UTC().Year() >= 1970 && t.UTC().Year() <= 2261 }

// Parked is a delivery that failed too often. Only a redelivery by GitHub brings
// it back.
type Parked struct {
	GUID     string
	Event    string
	Received time.Time
	Attempts int
	Reason   string
}

// Put keeps a delivery. Fresh is true when it is to be processed and was not
// already waiting: for a new GUID, and for one that was parked. A redelivery of
// what was processed, or is still pending, changes nothing.
func (s *Store) Put(ctx context.Context, d Delivery) (fresh bool, err error) {
	if err := d.check(); err != nil {
		return false, fmt.Errorf("keep a delivery: %w", err)
	}
	changed, err := s.exec(ctx, `INSERT INTO deliveries (guid, event, received, state, body) VALUES ($1, $2, $3, 'pending', $4)
		ON CONFLICT (guid) DO UPDATE SET event = excluded.event, body = excluded.body, state = 'pending', attempts = 0, reason = ''
		WHERE deliveries.state = 'parked'`,
		d.GUID, d.Event, d.Received.UnixNano(), d.Body)
	if err != nil {
		return false, fmt.Errorf("keep delivery %s: %w", d.GUID, err)
	}
	return changed > 0, nil
}

// Pending returns deliveries that wait to be processed besides those with the given
// GUIDs, oldest first: at most limit, fewer when they are large, none only when there
// are none. The bodies of those that are left out are not read.
func (s *Store) Pending(ctx context.Context, limit int, besides ...string) (pending []Delivery, err error) {
	defer func() {
		if err != nil {
			pending, err = nil, fmt.Errorf("read the pending deliveries: %w", err)
		}
	}()
	if besides == nil {
		besides = []string{} // or it would be null
	}
	leftOut, err := json.Marshal(besides)
	if err != nil {
		return nil, err
	}
	size := 0
	err = s.each(ctx, func(rows *sql.Rows) error {
		var d Delivery
		var received int64
		if err := rows.Scan(&d.GUID, &d.Event, &received, &d.Body); err != nil {
			return err
		}
		d.Received = time.Unix(0, received).UTC()
		pending = append(pending, d)
		if size += len(d.Body); size >= maxBatch {
			return errEnough
		}
		return nil
	}, s.db.pending, max(limit, 0), string(leftOut))
	return pending, err
}

// Done says that a delivery was processed. Its body is dropped; its GUID is
// known until Prune forgets it. To say it twice does no harm. A GUID that is not
// known fails with ErrUnknown.
func (s *Store) Done(ctx context.Context, guid string) error {
	changed, err := s.exec(ctx, "UPDATE deliveries SET state = 'done', reason = '', body = $1 WHERE guid = $2", []byte{}, guid)
	if err != nil {
		return fmt.Errorf("finish delivery %s: %w", guid, err)
	}
	if changed == 0 {
		return fmt.Errorf("finish delivery %s: %w", guid, ErrUnknown)
	}
	return nil
}

// Failed counts a failed attempt of a pending delivery, and parks it after
// MaxAttempts. What is not pending fails with ErrUnknown.
func (s *Store) Failed(ctx context.Context, guid, reason string) error {
	changed, err := s.exec(ctx, `UPDATE deliveries SET attempts = attempts + 1, reason = $1,
		state = CASE WHEN attempts + 1 >= $2 THEN 'parked' ELSE 'pending' END WHERE guid = $3 AND state = 'pending'`,
		shorten(reason), MaxAttempts, guid)
	if err != nil {
		return fmt.Errorf("count a failure of delivery %s: %w", guid, err)
	}
	if changed == 0 {
		return fmt.Errorf("count a failure of delivery %s: %w", guid, ErrUnknown)
	}
	return nil
}

// shorten cuts text from outside down to what is kept.
func shorten(s string) string {
	if len(s) > maxName {
		s = s[:maxName]
	}
	// A cut within a character leaves bytes that are no text, and PostgreSQL's text has no NUL.
	return strings.ReplaceAll(string([]rune(s)), "\x00", " ")
}

// Parked returns the deliveries that failed too often, oldest first: at most
// limit.
func (s *Store) Parked(ctx context.Context, limit int) (parked []Parked, err error) {
	defer func() {
		if err != nil {
			parked, err = nil, fmt.Errorf("read the parked deliveries: %w", err)
		}
	}()
	err = s.each(ctx, func(rows *sql.Rows) error {
		var p Parked
		var received int64
		if err := rows.Scan(&p.GUID, &p.Event, &received, &p.Attempts, &p.Reason); err != nil {
			return err
		}
		p.Received = time.Unix(0, received).UTC()
		parked = append(parked, p)
		return nil
	}, "SELECT guid, event, received, attempts, reason FROM deliveries WHERE state = 'parked' ORDER BY received, guid LIMIT $1", max(limit, 0))
	return parked, err
}

// Prune forgets the deliveries that were received before a time and are processed
// or parked, and says how many. Pending ones stay, however old. The time is to be
// Retention ago, or longer.
func (s *Store) Prune(ctx context.Context, before time.Time) (int, error) {
	if !validTime(before) {
		return 0, fmt.Errorf("forget the deliveries before %s: %w", before.Format(time.RFC3339), ErrInvalid)
	}
	changed, err := s.exec(ctx, "DELETE FROM deliveries WHERE state IN ('done', 'parked') AND received < $1", before.UnixNano())
	if err != nil {
		return 0, fmt.Errorf("forget the deliveries before %s: %w", before.Format(time.RFC3339), err)
	}
	return int(changed), nil
}
