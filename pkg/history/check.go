package history

import (
	"bytes"
	"unicode/utf8"
)

// checker says whether a text is its own canonical form, as transcode would find out by
// writing it anew, in one pass and without memory of its own. The zero checker is ready.
type checker struct {
	in    []byte
	pos   int
	depth int
	// top are the members of the outermost object; start and end are those of
	// "key":value.
	top []member
}

func (c *checker) isCanonical(text []byte) bool {
	c.in, c.pos, c.depth, c.top = text, 0, 0, c.top[:0]
	return c.value() && c.pos == len(c.in)
}

// word is a string of the outermost object of the text that was found to be canonical; empty
// when the object has no such member, or one that is no string.
func (c *checker) word(key string) string {
	for _, m := range c.top {
		if string(m.key) != key {
			continue
		}
		value := c.in[m.start+len(key)+len(`"":`) : m.end]
		if value[0] != '"' {
			return ""
		}
		return string(unescape(value[1 : len(value)-1]))
	}
	return ""
}

func (c *checker) peek() byte {
	if c.pos < len(c.in) {
		return c.in[c.pos]
	}
	return 0
}

// take steps over the byte, if it is the next one.
func (c *checker) take(b byte) bool {
	if c.peek() != b {
		return false
	}
	c.pos++
	return true
}

func (c *checker) value() bool {
	switch b := c.peek(); {
	case b == '{' || b == '[':
		if c.depth == maxDepth {
			return false
		}
		c.depth++
		c.pos++
		ok := b == '{' && c.object() || b == '[' && c.array()
		c.depth--
		return ok
	case b == '"':
		_, _, ok := c.text()
		return ok
	case b == '-' || b >= '0' && b <= '9':
		return c.number()
	}
	for _, literal := range [...]string{"null", "true", "false"} {
		if len(c.in)-c.pos >= len(literal) && string(c.in[c.pos:c.pos+len(literal)]) == literal {
			c.pos += len(literal)
			return true
		}
	}
	return false
}

func (c *checker) array() bool {
	if c.take(']') {
		return true
	}
	for c.value() {
		if c.take(']') {
			return true
		}
		if !c.take(',') {
			return false
		}
	}
	return false
}

func (c *checker) object() bool {
	if c.take('}') {
		return true
	}
	outermost := c.depth == 1
	var before []byte
	for first, escapedBefore := true, false; ; first = false {
		start := c.pos
		key, escaped, ok := c.text()
		if !ok || !first && !follows(before, escapedBefore, key, escaped) || !c.take(':') || !c.value() {
			return false
		}
		if outermost {
			c.top = append(c.top, member{key: key, start: start, end: c.pos})
		}
		if c.take('}') {
			return true
		}
		if !c.take(',') {
			return false
		}
		before, escapedBefore = key, escaped
	}
}

// follows says whether one key comes after another. Both are as they are written; those
// with escapes are read first.
func follows(a []byte, aEscaped bool, b []byte, bEscaped bool) bool {
	if aEscaped {
		a = unescape(a)
	}
	if bEscaped {
		b = unescape(b)
	}
	return compareKeys(a, b) < 0
}

// unescape reads a text that was found to be canonical, without its quotes.
func unescape(text []byte) []byte {
	var read []byte
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			read = append(read, text[i])
			continue
		}
		i++
		if at := bytes.IndexByte([]byte(`"\bfnrt`), text[i]); at >= 0 {
			read = append(read, "\"\\\b\f\n\r\t"[at])
			continue
		}
		read = append(read, fromHex(text[i+3])<<4|fromHex(text[i+4]))
		i += 4
	}
	return read
}

func fromHex(digit byte) byte {
	if digit >= 'a' {
		return digit - 'a' + 10
	}
	return digit - '0'
}

// number takes integers that every JSON reader holds exactly, as they are written.
func (c *checker) number() bool {
	c.take('-')
	start, n := c.pos, uint64(0)
	for ; c.pos < len(c.in) && c.in[c.pos] >= '0' && c.in[c.pos] <= '9'; c.pos++ {
		if n = n*10 + uint64(c.in[c.pos]-'0'); n > maxInteger {
			return false
		}
	}
	switch digits := c.pos - start; {
	case digits == 0:
		return false
	case c.in[start] == '0':
		return digits == 1 && (start == 0 || c.in[start-1] != '-')
	}
	return true
}

// text takes a string and returns it as it is written, without its quotes.
func (c *checker) text() (written []byte, escaped, ok bool) {
	if !c.take('"') {
		return nil, false, false
	}
	start := c.pos
	for c.pos < len(c.in) {
		switch b := c.in[c.pos]; {
		case b == '"':
			c.pos++
			return c.in[start : c.pos-1], escaped, true
		case b < 0x20:
			return nil, false, false
		case b == '\\':
			if escaped = true; !c.escape() {
				return nil, false, false
			}
		case b < utf8.RuneSelf:
			c.pos++
		default:
			r, n := utf8.DecodeRune(c.in[c.pos:])
			if r == utf8.RuneError && n == 1 {
				return nil, false, false
			}
			c.pos += n
		}
	}
	return nil, false, false
}

// escape takes an escape that JSON demands: of a quote, a backslash or a control character,
// in the one form of each.
func (c *checker) escape() bool {
	if c.pos++; c.pos == len(c.in) {
		return false
	}
	b := c.in[c.pos]
	c.pos++
	switch b {
	case '"', '\\', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
	default:
		return false
	}
	if len(c.in)-c.pos < 4 || c.in[c.pos] != '0' || c.in[c.pos+1] != '0' || c.in[c.pos+2] != '0' && c.in[c.pos+2] != '1' {
		return false
	}
	last := c.in[c.pos+3]
	if (last < '0' || last > '9') && (last < 'a' || last > 'f') {
		return false
	}
	value := fromHex(c.in[c.pos+2])<<4 | fromHex(last)
	c.pos += 4
	return bytes.IndexByte([]byte("\b\f\n\r\t"), value) < 0
}
