package registry

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// KeyFile is a PEM file with one or more public keys ("BEGIN PUBLIC KEY", the form of
// cosign.pub), as it was read. While a key is rotated both the old and the new one stand in
// such files.
type KeyFile struct {
	Path    string
	Content []byte
}

// KeyFiles are the public keys of one issuer: whoever or whatever signs images.
type KeyFiles struct {
	// Name is the issuer as gates list it, for example "release-pipeline".
	Name  string
	Files []KeyFile
}

// Keyring has the keys of all issuers, as they were in the files when it was made: what is
// verified by it is verified by the keys that the record has the digest of. For other keys
// make another one. Safe for concurrent use.
type Keyring struct{ issuers map[string]Keys }

// keysLimit bounds the keys of one call: each signature is tried with each of them.
const keysLimit = 64

// NewKeyring takes the files apart. It gives an *Error when one of them is not whole or has
// no keys, an error when names are not distinct or have no files.
func NewKeyring(issuers ...KeyFiles) (*Keyring, error) {
	r := &Keyring{issuers: map[string]Keys{}}
	for _, i := range issuers {
		if i.Name == "" || len(i.Files) == 0 {
			return nil, fmt.Errorf("key %s: a name and at least one file are needed", quote(i.Name))
		}
		if _, twice := r.issuers[i.Name]; twice {
			return nil, fmt.Errorf("key %s is listed twice", quote(i.Name))
		}
		var all Keys
		for _, f := range i.Files {
			keys, err := ParseKeys(i.Name, f.Content)
			if err != nil {
				return nil, &Error{Reason: ReasonKeys, Text: "correct the public key file " + f.Path + " of " + quote(i.Name), Err: err}
			}
			all.keys = append(all.keys, keys.keys...)
		}
		if len(all.keys) > keysLimit {
			return nil, tooManyKeys()
		}
		r.issuers[i.Name] = all
	}
	return r, nil
}

func tooManyKeys() *Error {
	return &Error{Reason: ReasonKeys, Text: fmt.Sprintf("more than %d public keys are allowed at once", keysLimit)}
}

// Load gives the keys of the issuers with these names. It gives an *Error, and no keys at
// all, when a name is not known.
func (r *Keyring) Load(names ...string) (Keys, error) {
	var all Keys
	for _, name := range names {
		keys, known := r.issuers[name]
		if !known {
			return Keys{}, &Error{Reason: ReasonKeys, Text: "no key files are configured for " + quote(name)}
		}
		all.keys = append(all.keys, keys.keys...)
	}
	if len(all.keys) > keysLimit {
		return Keys{}, tooManyKeys()
	}
	return all, nil
}

// Keys are the public keys that may have signed. The zero value allows none.
type Keys struct{ keys []key }

// Len is the number of keys.
func (k Keys) Len() int { return len(k.keys) }

// key is one public key.
type key struct {
	issuer string
	id     string // SHA-256 of its DER form, in hexadecimal
	public crypto.PublicKey
}

// ParseKeys reads the public keys of one issuer from PEM. There must be at least
// one, and nothing that looks like a further one but cannot be read.
func ParseKeys(issuer string, data []byte) (Keys, error) {
	var all Keys
	begun := bytes.Count(data, []byte("-----BEGIN"))
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "PUBLIC KEY" {
			if strings.Contains(block.Type, "PRIVATE KEY") {
				return Keys{}, errors.New("it holds a private key, which does not belong here and should be replaced")
			}
			return Keys{}, fmt.Errorf("it holds a %s where only PUBLIC KEY is known", quote(block.Type))
		}
		k, err := parseKey(issuer, block.Bytes)
		if err != nil {
			return Keys{}, err
		}
		all.keys = append(all.keys, k)
	}
	if len(all.keys) == 0 || len(all.keys) != begun {
		return Keys{}, fmt.Errorf("it has %d PEM blocks, of which %d could be read", begun, len(all.keys))
	}
	return all, nil
}

func parseKey(issuer string, der []byte) (key, error) {
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return key{}, fmt.Errorf("a key cannot be read: %w", err)
	}
	switch p := public.(type) {
	case *ecdsa.PublicKey:
		if p.Curve != elliptic.P256() && p.Curve != elliptic.P384() && p.Curve != elliptic.P521() {
			return key{}, errors.New("of elliptic curves only P-256, P-384 and P-521 are known")
		}
	case ed25519.PublicKey:
	case *rsa.PublicKey:
		if n := p.N.BitLen(); n < 2048 || n > 8192 {
			return key{}, fmt.Errorf("an RSA key has %d bits; from 2048 to 8192 are allowed", n)
		}
	default:
		return key{}, errors.New("only ECDSA, Ed25519 and RSA keys are known")
	}
	sum := sha256.Sum256(der)
	return key{issuer: issuer, id: hex.EncodeToString(sum[:]), public: public}, nil
}

// signer finds the key that made a signature over a message.
func (k Keys) signer(message, signature []byte) (key, bool) {
	for _, one := range k.keys {
		if one.made(signature, message) {
			return one, true
		}
	}
	return key{}, false
}

// byID finds a key that is still allowed.
func (k Keys) byID(id string) (key, bool) {
	i := slices.IndexFunc(k.keys, func(one key) bool { return one.id == id })
	if i < 0 {
		return key{}, false
	}
	return k.keys[i], true
}

// made tells whether the key made the signature. Hashes are those that cosign uses:
// SHA-256 for every kind of key in its older layout, and for larger curves the hash
// of the same strength in its newer one. No hash weaker than SHA-256 is tried.
func (k key) made(signature, message []byte) bool {
	d256 := sha256.Sum256(message)
	switch p := k.public.(type) {
	case *ecdsa.PublicKey:
		if ecdsa.VerifyASN1(p, d256[:], signature) {
			return true
		}
		switch p.Curve {
		case elliptic.P384():
			d := sha512.Sum384(message)
			return ecdsa.VerifyASN1(p, d[:], signature)
		case elliptic.P521():
			d := sha512.Sum512(message)
			return ecdsa.VerifyASN1(p, d[:], signature)
		}
		return false
	case ed25519.PublicKey:
		if len(signature) != ed25519.SignatureSize {
			return false
		}
		d := sha512.Sum512(message)
		return ed25519.Verify(p, message, signature) ||
			ed25519.VerifyWithOptions(p, d[:], signature, &ed25519.Options{Hash: crypto.SHA512}) == nil
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(p, crypto.SHA256, d256[:], signature) == nil ||
			rsa.VerifyPSS(p, crypto.SHA256, d256[:], signature, nil) == nil
	}
	return false
}
