package history

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds how deep values nest, so that a hostile text cannot exhaust
// the stack.
const maxDepth = 512

// maxInteger is the largest integer that an IEEE 754 double, and so every JSON
// reader, holds exactly (RFC 7493 section 2.2).
const maxInteger = 1<<53 - 1

// transcoder reads one JSON text and writes its canonical form. It is stricter
// than encoding/json, which repairs bad UTF-8 and keeps the last of two equal
// keys without a word.
type transcoder struct {
	in    []byte
	pos   int
	out   []byte
	depth int
	// encoded is true when encoding/json wrote the text. Then the escape \ufffd
	// stands for bytes that were not UTF-8: a real U+FFFD it writes as it is.
	encoded bool
	// members are those of the objects that are being read, innermost last.
	members []member
	decoded []byte
	scratch []byte
}

// member is a member of an object: its key and where "key":value is in out.
type member struct {
	key        []byte
	start, end int
}

func transcode(text []byte, encoded bool) ([]byte, error) {
	t := transcoder{encoded: encoded, out: make([]byte, 0, len(text))}
	if err := t.run(text); err != nil {
		return nil, err
	}
	return t.out, nil
}

func (t *transcoder) run(text []byte) error {
	t.in, t.pos, t.out, t.depth, t.members = text, 0, t.out[:0], 0, t.members[:0]
	t.space()
	if err := t.value(); err != nil {
		return err
	}
	t.space()
	if t.pos != len(t.in) {
		return t.fail("something follows the value")
	}
	return nil
}

func (t *transcoder) fail(format string, args ...any) error {
	return fmt.Errorf("canonical JSON: at byte %d: %s", t.pos, fmt.Sprintf(format, args...))
}

// peek is the next byte, 0 at the end; a zero byte is valid nowhere.
func (t *transcoder) peek() byte {
	if t.pos < len(t.in) {
		return t.in[t.pos]
	}
	return 0
}

func (t *transcoder) space() {
	for t.pos < len(t.in) {
		switch t.in[t.pos] {
		case ' ', '\t', '\r', '\n':
			t.pos++
		default:
			return
		}
	}
}

func (t *transcoder) value() error {
	switch c := t.peek(); {
	case c == '{':
		return t.nested((*transcoder).object)
	case c == '[':
		return t.nested((*transcoder).array)
	case c == '"':
		_, err := t.text()
		return err
	case c == '-' || c >= '0' && c <= '9':
		return t.number()
	}
	for _, literal := range [...]string{"null", "true", "false"} {
		if bytes.HasPrefix(t.in[t.pos:], []byte(literal)) {
			t.pos += len(literal)
			t.out = append(t.out, literal...)
			return nil
		}
	}
	return t.fail("no value")
}

func (t *transcoder) nested(read func(*transcoder) error) error {
	if t.depth == maxDepth {
		return t.fail("nested deeper than %d", maxDepth)
	}
	t.depth++
	defer func() { t.depth-- }()
	return read(t)
}

func (t *transcoder) array() error {
	t.out = append(t.out, '[')
	t.pos++
	t.space()
	for first := true; t.peek() != ']'; first = false {
		if !first {
			if err := t.expect(','); err != nil {
				return err
			}
			t.out = append(t.out, ',')
			t.space()
		}
		if err := t.value(); err != nil {
			return err
		}
		t.space()
	}
	t.out = append(t.out, ']')
	t.pos++
	return nil
}

func (t *transcoder) object() error {
	base, open := len(t.members), len(t.out)
	t.out = append(t.out, '{')
	t.pos++
	t.space()
	for first := true; t.peek() != '}'; first = false {
		if !first {
			if err := t.expect(','); err != nil {
				return err
			}
			t.out = append(t.out, ',')
			t.space()
		}
		start := len(t.out)
		if t.peek() != '"' {
			return t.fail("no key")
		}
		key, err := t.text()
		if err != nil {
			return err
		}
		t.space()
		if err := t.expect(':'); err != nil {
			return err
		}
		t.out = append(t.out, ':')
		t.space()
		if err := t.value(); err != nil {
			return err
		}
		t.members = append(t.members, member{key: key, start: start, end: len(t.out)})
		t.space()
	}
	t.pos++
	err := t.sort(t.members[base:], open+1)
	t.members = t.members[:base]
	t.out = append(t.out, '}')
	return err
}

func (t *transcoder) expect(c byte) error {
	if t.peek() != c {
		return t.fail("no %q", string(c))
	}
	t.pos++
	return nil
}

// sort puts the members, which are in out from the given offset on, in order.
func (t *transcoder) sort(members []member, from int) error {
	if !slices.IsSortedFunc(members, byKey) {
		slices.SortFunc(members, byKey)
		t.scratch = append(t.scratch[:0], t.out[from:]...)
		t.out = t.out[:from]
		for i, m := range members {
			if i > 0 {
				t.out = append(t.out, ',')
			}
			t.out = append(t.out, t.scratch[m.start-from:m.end-from]...)
		}
	}
	for i := 1; i < len(members); i++ {
		if bytes.Equal(members[i-1].key, members[i].key) {
			return t.fail("duplicate key %q", members[i].key)
		}
	}
	return nil
}

func byKey(a, b member) int { return compareKeys(a.key, b.key) }

