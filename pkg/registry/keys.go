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

// KeyFiles are the public keys of one issuer: whoever or whatever signs images.
type KeyFiles struct {
	// Name is the issuer as gates list it, for example "release-pipeline".
	Name string
	// Paths are PEM files with one or more public keys each ("BEGIN PUBLIC KEY", the
	// form of cosign.pub). While a key is rotated both the old and the new one stand
	// there.
	Paths []string
}

// Keyring knows the files of all issuers. It holds no keys: Load reads the files
// each time, so that a key added or removed counts from the next call on. Safe for
// concurrent use.
type Keyring struct{ files []KeyFiles }

// NewKeyring checks that names are distinct and have files. It reads none of them.
func NewKeyring(files ...KeyFiles) (*Keyring, error) {
	seen := map[string]bool{}
	for _, f := range files {
		if f.Name == "" || len(f.Paths) == 0 {
			return nil, fmt.Errorf("key %s: a name and at least one file are needed", quote(f.Name))
		}
		if seen[f.Name] {
			return nil, fmt.Errorf("key %s is listed twice", quote(f.Name))
		}
		seen[f.Name] = true
	}
	return &Keyring{files: slices.Clone(files)}, nil
}

// keysLimit bounds the keys of one call: each signature is tried with each of them.
const keysLimit = 64

// Load reads the keys of the issuers with these names. It gives an *Error, and no
// keys at all, when a name is not known or one of the files cannot be read whole.
func (r *Keyring) Load(names ...string) (Keys, error) {
	var all Keys
	for _, name := range names {
		i := slices.IndexFunc(r.files, func(f KeyFiles) bool { return f.Name == name })
		if i < 0 {
			return Keys{}, &Error{Reason: ReasonKeys, Text: "no key files are configured for " + quote(name)}
		}
		for _, path := range r.files[i].Paths {
			data, err := readFile(path)
			if err != nil {
				return Keys{}, &Error{Reason: ReasonKeys, Text: "a public key file of " + quote(name) + " cannot be read", Err: err}
			}
			keys, err := ParseKeys(name, data)
			if err != nil {
				return Keys{}, &Error{Reason: ReasonKeys, Text: "correct the public key file " + path + " of " + quote(name), Err: err}
			}
			all.keys = append(all.keys, keys.keys...)
		}
	}
	if len(all.keys) > keysLimit {
		return Keys{}, &Error{Reason: ReasonKeys, Text: fmt.Sprintf("more than %d public keys are allowed at once", keysLimit)}
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
