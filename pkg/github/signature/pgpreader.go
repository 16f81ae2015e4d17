package signature

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// maxPackets bounds one OpenPGP key file. Keys with many certifications have
// some thousand.
const maxPackets = 20_000

// pgpReader puts the keys of one file together.
type pgpReader struct {
	want func(fingerprint string) bool // which primary keys are read at all
	keys []*pgpKey

	key      *pgpKey // the one being read; nil for a key that is passed over
	on       *component
	sub      *pgpSubkey
	packets  int
	whatever bool // the packets that follow belong to a component that says nothing
}

// readPGPKeys reads an exported public key file, armored or not.
func readPGPKeys(content []byte, want func(string) bool) ([]*pgpKey, error) {
	blocks, err := pgpBlocks(content)
	if err != nil {
		return nil, err
	}
	r := pgpReader{want: want}
	for _, block := range blocks {
		for len(block) > 0 {
			var p rawPacket
			if p, block, err = nextPacket(block); err != nil {
				return nil, fmt.Errorf("%w: export the key again with gpg --export --armor", err)
			}
			if err := r.add(p); err != nil {
				return nil, err
			}
		}
	}
	for _, k := range r.keys {
		if err := k.check(); err != nil {
			return nil, fmt.Errorf("key %s: %w", k.fingerprint, err)
		}
	}
	return r.keys, nil
}

// pgpBlocks takes one or more armored blocks apart.
func pgpBlocks(content []byte) ([][]byte, error) {
	rest := bytes.TrimSpace(content)
	if len(rest) > 0 && rest[0]&0x80 != 0 {
		return [][]byte{content}, nil
	}
	var blocks [][]byte
	for len(rest) > 0 {
		if kind := firstLine(rest); strings.Contains(kind, "PRIVATE KEY") {
			return nil, errPrivate
		} else if kind != pgpPublicKey {
			return nil, errors.New("it is no OpenPGP public key: write it with gpg --export --armor FINGERPRINT")
		}
		body, after, err := dearmor(rest, pgpPublicKey)
		if err != nil {
			return nil, fmt.Errorf("%w: export the key again with gpg --export --armor", err)
		}
		blocks = append(blocks, body)
		rest = bytes.TrimSpace(after)
	}
	if len(blocks) == 0 {
		return nil, errEmpty
	}
	return blocks, nil
}

var (
	errPrivate = errors.New("it holds a private key: remove it here, take the key out of use, and give its public part alone")
	errEmpty   = errors.New("it is empty")
)

func (r *pgpReader) add(p rawPacket) error {
	if r.packets++; r.packets > maxPackets {
		return fmt.Errorf("it has more than %d packets: export the key with gpg --export-options export-minimal", maxPackets)
	}
	switch p.tag {
	case tagSecretKey, tagSecretSub:
		return errPrivate
	case tagPublicKey:
		return r.primary(p)
	case tagPublicSub, tagUserID, tagSignature, tagAttributes:
		if r.key == nil {
			if len(r.keys) == 0 && r.packets == 1 {
				return errors.New("it does not begin with a public key")
			}
			return nil
		}
	}
	switch p.tag {
	case tagPublicSub:
		return r.subkey(p)
	case tagUserID:
		r.key.users = append(r.key.users, component{id: string(p.body)})
		r.on, r.sub, r.whatever = &r.key.users[len(r.key.users)-1], nil, false
	case tagSignature:
		return r.signature(p)
	case tagTrust, tagMarker:
	default:
		// User attributes and what is not known: the signatures behind it say
		// nothing about the parts that are.
		r.on, r.sub, r.whatever = nil, nil, true
	}
	return nil
}

func (r *pgpReader) primary(p rawPacket) error {
	r.key, r.on, r.sub, r.whatever = nil, nil, nil, false
	if len(p.body) > 0 && p.body[0] != 4 {
		return fmt.Errorf("a primary key of version %d is not supported: version 4 is", p.body[0])
	}
	k, err := publicKey(p)
	if err != nil {
		if weak := weakAlgorithm(p.body); weak != nil {
			err = weak
		}
		return fmt.Errorf("a primary key cannot be used: %w", err)
	}
	if !r.want(fingerprint(k)) {
		return nil
	}
	if err := pgpStrength(k); err != nil {
		return fmt.Errorf("key %s: %w", fingerprint(k), err)
	}
	r.key = &pgpKey{fingerprint: fingerprint(k), packet: k}
	r.keys = append(r.keys, r.key)
	r.on = &r.key.direct
	return nil
}

func publicKey(p rawPacket) (*packet.PublicKey, error) {
	in := bytes.NewReader(p.raw)
	read, err := packet.Read(in)
	if err != nil {
		return nil, fmt.Errorf("read its packet: %w", err)
	}
	k, ok := read.(*packet.PublicKey)
	if !ok || in.Len() > 0 {
		return nil, errPacket
	}
	return k, nil
}

