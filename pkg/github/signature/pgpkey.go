package signature

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

const (
	minRSA = 2048
	// maxRSA bounds what one verification costs.
	maxRSA = 8192
)

// pgpKey is a primary key with what its owner says about it.
type pgpKey struct {
	fingerprint string // 40 upper-case digits
	packet      *packet.PublicKey
	signer      int
	direct      component
	users       []component
	subkeys     []*pgpSubkey
	revocations []revocation
}

// pgpSubkey is a subkey that may sign, or might have.
type pgpSubkey struct {
	packet      *packet.PublicKey
	weak        error // why its signatures count for nothing
	binding     component
	revocations []revocation
}

// component is a part of a key on which its owner makes statements: the key
// itself, a user ID, a subkey. The newest statement holds, as in gpg. Two of
// the same second hold both. It needs no clock: whoever extends the expiry of
// a key extends it for earlier commits too.
type component struct {
	id     string
	newest []statement
}

// statement is one self-signature. What could not be read or is weak has an err:
// it still supersedes what is older, as nobody knows what it took back.
type statement struct {
	created time.Time
	sig     *packet.Signature
	revokes bool
	err     error
}

func (c *component) add(s statement) {
	switch {
	case len(c.newest) == 0 || s.created.After(c.newest[0].created):
		c.newest = []statement{s}
	case s.created.Equal(c.newest[0].created):
		c.newest = append(c.newest, s)
	}
}

// problem is why the newest statement cannot be relied on.
func (c component) problem() error {
	for _, s := range c.newest {
		if s.err != nil {
			return s.err
		}
	}
	return nil
}

// usable says whether anything valid is said about the component.
func (c component) usable() bool {
	return len(c.newest) > 0 && c.problem() == nil && !c.revoked()
}

func (c component) revoked() bool {
	return slices.ContainsFunc(c.newest, func(s statement) bool { return s.revokes })
}

// revocation takes a key back from a moment on, or always when the key may have
// been in other hands.
type revocation struct {
	from   time.Time
	always bool
}

func revokedAt(list []revocation, at time.Time) bool {
	return slices.ContainsFunc(list, func(r revocation) bool { return r.always || !at.Before(r.from) })
}

// readRevocation: superseded, retired and no longer valid are about the future;
// every other reason, and none, is about the past too (RFC 9580, section
// 5.2.3.31).
func readRevocation(s *packet.Signature) revocation {
	soft := s.RevocationReason != nil && (*s.RevocationReason == packet.KeySuperseded || *s.RevocationReason == packet.KeyRetired || *s.RevocationReason == packet.UserIDNotValid)
	return revocation{from: s.CreationTime, always: !soft}
}

// fingerprint of an OpenPGP key as it is shown.
func fingerprint(k *packet.PublicKey) string {
	return strings.ToUpper(hex.EncodeToString(k.Fingerprint))
}

// check refuses a key that no time could make usable, so that the owner of the
// configuration hears of it at start and not with the first commit.
func (k *pgpKey) check() error {
	if !slices.ContainsFunc(k.users, component.usable) && !k.direct.usable() {
		for _, c := range append(slices.Clone(k.users), k.direct) {
			if err := c.problem(); err != nil {
				return fmt.Errorf("%w: renew what the key says of itself with gpg --quick-set-expire (and cert-digest-algo SHA512), then export it again", err)
			}
		}
		return errors.New("no user ID of it is valid: all are revoked, or the export lacks the signatures on them")
	}
	if err := k.direct.problem(); err != nil {
		return fmt.Errorf("what the key says of itself: %w", err)
	}
	for _, s := range k.subkeys {
		if s.weak == nil {
			s.weak = s.binding.problem()
		}
		// Revoked subkeys stay in a key for ever; they only must not count.
		if s.weak != nil && len(s.revocations) == 0 && s.maySign() {
			return fmt.Errorf("subkey %s: %w: revoke or remove it with gpg --edit-key, then export the key again", fingerprint(s.packet), s.weak)
		}
	}
	return nil
}

// maySign is false for a subkey that says that it is for something else.
func (s *pgpSubkey) maySign() bool {
	return !slices.ContainsFunc(s.binding.newest, func(st statement) bool { return st.sig != nil && st.sig.FlagsValid && !st.sig.FlagSign })
}

// weakAlgorithm names what the first bytes of a key packet say.
func weakAlgorithm(body []byte) error {
	if len(body) < 6 {
		return nil
	}
	switch body[5] {
	case algoDSA:
		return errors.New("DSA keys are too weak: use ed25519")
	case algoElGamal, algoElGamalES:
		return errors.New("ElGamal keys cannot sign safely: use ed25519")
	}
	return nil
}

// curves are those whose signatures are verified.
var curves = []packet.Curve{packet.Curve25519, packet.CurveNistP256, packet.CurveNistP384, packet.CurveNistP521, packet.CurveBrainpoolP256, packet.CurveBrainpoolP384, packet.CurveBrainpoolP512}

// pgpStrength says why a key must not sign.
func pgpStrength(k *packet.PublicKey) error {
	switch k.PubKeyAlgo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSASignOnly:
		bits, err := k.BitLength()
		if err != nil || bits < minRSA || bits > maxRSA {
			return fmt.Errorf("RSA keys need %d to %d bits, this one has %d: use ed25519", minRSA, maxRSA, bits)
		}
		return nil
	case packet.PubKeyAlgoECDSA, packet.PubKeyAlgoEdDSA:
		curve, err := k.Curve()
		if err != nil || !slices.Contains(curves, curve) {
			return fmt.Errorf("curve %q is not supported: use ed25519", curve)
		}
		return nil
	default:
		if err := weakAlgorithm([]byte{4, 0, 0, 0, 0, byte(k.PubKeyAlgo)}); err != nil {
			return err
		}
		return fmt.Errorf("public-key algorithm %d is not supported: use ed25519", k.PubKeyAlgo)
	}
}
