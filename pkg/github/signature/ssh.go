package signature

import (
	"bytes"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// namespace is what git signs for. Signatures for files, mail or a login name
// another one, so that none of them can be passed off as a commit's.
const namespace = "git"

// userPresence is set by a security key that was touched (PROTOCOL.u2f).
const userPresence = 1

// sshStrength says why a key must not sign.
func sshStrength(key ssh.PublicKey) error {
	switch key.Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256:
		return nil
	case ssh.KeyAlgoRSA:
		k, ok := key.(ssh.CryptoPublicKey)
		if !ok {
			return errors.New("the RSA key cannot be read")
		}
		n, ok := k.CryptoPublicKey().(*rsa.PublicKey)
		if !ok || n.N.BitLen() < minRSA || n.N.BitLen() > maxRSA {
			return fmt.Errorf("RSA keys need %d to %d bits: use ssh-keygen -t ed25519", minRSA, maxRSA)
		}
		return nil
	default:
		return fmt.Errorf("keys of type %s are too weak or not supported: use ssh-keygen -t ed25519", clip(key.Type()))
	}
}

// soundFormat says whether a key of that type may make signatures of that
// format: RSA with SHA-2 alone, the others as they are called.
func soundFormat(key ssh.PublicKey, s *ssh.Signature) bool {
	if key.Type() == ssh.KeyAlgoRSA {
		return (s.Format == ssh.KeyAlgoRSASHA256 || s.Format == ssh.KeyAlgoRSASHA512) && len(s.Rest) == 0
	}
	security := strings.HasPrefix(key.Type(), "sk-")
	return s.Format == key.Type() && (security && len(s.Rest) == 5 || !security && len(s.Rest) == 0)
}

// sshSigned is an SSH signature (PROTOCOL.sshsig) with the key that it names.
type sshSigned struct {
	sig  *sshsig.Signature
	key  ssh.PublicKey    // without its certificate
	cert *ssh.Certificate // nil for a plain key
}

func (s sshSigned) fingerprint() string { return ssh.FingerprintSHA256(s.key) }

// readSSH takes the armor off and refuses what no signature over a commit may
// have.
func readSSH(armored []byte) (sshSigned, *Result) {
	var s sshSigned
	refused := func(st State, format string, args ...any) (sshSigned, *Result) {
		r := refuse(st, format, args...)
		if s.key != nil {
			r.Key = s.fingerprint()
		}
		return s, &r
	}
	blob, rest, err := dearmor(armored, sshSignature)
	if err != nil {
		return refused(Malformed, "the SSH signature is malformed: %v", err)
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return refused(Malformed, "something follows the SSH signature")
	}
	var outer struct {
		Version                   uint32
		PublicKey                 []byte
		Namespace, Reserved, Hash string
		Signature                 []byte
	}
	blob, ok := bytes.CutPrefix(blob, []byte("SSHSIG"))
	if !ok || ssh.Unmarshal(blob, &outer) != nil {
		return refused(Malformed, "the SSH signature is malformed: it is not as PROTOCOL.sshsig describes it")
	}
	if outer.Version != 1 {
		return refused(Unsupported, "SSH signatures of version %d are not supported", outer.Version)
	}
	if outer.Reserved != "" {
		return refused(Unsupported, "the SSH signature uses a field that is reserved")
	}
	if outer.Hash != "sha256" && outer.Hash != "sha512" {
		return refused(Unsupported, "the SSH signature is over a %q hash: sha256 and sha512 are supported", clip(outer.Hash))
	}
	var inner ssh.Signature
	if err := ssh.Unmarshal(outer.Signature, &inner); err != nil {
		return refused(Malformed, "the SSH signature is malformed: %v", err)
	}
	public, err := ssh.ParsePublicKey(outer.PublicKey)
	if err != nil {
		return refused(Malformed, "the key in the SSH signature cannot be read: %v", err)
	}
	s = sshSigned{key: public, sig: &sshsig.Signature{Version: 1, PublicKey: public, Namespace: outer.Namespace, HashAlgorithm: sshsig.HashAlgorithm(outer.Hash), Signature: &inner}}
	if cert, ok := public.(*ssh.Certificate); ok {
		s.cert, s.key = cert, cert.Key
	}
	if outer.Namespace != namespace {
		return refused(Invalid, "the SSH signature is for the namespace %q, not for git", clip(outer.Namespace))
	}
	if err := sshStrength(s.key); err != nil {
		return refused(Weak, "%v", err)
	}
	if inner.Format == ssh.KeyAlgoRSA {
		return refused(Weak, "the SSH signature is made with SHA-1")
	}
	if !soundFormat(s.key, &inner) {
		return refused(Malformed, "a key of type %s made a signature of type %q", s.key.Type(), clip(inner.Format))
	}
	if len(inner.Rest) > 0 && inner.Rest[0]&userPresence == 0 {
		return refused(Weak, "nobody touched the security key for this signature")
	}
	return s, nil
}

