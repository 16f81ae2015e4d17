package history

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

const (
	// verifyBatch is how many entries are held at a time.
	verifyBatch = 512
	// searchWindow bounds the search for the place where a misplaced entry
	// belongs. It only decides which of the fault kinds is named.
	searchWindow = 1000
)

// Verify reads the whole record, computes every digest again and names the first
// entry that was changed, dropped, inserted or reordered. Entries that are
// appended meanwhile are verified too, as far as they are there.
//
// A record that was cut off at its end, or written anew from some entry on, is
// consistent in itself: that shows against known heads alone, kept where the
// record's writer cannot change them. An error means that the record could not
// be read; then nothing is said about it.
func Verify(ctx context.Context, r Reader, known ...Head) (Report, error) {
	return VerifyEach(ctx, r, func(Entry, []byte) {}, known...)
}

// VerifyEach is Verify, and calls each with every entry that it found intact, in order,
// and with the bytes that its digest is of, which are valid until it returns and are no
// more than a remnant for an archived entry.
func VerifyEach(ctx context.Context, r Reader, each func(e Entry, sealed []byte), known ...Head) (Report, error) {
	v := verifier{reader: r, open: map[string]uint64{}, each: each, examination: examine(ctx, r)}
	defer v.examination.end()
	listed, err := archiveEntries(ctx, r)
	if err != nil {
		return Report{}, fmt.Errorf("verify the record: %w", err)
	}
	var claims []ArchivedPayload
	for _, entry := range listed {
		claim, err := Decode[ArchivedPayload](entry)
		if read := err == nil; !read || !v.fits(entry) {
			return v.report(fault(entry.Sequence, FaultChanged, "entry %d, which says what is archived, does not fit its digest", entry.Sequence)), nil
		}
		claims = append(claims, claim)
	}
	v.ranges = NewRanges(Head{}, claims...)
	report, err := v.run(ctx, known)
	if err != nil || report.Fault == nil {
		return report, err
	}
	switch again, err := archiveEntries(ctx, r); {
	case err != nil:
		return Report{}, fmt.Errorf("verify the record: %w", err)
	case len(again) > len(listed):
		return Report{}, errors.New("entries were archived while the record was verified; verify it again")
	}
	return report, nil
}

func (v *verifier) run(ctx context.Context, known []Head) (Report, error) {
	r := v.reader
	for {
		head, err := r.Head(ctx)
		if err != nil {
			return Report{}, fmt.Errorf("verify the record: %w", err)
		}
		found, err := v.walk(ctx, append(slices.Clone(known), head))
		if err != nil {
			return Report{}, fmt.Errorf("verify the record after entry %d: %w", v.at.Sequence, err)
		}
		if found != nil {
			return v.report(found), nil
		}
		found, moved, err := v.index(ctx)
		if err != nil {
			return Report{}, fmt.Errorf("verify the open intents: %w", err)
		}
		if moved {
			continue
		}
		if found == nil {
			found = v.lost
		}
		if found == nil {
			if found, err = v.examined(); err != nil {
				return Report{}, fmt.Errorf("verify the store: %w", err)
			}
		}
		return v.report(found), nil
	}
}

type verifier struct {
	reader Reader
	// ranges are those that are archived.
	ranges *Ranges
	each   func(e Entry, sealed []byte)
	// at is the last entry that was found intact, before the one before it.
	at, before Head
	// open holds the intents that are open at that entry.
	open map[string]uint64
	// lost is the first entry that the store would not find. That is said only when all
	// entries are intact.
	lost *Fault
	// examination is what becomes of the store's, which is made beside.
	examination *examination
	// canonical and sealed are memory that is used again for each entry.
	canonical checker
	sealed    []byte
}

// fits says whether the entry's digest is that of the entry.
func (v *verifier) fits(e Entry) bool {
	v.sealed = e.appendSealed(v.sealed[:0])
	return e.Digest.Of(v.sealed)
}

func (v *verifier) report(fault *Fault) Report {
	report := Report{Head: v.at, Fault: fault, complete: true}
	if fault == nil {
		report.Open = len(v.open)
	}
	return report
}

