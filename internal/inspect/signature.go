package inspect

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"golang.org/x/crypto/ssh"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/signature"
)

// Signature is what one commit's signature says of itself, and, when the gates have
// signers whose keys are at hand, whether it is by one of them. Without keys whose
// it is cannot be told: a signature can name any key.
type Signature struct {
	Commit approval.SHA `json:"commit"`
	// Type is gpg, ssh or x509; none without a signature, unknown for another one.
	Type string `json:"type"`
	// Key is what the signature names: the fingerprint of an OpenPGP key, else its
	// 16-digit ID, SHA256:… of an SSH key, the subject of an X.509 certificate.
	Key string `json:"key"`
	// State is none, unverified or malformed, with keys also trusted, stranger or
	// invalid.
	State string `json:"state"`
	// Signer is the gate's name for whoever signed, when the state is trusted.
	Signer string `json:"signer,omitempty"`
	// Names is "github" when the key that is named is the one with which GitHub
	// signs what people do in its web interface.
	Names string `json:"names,omitempty"`
}

// The states of a signature.
const (
	StateNone = "none"
	// StateUnverified is a well-formed signature that was compared with no key.
	StateUnverified = "unverified"
	// StateMalformed cannot be read or is there twice.
	StateMalformed = "malformed"
	// StateTrusted is valid, and by a signer of every gate that has signers.
	StateTrusted = "trusted"
	// StateStranger is by a key that is none of a gate's.
	StateStranger = "stranger"
	// StateInvalid is broken, expired, revoked, weak, or of a kind that is not taken.
	StateInvalid = "invalid"
)

const (
	typeGPG     = "gpg"
	typeSSH     = "ssh"
	typeX509    = "x509"
	typeNone    = "none"
	typeUnknown = "unknown"

	// maxSignature is far above a certificate chain with a timestamp.
	maxSignature = 256 << 10
)

// webFlow are the IDs of the keys with which GitHub signs commits made in its web
// interface.
var webFlow = signature.PublishedWebFlowKeys()

var errSignature = errors.New("the signature is malformed")

// ReadSignature reads the signature of a commit object.
func ReadSignature(commit approval.SHA, object []byte) Signature {
	s := Signature{Commit: commit, Type: typeNone, State: StateNone}
	signed, err := signature.Split(object)
	if err != nil {
		s.Type, s.State = typeUnknown, StateMalformed
		return s
	}
	if signed.Header != "gpgsig" {
		// Another header has the signature of the same commit under another name.
		return s
	}
	s.Type, s.Key, err = parseSignature(signed.Signature)
	if s.State = StateUnverified; err != nil {
		s.State, s.Key = StateMalformed, ""
	}
	for _, id := range webFlow {
		if s.Type == typeGPG && strings.HasSuffix(s.Key, id) {
			s.Names = "github"
		}
	}
	return s
}

// signature reads a signature and verifies it for the gates that have signers, as of
// the time at which the commit landed: nothing here knows when it was received, and
// a date in a commit is whatever its author wrote.
func (in *inspection) signature(commit approval.SHA, object []byte, landed time.Time) Signature {
	s := ReadSignature(commit, object)
	if s.State != StateUnverified {
		return s
	}
	for _, g := range in.o.Gates {
		if g.Signers == nil {
			continue
		}
		switch v := g.Signers.Verify(commit, object, landed); v.State {
		case approval.SignatureTrusted:
			if s.State == StateUnverified {
				s.State, s.Signer = StateTrusted, v.Signer
			}
		case approval.SignatureStranger:
			if s.State != StateInvalid {
				s.State = StateStranger
			}
		case approval.SignatureInvalid, approval.SignatureMissing:
			s.State = StateInvalid
		default: // such as an unreadable date, which proves nothing
			s.State, s.Signer = StateUnverified, ""
			return s
		}
	}
	if s.State != StateTrusted {
		s.Signer = ""
	}
	return s
}

// parseSignature tells the type by the first line, as git does.
func parseSignature(data []byte) (kind, key string, err error) {
	if len(data) > maxSignature {
		return typeUnknown, "", errSignature
	}
	first, _, _ := bytes.Cut(data, []byte("\n"))
	switch string(bytes.TrimRight(first, "\r")) {
	case "-----BEGIN PGP SIGNATURE-----", "-----BEGIN PGP MESSAGE-----":
		key, err = openPGPKey(data)
		return typeGPG, key, err
	case "-----BEGIN SSH SIGNATURE-----":
		key, err = sshKey(data)
		return typeSSH, key, err
	case "-----BEGIN SIGNED MESSAGE-----", "-----BEGIN CMS-----", "-----BEGIN PKCS7-----":
		key, err = x509Key(data)
		return typeX509, key, err
	default:
		return typeUnknown, "", errSignature
	}
}

