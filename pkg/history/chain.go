package history

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"
)

// Bounds of an entry, so that a record can be read with bounded memory.
const (
	// MaxPayload is the largest payload, in bytes of canonical JSON.
	MaxPayload = 16 << 20
	// MaxName is the longest Application UID and intent ID, in bytes.
	MaxName = 256
)

// Seal turns drafts into the entries that follow the expected head: the one
// place where sequence numbers and digests come from. It is a pure function, so
// whoever knows head and drafts can tell what was written. A draft that is
// incomplete or contradicts itself fails with ErrInvalid.
func Seal(expect Head, drafts ...Draft) ([]Entry, error) {
	if len(drafts) == 0 {
		return nil, fmt.Errorf("nothing to append: %w", ErrInvalid)
	}
	entries := make([]Entry, 0, len(drafts))
	for i, draft := range drafts {
		entry, err := draft.seal(expect)
		if err != nil {
			return nil, fmt.Errorf("draft %d of %d: %w: %w", i+1, len(drafts), ErrInvalid, err)
		}
		entries = append(entries, entry)
		expect = entry.Head()
	}
	return entries, nil
}

func (d Draft) seal(after Head) (Entry, error) {
	switch d.Payload.(type) {
	case DecisionPayload, IntentPayload, OutcomePayload, AbandonedPayload, ActPayload, DeniedPayload, ObservedPayload, HealthPayload, ArchivedPayload, PolicyPayload, recorded:
	default:
		return Entry{}, fmt.Errorf("a payload of type %T", d.Payload)
	}
	entry := Entry{
		Sequence:    after.Sequence + 1,
		Previous:    after.Digest,
		Time:        d.Time.UTC().Round(0),
		Kind:        d.Payload.kind(),
		Application: d.Application,
		Intent:      d.Payload.intent(),
	}
	// Stores keep the time as nanoseconds since 1970 in 64 bits.
	if year := entry.Time.Year(); year < 1970 || year > 2261 {
		return Entry{}, fmt.Errorf("the time %s", entry.Time.Format(time.RFC3339))
	}
	if (d.Application == "" && entry.Kind != KindAct && entry.Kind != KindArchived && entry.Kind != KindPolicy) || len(d.Application) > MaxName || !utf8.ValidString(d.Application) {
		return Entry{}, fmt.Errorf("the Application UID %.40q", d.Application)
	}
	switch entry.Kind {
	case KindIntent, KindOutcome, KindAbandoned:
		if entry.Intent == "" || len(entry.Intent) > MaxName {
			return Entry{}, fmt.Errorf("the intent ID %.40q", entry.Intent)
		}
	case KindDecision, KindAct, KindDenied, KindObserved, KindHealth, KindArchived, KindPolicy:
	}
	if err := d.Payload.check(d.Application, entry.Sequence); err != nil {
		return Entry{}, fmt.Errorf("%s for %s: %w", entry.Kind, d.Application, err)
	}
	payload, err := Canonical(d.Payload)
	if err != nil {
		return Entry{}, err
	}
	if len(payload) > MaxPayload {
		return Entry{}, fmt.Errorf("a payload of %d bytes, more than %d", len(payload), MaxPayload)
	}
	entry.Payload = payload
	entry.Digest = entry.seal()
	return entry, nil
}

// Persisted says whether an Append that failed with those arguments went
// through all the same, and what the head was right after it. It stays true
// when others have appended since.
func Persisted(ctx context.Context, r Reader, expect Head, drafts ...Draft) (Head, bool, error) {
	want, err := Seal(expect, drafts...)
	if err != nil {
		return Head{}, false, err
	}
	for _, entry := range want {
		found, err := r.Entries(ctx, entry.Sequence, 1)
		if err != nil {
			return Head{}, false, fmt.Errorf("look for entry %d: %w", entry.Sequence, err)
		}
		if len(found) == 0 || found[0].Digest != entry.Digest {
			return Head{}, false, nil
		}
	}
	return want[len(want)-1].Head(), true, nil
}