// walk verifies all entries from the last one on, and that the record had the
// heads that it is known to have had.
func (v *verifier) walk(ctx context.Context, known []Head) (*Fault, error) {
	ctx, cancel := context.WithCancel(ctx)
	pages := v.readAhead(ctx)
	defer func() {
		cancel()
		for range pages { // Until the reader has ended.
		}
	}()
	for page := range pages {
		if page.err != nil {
			return nil, page.err
		}
		for i, entry := range page.entries {
			found, err := v.step(ctx, entry, known)
			if found != nil || err != nil {
				return found, err
			}
			if page.under != nil && v.lost == nil {
				v.lost = v.misfiled(entry, page.under[i])
			}
		}
	}
	// Pages also end when the context does; that is not the record's end.
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if found := v.ranges.Finish(v.at); found != nil {
		return found, nil
	}
	for _, head := range known {
		if head.Sequence > v.at.Sequence {
			return fault(v.at.Sequence+1, FaultTruncated, "the record ends with entry %d; it had at least %d", v.at.Sequence, head.Sequence), nil
		}
	}
	return nil, nil //nolint:nilnil // No fault and no error is the good case.
}

type page struct {
	entries []Entry
	// under are the words that the store has filed them under; nil when it files none.
	under []string
	err   error
}

// read reads a page of the record.
func (v *verifier) read(ctx context.Context, from uint64) (p page) {
	if store, ok := v.reader.(Filed); ok {
		p.entries, p.under, p.err = store.EntriesFiled(ctx, from, verifyBatch)
		return p
	}
	p.entries, p.err = v.reader.Entries(ctx, from, verifyBatch)
	return p
}

// readAhead reads the pages after the last entry while earlier ones are
// verified. It closes the channel after the last page, or after an error.
func (v *verifier) readAhead(ctx context.Context) <-chan page {
	pages := make(chan page, 1)
	// The first time from 0 on: there is no entry 0, unless somebody put it
	// there.
	next := v.at.Sequence
	if next > 0 {
		next++
	}
	go func() {
		defer close(pages)
		for {
			p := v.read(ctx, next)
			if len(p.entries) == 0 && p.err == nil {
				return
			}
			select {
			case pages <- p:
			case <-ctx.Done():
				return
			}
			// A page that leads back is at fault already.
			if p.err != nil || p.entries[len(p.entries)-1].Sequence < next {
				return
			}
			next = p.entries[len(p.entries)-1].Sequence + 1
		}
	}()
	return pages
}

// step verifies the entry that should follow the last one.
func (v *verifier) step(ctx context.Context, e Entry, known []Head) (*Fault, error) {
	n := v.at.Sequence + 1
	switch {
	case e.Sequence > n:
		return fault(n, FaultDropped, "entry %d is missing; the next one is entry %d", n, e.Sequence), nil
	case e.Sequence < n:
		return fault(n, FaultInserted, "an entry %d stands at place %d", e.Sequence, n), nil
	case e.Archived():
		if found := v.ranges.Check(e); found != nil {
			return found, nil
		}
	case !v.fits(e):
		return v.misplaced(ctx, e)
	case !v.canonical.isCanonical(e.Payload):
		return fault(n, FaultChanged, "the payload of entry %d is not in canonical form", n), nil
	}
	switch {
	case e.Previous != v.at.Digest && n == 1:
		return fault(n, FaultDropped, "the first entry names one before it"), nil
	case e.Previous != v.at.Digest:
		// Entry n-1 fits its own digest and what comes before it. So it was
		// written anew, or stands where others were taken out.
		v.at = v.before
		return fault(n-1, FaultChanged, "entry %d is not the one that entry %d was written after", n-1, n), nil
	}
	for _, head := range known {
		if head.Sequence == n && head.Digest != e.Digest {
			return fault(n, FaultChanged, "entry %d is not the one that is known: it, or an entry before it, was written anew", n), nil
		}
	}
	if found, before := v.ranges.Add(e, v.at); found != nil {
		v.at = before
		return found, nil
	}
	v.before, v.at = v.at, e.Head()
	v.each(e, v.sealed)
	switch e.Kind {
	case KindIntent:
		v.open[e.Intent] = n
	case KindOutcome, KindAbandoned:
		delete(v.open, e.Intent)
	case KindDecision, KindAct, KindDenied, KindObserved, KindHealth, KindArchived, KindPolicy:
	}
	return nil, nil //nolint:nilnil // No fault and no error is the good case.
}

