package signature

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

const (
	// ClockSkew is by how much the clock of a signer may be ahead.
	ClockSkew = 5 * time.Minute

	// What one configuration may hold. A thousand people with ten keys each fit.
	maxSigners = 10_000
	maxKeys    = 20_000
	maxFile    = 4 << 20  // bytes of one file
	maxFiles   = 64 << 20 // bytes of all files
	maxName    = 200      // bytes of a signer's name
)

// KeyFile is a file with public keys, read by the caller.
type KeyFile struct {
	// Path names the file in errors.
	Path    string
	Content []byte
}

// Signer is somebody whose signatures count, with the keys to tell them by.
type Signer struct {
	// Name is what results call the signer: a person, a team, a bot.
	Name string
	// OpenPGP are exported public keys, armored or binary, one or more per file.
	OpenPGP []KeyFile
	// Fingerprints restricts the OpenPGP files to these primary keys, 40
	// hexadecimal digits each; spaces as gpg prints them are allowed. Each must be
	// there. Empty allows all keys of the files.
	Fingerprints []string
	// AllowedSigners are files as ssh-keygen(1) describes them under ALLOWED
	// SIGNERS.
	AllowedSigners []KeyFile
	// SSH are public keys as in id_ed25519.pub, one per line.
	SSH []KeyFile
}

// Allowed is a set of allowed signers. It does not change and may be used by
// many goroutines. The zero Allowed trusts nobody.
type Allowed struct {
	names []string
	pgp   map[string][]pgpCandidate // by key ID
	ssh   []sshList                 // one per file
}

// NewAllowed reads the keys of all signers. It fails on the first thing that
// would be useless or dangerous: an unreadable, private or weak key, a listed
// fingerprint without its key, an OpenPGP key or a plain SSH key that two
// signers share, as nobody could tell who of them signed. Errors name the file
// and, where it has lines, the line, and say what to do.
func NewAllowed(signers []Signer) (*Allowed, error) {
	l := loader{allowed: &Allowed{pgp: map[string][]pgpCandidate{}}, owner: map[string]int{}}
	if len(signers) == 0 {
		return nil, errors.New("no allowed signer is given")
	}
	if len(signers) > maxSigners {
		return nil, fmt.Errorf("%d allowed signers are more than the %d that are supported", len(signers), maxSigners)
	}
	for i, s := range signers {
		if s.Name == "" || len(s.Name) > maxName || strings.TrimSpace(s.Name) != s.Name || strings.ContainsFunc(s.Name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return nil, fmt.Errorf("signer %d: %q is no name: one line of 1 to %d bytes is", i+1, clip(s.Name), maxName)
		}
		if slices.Contains(l.allowed.names, s.Name) {
			return nil, fmt.Errorf("signer %q is there twice: put the keys together", s.Name)
		}
		l.allowed.names = append(l.allowed.names, s.Name)
		if err := l.signer(i, s); err != nil {
			return nil, fmt.Errorf("signer %q: %w", s.Name, err)
		}
	}
	return l.allowed, nil
}

type loader struct {
	allowed     *Allowed
	owner       map[string]int // the signer of each key, by its fingerprint
	bytes, keys int
}

func (l *loader) signer(i int, s Signer) error {
	before := l.keys
	if err := l.openPGP(i, s); err != nil {
		return err
	}
	for _, list := range []struct {
		files []KeyFile
		parse func(content []byte, name string) ([]sshLine, error)
	}{{s.AllowedSigners, parseAllowedSigners}, {s.SSH, parsePublicKeys}} {
		for _, f := range list.files {
			if err := l.file(f); err != nil {
				return err
			}
			lines, err := list.parse(f.Content, s.Name)
			if err != nil {
				return fmt.Errorf("%s: %w", f.Path, err)
			}
			for _, line := range lines {
				if line.authority {
					l.keys++
				} else if err := l.own(ssh.FingerprintSHA256(line.key), i); err != nil {
					return fmt.Errorf("%s: line %d: %w", f.Path, line.number, err)
				}
			}
			l.allowed.ssh = append(l.allowed.ssh, sshList{signer: i, path: f.Path, lines: lines})
		}
	}
	if l.keys > maxKeys {
		return fmt.Errorf("there are more than %d keys", maxKeys)
	}
	if l.keys == before {
		return errors.New("it has no key: give openPGP, allowedSigners or ssh files")
	}
	return nil
}

// file counts what is read.
func (l *loader) file(f KeyFile) error {
	if l.bytes += len(f.Content); len(f.Content) > maxFile || l.bytes > maxFiles {
		return fmt.Errorf("%s: a file may have %d bytes, all together %d: export keys with gpg --export-options export-minimal", f.Path, maxFile, maxFiles)
	}
	return nil
}