// verifySSH judges a signature as git does with ssh-keygen: find-principals, then
// verify for each principal that was found.
func (a *Allowed) verifySSH(payload, armored []byte, at time.Time) Result {
	s, refused := readSSH(armored)
	if refused != nil {
		return *refused
	}
	named := func(r Result) Result { r.Key = s.fingerprint(); return r }
	// The key of a certificate signs like a plain one.
	plain := *s.sig
	plain.PublicKey = s.key
	if sshsig.Verify(bytes.NewReader(payload), &plain, s.key, plain.HashAlgorithm, namespace) != nil {
		return named(refuse(Invalid, "the SSH signature was not made over this commit by the key %s in it", s.fingerprint()))
	}
	verdict := refuse(UntrustedKey, "SSH key %s belongs to no allowed signer", s.fingerprint())
	if s.cert != nil {
		verdict = refuse(UntrustedKey, "SSH key %s has a certificate by %s, which is no authority of an allowed signer", s.fingerprint(), ssh.FingerprintSHA256(s.cert.SignatureKey))
	}
	for _, list := range a.ssh {
		r, found := list.judge(s, at)
		if !found {
			continue
		}
		r.Signer = a.names[list.signer]
		if r.State == Trusted {
			r.Detail = fmt.Sprintf("signed by %s with SSH key %s", r.Signer, s.fingerprint())
			if s.cert != nil {
				r.Detail += " and a certificate by " + ssh.FingerprintSHA256(s.cert.SignatureKey)
			}
			return named(r)
		}
		if verdict.Signer == "" {
			verdict = r
		}
	}
	return named(verdict)
}

// judge looks for principals as ssh-keygen -Y find-principals does: in the first
// line that has the key, is valid at that time and, for a certificate, allows
// one of its principals. The signature counts when, for one of the principals,
// any line accepts the key. Observed with OpenSSH 9.2 on 2026-11-21.
func (list sshList) judge(s sshSigned, at time.Time) (r Result, found bool) {
	at = at.Truncate(time.Second)
	var names []string
	note := func(l sshLine, refused Result) {
		if r.State == Unknown {
			refused.Detail = fmt.Sprintf("%s, line %d: %s", list.path, l.number, refused.Detail)
			r = refused
		}
	}
	for _, l := range list.lines {
		if !s.has(l) {
			continue
		}
		found = true
		if refused := l.valid(at); refused != nil {
			note(l, *refused)
			continue
		}
		possible, refused := l.identities(s, at)
		if refused == nil {
			names = possible
			break
		}
		note(l, *refused)
	}
	for _, name := range names {
		for _, l := range list.lines {
			if !matchList(name, l.principals) || !s.has(l) {
				continue
			}
			verdict := l.accepts(s, name, at)
			if verdict.State == Trusted {
				return verdict, true
			}
			note(l, verdict)
		}
	}
	if found && r.State == Unknown {
		r = refuse(UntrustedKey, "%s: the key is there, but for no principal", list.path)
	}
	return r, found
}

