package signature

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// State is the verdict on a commit's signature. Only Trusted lets anything through.
type State uint8

const (
	// Unknown is the zero State: nothing was judged. It is never trusted.
	Unknown State = iota
	// Trusted is a signature that verifies, by the key of a named signer that was
	// good at the time of receipt.
	Trusted
	// Unsigned is a commit without any signature.
	Unsigned
	// UntrustedKey is a signature that names a key of no allowed signer, or one
	// that is not allowed for commits.
	UntrustedKey
	// Invalid is a signature that does not fit the commit, or that its key must
	// not have made.
	Invalid
	// Expired is a signature that had expired, or whose key had expired or was
	// not valid yet, when the commit was received.
	Expired
	// Revoked is a signature by a revoked key.
	Revoked
	// Weak is a signature with an algorithm, key or hash that can be forged.
	Weak
	// Malformed is an object or signature that programs could read differently, or
	// whose bytes are not those that its name stands for.
	Malformed
	// Unsupported is a well-formed signature of a kind that is not verified here.
	Unsupported
)

var stateNames = [...]string{
	Unknown: "unknown", Trusted: "trusted", Unsigned: "unsigned", UntrustedKey: "untrusted_key", Invalid: "invalid",
	Expired: "expired", Revoked: "revoked", Weak: "weak", Malformed: "malformed", Unsupported: "unsupported",
}

// String is the name of the state in records and output.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("State(%d)", s)
}

// MarshalText writes String; a value that is no state cannot be written.
func (s State) MarshalText() ([]byte, error) {
	if int(s) >= len(stateNames) {
		return nil, fmt.Errorf("%d is no state of a signature", s)
	}
	return []byte(stateNames[s]), nil
}

// UnmarshalText reads what MarshalText writes and nothing else.
func (s *State) UnmarshalText(text []byte) error {
	for i, name := range stateNames {
		if name == string(text) {
			*s = State(i)
			return nil
		}
	}
	return fmt.Errorf("%q is no state of a signature", text)
}

// Type is the kind of a signature.
type Type string

const (
	OpenPGP Type = "openpgp"
	SSH     Type = "ssh"
	// X509 is S/MIME and gitsign. Only GitHubTrust can trust one.
	X509 Type = "x509"
)

// Result is the verdict on one commit.
type Result struct {
	State State `json:"state"`
	// Signer is the name of the allowed signer whose key it is. It is set as well
	// when the key is known and the signature is refused all the same.
	Signer string `json:"signer,omitempty"`
	// Principal is the identity for which an allowed_signers line accepted the key.
	Principal string `json:"principal,omitempty"`
	Type      Type   `json:"type,omitempty"`
	// Key is the fingerprint of the primary OpenPGP key (40 upper-case digits) or
	// SHA256:… of the SSH key. With UntrustedKey and Malformed it is only what the
	// signature says of itself, a 16-digit key ID included.
	Key string `json:"key,omitempty"`
	// Detail is one line for people.
	Detail string `json:"detail"`
}

// Trusted says whether the signature counts.
func (r Result) Trusted() bool { return r.State == Trusted }

func refuse(s State, format string, args ...any) Result {
	return Result{State: s, Detail: oneLine(fmt.Sprintf(format, args...))}
}

// maxDetail bounds a Detail, in bytes.
const maxDetail = 600

// oneLine makes text of one line that any terminal shows as it is: errors of
// libraries repeat what an unknown person wrote.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, text)
	if len(text) > maxDetail {
		text = strings.ToValidUTF8(text[:maxDetail], "") + "…"
	}
	return text
}
