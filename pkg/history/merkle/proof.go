package merkle

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// maxProof bounds the hashes of a proof: 63 for every tree there can be.
const maxProof = 63

const inclusionHeader = "c2sp.org/tlog-proof@v1"

// ErrProof says that a proof does not prove what it is for.
var ErrProof = errors.New("the proof does not hold")

// Inclusion proves that an entry is in the tree of a checkpoint.
type Inclusion struct {
	// Sequence is the entry's number.
	Sequence   uint64
	Hashes     []tlog.Hash
	Checkpoint Signed
}

// Format writes the proof (c2sp.org/tlog-proof). Leaves are counted from 0 there.
func (p Inclusion) Format() string {
	var out strings.Builder
	out.WriteString(inclusionHeader + "\nindex " + strconv.FormatUint(p.Sequence-1, 10) + "\n")
	writeHashes(&out, p.Hashes)
	out.WriteString("\n" + p.Checkpoint.Note)
	return out.String()
}

// ParseInclusion reads a proof and verifies the signature of its checkpoint. Whether it
// proves anything is for Check to say.
func ParseInclusion(text string, key Verifier) (Inclusion, error) {
	head, note, lines, err := split(text, key)
	if err != nil {
		return Inclusion{}, err
	}
	if head != inclusionHeader || len(lines) == 0 {
		return Inclusion{}, fmt.Errorf("an inclusion proof begins with %s", inclusionHeader)
	}
	if strings.HasPrefix(lines[0], "extra ") && len(lines) > 1 {
		lines = lines[1:] // means nothing here, and is authenticated by nobody
	}
	digits, ok := strings.CutPrefix(lines[0], "index ")
	index, err := parseNumber(digits)
	if !ok || err != nil || index >= note.Size {
		return Inclusion{}, fmt.Errorf("%.40q is not the index of a leaf", lines[0])
	}
	hashes, err := readHashes(lines[1:])
	if err != nil {
		return Inclusion{}, err
	}
	return Inclusion{Sequence: uint64(index) + 1, Hashes: hashes, Checkpoint: note}, nil //nolint:gosec // parseNumber takes none below 0
}

// Check says whether the entry is the one that the proof is for. Its digest is not looked
// at: the leaf covers everything else, and the digest follows from that.
func (p Inclusion) Check(e history.Entry) error {
	if e.Archived() {
		return fmt.Errorf("entry %d is archived, and what is left of it is nothing that is proved: %w", e.Sequence, ErrProof)
	}
	if e.Sequence != p.Sequence {
		return fmt.Errorf("the proof is for entry %d, not %d: %w", p.Sequence, e.Sequence, ErrProof)
	}
	index := int64(p.Sequence) - 1 //nolint:gosec // at most the checkpoint's size
	if err := tlog.CheckRecord(p.Hashes, p.Checkpoint.Size, p.Checkpoint.Root, index, Leaf(e)); err != nil {
		return fmt.Errorf("entry %d is not in the tree of %d entries: %w: %w", e.Sequence, p.Checkpoint.Size, ErrProof, err)
	}
	return nil
}

// Leaf is the entry's leaf hash. Of an archived entry it is what the record says.
func Leaf(e history.Entry) tlog.Hash { return leafOf(e, e.AppendSealed(nil)) }

// leafOf is Leaf for an entry of which the sealed bytes are at hand. An archived one with
// something else than a hash has the zero hash, which no entry has.
func leafOf(e history.Entry, sealed []byte) (leaf tlog.Hash) {
	if !e.Archived() {
		return tlog.RecordHash(sealed)
	}
	digits, _ := strings.CutPrefix(string(e.Leaf), "sha256:")
	if n, err := hex.Decode(leaf[:], []byte(digits[:min(len(digits), 2*tlog.HashSize)])); err != nil || n != tlog.HashSize {
		return tlog.Hash{}
	}
	return leaf
}

