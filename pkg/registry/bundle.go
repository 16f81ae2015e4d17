package registry

import (
	"errors"
	"fmt"
	"strconv"
)

// Names of the layout with bundles (specs/BUNDLE_SPEC.md, sigstore_bundle.proto,
// the DSSE protocol and in-toto's Statement).
const (
	typeBundle             = "application/vnd.dev.sigstore.bundle.v0.3+json"
	typeStatement          = "application/vnd.in-toto+json"
	predicateSign          = "https://sigstore.dev/cosign/sign/v1"
	annotationPredicate    = "dev.sigstore.bundle.predicateType"
	statementV1            = "https://in-toto.io/Statement/v1"
	statementV01           = "https://in-toto.io/Statement/v0.1"
	statementLimit         = 512 << 10
	envelopeSignatureLimit = 8
)

// bundle is a Sigstore bundle as far as a key pair's signature needs it. Either
// envelope or signature is set.
type bundle struct {
	// keyless is true when the signature belongs to a certificate.
	keyless bool
	// hint is what the signer wrote about the key; anybody may write anything there.
	hint      string
	envelope  *envelope
	signature []byte // over the manifest's bytes
	claimed   string // digest of the signed bytes, in base64, as the bundle says
}

// envelope is a DSSE envelope.
type envelope struct {
	payload    []byte
	signatures [][]byte
}

// parseBundle reads a bundle of version 0.3, in the JSON that protobuf gives.
func parseBundle(data []byte) (bundle, error) {
	o, err := parseObject(data)
	if err != nil {
		return bundle{}, err
	}
	mediaType, err := o.text("mediaType")
	if err != nil {
		return bundle{}, err
	}
	if mediaType != typeBundle {
		return bundle{}, fmt.Errorf("it is a bundle of type %s", quote(mediaType))
	}
	material, err := o.object("verificationMaterial")
	if err != nil {
		return bundle{}, err
	}
	var b bundle
	if _, ok := material["publicKey"]; ok {
		public, err := material.object("publicKey")
		if err != nil {
			return bundle{}, err
		}
		if b.hint, err = public.text("hint"); err != nil {
			return bundle{}, err
		}
	} else {
		b.keyless = true
	}
	_, hasEnvelope := o["dsseEnvelope"]
	_, hasSignature := o["messageSignature"]
	switch {
	case hasEnvelope && !hasSignature:
		b.envelope, err = parseEnvelope(o)
	case hasSignature && !hasEnvelope:
		err = b.parseMessage(o)
	default:
		err = errors.New("it has not exactly one of a DSSE envelope and a message signature")
	}
	return b, err
}

func parseEnvelope(o object) (*envelope, error) {
	o, err := o.object("dsseEnvelope")
	if err != nil {
		return nil, err
	}
	kind, err := o.text("payloadType")
	if err != nil {
		return nil, err
	}
	if kind != typeStatement {
		return nil, fmt.Errorf("its envelope holds a %s", quote(kind))
	}
	text, err := o.text("payload")
	if err != nil {
		return nil, err
	}
	var e envelope
	if e.payload, err = decode(text, statementLimit); err != nil {
		return nil, fmt.Errorf("its envelope's payload: %w", err)
	}
	list, err := o.list("signatures", envelopeSignatureLimit)
	if err != nil {
		return nil, err
	}
	for _, raw := range list {
		one, err := parseObject(raw)
		if err != nil {
			return nil, fmt.Errorf("its envelope's signature: %w", err)
		}
		text, err := one.text("sig")
		if err != nil {
			return nil, err
		}
		sig, err := decode(text, signatureLimit)
		if err != nil {
			return nil, fmt.Errorf("its envelope's signature: %w", err)
		}
		e.signatures = append(e.signatures, sig)
	}
	if len(e.signatures) == 0 {
		return nil, errors.New("its envelope has no signature")
	}
	return &e, nil
}

func (b *bundle) parseMessage(o object) error {
	o, err := o.object("messageSignature")
	if err != nil {
		return err
	}
	text, err := o.text("signature")
	if err != nil {
		return err
	}
	if b.signature, err = decode(text, signatureLimit); err != nil {
		return fmt.Errorf("its signature: %w", err)
	}
	if _, ok := o["messageDigest"]; !ok {
		return nil
	}
	digest, err := o.object("messageDigest")
	if err != nil {
		return err
	}
	algorithm, err := digest.text("algorithm")
	if err != nil {
		return err
	}
	claimed, err := digest.text("digest")
	if algorithm == "SHA2_256" {
		b.claimed = claimed
	}
	return err
}

// signed is what the envelope's signatures are made over: the pre-authentication
// encoding of DSSE 1.0.
func (e *envelope) signed() []byte {
	out := []byte("DSSEv1 " + strconv.Itoa(len(typeStatement)) + " " + typeStatement + " " + strconv.Itoa(len(e.payload)) + " ")
	return append(out, e.payload...)
}

// statement is an in-toto statement: what is said, about which image.
type statement struct {
	predicate string
	subject   Digest
}

// parseStatement reads a statement about one subject, which is what cosign makes.
// A subject's other digests than SHA-256 are not read, nor is the predicate.
func parseStatement(data []byte) (statement, error) {
	o, err := parseObject(data)
	if err != nil {
		return statement{}, err
	}
	kind, err := o.text("_type")
	if err != nil {
		return statement{}, err
	}
	if kind != statementV1 && kind != statementV01 {
		return statement{}, fmt.Errorf("its type is %s", quote(kind))
	}
	var s statement
	if s.predicate, err = o.text("predicateType"); err != nil {
		return statement{}, err
	}
	if s.predicate != predicateSign {
		return s, nil // it says something else, about whatever number of things
	}
	list, err := o.list("subject", 1)
	if err != nil {
		return statement{}, err
	}
	if len(list) != 1 {
		return statement{}, errors.New("it has no subject")
	}
	subject, err := parseObject(list[0])
	if err != nil {
		return statement{}, fmt.Errorf("its subject: %w", err)
	}
	digests, err := subject.object("digest")
	if err != nil {
		return statement{}, err
	}
	text, err := digests.text("sha256")
	if err != nil {
		return statement{}, err
	}
	s.subject, err = ParseDigest("sha256:" + text)
	return s, err
}
