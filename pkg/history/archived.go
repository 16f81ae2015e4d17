package history

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"time"
)

// ErrArchived says that the payload of an entry was moved to an archive. The entry is
// there, and what it tells is not.
var ErrArchived = errors.New("archived")

// ArchivedPayload says that the payloads of a range of entries were moved to a file, by
// whom and why. What is left of each is its stub: everything but the payload, and the
// hash that stands for it in the Merkle tree.
type ArchivedPayload struct {
	// From and To are the first and the last entry of the range. It begins after the one
	// that was archived before it.
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
	// Root is that of the tree of the entries 1 to To, in base64.
	Root string `json:"root"`
	// Stubs is the SHA-256 of the lines that the entries of the range have as stubs, each
	// with its line end, those in Kept included.
	Stubs Digest `json:"stubs"`
	// File is the SHA-256 of the archive, which holds all entries of the range whole.
	File Digest `json:"file"`
	// Kept are the entries of the range that stay whole in the record as well, since
	// something that is still decided may rest on them; in order.
	Kept []uint64 `json:"kept,omitempty"`
	// Before is the time before which everything in the range was recorded.
	Before time.Time `json:"before"`
	Person Person    `json:"person"`
	Reason string    `json:"reason"`
}

func (ArchivedPayload) kind() Kind     { return KindArchived }
func (ArchivedPayload) intent() string { return "" }

func (p ArchivedPayload) check(application string, sequence uint64) error {
	switch {
	case application != "":
		return errors.New("an archive is not of one Application")
	case p.From == 0 || p.To < p.From || p.To >= sequence:
		return fmt.Errorf("the entries %d to %d are not all before entry %d", p.From, p.To, sequence)
	case p.Root == "" || p.Before.IsZero() || p.Person.Name == "" || p.Person.Via != ViaConsole || p.Reason == "":
		return errors.New("root, time, person and reason must all be given")
	}
	last := p.From - 1
	for _, kept := range p.Kept {
		if kept <= last || kept > p.To {
			return fmt.Errorf("entry %d is kept out of order, or not in the range", kept)
		}
		last = kept
	}
	_, stubs := ParseDigest(string(p.Stubs))
	_, file := ParseDigest(string(p.File))
	return errors.Join(stubs, file)
}

// Keeps says whether an entry of the range stays whole.
func (p ArchivedPayload) Keeps(sequence uint64) bool {
	_, found := slices.BinarySearch(p.Kept, sequence)
	return found
}

// Covers says whether an entry is in the range.
func (p ArchivedPayload) Covers(sequence uint64) bool { return p.From <= sequence && sequence <= p.To }

// ArchivedError names the entry whose payload is asked for. It is ErrArchived.
type ArchivedError struct{ Sequence uint64 }

func (e *ArchivedError) Error() string {
	return fmt.Sprintf("what entry %d tells is archived; name the archive with --archive FILE (gatekeeper ledger archives lists them)", e.Sequence)
}

// Is says that it is ErrArchived.
func (e *ArchivedError) Is(target error) bool { return target == ErrArchived }

// Archived says whether the payload was moved to an archive.
func (e Entry) Archived() bool { return e.Leaf != "" }

// Stub is the entry without its payload, as it is left when that is archived.
func (e Entry) Stub() Entry {
	if !e.Archived() {
		e.Leaf = LeafOf(e.appendSealed(nil))
		e.Payload = nil
	}
	return e
}

// LeafOf is the hash of the sealed bytes of an entry in the Merkle tree (RFC 6962 section
// 2.1: the SHA-256 of a zero byte and them), as a Digest.
func LeafOf(sealed []byte) Digest {
	h := sha256.New()
	_, _ = h.Write([]byte{0})
	_, _ = h.Write(sealed)
	return Digest(hex.AppendEncode([]byte(digestPrefix), h.Sum(nil)))
}

// stubLine is how a stub is written. The order of the members is the canonical one.
type stubLine struct {
	Archived stub `json:"archived"`
}

