package merkle

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
)

// MaxKeyName is the longest name of a key, in bytes.
const MaxKeyName = 200

// algEd25519 is the first byte of the key material (c2sp.org/signed-note).
const algEd25519 = 1

// GenerateKey makes a key pair with the name, which is to be one that nobody else uses:
// a host name of yours and a path, without a scheme. Private is for a file alone; public
// is what everybody may know, and what Verifier reads.
func GenerateKey(random io.Reader, name string) (private, public string, err error) {
	if !validName(name) {
		return "", "", fmt.Errorf("the name of a key is up to %d characters without spaces and plus signs, such as gatekeeper.example.com/prod", MaxKeyName)
	}
	private, public, err = note.GenerateKey(random, name)
	if err != nil {
		return "", "", fmt.Errorf("make a key: %w", err)
	}
	return private, public, nil
}

func validName(name string) bool {
	return name != "" && len(name) <= MaxKeyName && utf8.ValidString(name) && !strings.Contains(name, "+") &&
		!strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
}

// Signer signs checkpoints. It never shows its key. It is safe for concurrent use.
type Signer struct {
	signer   note.Signer
	verifier Verifier
}

// errPrivateKey says nothing of the text, which may be most of a key.
var errPrivateKey = errors.New("this is no private key as gatekeeper ledger key makes it")

// NewSigner reads a private key as GenerateKey makes it.
func NewSigner(private string) (Signer, error) {
	private = strings.TrimSpace(private)
	signer, err := note.NewSigner(private)
	if err != nil || !validName(signer.Name()) {
		return Signer{}, errPrivateKey
	}
	// "PRIVATE", "KEY", name, hash, and the key in base64, which may have plus signs.
	raw, err := base64.StdEncoding.DecodeString(strings.SplitN(private, "+", 5)[4])
	if err != nil || len(raw) != 1+ed25519.SeedSize || raw[0] != algEd25519 {
		return Signer{}, errPrivateKey
	}
	public, ok := ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey)
	if !ok {
		return Signer{}, errPrivateKey
	}
	text, err := note.NewEd25519VerifierKey(signer.Name(), public)
	if err != nil {
		return Signer{}, errPrivateKey
	}
	verifier, err := NewVerifier(text)
	if err != nil {
		return Signer{}, errPrivateKey
	}
	return Signer{signer: signer, verifier: verifier}, nil
}

// Verifier is the key's public half.
func (s Signer) Verifier() Verifier { return s.verifier }

// String hides the key.
func (s Signer) String() string { return "[key " + s.verifier.Name() + "]" }

// GoString hides the key.
func (s Signer) GoString() string { return s.String() }

// Sign signs a tree, in the name of the key.
func (s Signer) Sign(c Checkpoint) (Signed, error) {
	c.Origin = s.verifier.Name()
	text, err := note.Sign(&note.Note{Text: c.text()}, s.signer)
	if err != nil {
		return Signed{}, fmt.Errorf("sign a checkpoint: %w", err)
	}
	return Signed{Checkpoint: c, Note: string(text)}, nil
}

// Verifier verifies checkpoints. It is safe for concurrent use.
type Verifier struct {
	verifier note.Verifier
	text     string
}

// NewVerifier reads a public key as GenerateKey makes it.
func NewVerifier(public string) (Verifier, error) {
	public = strings.TrimSpace(public)
	verifier, err := note.NewVerifier(public)
	if err != nil || !validName(verifier.Name()) {
		return Verifier{}, fmt.Errorf("%.300q is no public key as gatekeeper ledger key makes it", public)
	}
	return Verifier{verifier: verifier, text: public}, nil
}

// Name is that of the key, and the origin of its checkpoints.
func (v Verifier) Name() string { return v.verifier.Name() }

// String is the key's text form.
func (v Verifier) String() string { return v.text }
