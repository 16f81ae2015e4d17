package signature

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// understood are the subpackets that may be marked critical in a signature over
// a commit: what they say is heeded here, or changes nothing.
var understood = []byte{subCreated, subExpires, subIssuer, subPolicy, subSignersUser, subFingerprint}

// verifyOpenPGP judges a detached signature.
func (a *Allowed) verifyOpenPGP(payload, armored []byte, at time.Time) Result {
	raw, packetBytes, refused := readDetached(armored)
	if refused != nil {
		return *refused
	}
	issuer, err := raw.issuer()
	if err != nil {
		return refuse(Malformed, "%v", err)
	}
	named := func(r Result) Result { r.Key = issuer; return r }
	if refused := raw.sound(); refused != nil {
		return named(*refused)
	}
	sig, err := signaturePacket(packetBytes)
	if err != nil {
		return named(refuse(Malformed, "the signature cannot be read: %v", err))
	}
	found, verdict := false, Result{}
	for _, c := range a.pgp[keyID(issuer)] {
		if !strings.HasSuffix(fingerprint(c.key()), issuer) {
			continue
		}
		found = true
		h, err := sig.PrepareVerify()
		if err != nil {
			return named(refuse(Unsupported, "%v", err))
		}
		_, _ = h.Write(payload) // a hash never fails
		if c.key().VerifySignature(h, sig) != nil || !tagFits(sig, payload) {
			continue
		}
		r := c.judge(raw, at)
		r.Signer, r.Key = a.names[c.primary.signer], c.primary.fingerprint
		if r.State == Trusted {
			r.Detail = fmt.Sprintf("signed by %s with OpenPGP key %s", r.Signer, r.Key)
			return r
		}
		// The same subkey may belong to another primary key of its owner.
		if verdict.State == Unknown {
			verdict = r
		}
	}
	if verdict.State != Unknown {
		return verdict
	}
	if found {
		return named(refuse(Invalid, "the signature was not made over this commit by the key %s that it names", issuer))
	}
	return named(refuse(UntrustedKey, "the signature names OpenPGP key %s, which belongs to no allowed signer", issuer))
}

// tagFits checks the two bytes of the hash that a signature repeats and the
// library does not compare: nothing else protects them.
func tagFits(sig *packet.Signature, payload []byte) bool {
	h, err := sig.PrepareVerify()
	if err != nil {
		return false
	}
	_, _ = h.Write(payload) // a hash never fails
	return packet.VerifyHashTag(h, sig) == nil
}

// readDetached takes the armor off: one signature packet and nothing else.
func readDetached(armored []byte) (rawSignature, []byte, *Result) {
	malformed := func(format string, args ...any) (rawSignature, []byte, *Result) {
		r := refuse(Malformed, format, args...)
		return rawSignature{}, nil, &r
	}
	body, rest, err := dearmor(armored, pgpSignature)
	if err != nil {
		return malformed("the OpenPGP signature is malformed: %v", err)
	}
	if len(strings.TrimSpace(string(rest))) > 0 {
		return malformed("something follows the OpenPGP signature")
	}
	p, more, err := nextPacket(body)
	switch {
	case err != nil:
		return malformed("the OpenPGP signature is malformed: %v", err)
	case p.tag != tagSignature:
		return malformed("the OpenPGP signature is malformed: it is packet %d", p.tag)
	case len(more) > 0:
		return malformed("the OpenPGP signature is malformed: it is more than one packet")
	}
	raw, err := readSignature(p.body)
	if err != nil {
		return malformed("the OpenPGP signature is malformed: %v", err)
	}
	if raw.version != 4 {
		r := refuse(Unsupported, "OpenPGP signatures of version %d are not supported: version 4 is", raw.version)
		return rawSignature{}, nil, &r
	}
	return raw, p.raw, nil
}

// sound refuses what no signature over a commit may have, whoever made it.
func (s rawSignature) sound() *Result {
	refused := func(st State, format string, args ...any) *Result {
		r := refuse(st, format, args...)
		return &r
	}
	numbers := 2
	switch s.algo {
	case algoRSA, algoRSASign:
		numbers = 1
	case algoECDSA, algoEdDSA:
	case algoDSA, algoElGamal, algoElGamalES:
		return refused(Weak, "the signature is made with DSA or ElGamal")
	default:
		return refused(Unsupported, "OpenPGP public-key algorithm %d is not supported", s.algo)
	}
	switch packet.SignatureType(s.kind) {
	case packet.SigTypeBinary:
	case packet.SigTypeText:
		return refused(Unsupported, "it is a signature over text, which fits other bytes with other line ends too")
	default:
		return refused(Invalid, "it is a signature of type 0x%02x, which is for something else than documents", s.kind)
	}
	if name := weakHashes[s.hash]; name != "" {
		return refused(Weak, "the signature is made with %s", name)
	}
	if !strongHash(s.hash) {
		return refused(Unsupported, "OpenPGP hash algorithm %d is not supported", s.hash)
	}
	if s.numbers != numbers {
		return refused(Malformed, "the OpenPGP signature is malformed: its numbers do not fill it")
	}
	seen := map[byte]bool{}
	for _, p := range s.hashed {
		if p.critical && !slices.Contains(understood, p.kind) {
			return refused(Unsupported, "the signature has a critical subpacket of type %d, which is not known", p.kind)
		}
		switch p.kind {
		case subEmbedded:
			return refused(Malformed, "the signature carries another signature")
		case subCreated, subExpires, subIssuer, subFingerprint:
			if seen[p.kind] {
				return refused(Malformed, "the signature has subpacket %d twice", p.kind)
			}
			if (p.kind == subCreated || p.kind == subExpires) && len(p.body) != 4 {
				return refused(Malformed, "the signature has a damaged subpacket %d", p.kind)
			}
			seen[p.kind] = true
		}
	}
	if !seen[subCreated] {
		return refused(Malformed, "the signature does not say when it was made")
	}
	for _, p := range s.unhashed {
		if p.kind != subIssuer && p.kind != subFingerprint || p.critical {
			return refused(Malformed, "the signature has subpacket %d where nothing protects it", p.kind)
		}
	}
	return nil
}