type stub struct {
	Application string    `json:"application"`
	Digest      Digest    `json:"digest"`
	Intent      string    `json:"intent"`
	Kind        Kind      `json:"kind"`
	Leaf        Digest    `json:"leaf"`
	Previous    Digest    `json:"previous"`
	Sequence    uint64    `json:"sequence"`
	Time        time.Time `json:"time"`
}

// stubPrefix begins the line of a stub.
const stubPrefix = `{"archived":`

// appendStub appends the line of a stub, without a line end.
func (e Entry) appendStub(text []byte) []byte {
	text = append(text, stubPrefix+`{"application":`...)
	text = appendQuoted(text, e.Application)
	text = append(text, `,"digest":`...)
	text = appendQuoted(text, e.Digest)
	text = append(text, `,"intent":`...)
	text = appendQuoted(text, e.Intent)
	text = append(text, `,"kind":`...)
	text = appendQuoted(text, e.Kind)
	text = append(text, `,"leaf":`...)
	text = appendQuoted(text, e.Leaf)
	text = append(text, `,"previous":`...)
	text = appendQuoted(text, e.Previous)
	text = fmt.Appendf(text, `,"sequence":%d,"time":"`, e.Sequence)
	text = e.Time.UTC().AppendFormat(text, time.RFC3339Nano)
	return append(text, `"}}`...)
}

// parseStub reads a line that appendStub wrote, and nothing else.
func parseStub(line []byte) (Entry, error) {
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	var parsed stubLine
	if err := decoder.Decode(&parsed); err != nil {
		return Entry{}, fmt.Errorf("the line is not an archived entry: %w", err)
	}
	s := parsed.Archived
	e := Entry{
		Sequence: s.Sequence, Previous: s.Previous, Time: s.Time.UTC(), Kind: s.Kind, Application: s.Application, Intent: s.Intent,
		Digest: s.Digest, Leaf: s.Leaf,
	}
	if _, err := ParseDigest(string(e.Leaf)); err != nil {
		return Entry{}, fmt.Errorf("the line is not an archived entry: leaf: %w", err)
	}
	if !bytes.Equal(e.appendStub(nil), line) {
		return Entry{}, errors.New("the line is not how an archived entry is written")
	}
	return e, nil
}

// Archive is an ArchivedPayload that is on record, at its place.
type Archive struct {
	ArchivedPayload
	Sequence uint64    `json:"sequence"`
	At       time.Time `json:"at"`
	Digest   Digest    `json:"digest"`
}

// Archives reads what the record says is archived, in order.
func Archives(ctx context.Context, r interface {
	Select(ctx context.Context, s Selection, limit int) ([]Entry, error)
}) ([]Archive, error) {
	entries, err := archiveEntries(ctx, r)
	if err != nil {
		return nil, err
	}
	all := make([]Archive, 0, len(entries))
	for _, entry := range entries {
		p, err := Decode[ArchivedPayload](entry)
		if err != nil {
			return nil, err
		}
		all = append(all, Archive{p, entry.Sequence, entry.Time, entry.Digest})
	}
	return all, nil
}

func archiveEntries(ctx context.Context, r interface {
	Select(ctx context.Context, s Selection, limit int) ([]Entry, error)
}) (all []Entry, err error) {
	s := Selection{Kinds: []Kind{KindArchived}}
	for {
		entries, err := r.Select(ctx, s, verifyBatch)
		if err != nil {
			return nil, fmt.Errorf("read what is archived: %w", err)
		}
		if len(entries) == 0 {
			return all, nil
		}
		all = append(all, entries...)
		s.From = entries[len(entries)-1].Sequence + 1
	}
}

// StubsDigest computes ArchivedPayload.Stubs. The zero StubsDigest is ready.
type StubsDigest struct {
	hash hash.Hash
	line []byte
}

// Add adds the next entry of the range, whole or a stub.
func (d *StubsDigest) Add(e Entry) {
	if d.hash == nil {
		d.hash = sha256.New()
	}
	d.line = append(e.Stub().appendStub(d.line[:0]), '\n')
	_, _ = d.hash.Write(d.line)
}

