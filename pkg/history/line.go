package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxLine is the longest line of an export, in bytes. A name may take six bytes for each
// of its own.
const MaxLine = MaxPayload + 12*MaxName + 1024

// AppendSealed appends the bytes whose SHA-256 is the entry's digest: its canonical JSON
// without the member "digest".
func (e Entry) AppendSealed(text []byte) []byte { return e.appendSealed(text) }

// Sealed says whether the digest is that of the entry. It is false for an archived one.
func (e Entry) Sealed() bool { return e.seal() == e.Digest }

// AppendLine appends the entry's canonical JSON, which is its line in an export: the
// bytes of AppendSealed with the member "digest" at its place. An archived entry has a line
// of another form.
func (e Entry) AppendLine(text []byte) []byte {
	if e.Archived() {
		return e.appendStub(text)
	}
	at := len(text)
	text = e.appendSealed(text)
	// It follows the first member, "application".
	member := `,"digest":` + string(appendQuoted(nil, e.Digest))
	return slices.Insert(text, at+len(`{"application":`)+len(appendQuoted(nil, e.Application)), []byte(member)...)
}

// lineKeys are the members of an entry in canonical order.
var lineKeys = [...]string{"application", "digest", "intent", "kind", "payload", "previous", "sequence", "time"}

// LineParser reads lines of an export. It uses its memory again, so it is not safe for
// concurrent use. The zero LineParser is ready.
type LineParser struct {
	canonical checker
	again     []byte
}

// Parse reads a line, without its line end, that is byte for byte what AppendLine writes,
// and refuses every other text. Whether the digest is right is not looked at. The entry
// does not hold on to the line.
func (p *LineParser) Parse(line []byte) (Entry, error) {
	if len(line) > MaxLine {
		return Entry{}, fmt.Errorf("a line of %d bytes, more than %d", len(line), MaxLine)
	}
	if bytes.HasPrefix(line, []byte(stubPrefix)) {
		return parseStub(line)
	}
	if !p.canonical.isCanonical(line) {
		return Entry{}, errors.New("the line is not canonical JSON")
	}
	if len(p.canonical.top) != len(lineKeys) {
		return Entry{}, fmt.Errorf("the line has %d members, not the %d of an entry", len(p.canonical.top), len(lineKeys))
	}
	var values [len(lineKeys)][]byte
	for i, m := range p.canonical.top {
		if string(m.key) != lineKeys[i] {
			return Entry{}, fmt.Errorf("the line has a member %.40q where an entry has %q", m.key, lineKeys[i])
		}
		values[i] = line[m.start+len(lineKeys[i])+len(`"":`) : m.end]
	}
	entry, err := parseValues(values)
	if err != nil {
		return Entry{}, err
	}
	if p.again = entry.AppendLine(p.again[:0]); !bytes.Equal(p.again, line) {
		return Entry{}, errors.New("the line is not how this entry is written")
	}
	return entry, nil
}

func parseValues(values [len(lineKeys)][]byte) (e Entry, err error) {
	var texts [len(lineKeys)]string
	for i, key := range lineKeys {
		if key == "payload" || key == "sequence" {
			continue
		}
		if texts[i], err = plainText(values[i]); err != nil {
			return Entry{}, fmt.Errorf("%s: %w", key, err)
		}
	}
	if e.Sequence, err = strconv.ParseUint(string(values[6]), 10, 64); err != nil {
		return Entry{}, fmt.Errorf("sequence: %w", err)
	}
	if e.Time, err = time.Parse(time.RFC3339Nano, texts[7]); err != nil {
		return Entry{}, fmt.Errorf("time: %w", err)
	}
	e.Time = e.Time.UTC()
	e.Application, e.Digest, e.Intent, e.Kind = texts[0], Digest(texts[1]), texts[2], Kind(texts[3])
	e.Payload, e.Previous = slices.Clone(values[4]), Digest(texts[5])
	return e, nil
}

// plainText is what a JSON string says.
func plainText(quoted []byte) (string, error) {
	if len(quoted) < 2 || quoted[0] != '"' {
		return "", errors.New("it is not a string")
	}
	inner := string(quoted[1 : len(quoted)-1])
	if !strings.Contains(inner, `\`) {
		return inner, nil
	}
	var text string
	if err := json.Unmarshal(quoted, &text); err != nil {
		return "", fmt.Errorf("it is not a string: %w", err)
	}
	return text, nil
}