// Consistency proves that the tree of a checkpoint continues that of an older one.
type Consistency struct {
	// From is the size of the older tree.
	From       int64
	Hashes     []tlog.Hash
	Checkpoint Signed
}

// Format writes the proof (c2sp.org/tlog-witness, the body of add-checkpoint).
func (p Consistency) Format() string {
	var out strings.Builder
	out.WriteString("old " + strconv.FormatInt(p.From, 10) + "\n")
	writeHashes(&out, p.Hashes)
	out.WriteString("\n" + p.Checkpoint.Note)
	return out.String()
}

// ParseConsistency reads a proof and verifies the signature of its checkpoint. Whether it
// proves anything is for Check to say.
func ParseConsistency(text string, key Verifier) (Consistency, error) {
	head, note, lines, err := split(text, key)
	if err != nil {
		return Consistency{}, err
	}
	digits, ok := strings.CutPrefix(head, "old ")
	from, err := parseNumber(digits)
	if !ok || err != nil || from > note.Size {
		return Consistency{}, fmt.Errorf("%.40q is not the size of an older tree", head)
	}
	hashes, err := readHashes(lines)
	if err != nil {
		return Consistency{}, err
	}
	return Consistency{From: from, Hashes: hashes, Checkpoint: note}, nil
}

// Check says whether the proof leads from the older checkpoint to its own.
func (p Consistency) Check(older Checkpoint) error {
	if older.Size != p.From {
		return fmt.Errorf("the proof is from entry %d on, not from %d: %w", p.From, older.Size, ErrProof)
	}
	if older.Origin != p.Checkpoint.Origin {
		return fmt.Errorf("the checkpoints are of %q and %q: %w", older.Origin, p.Checkpoint.Origin, ErrProof)
	}
	return continues(older, p.Checkpoint.Checkpoint, p.Hashes)
}

// continues says whether a tree has an older one as its beginning.
func continues(older, newer Checkpoint, proof tlog.TreeProof) error {
	switch {
	case older.Size == 0 && older.Root == emptyRoot() && len(proof) == 0:
		return nil
	case older.Size == newer.Size && older.Root == newer.Root && len(proof) == 0:
		return nil
	case older.Size > 0 && older.Size < newer.Size:
		if err := tlog.CheckTree(proof, newer.Size, newer.Root, older.Size, older.Root); err == nil {
			return nil
		}
	}
	return fmt.Errorf("the tree of %d entries does not begin with that of %d: %w", newer.Size, older.Size, ErrProof)
}

func writeHashes(out *strings.Builder, hashes []tlog.Hash) {
	for _, hash := range hashes {
		out.WriteString(hash.String() + "\n")
	}
}

// maxProofText is above the longest text of a proof.
const maxProofText = MaxCheckpoint + (maxProof+3)*100

// split takes a proof apart: its first line, its checkpoint, and the lines between.
func split(text string, key Verifier) (head string, note Signed, lines []string, err error) {
	if len(text) > maxProofText {
		return "", Signed{}, nil, fmt.Errorf("a proof of %d bytes, more than %d", len(text), maxProofText)
	}
	proof, checkpoint, ok := strings.Cut(text, "\n\n")
	if !ok {
		return "", Signed{}, nil, errors.New("a proof ends with an empty line and a checkpoint")
	}
	if note, err = key.Open(checkpoint); err != nil {
		return "", Signed{}, nil, err
	}
	lines = strings.Split(proof, "\n")
	return lines[0], note, lines[1:], nil
}

func readHashes(lines []string) ([]tlog.Hash, error) {
	if len(lines) > maxProof {
		return nil, fmt.Errorf("a proof of %d hashes, more than %d", len(lines), maxProof)
	}
	hashes := make([]tlog.Hash, 0, len(lines))
	for _, line := range lines {
		hash, err := parseHash(line)
		if err != nil {
			return nil, fmt.Errorf("proof: %w", err)
		}
		hashes = append(hashes, hash)
	}
	return hashes, nil
}
