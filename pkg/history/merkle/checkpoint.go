package merkle

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// MaxCheckpoint is the longest signed checkpoint, in bytes. It leaves room for the
// cosignatures of witnesses.
const MaxCheckpoint = 16 << 10

// Checkpoint says what the tree was when it had a number of leaves.
type Checkpoint struct {
	// Origin names the record: it is the name of the key.
	Origin string
	// Size is the number of entries.
	Size int64
	Root tlog.Hash
}

// Signed is a checkpoint whose signature was made or verified here.
type Signed struct {
	Checkpoint
	// Note is the signed note, to the byte.
	Note string
}

// text is what is signed (c2sp.org/tlog-checkpoint). Lines of extension are never written.
func (c Checkpoint) text() string {
	return c.Origin + "\n" + strconv.FormatInt(c.Size, 10) + "\n" + c.Root.String() + "\n"
}

// parseText reads the text of a checkpoint. Extension lines are read over, as the format
// has it: they say nothing about the tree.
func parseText(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 || lines[len(lines)-1] != "" {
		return Checkpoint{}, errors.New("a checkpoint has three lines: origin, size, root hash")
	}
	c := Checkpoint{Origin: lines[0]}
	if !validName(c.Origin) {
		return Checkpoint{}, fmt.Errorf("%.60q is not an origin", c.Origin)
	}
	size, err := parseNumber(lines[1])
	if err != nil {
		return Checkpoint{}, fmt.Errorf("size: %w", err)
	}
	c.Size = size
	if c.Root, err = parseHash(lines[2]); err != nil {
		return Checkpoint{}, fmt.Errorf("root hash: %w", err)
	}
	if slices.Contains(lines[3:len(lines)-1], "") {
		return Checkpoint{}, errors.New("an empty line in a checkpoint")
	}
	return c, nil
}

// parseNumber takes the shortest form alone.
func parseNumber(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != text {
		return 0, fmt.Errorf("%.30q is not a number", text)
	}
	return n, nil
}

// parseHash takes exactly one text for each hash: base64 that ends in bits which nobody
// reads is refused.
func parseHash(text string) (tlog.Hash, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != tlog.HashSize || len(text) != base64.StdEncoding.EncodedLen(tlog.HashSize) {
		return tlog.Hash{}, fmt.Errorf("%.60q is not a SHA-256 in base64", text)
	}
	return tlog.Hash(raw), nil
}

// ErrSignature says that a text is no checkpoint that the key has signed.
var ErrSignature = errors.New("it is not signed with this key")

// Open reads a signed checkpoint and verifies its signature. Signatures of others, such
// as witnesses, may stand beside it and are not looked at. The errors of a signature that
// is missing or wrong are ErrSignature.
func (v Verifier) Open(text string) (Signed, error) {
	if len(text) > MaxCheckpoint {
		return Signed{}, fmt.Errorf("a checkpoint of %d bytes, more than %d", len(text), MaxCheckpoint)
	}
	if err := strictSignatures(text); err != nil {
		return Signed{}, err
	}
	opened, err := note.Open([]byte(text), note.VerifierList(v.verifier))
	if err != nil {
		return Signed{}, fmt.Errorf("checkpoint: %w: %w", ErrSignature, err)
	}
	c, err := parseText(opened.Text)
	if err != nil {
		return Signed{}, fmt.Errorf("checkpoint: %w", err)
	}
	if c.Origin != v.Name() {
		return Signed{}, fmt.Errorf("checkpoint of %q, signed by %q: %w", c.Origin, v.Name(), ErrSignature)
	}
	return Signed{Checkpoint: c, Note: text}, nil
}

// strictSignatures refuses signatures with bits that nobody reads, which package note lets
// pass, so that every bit of a checkpoint counts.
func strictSignatures(text string) error {
	_, signatures, _ := strings.Cut(text, "\n\n")
	for line := range strings.Lines(signatures) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		if _, err := base64.StdEncoding.Strict().DecodeString(fields[len(fields)-1]); err != nil || len(fields) != 3 {
			return fmt.Errorf("checkpoint: a signature line that is not written as it should be: %w", ErrSignature)
		}
	}
	return nil
}

// Unsigned is a checkpoint that nobody signed, from where somebody else vouches for it.
func Unsigned(origin, size, root string) (Checkpoint, error) {
	return parseText(origin + "\n" + size + "\n" + root + "\n")
}
