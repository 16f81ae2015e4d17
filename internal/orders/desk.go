package orders

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Bounds of what people write, in bytes, and of orders that are given at once.
const (
	MaxPerson = 100
	MaxReason = 1000
	MaxBatch  = 100
)

// ErrInvalid says that an order is incomplete or too long. The record is not asked.
var ErrInvalid = errors.New("the order is not valid")

// Order is what is ordered, for one Application or for a whole gate.
type Order struct {
	// UID is that of the Application; empty for an order about a whole gate.
	UID string
	// Act has everything but the ID, which Give makes unless another order of the same
	// batch has to name it.
	Act history.ActPayload
}

// Options make a Desk.
type Options struct {
	Record history.Record
	// Book reads Record. Nil makes one.
	Book *Book
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// NewID makes the IDs of orders. Default rand.Text.
	NewID func() string
}

// Desk takes orders. It is safe for concurrent use.
type Desk struct {
	record history.Record
	book   *Book
	now    func() time.Time
	newID  func() string
}

// NewDesk makes a Desk.
func NewDesk(o Options) *Desk {
	d := &Desk{record: o.Record, book: o.Book, now: o.Now, newID: o.NewID}
	if d.book == nil {
		d.book = NewBook(o.Record)
	}
	if d.now == nil {
		d.now = time.Now
	}
	if d.newID == nil {
		d.newID = rand.Text
	}
	return d
}

// Book is what the desk reads what is in force from.
func (d *Desk) Book() *Book { return d.book }

// NewID makes an ID for an order that another one is to name.
func (d *Desk) NewID() string { return d.newID() }

// Now is the desk's clock, by which what is ordered begins and ends.
func (d *Desk) Now() time.Time { return d.now().UTC() }

// tries bounds how often somebody else may be faster. Each time a whole entry of
// theirs was written.
const tries = 50

// Give records orders, all or none of them, and returns them with their IDs. Check,
// which may be nil, refuses them by an error when what is in force does not fit; it is
// called again for each try, with what is in force then.
//
// Errors: ErrInvalid, those of Check, and those of the record.
func (d *Desk) Give(ctx context.Context, check func(Standing) error, orders ...Order) ([]history.ActPayload, error) {
	if len(orders) == 0 || len(orders) > MaxBatch {
		return nil, fmt.Errorf("%d orders at once, not 1 to %d: %w", len(orders), MaxBatch, ErrInvalid)
	}
	given := make([]history.ActPayload, len(orders))
	for i, o := range orders {
		act, err := Tidy(o.Act)
		if err != nil {
			return nil, err
		}
		if act.ID == "" {
			act.ID = d.newID()
		}
		given[i] = act
	}
	for range tries {
		standing, err := d.book.Standing(ctx)
		if err != nil {
			return nil, err
		}
		if check != nil {
			if err := check(standing); err != nil {
				return nil, err
			}
		}
		now := d.now()
		drafts := make([]history.Draft, len(orders))
		for i := range orders {
			drafts[i] = history.Draft{Time: now, Application: orders[i].UID, Payload: given[i]}
		}
		err = d.append(ctx, standing.Head, drafts)
		switch {
		case err == nil:
			return given, nil
		case !errors.Is(err, history.ErrConflict):
			return nil, fmt.Errorf("record the order: %w", err)
		}
	}
	return nil, fmt.Errorf("record the order: others were faster %d times: %w", tries, history.ErrConflict)
}

// append appends, and finds out what happened when the answer leaves it open.
func (d *Desk) append(ctx context.Context, head history.Head, drafts []history.Draft) error {
	_, err := d.record.Append(ctx, head, drafts...)
	if err == nil || errors.Is(err, history.ErrConflict) || errors.Is(err, history.ErrInvalid) {
		return err
	}
	// The caller may have gone away, and still has to be known what was ordered.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_, written, asked := history.Persisted(ctx, d.record, head, drafts...)
	switch {
	case asked != nil:
		return errors.Join(err, fmt.Errorf("it is not known whether the order was recorded: %w", asked))
	case written:
		return nil
	default:
		return err
	}
}

// Tidy trims the person's name and the reason and checks them: both must be given, of
// at most MaxPerson and MaxReason bytes, on one line and without invisible characters,
// so that neither can pass for another line of a report.
func Tidy(act history.ActPayload) (history.ActPayload, error) {
	var err error
	if act.Person.Name, err = line("the person's name", act.Person.Name, MaxPerson); err != nil {
		return act, err
	}
	act.Reason, err = line("the reason", act.Reason, MaxReason)
	return act, err
}

func line(what, text string, most int) (string, error) {
	text = strings.TrimSpace(text)
	hidden := func(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }
	switch {
	case text == "":
		return text, fmt.Errorf("%s is missing: %w", what, ErrInvalid)
	case len(text) > most:
		return text, fmt.Errorf("%s has %d bytes, more than %d: %w", what, len(text), most, ErrInvalid)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, hidden):
		return text, fmt.Errorf("%s is not one line of text: %w", what, ErrInvalid)
	}
	return text, nil
}
