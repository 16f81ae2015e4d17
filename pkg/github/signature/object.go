package signature

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // the name of an object in a SHA-1 repository
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

const (
	// maxObject bounds a commit object, in bytes. git commit writes kilobytes; an
	// octopus merge of signed tags may carry some hundred.
	maxObject = 4 << 20
	// maxSignature bounds a signature in its armor, in bytes: far above a
	// certificate chain with a time stamp.
	maxSignature = 256 << 10
)

// ErrObject says that a commit object has its headers in a form that programs
// could read differently.
var ErrObject = errors.New("the commit object is malformed")

// Signed is a commit object taken apart.
type Signed struct {
	// Payload is what was signed: the object without its signature header.
	Payload []byte
	// Signature is the armored signature; empty for a commit without one.
	Signature []byte
	// Header is the name of the header: gpgsig, or gpgsig-sha256 in SHA-256
	// repositories.
	Header string
	// Committer is the address in the committer header.
	Committer string
}

// Split takes a commit object apart into its signature and what it signs. git
// does the same in parse_signed_commit (commit.c), but lets pass, and would
// not sign, what is refused here whenever a signature header is present: any
// header that begins like gpgsig (git leaves all of them out of the payload,
// so their content is protected by nothing), two signatures, NUL bytes,
// headers in another order than git writes, and anything but LF as line end in
// them. An object without such a header is taken as it is: it is not signed.
func Split(object []byte) (Signed, error) {
	if len(object) > maxObject {
		return Signed{}, fmt.Errorf("%w: it has more than %d bytes", ErrObject, maxObject)
	}
	var s Signed
	var headers []string // the names, in order
	in := ""             // the header that a continuation line continues
	rest := object
	for len(rest) > 0 && rest[0] != '\n' {
		line := rest
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			line = rest[:i+1]
		}
		rest = rest[len(line):]
		if line[0] == ' ' {
			if in != "" {
				s.Signature = append(s.Signature, line[1:]...)
			} else {
				s.Payload = append(s.Payload, line...)
			}
			continue
		}
		name, value, spaced := bytes.Cut(line, []byte(" "))
		header := strings.TrimSuffix(string(name), "\n")
		headers = append(headers, header)
		if in = ""; header == "gpgsig" || header == "gpgsig-sha256" {
			if !spaced {
				// git leaves it out of the payload and finds no signature in it.
				return Signed{}, fmt.Errorf("%w: its signature header has no value", ErrObject)
			}
			if s.Header != "" {
				return Signed{}, fmt.Errorf("%w: it has more than one signature header", ErrObject)
			}
			in, s.Header = header, header
			s.Signature = append(s.Signature, value...)
			continue
		}
		if header == "committer" {
			s.Committer = address(value)
		}
		s.Payload = append(s.Payload, line...)
	}
	head := object[:len(object)-len(rest)]
	s.Payload = append(s.Payload, rest...)
	if err := checkHeaders(headers); err != nil {
		return Signed{}, err
	}
	if s.Header == "" {
		return s, nil
	}
	switch {
	case len(s.Signature) > maxSignature:
		return Signed{}, fmt.Errorf("%w: its signature has more than %d bytes", ErrObject, maxSignature)
	case len(bytes.TrimSpace(s.Signature)) == 0:
		return Signed{}, fmt.Errorf("%w: its signature is empty", ErrObject)
	case bytes.IndexByte(object, 0) >= 0:
		return Signed{}, fmt.Errorf("%w: it has a NUL byte, behind which git shows nothing", ErrObject)
	case len(rest) == 0:
		return Signed{}, fmt.Errorf("%w: no blank line ends its headers", ErrObject)
	case head[0] == ' ':
		return Signed{}, fmt.Errorf("%w: it begins with a continuation line", ErrObject)
	}
	return s, checkOrder(headers)
}

// checkHeaders refuses what only looks like a signature header, signed or not:
// what a reader takes for a signature must not be told apart by a byte.
func checkHeaders(headers []string) error {
	for _, h := range headers {
		if lower := strings.ToLower(strings.TrimSpace(h)); strings.HasPrefix(lower, "gpgsig") && h != "gpgsig" && h != "gpgsig-sha256" {
			return fmt.Errorf("%w: header %s is no signature header, and no signature protects it", ErrObject, strconv.Quote(clip(h)))
		}
	}
	return nil
}

// checkOrder checks that a signed commit has the headers that git commit writes,
// in its order: one tree, parents, one author, one committer, then the rest.
// Readers differ in which of two they take.
func checkOrder(headers []string) error {
	i := 0
	next := func(name string) bool {
		if i < len(headers) && headers[i] == name {
			i++
			return true
		}
		return false
	}
	ok := next("tree")
	for i < len(headers) && headers[i] == "parent" {
		i++
	}
	if !ok || !next("author") || !next("committer") {
		return fmt.Errorf("%w: its headers are not one tree, the parents, one author and one committer, in this order", ErrObject)
	}
	seen := map[string]bool{"tree": true, "parent": true, "author": true, "committer": true}
	for _, h := range headers[i:] {
		switch h {
		case "":
			return fmt.Errorf("%w: it has a header without a name", ErrObject)
		case "tree", "parent", "author", "committer", "encoding":
			if seen[h] {
				return fmt.Errorf("%w: it has a second header %s", ErrObject, h)
			}
			seen[h] = true
		}
		if strings.ContainsAny(h, "\r\t\v\f") {
			return fmt.Errorf("%w: header %s", ErrObject, strconv.Quote(clip(h)))
		}
	}
	return nil
}

// address is the part of "Name <address> time zone" between the last angle brackets.
func address(value []byte) string {
	end := bytes.LastIndexByte(value, '>')
	if end < 0 {
		return ""
	}
	start := bytes.LastIndexByte(value[:end], '<')
	if start < 0 {
		return ""
	}
	return string(value[start+1 : end])
}

// checkName checks that the object is the one that the name stands for, and
// returns the header in which a repository of that kind keeps signatures
// (gitformat-signature(5) and hash-function-transition.adoc of git). A SHA-1
// collision is not looked for: git refuses one when it fetches.
func checkName(commit approval.SHA, object []byte) (header string, err error) {
	framed := append([]byte("commit "+strconv.Itoa(len(object))+"\x00"), object...)
	var name []byte
	switch len(commit) {
	case 2 * sha1.Size:
		sum := sha1.Sum(framed) //nolint:gosec // the name of an object in a SHA-1 repository
		name, header = sum[:], "gpgsig"
	case 2 * sha256.Size:
		sum := sha256.Sum256(framed)
		name, header = sum[:], "gpgsig-sha256"
	default:
		return "", fmt.Errorf("%q is not the full name of a commit", clip(string(commit)))
	}
	if subtle.ConstantTimeCompare([]byte(hex.EncodeToString(name)), []byte(commit)) != 1 {
		return "", errors.New("these are not the bytes of the commit " + commit.Short())
	}
	return header, nil
}

// clip shortens what an unknown person wrote and makes it printable.
func clip(s string) string {
	if len(s) > 80 {
		s = s[:80] + "…"
	}
	return oneLine(s)
}