// misplaced says what is wrong with an entry that does not fit its digest. If it
// would fit at another place, it is not the entry that was changed.
func (v *verifier) misplaced(ctx context.Context, e Entry) (*Fault, error) {
	n, home := e.Sequence, uint64(0)
	for distance := uint64(1); distance <= searchWindow && home == 0; distance++ {
		if v.fitsAt(e, n+distance) {
			home = n + distance
		} else if distance < n && v.fitsAt(e, n-distance) {
			home = n - distance
		}
	}
	switch {
	case home == 0:
		return fault(n, FaultChanged, "entry %d does not fit its digest", n), nil
	case home < n:
		original, err := v.reader.Entries(ctx, home, 1)
		if err != nil {
			return nil, err
		}
		if len(original) > 0 && original[0].Digest == e.Digest {
			return fault(n, FaultInserted, "a copy of entry %d stands at place %d", home, n), nil
		}
		if v.at, err = v.headAt(ctx, home-1); err != nil {
			return nil, err
		}
		return fault(home, FaultInserted, "what was entry %d stands at place %d: an entry was put before it", home, n), nil
	}
	for from := n + 1; from <= n+searchWindow; {
		entries, err := v.reader.Entries(ctx, from, verifyBatch)
		if err != nil {
			return nil, err
		}
		if len(entries) == 0 {
			break
		}
		for _, other := range entries {
			if v.fitsAt(other, n) {
				return fault(n, FaultReordered, "what was entry %d stands at place %d, and entry %d at place %d", home, n, n, other.Sequence), nil
			}
			from = other.Sequence + 1
		}
	}
	return fault(n, FaultDropped, "entry %d is missing; what was entry %d stands in its place", n, home), nil
}

// fitsAt says whether the entry's digest is right for another place.
func (v *verifier) fitsAt(e Entry, sequence uint64) bool {
	e.Sequence = sequence
	return v.fits(e)
}

// headAt is the head that the record had when it ended at that place.
func (v *verifier) headAt(ctx context.Context, sequence uint64) (Head, error) {
	if sequence == 0 {
		return Head{}, nil
	}
	entries, err := v.reader.Entries(ctx, sequence, 1)
	if err != nil || len(entries) == 0 {
		return Head{}, err
	}

	return entries[0].Head(), nil
}

// index compares the store's lists of open intents with the entries. Moved is
// true when entries were appended meanwhile, so that they cannot be compared.
func (v *verifier) index(ctx context.Context) (found *Fault, moved bool, err error) {
	listed, err := v.reader.OpenIntents(ctx)
	if err != nil {
		return nil, false, err
	}
	filed := map[string][]Entry{}
	for _, entry := range listed {
		if _, read := filed[entry.Application]; read {
			continue
		}
		if filed[entry.Application], err = v.reader.OpenIntentsOf(ctx, entry.Application); err != nil {
			return nil, false, err
		}
	}
	head, err := v.reader.Head(ctx)
	if err != nil {
		return nil, false, err
	}
	switch {
	case head.Sequence > v.at.Sequence:
		return nil, true, nil
	case head != v.at:
		return fault(head.Sequence+1, FaultTruncated, "the record ended with entry %d and now with entry %d", v.at.Sequence, head.Sequence), false, nil
	}
	missing := maps.Clone(v.open)
	for _, entry := range listed {
		if missing[entry.Intent] != entry.Sequence {
			return fault(entry.Sequence, FaultIndex, "intent %q is listed as open and is not", entry.Intent), false, nil
		}
		delete(missing, entry.Intent)
	}
	if len(missing) > 0 {
		first := slices.Min(slices.Collect(maps.Values(missing)))
		return fault(first, FaultIndex, "the intent of entry %d is open and not listed", first), false, nil
	}
	return misfiled(listed, filed), false, nil
}

// misfiled finds what an Application's own list of open intents lacks, or has too much.
func misfiled(listed []Entry, filed map[string][]Entry) *Fault {
	for _, entry := range listed {
		own := filed[entry.Application]
		if len(own) == 0 || own[0].Sequence != entry.Sequence {
			return fault(entry.Sequence, FaultIndex, "intent %q is open and not listed for its Application", entry.Intent)
		}
		filed[entry.Application] = own[1:]
	}
	for _, rest := range filed {
		if len(rest) > 0 {
			return fault(rest[0].Sequence, FaultIndex, "intent %q is listed as open for another Application", rest[0].Intent)
		}
	}
	return nil
}
