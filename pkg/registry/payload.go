package registry

import (
	"encoding/base64"
	"errors"
	"fmt"
)

// Names of cosign's layout with tags (specs/SIGNATURE_SPEC.md).
const (
	typePayload           = "application/vnd.dev.cosign.simplesigning.v1+json"
	annotationSignature   = "dev.cosignproject.cosign/signature"
	annotationCertificate = "dev.sigstore.cosign/certificate"
	payloadType           = "cosign container image signature"
)

// signatureLimit bounds a decoded signature; that of an RSA key of 8192 bits has 1024.
const signatureLimit = 2048

// payload is what was signed.
type payload struct {
	digest Digest
	// reference is critical.identity.docker-reference, which the signer may choose.
	reference string
}

// parsePayload reads a simple-signing payload. Everything in "critical" must be
// known: it is what a reader must not ignore. What stands in "optional" is not read.
func parsePayload(data []byte) (payload, error) {
	o, err := parseObject(data)
	if err != nil {
		return payload{}, err
	}
	critical, err := o.object("critical")
	if err != nil {
		return payload{}, err
	}
	if err := critical.only("identity", "image", "type"); err != nil {
		return payload{}, err
	}
	kind, err := critical.text("type")
	if err != nil {
		return payload{}, err
	}
	if kind != payloadType {
		return payload{}, fmt.Errorf("its type is %s", quote(kind))
	}
	image, err := critical.object("image")
	if err != nil {
		return payload{}, err
	}
	if err := image.only("docker-manifest-digest"); err != nil {
		return payload{}, err
	}
	text, err := image.text("docker-manifest-digest")
	if err != nil {
		return payload{}, err
	}
	p := payload{}
	if p.digest, err = ParseDigest(text); err != nil {
		return payload{}, err
	}
	identity, err := critical.object("identity")
	if err != nil {
		return payload{}, err
	}
	if err := identity.only("docker-reference"); err != nil {
		return payload{}, err
	}
	p.reference, err = identity.text("docker-reference")
	return p, err
}

// only checks that there are no other keys.
func (o object) only(known ...string) error {
	rest := len(o)
	for _, k := range known {
		if _, ok := o[k]; ok {
			rest--
		}
	}
	if rest != 0 {
		return errors.New("it has a critical field that is not known")
	}
	return nil
}

// decode reads base64 as it is written by everything that signs: padded, without
// line breaks, in the standard alphabet.
func decode(s string, limit int) ([]byte, error) {
	if s == "" || len(s) > base64.StdEncoding.EncodedLen(limit) {
		return nil, errors.New("it is empty or too long")
	}
	for i := range len(s) {
		if s[i] == '\n' || s[i] == '\r' {
			return nil, errors.New("it has line breaks")
		}
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, errors.New("it is not base64")
	}
	return b, nil
}