// expires is when the signature itself ends; zero for never.
func (s rawSignature) expires() time.Time {
	for _, p := range s.hashed {
		if p.kind == subExpires {
			if life := unix(p.body).Unix(); life > 0 {
				return s.created.Add(time.Duration(life) * time.Second)
			}
		}
	}
	return time.Time{}
}

// pgpCandidate is a key that can have made a signature: a primary key, or one of
// its subkeys.
type pgpCandidate struct {
	primary *pgpKey
	sub     *pgpSubkey
}

func (c pgpCandidate) key() *packet.PublicKey {
	if c.sub != nil {
		return c.sub.packet
	}
	return c.primary.packet
}

// keyID is the part of a fingerprint or key ID that every signature names.
func keyID(name string) string { return name[len(name)-16:] }

// judge says whether a signature that verifies counts at that time.
func (c pgpCandidate) judge(raw rawSignature, at time.Time) Result {
	k, name := c.key(), fingerprint(c.key())
	switch {
	case revokedAt(c.primary.revocations, at):
		return refuse(Revoked, "the OpenPGP key %s is revoked", c.primary.fingerprint)
	case c.sub != nil && revokedAt(c.sub.revocations, at):
		return refuse(Revoked, "the OpenPGP subkey %s is revoked", name)
	case c.sub != nil && c.sub.weak != nil:
		return refuse(Weak, "the OpenPGP subkey %s: %v", name, c.sub.weak)
	case raw.created.After(at.Add(ClockSkew)):
		return refuse(Invalid, "the signature says that it was made %s, after the commit was received %s", date(raw.created), date(at))
	case raw.created.Before(k.CreationTime) || raw.created.Before(c.primary.packet.CreationTime):
		return refuse(Invalid, "the signature says that it was made %s, before its key", date(raw.created))
	case !raw.expires().IsZero() && !at.Before(raw.expires()):
		return refuse(Expired, "the signature expired %s, before the commit was received %s", date(raw.expires()), date(at))
	}
	said, end := c.primary.statements(at)
	if len(said) == 0 {
		if !end.IsZero() {
			return refuse(Expired, "the OpenPGP key %s expired %s, before the commit was received %s", c.primary.fingerprint, date(end), date(at))
		}
		return refuse(Revoked, "no user ID of the OpenPGP key %s is valid", c.primary.fingerprint)
	}
	maySign := said
	if c.sub != nil {
		if len(c.sub.binding.newest) == 0 {
			return refuse(Invalid, "the OpenPGP subkey %s is not bound to its primary key", name)
		}
		maySign = nil
		for _, s := range c.sub.binding.newest {
			// A binding without a cross-signature never says that it may sign: the
			// key file is refused then.
			end := ends(k, s.sig)
			if cross := s.sig.EmbeddedSignature; cross != nil && !over(end, at) {
				end = ends(k, cross)
			}
			if over(end, at) {
				return refuse(Expired, "the OpenPGP subkey %s expired %s, before the commit was received %s", name, date(end), date(at))
			}
			maySign = append(maySign, s.sig)
		}
	}
	for _, s := range maySign {
		if !s.FlagsValid || !s.FlagSign || c.sub != nil && s.EmbeddedSignature == nil {
			return refuse(Invalid, "the OpenPGP key %s is not for signing", name)
		}
	}
	return Result{State: Trusted, Type: OpenPGP}
}

// statements are what the owner says about the primary key at that time, by each
// user ID that is valid and by the key alone. They all hold: the key has expired
// as soon as one of them says so. With none, end is when the last one ended.
func (k *pgpKey) statements(at time.Time) (said []*packet.Signature, end time.Time) {
	for _, c := range append(slices.Clone(k.users), k.direct) {
		if !c.usable() {
			continue
		}
		for _, s := range c.newest {
			if e := ends(k.packet, s.sig); over(e, at) {
				return nil, e
			}
			// A direct signature of gpg names only other things, such as who may
			// revoke: it has no flags then.
			if s.sig.FlagsValid || s.sig.SigType != packet.SigTypeDirectSignature {
				said = append(said, s.sig)
			}
		}
	}
	return said, time.Time{}
}

// ends is when a key or what is said of it ends, whichever comes first; zero for
// never. Lifetimes count from the creation of the key and of the signature.
func ends(k *packet.PublicKey, s *packet.Signature) time.Time {
	var end time.Time
	earlier := func(from time.Time, seconds *uint32) {
		if seconds == nil || *seconds == 0 {
			return
		}
		if e := from.Add(time.Duration(*seconds) * time.Second); end.IsZero() || e.Before(end) {
			end = e
		}
	}
	earlier(k.CreationTime, s.KeyLifetimeSecs)
	earlier(s.CreationTime, s.SigLifetimeSecs)
	return end
}

func over(end, at time.Time) bool { return !end.IsZero() && !at.Before(end) }

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