// Digest is that of what was added.
func (d *StubsDigest) Digest() Digest {
	if d.hash == nil {
		return sum(nil)
	}
	return Digest(hex.AppendEncode([]byte(digestPrefix), d.hash.Sum(nil)))
}

// FileDigest is the SHA-256 of what is read.
func FileDigest(r io.Reader) (Digest, error) {
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", fmt.Errorf("read: %w", err)
	}
	return Digest(hex.AppendEncode([]byte(digestPrefix), h.Sum(nil))), nil
}

// Ranges compares entries, in their order, with what is said to be archived. A record
// says so in entries that come after the range, so they are read beforehand, and each has
// to be found at its place.
type Ranges struct {
	claims []ArchivedPayload
	// next is the range that is read, or comes next; found counts those whose entries came.
	next, found int
	stubs       StubsDigest
	// before is the entry before the range that is read.
	before Head
}

// NewRanges begins with entry 1, or with a later one of which at is the one before.
func NewRanges(at Head, claims ...ArchivedPayload) *Ranges {
	r := &Ranges{claims: claims, before: at}
	for r.next < len(claims) && claims[r.next].To <= at.Sequence {
		r.next++
	}
	return r
}

// Check says what is wrong with a stub at its place; nil for one that may be there.
func (r *Ranges) Check(e Entry) *Fault {
	n := e.Sequence
	if r.next >= len(r.claims) || !r.claims[r.next].Covers(n) {
		return fault(n, FaultChanged, "the payload of entry %d is gone, and the record does not say that it is archived", n)
	}
	if r.claims[r.next].Keeps(n) {
		return fault(n, FaultChanged, "the payload of entry %d is gone, and the record says that it was kept", n)
	}
	if len(e.Payload) > 0 {
		return fault(n, FaultChanged, "entry %d is not the one that was archived", n)
	}
	return nil
}

// Add adds the next entry, which follows the one before. When a range turns out not to be
// what was archived, the fault is at its beginning, and the Head is the entry before.
func (r *Ranges) Add(e Entry, at Head) (*Fault, Head) {
	if e.Kind == KindArchived && !e.Archived() {
		p, err := Decode[ArchivedPayload](e)
		switch {
		case err != nil:
			return fault(e.Sequence, FaultChanged, "entry %d is not one that this version reads: %v", e.Sequence, err), at
		case len(r.claims) == 0:
			return nil, Head{} // everything is whole, or a stub is found out
		case r.found >= len(r.claims) || !sameRange(p, r.claims[r.found]):
			return fault(e.Sequence, FaultIndex, "entry %d says that entries are archived, and is not listed so", e.Sequence), at
		}
		r.found++
	}
	if r.next >= len(r.claims) {
		return nil, Head{}
	}
	claim := r.claims[r.next]
	if !claim.Covers(e.Sequence) {
		return nil, Head{}
	}
	if e.Sequence == claim.From {
		r.stubs, r.before = StubsDigest{}, at
	}
	r.stubs.Add(e)
	if e.Sequence < claim.To {
		return nil, Head{}
	}
	r.next++
	if r.stubs.Digest() == claim.Stubs {
		return nil, Head{}
	}
	return fault(claim.From, FaultChanged, "one of the entries %d to %d is not the one that was archived; with --archive FILE it is named", claim.From, claim.To), r.before
}

// sameRange compares what a reader of stubs goes by.
func sameRange(a, b ArchivedPayload) bool {
	return a.From == b.From && a.To == b.To && a.Stubs == b.Stubs && slices.Equal(a.Kept, b.Kept)
}

// Finish says what is wrong at the end.
func (r *Ranges) Finish(at Head) *Fault {
	if r.found < len(r.claims) {
		return fault(at.Sequence+1, FaultIndex, "the entries %d to %d are listed as archived, and no entry says so", r.claims[r.found].From, r.claims[r.found].To)
	}
	return nil
}