// has says whether the line lists the key that signed, or the authority of its
// certificate. The key of a certificate is not accepted by itself: it may have
// been certified for a limited time.
func (s sshSigned) has(l sshLine) bool {
	if s.cert == nil {
		return !l.authority && bytes.Equal(l.key.Marshal(), s.key.Marshal())
	}
	return l.authority && bytes.Equal(l.key.Marshal(), s.cert.SignatureKey.Marshal())
}

// identities are the names to verify with: the principals of the line, or those
// of the certificate that match one of them.
func (l sshLine) identities(s sshSigned, at time.Time) ([]string, *Result) {
	patterns := strings.Split(l.principals, ",")
	if s.cert == nil {
		return patterns, nil
	}
	if refused := checkCertificate(s.cert, at); refused != nil {
		return nil, refused
	}
	var names []string
	for _, p := range patterns {
		for _, name := range s.cert.ValidPrincipals {
			if matchPattern(name, p) {
				names = append(names, name)
			}
		}
	}
	if len(names) == 0 {
		r := refuse(UntrustedKey, "the certificate is for %q, none of which the line allows", clip(strings.Join(s.cert.ValidPrincipals, ",")))
		return nil, &r
	}
	return names, nil
}

// valid judges the times of the line, to the second as ssh-keygen does.
func (l sshLine) valid(at time.Time) *Result {
	var r Result
	switch {
	case !l.after.IsZero() && at.Before(l.after):
		r = refuse(Expired, "the key is valid from %s, and the commit was received %s", date(l.after), date(at))
	case !l.before.IsZero() && at.After(l.before):
		r = refuse(Expired, "the key was valid until %s, and the commit was received %s", date(l.before), date(at))
	default:
		return nil
	}
	return &r
}

// accepts judges the key for one principal that the line matches.
func (l sshLine) accepts(s sshSigned, principal string, at time.Time) Result {
	if refused := l.valid(at); refused != nil {
		return *refused
	}
	switch {
	case l.namespaces != "" && !matchList(namespace, l.namespaces):
		return refuse(UntrustedKey, "the key is for the namespaces %q, not for git", clip(l.namespaces))
	case s.cert != nil && !slices.Contains(s.cert.ValidPrincipals, principal):
		return refuse(UntrustedKey, "the certificate is not for this principal")
	}
	return Result{State: Trusted, Principal: principal}
}

// checkCertificate judges a certificate by an allowed authority
// (PROTOCOL.certkeys). ssh-keygen heeds no critical option and accepts an
// authority that signs with SHA-1; both are refused here.
func checkCertificate(c *ssh.Certificate, at time.Time) *Result {
	refused := func(st State, format string, args ...any) *Result {
		r := refuse(st, format, args...)
		return &r
	}
	now := uint64(max(at.Unix(), 0)) // not negative
	switch {
	case c.CertType != ssh.UserCert:
		return refused(Invalid, "the certificate is not one of a user")
	case len(c.ValidPrincipals) == 0:
		return refused(Invalid, "the certificate names no principal")
	case len(c.CriticalOptions) > 0:
		return refused(Unsupported, "the certificate has critical options, such as source-address, that cannot be checked for a commit")
	case sshStrength(c.SignatureKey) != nil:
		return refused(Weak, "the authority of the certificate: %v", sshStrength(c.SignatureKey))
	case c.Signature.Format == ssh.KeyAlgoRSA:
		return refused(Weak, "the certificate is signed with SHA-1")
	case !soundFormat(c.SignatureKey, c.Signature):
		return refused(Malformed, "the certificate has a signature of type %q", clip(c.Signature.Format))
	case now < c.ValidAfter:
		return refused(Expired, "the certificate is not valid yet on %s", date(at))
	case now >= c.ValidBefore:
		return refused(Expired, "the certificate had expired on %s", date(at))
	}
	checker := ssh.CertChecker{Clock: func() time.Time { return at }}
	if err := checker.CheckCert(c.ValidPrincipals[0], c); err != nil {
		return refused(Invalid, "the certificate does not verify: %v", err)
	}
	return nil
}