// openPGPKey reads the issuer of an armored, detached signature (RFC 9580).
func openPGPKey(data []byte) (string, error) {
	block, err := armor.Decode(bytes.NewReader(data))
	if err != nil {
		return "", fmt.Errorf("%w: %w", errSignature, err)
	}
	body, err := io.ReadAll(io.LimitReader(block.Body, maxSignature))
	if err != nil {
		return "", fmt.Errorf("%w: %w", errSignature, err)
	}
	first, err := packet.NewReader(bytes.NewReader(body)).Next()
	if err != nil {
		return "", fmt.Errorf("%w: %w", errSignature, err)
	}
	s, ok := first.(*packet.Signature)
	switch {
	case !ok || s.SigType != packet.SigTypeBinary && s.SigType != packet.SigTypeText:
		return "", errSignature
	case len(s.IssuerFingerprint) > 0:
		return strings.ToUpper(hex.EncodeToString(s.IssuerFingerprint)), nil
	case s.IssuerKeyId != nil:
		return fmt.Sprintf("%016X", *s.IssuerKeyId), nil
	default:
		return "", errSignature
	}
}

// sshKey reads the public key of a signature as ssh-keygen -Y sign writes it
// (PROTOCOL.sshsig of OpenSSH). Only the namespace "git" signs commits.
func sshKey(data []byte) (string, error) {
	block, rest := pem.Decode(data)
	if block == nil || block.Type != "SSH SIGNATURE" || len(bytes.TrimSpace(rest)) > 0 {
		return "", errSignature
	}
	blob, ok := bytes.CutPrefix(block.Bytes, []byte("SSHSIG"))
	if !ok {
		return "", errSignature
	}
	var s struct {
		Version                                        uint32
		PublicKey                                      []byte
		Namespace, Reserved, HashAlgorithm, Signature_ string
	}
	if err := ssh.Unmarshal(blob, &s); err != nil {
		return "", fmt.Errorf("%w: %w", errSignature, err)
	}
	var inner ssh.Signature
	if err := ssh.Unmarshal([]byte(s.Signature_), &inner); err != nil {
		return "", fmt.Errorf("%w: %w", errSignature, err)
	}
	key, err := ssh.ParsePublicKey(s.PublicKey)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errSignature, err)
	}
	if s.Version != 1 || s.Namespace != "git" || s.HashAlgorithm != "sha256" && s.HashAlgorithm != "sha512" {
		return "", errSignature
	}
	return ssh.FingerprintSHA256(key), nil
}

// x509Key reads the signer's certificate of a CMS signature (RFC 5652) as
// smimesign and gitsign write it.
func x509Key(data []byte) (string, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return "", errSignature
	}
	var content struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"explicit,tag:0"`
	}
	if rest, err := asn1.Unmarshal(block.Bytes, &content); err != nil || len(rest) > 0 || !content.Type.Equal(signedDataOID) {
		return "", errSignature
	}
	var signed struct {
		Version          int
		DigestAlgorithms asn1.RawValue
		Encapsulated     asn1.RawValue
		Certificates     asn1.RawValue `asn1:"optional,tag:0"`
		Revocations      asn1.RawValue `asn1:"optional,tag:1"`
		Signers          asn1.RawValue
	}
	if _, err := asn1.Unmarshal(content.Content.Bytes, &signed); err != nil {
		return "", errSignature
	}
	certificates, err := x509.ParseCertificates(signed.Certificates.Bytes)
	if err != nil || len(certificates) == 0 {
		return "", errSignature
	}
	leaf := certificates[0]
	for _, c := range certificates {
		if !c.IsCA {
			leaf = c
			break
		}
	}
	return subject(leaf), nil
}

var signedDataOID = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}

// subject is the certificate's subject; gitsign's certificates have an address or
// a URI instead.
func subject(c *x509.Certificate) string {
	text := c.Subject.String()
	switch {
	case text != "":
	case len(c.EmailAddresses) > 0:
		text = c.EmailAddresses[0]
	case len(c.URIs) > 0:
		text = c.URIs[0].String()
	default:
		text = "serial " + c.SerialNumber.String()
	}
	return clip(printable(text), 200)
}
