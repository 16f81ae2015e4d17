package history

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Digest is "sha256:" and 64 lower-case hexadecimal digits. The zero Digest is
// what comes before the first entry.
type Digest string

const digestPrefix = "sha256:"

// ParseDigest accepts the full form and nothing else.
func ParseDigest(s string) (Digest, error) {
	digits, ok := strings.CutPrefix(s, digestPrefix)
	if !ok || len(digits) != 2*sha256.Size || strings.Trim(digits, "0123456789abcdef") != "" {
		return "", fmt.Errorf("%q is not a digest (sha256: and 64 lower-case hexadecimal digits)", s)
	}
	return Digest(s), nil
}

// Canonical encodes a value as the one JSON text that its digest is computed
// from: object keys in the order of their UTF-16 code units, no white space, no
// escapes but those JSON demands, UTF-8. These are the rules of RFC 8785, with
// one restriction: numbers are integers that every JSON reader holds exactly,
// between -(2^53-1) and 2^53-1.
//
// A value is encoded by encoding/json first; a json.RawMessage is taken as it
// is. What could be read in more than one way is refused: fractions, exponents,
// duplicate keys, half surrogate pairs, and text that is not UTF-8. The last
// includes a Go string with such bytes, because encoding/json would turn
// different ones into the same replacement character.
//
// Canonical is safe for concurrent use.
func Canonical(v any) ([]byte, error) {
	if raw, ok := v.(json.RawMessage); ok {
		return transcode(raw, false)
	}
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("canonical JSON: %w", err)
	}
	return transcode(buffer.Bytes(), true)
}

// DigestOf is the digest of a value's canonical JSON: of a policy, of facts.
func DigestOf(v any) (Digest, error) {
	canonical, err := Canonical(v)
	if err != nil {
		return "", err
	}
	return sum(canonical), nil
}

func sum(canonical []byte) Digest {
	hash := sha256.Sum256(canonical)
	text := make([]byte, len(digestPrefix), len(digestPrefix)+2*len(hash))
	copy(text, digestPrefix)
	return Digest(hex.AppendEncode(text, hash[:]))
}

// Of says whether the digest is that of the canonical text.
func (d Digest) Of(canonical []byte) bool {
	hash := sha256.Sum256(canonical)
	var text [len(digestPrefix) + 2*sha256.Size]byte
	copy(text[:], digestPrefix)
	hex.Encode(text[len(digestPrefix):], hash[:])
	return string(d) == string(text[:])
}

// seal computes the digest of an entry: that of its canonical JSON without the
// member "digest". The payload must be canonical already.
func (e Entry) seal() Digest { return sum(e.appendSealed(nil)) }

func (e Entry) appendSealed(text []byte) []byte {
	text = slices.Grow(text, len(e.Payload)+512)
	text = append(text, `{"application":`...)
	text = appendQuoted(text, e.Application)
	text = append(text, `,"intent":`...)
	text = appendQuoted(text, e.Intent)
	text = append(text, `,"kind":`...)
	text = appendQuoted(text, e.Kind)
	text = append(text, `,"payload":`...)
	text = append(text, e.Payload...)
	text = append(text, `,"previous":`...)
	text = appendQuoted(text, e.Previous)
	text = append(text, `,"sequence":`...)
	text = strconv.AppendUint(text, e.Sequence, 10)
	text = append(text, `,"time":"`...)
	text = e.Time.UTC().AppendFormat(text, time.RFC3339Nano)
	return append(text, `"}`...)
}
