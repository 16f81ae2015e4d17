package standin

import (
	"crypto"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// signing is what the server knows of keys; Server.mu guards all but the web-flow key.
type signing struct {
	webFlow     *openpgp.Entity
	keys        []signingKey
	unconfirmed map[string]bool // lower-case e-mails
	records     map[string]verificationJSON
}

func newSigning() (*signing, error) {
	key, err := newWebFlowKey()
	return &signing{webFlow: key, unconfirmed: map[string]bool{}, records: map[string]verificationJSON{}}, err
}

// signingKey is a registered key, of one of the two kinds.
type signingKey struct {
	owner *account
	pgp   *openpgp.Entity
	ssh   ssh.PublicKey
}

// verificationJSON is "verification".
type verificationJSON struct {
	Verified   bool    `json:"verified"`
	Reason     string  `json:"reason"`
	Signature  *string `json:"signature"`
	Payload    *string `json:"payload"`
	VerifiedAt stamp   `json:"verified_at"`
}

// AddSigningKey registers a key of a person: armoured OpenPGP public keys, or one line of an SSH public key file.
func (s *Server) AddSigningKey(login, key string) error {
	var add []signingKey
	if strings.Contains(key, "-----BEGIN ") {
		list, err := openpgp.ReadArmoredKeyRing(strings.NewReader(key))
		if err == nil && len(list) == 0 {
			err = errors.New("the armour is empty")
		}
		if err != nil {
			return fmt.Errorf("read OpenPGP key: %w", err)
		}
		for _, e := range list {
			add = append(add, signingKey{pgp: e})
		}
	} else {
		public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(key))
		if err != nil {
			return fmt.Errorf("read SSH key: %w", err)
		}
		add = append(add, signingKey{ssh: public})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	owner := s.logins[fold(login)]
	if owner == nil || owner.kind != "User" {
		return fmt.Errorf("add signing key: no user %q", login)
	}
	for i := range add {
		add[i].owner = owner
	}
	s.signing.keys = append(s.signing.keys, add...)
	return nil
}

// RemoveSigningKeys takes all keys of a person away. What was verified stays verified, as on GitHub
// ("persistent commit signature verification").
func (s *Server) RemoveSigningKeys(login string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	owner := s.logins[fold(login)]
	if owner == nil {
		return fmt.Errorf("remove signing keys: no user %q", login)
	}
	s.signing.keys = slices.DeleteFunc(s.signing.keys, func(k signingKey) bool { return k.owner == owner })
	return nil
}

// ConfirmEmail tells whether the owner of an e-mail has confirmed it; e-mails count as confirmed until
// this says otherwise.
func (s *Server) ConfirmEmail(email string, confirmed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signing.unconfirmed[fold(email)] = !confirmed
}

// SetVerification decides commit.verification of a commit, whatever its signature; GitHub's reasons
// are listed under "Signature verification object". verified true needs the reason "valid".
func (s *Server) SetVerification(sha string, verified bool, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := verificationJSON{Verified: verified, Reason: reason}
	if verified {
		v.VerifiedAt = stamp(s.now())
	}
	s.signing.records[sha] = v
}

// verification is what GitHub says of a commit's signature; it needs Server.mu.
func (s *Server) verification(c *commit) verificationJSON {
	return s.verify(c.sha, c.signature, c.payload, c.committer.Email)
}

// verify judges the signature of a commit or tag, or repeats what was decided before. Only success is
// kept: a later key or account can make a signature valid, but nothing makes it invalid again.
func (s *Server) verify(sha, signature, payload, email string) verificationJSON {
	v, decided := s.signing.records[sha]
	if !decided {
		v.Reason = s.signatureReason(signature, payload, email)
		if v.Verified = v.Reason == "valid"; v.Verified {
			v.VerifiedAt = stamp(s.now())
			s.signing.records[sha] = v
		}
	}
	v.Signature, v.Payload = nullable(signature), nullable(payload)
	return v
}

func (s *Server) signatureReason(signature, payload, email string) string {
	switch {
	case signature == "":
		return "unsigned"
	case strings.Count(signature, "-----BEGIN ") > 1: // two headers; git looks at one of them only
		return "malformed_signature"
	case strings.HasPrefix(signature, "-----BEGIN PGP "):
		return s.pgpReason(signature, payload, email)
	case strings.HasPrefix(signature, "-----BEGIN SSH SIGNATURE-----"):
		return s.sshReason(signature, payload, email)
	}
	return "unknown_signature_type"
}

// ownerReason finds the account of a committer's e-mail, "" as reason when it has one that is confirmed.
func (s *Server) ownerReason(email string) (*account, string) {
	owner := s.byEmail(email)
	switch {
	case owner == nil:
		return nil, "no_user"
	case s.signing.unconfirmed[fold(email)]:
		return nil, "unverified_email"
	}
	return owner, ""
}

// pgpReason checks in the order of what can be known: form, key, committer, key again, mathematics.
func (s *Server) pgpReason(signature, payload, email string) string {
	sig, err := readPGP(signature)
	if err != nil {
		return "malformed_signature"
	}
	if *sig.IssuerKeyId == s.signing.webFlow.PrimaryKey.KeyId {
		if !strings.EqualFold(email, webFlow.Email) {
			return "bad_email"
		}
		return s.mathReason(openpgp.EntityList{s.signing.webFlow}, sig, signature, payload)
	}
	owner, reason := s.ownerReason(email)
	if reason != "" {
		return reason
	}
	var found *signingKey
	for i, k := range s.signing.keys {
		if k.pgp != nil && len(openpgp.EntityList{k.pgp}.KeysById(*sig.IssuerKeyId)) > 0 {
			if found = &s.signing.keys[i]; k.owner == owner {
				break
			}
		}
	}
	if found == nil {
		return "unknown_key"
	}
	named := false
	for _, id := range found.pgp.Identities {
		named = named || strings.EqualFold(id.UserId.Email, email)
	}
	if found.owner != owner || !named {
		return "bad_email"
	}
	return s.mathReason(openpgp.EntityList{found.pgp}, sig, signature, payload)
}

// readPGP reads the one signature packet of an armoured signature.
func readPGP(armoured string) (*packet.Signature, error) {
	block, err := armor.Decode(strings.NewReader(armoured))
	if err != nil {
		return nil, err
	}
	packets := packet.NewReader(block.Body)
	p, err := packets.Next()
	if err != nil {
		return nil, err
	}
	sig, ok := p.(*packet.Signature)
	if !ok || sig.IssuerKeyId == nil {
		return nil, errors.New("no signature packet with an issuer")
	}
	if _, err := packets.Next(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one packet")
	}
	return sig, nil
}

// mathReason checks the signature itself, with the keys that may have made it.
func (s *Server) mathReason(keys openpgp.EntityList, sig *packet.Signature, armoured, payload string) string {
	if sig.SigType != packet.SigTypeBinary && sig.SigType != packet.SigTypeText {
		return "invalid"
	}
	_, err := openpgp.CheckArmoredDetachedSignature(keys, strings.NewReader(payload), strings.NewReader(armoured),
		&packet.Config{Time: s.now, MinRSABits: 1024, RejectMessageHashAlgorithms: map[crypto.Hash]bool{crypto.MD5: true, crypto.SHA1: true}})
	switch {
	case err == nil:
		return "valid"
	case errors.Is(err, pgperrors.ErrKeyExpired):
		return "expired_key"
	case errors.Is(err, pgperrors.ErrUnknownIssuer): // the key is there, but not for signing
		return "not_signing_key"
	}
	return "invalid"
}

// sshReason accepts the keys of the committer alone: SSH keys name nobody.
func (s *Server) sshReason(signature, payload, email string) string {
	sig, err := sshsig.Unarmor([]byte(signature))
	if err != nil {
		return "malformed_signature"
	}
	owner, reason := s.ownerReason(email)
	if reason != "" {
		return reason
	}
	for _, k := range s.signing.keys {
		if k.ssh == nil || k.owner != owner || ssh.FingerprintSHA256(k.ssh) != ssh.FingerprintSHA256(sig.PublicKey) {
			continue
		}
		if err := sshsig.Verify(strings.NewReader(payload), sig, k.ssh, sig.HashAlgorithm, "git"); err != nil {
			return "invalid"
		}
		return "valid"
	}
	return "unknown_key"
}