// own notes whose key it is. One signer may list a key again.
func (l *loader) own(fingerprint string, i int) error {
	if other, ok := l.owner[fingerprint]; ok && other != i {
		return fmt.Errorf("key %s is also a key of signer %q: a key belongs to one signer", fingerprint, l.allowed.names[other])
	}
	l.owner[fingerprint] = i
	l.keys++
	return nil
}

func (l *loader) openPGP(i int, s Signer) error {
	missing := map[string]bool{}
	for _, f := range s.Fingerprints {
		clean := strings.ToUpper(strings.ReplaceAll(f, " ", ""))
		if len(clean) != 40 || strings.Trim(clean, "0123456789ABCDEF") != "" {
			return fmt.Errorf("%q is not the full fingerprint of an OpenPGP key (40 hexadecimal digits): see gpg --list-keys --fingerprint", clip(f))
		}
		missing[clean] = true
	}
	want := func(f string) bool { _, ok := missing[f]; return ok || len(s.Fingerprints) == 0 }
	for _, f := range s.OpenPGP {
		if err := l.file(f); err != nil {
			return err
		}
		keys, err := readPGPKeys(f.Content, want)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
		for _, k := range keys {
			if _, again := l.owner[k.fingerprint]; again {
				return fmt.Errorf("%s: key %s is there twice: a key belongs to one signer and one file, where all that its owner says of it stands", f.Path, k.fingerprint)
			}
			if err := l.own(k.fingerprint, i); err != nil {
				return fmt.Errorf("%s: %w", f.Path, err)
			}
			missing[k.fingerprint] = false
			k.signer = i
			l.allowed.add(pgpCandidate{primary: k})
			for _, sub := range k.subkeys {
				l.allowed.add(pgpCandidate{primary: k, sub: sub})
			}
		}
	}
	for f, absent := range missing {
		if absent {
			return fmt.Errorf("no OpenPGP file has the key %s: export it with gpg --export --armor %s", f, f)
		}
	}
	return nil
}

func (a *Allowed) add(c pgpCandidate) {
	id := keyID(fingerprint(c.key()))
	a.pgp[id] = append(a.pgp[id], c)
}

// Verify judges the signature of a commit object (git cat-file commit), which
// was received at that time. The time decides about expiry and revocation; it
// must be ours, as dates in commits and signatures are whatever their author
// wrote. A signature by GitHub is one by a key that nobody here has.
func (a *Allowed) Verify(commit approval.SHA, object []byte, at time.Time) Result {
	s, refused := open(commit, object)
	if refused != nil {
		return *refused
	}
	if at.Unix() <= 0 {
		return refuse(Unknown, "it is not known when the commit was received")
	}
	var r Result
	switch kind := firstLine(s.Signature); kind {
	case pgpSignature:
		r = a.verifyOpenPGP(s.Payload, s.Signature, at)
		r.Type = OpenPGP
	case sshSignature:
		r = a.verifySSH(s.Payload, s.Signature, at)
		r.Type = SSH
	default:
		r = otherKind(kind)
	}
	return r
}

// open checks the name of a commit object and takes it apart.
func open(commit approval.SHA, object []byte) (Signed, *Result) {
	refused := func(st State, format string, args ...any) (Signed, *Result) {
		r := refuse(st, format, args...)
		return Signed{}, &r
	}
	if len(object) > maxObject {
		return refused(Malformed, "the commit object has more than %d bytes", maxObject)
	}
	header, err := checkName(commit, object)
	if err != nil {
		return refused(Malformed, "%v", err)
	}
	s, err := Split(object)
	switch {
	case err != nil:
		return refused(Malformed, "%v", err)
	case s.Header == "":
		return refused(Unsigned, "the commit is not signed")
	case s.Header != header:
		return refused(Unsupported, "the commit is signed under another name, in the header %s", s.Header)
	}
	return s, nil
}

func otherKind(kind string) Result {
	switch kind {
	case "SIGNED MESSAGE", "CMS", "PKCS7":
		r := refuse(Unsupported, "X.509 signatures (S/MIME, gitsign) are not supported: sign with OpenPGP or SSH")
		r.Type = X509
		return r
	case "PGP MESSAGE":
		r := refuse(Unsupported, "the signature is a PGP MESSAGE, not a detached signature")
		r.Type = OpenPGP
		return r
	case "":
		return refuse(Malformed, "the signature does not begin with an armor line")
	default:
		return refuse(Unsupported, "%q is no kind of signature that is supported: sign with OpenPGP or SSH", clip(kind))
	}
}