// compareKeys orders by UTF-16 code units, as RFC 8785 section 3.2.3 demands.
// That differs from the order of the bytes only where a character outside the
// basic plane, which begins with a surrogate, meets one from U+E000 on.
func compareKeys(a, b []byte) int {
	for len(a) > 0 && len(b) > 0 {
		if a[0] < utf8.RuneSelf && b[0] < utf8.RuneSelf {
			if a[0] != b[0] {
				return cmp.Compare(a[0], b[0])
			}
			a, b = a[1:], b[1:]
			continue
		}
		r, n := utf8.DecodeRune(a)
		s, m := utf8.DecodeRune(b)
		if r != s {
			if (r < 0x10000) == (s < 0x10000) {
				return cmp.Compare(r, s)
			}
			return cmp.Compare(firstUnit(r), firstUnit(s))
		}
		a, b = a[n:], b[m:]
	}
	return cmp.Compare(len(a), len(b))
}

func firstUnit(r rune) rune {
	if high, _ := utf16.EncodeRune(r); high != utf8.RuneError {
		return high
	}
	return r
}

// number accepts integers in their shortest form.
func (t *transcoder) number() error {
	start := t.pos
	if t.peek() == '-' {
		t.pos++
	}
	digits := t.pos
	for c := t.peek(); c >= '0' && c <= '9'; c = t.peek() {
		t.pos++
	}
	switch n := t.pos - digits; {
	case n == 0:
		return t.fail("no digit")
	case t.in[digits] == '0' && (n > 1 || digits > start):
		return t.fail("a number that begins with 0")
	case t.peek() == '.' || t.peek() == 'e' || t.peek() == 'E':
		return t.fail("a number that is not written as an integer")
	}
	if n, err := strconv.ParseUint(string(t.in[digits:t.pos]), 10, 64); err != nil || n > maxInteger {
		return t.fail("an integer beyond 2^53-1, which not every reader holds exactly")
	}
	t.out = append(t.out, t.in[start:t.pos]...)
	return nil
}

// text reads a string, writes its canonical form and returns what it says.
func (t *transcoder) text() ([]byte, error) {
	t.pos++
	start := t.pos
	if err := t.plain(); err != nil {
		return nil, err
	}
	if t.peek() == '"' {
		said := t.in[start:t.pos]
		t.pos++
		t.out = append(t.out, t.in[start-1:t.pos]...)
		return said, nil
	}
	t.decoded = append(t.decoded[:0], t.in[start:t.pos]...)
	for t.peek() != '"' {
		if err := t.escape(); err != nil {
			return nil, err
		}
		start = t.pos
		if err := t.plain(); err != nil {
			return nil, err
		}
		t.decoded = append(t.decoded, t.in[start:t.pos]...)
	}
	t.pos++
	t.out = appendQuoted(t.out, t.decoded)
	return slices.Clone(t.decoded), nil
}

// plain skips everything up to the next quote or escape.
func (t *transcoder) plain() error {
	for t.pos < len(t.in) {
		switch c := t.in[t.pos]; {
		case c == '"' || c == '\\':
			return nil
		case c < 0x20:
			return t.fail("a control character in a string")
		case c < utf8.RuneSelf:
			t.pos++
		default:
			r, n := utf8.DecodeRune(t.in[t.pos:])
			if r == utf8.RuneError && n == 1 {
				return t.fail("text that is not UTF-8")
			}
			t.pos += n
		}
	}
	return t.fail("a string without an end")
}

// escape reads one escape, which for a surrogate is a pair, into decoded.
func (t *transcoder) escape() error {
	t.pos++
	c := t.peek()
	t.pos++
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
		t.decoded = append(t.decoded, "\"\\/\b\f\n\r\t"[i])
		return nil
	}
	if c != 'u' {
		return t.fail("an unknown escape")
	}
	r, err := t.hex()
	if err != nil {
		return err
	}
	if utf16.IsSurrogate(r) {
		if !bytes.HasPrefix(t.in[t.pos:], []byte(`\u`)) {
			return t.fail("half a surrogate pair")
		}
		t.pos += 2
		low, err := t.hex()
		if err != nil {
			return err
		}
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			return t.fail("half a surrogate pair")
		}
	}
	if r == utf8.RuneError && t.encoded {
		return t.fail("text that is not UTF-8")
	}
	t.decoded = utf8.AppendRune(t.decoded, r)
	return nil
}

func (t *transcoder) hex() (rune, error) {
	if len(t.in)-t.pos < 4 {
		return 0, t.fail("an escape without an end")
	}
	n, err := strconv.ParseUint(string(t.in[t.pos:t.pos+4]), 16, 16)
	if err != nil {
		return 0, t.fail("an escape without four hexadecimal digits")
	}
	t.pos += 4
	return rune(n), nil
}

// appendQuoted appends a string with the escapes of RFC 8785 section 3.2.2.2.
func appendQuoted[S ~string | ~[]byte](out []byte, s S) []byte {
	const digits = "0123456789abcdef"
	out = append(out, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c >= 0x20:
			out = append(out, c)
		case strings.IndexByte("\b\f\n\r\t", c) >= 0:
			out = append(out, '\\', "bfnrt"[strings.IndexByte("\b\f\n\r\t", c)])
		default:
			out = append(out, '\\', 'u', '0', '0', digits[c>>4], digits[c&0xf])
		}
	}
	return append(out, '"')
}