func (r *pgpReader) subkey(p rawPacket) error {
	r.on, r.sub, r.whatever = nil, nil, true
	if len(p.body) < 6 || p.body[0] != 4 {
		return nil
	}
	switch p.body[5] {
	case algoRSA, algoRSASign, algoDSA, algoECDSA, algoEdDSA, algoElGamalES:
	default:
		return nil // it cannot sign, or nothing it signs is supported
	}
	k, err := publicKey(p)
	if err != nil {
		return nil //nolint:nilerr // a subkey on an unknown curve: what it signs names a key that nobody has
	}
	r.sub = &pgpSubkey{packet: k, weak: pgpStrength(k)}
	r.key.subkeys = append(r.key.subkeys, r.sub)
	r.on, r.whatever = &r.sub.binding, false
	return nil
}

// signature takes what the owner of the key says and leaves what others say.
func (r *pgpReader) signature(p rawPacket) error {
	if r.whatever {
		return nil
	}
	raw, err := readSignature(p.body)
	if err != nil {
		return fmt.Errorf("key %s: %w", r.key.fingerprint, err)
	}
	own := slices.ContainsFunc(slices.Concat(raw.fingerprints, raw.keyIDs), func(n string) bool { return strings.HasSuffix(r.key.fingerprint, n) })
	kind := packet.SignatureType(raw.kind)
	takesBack := kind == packet.SigTypeKeyRevocation || kind == packet.SigTypeSubkeyRevocation
	if !own {
		if takesBack {
			return fmt.Errorf("key %s: another key revokes it, which is not supported: if the revocation is meant, remove the key, else export it without", r.key.fingerprint)
		}
		return nil
	}
	sig, problem := r.verified(p, raw)
	if problem != nil && (takesBack || errors.Is(problem, errSelf)) {
		return fmt.Errorf("key %s: %w: export the key again", r.key.fingerprint, problem)
	}
	switch kind {
	case packet.SigTypeKeyRevocation:
		r.key.revocations = append(r.key.revocations, readRevocation(sig))
	case packet.SigTypeSubkeyRevocation:
		r.sub.revocations = append(r.sub.revocations, readRevocation(sig))
	case packet.SigTypeCertificationRevocation:
		r.on.add(statement{created: raw.created, sig: sig, revokes: true, err: problem})
	default:
		if problem == nil {
			problem = acceptable(raw, sig)
		}
		r.on.add(statement{created: raw.created, sig: sig, err: problem})
	}
	return nil
}

var errSelf = errors.New("a signature of the key on itself is damaged")

// verified checks a self-signature over the part that it stands behind. The
// error is errSelf when it does not fit there, another one when it cannot be
// checked.
func (r *pgpReader) verified(p rawPacket, raw rawSignature) (*packet.Signature, error) {
	sig, err := signaturePacket(p.raw)
	if err != nil {
		if name := weakHashes[raw.hash]; name != "" {
			err = fmt.Errorf("it is signed with %s", name)
		}
		return nil, err
	}
	k := r.key.packet
	onKey, onUser := r.on == &r.key.direct, r.sub == nil && r.on != &r.key.direct
	switch kind := sig.SigType; {
	case onKey && kind == packet.SigTypeKeyRevocation:
		err = k.VerifyRevocationSignature(sig)
	case onKey && kind == packet.SigTypeDirectSignature:
		err = k.VerifyDirectKeySignature(sig)
	case onUser && (kind >= packet.SigTypeGenericCert && kind <= packet.SigTypePositiveCert || kind == packet.SigTypeCertificationRevocation):
		err = k.VerifyUserIdSignature(r.on.id, k, sig)
	case r.sub != nil && kind == packet.SigTypeSubkeyBinding:
		err = k.VerifyKeySignature(r.sub.packet, sig)
	case r.sub != nil && kind == packet.SigTypeSubkeyRevocation:
		err = k.VerifySubkeyRevocationSignature(sig, r.sub.packet)
	default:
		err = fmt.Errorf("type 0x%02x in this place", raw.kind)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSelf, err)
	}
	return sig, nil
}

// acceptable refuses statements that could be forged or that mean more than is
// understood here.
func acceptable(raw rawSignature, sig *packet.Signature) error {
	if name := weakHashes[raw.hash]; name != "" {
		return fmt.Errorf("it is signed with %s", name)
	}
	if !strongHash(raw.hash) {
		return fmt.Errorf("it is signed with hash algorithm %d, which is not supported", raw.hash)
	}
	for _, n := range sig.Notations {
		if n.IsCritical {
			return fmt.Errorf("it has the critical notation %q, which is not known", clip(n.Name))
		}
	}
	if cross := sig.EmbeddedSignature; cross != nil && cross.Hash.Size() < 32 {
		return errors.New("its cross-signature is made with a weak hash")
	}
	return nil
}
