package mirror

import (
	"bytes"
	"errors"
)

// Signed is what a commit object says about its signature.
type Signed struct {
	// Payload is what was signed: the object without its signature.
	Payload []byte
	// Signature is empty for a commit without one.
	Signature []byte
}

// ErrSignatureHeader says that a commit object has its signature in a form that
// programs could read differently.
var ErrSignatureHeader = errors.New("the commit has its signature more than once or in a broken header")

// ParseSigned takes a commit object apart into the signature of the header
// "gpgsig" and what it signs, as git does. The headers gpgsig and gpgsig-sha256
// belong to no payload; the second is the signature of the same commit under its
// SHA-256 name and is no signature here. Either of them twice is refused: other
// programs might verify the other one.
func ParseSigned(data []byte) (Signed, error) {
	var s Signed
	seen := map[string]bool{}
	into := &s.Payload
	var skipped []byte
	for rest := data; ; {
		line := rest
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			line = rest[:i+1]
		}
		if len(line) == 0 || line[0] == '\n' {
			s.Payload = append(s.Payload, rest...)
			break
		}
		rest = rest[len(line):]
		if line[0] == ' ' {
			// The line before goes on.
			if into != &s.Payload {
				line = line[1:]
			}
			*into = append(*into, line...)
			continue
		}
		key, value, _ := bytes.Cut(line, []byte(" "))
		into = &s.Payload
		switch name := string(bytes.TrimSuffix(key, []byte("\n"))); name {
		case "gpgsig", "gpgsig-sha256":
			if seen[name] || len(value) == 0 {
				return Signed{}, ErrSignatureHeader
			}
			seen[name] = true
			if into, line = &skipped, value; name == "gpgsig" {
				into = &s.Signature
			}
		}
		*into = append(*into, line...)
	}
	if seen["gpgsig"] && len(bytes.TrimSpace(s.Signature)) == 0 {
		return Signed{}, ErrSignatureHeader
	}
	return s, nil
}

// Message is the message of a commit object.
func Message(data []byte) []byte {
	_, message, _ := bytes.Cut(data, []byte("\n\n"))
	return message
}
