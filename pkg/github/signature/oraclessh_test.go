package signature

import (
	"crypto/dsa" //nolint:staticcheck // such keys are refused
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hiddeco/sshsig"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
)

// sshKeys are keys in files, as ssh-keygen makes them.
type sshKeys struct {
	t   testing.TB
	dir string
}

func newSSH(t testing.TB) sshKeys {
	t.Helper()
	installed(t, "ssh-keygen")
	return sshKeys{t, t.TempDir()}
}

func (s sshKeys) path(name string) string { return filepath.Join(s.dir, name) }

// key makes one and gives its public part.
func (s sshKeys) key(name, kind, bits string) string {
	s.t.Helper()
	args := []string{"-q", "-t", kind, "-N", "", "-C", "", "-f", s.path(name)}
	if bits != "" {
		args = append(args, "-b", bits)
	}
	must(s.t, nil, "", "ssh-keygen", args...)
	return s.public(name)
}

func (s sshKeys) public(name string) string {
	s.t.Helper()
	line, err := os.ReadFile(s.path(name) + ".pub")
	require.NoError(s.t, err)
	return strings.TrimSpace(string(line))
}

// certify lets one key certify another and makes name-cert.pub of it.
func (s sshKeys) certify(authority, name string, options ...string) {
	s.t.Helper()
	must(s.t, nil, "", "ssh-keygen", append(append([]string{"-q", "-s", s.path(authority), "-I", "id"}, options...), s.path(name)+".pub")...)
}

// sign signs as git does; with a file of a certificate that goes along.
func (s sshKeys) sign(file, data string, options ...string) string {
	s.t.Helper()
	if name, ok := strings.CutSuffix(file, "-cert.pub"); ok { // ssh-keygen finds the private key only beside a key of the same name
		signer := s.signer(name)
		line, err := os.ReadFile(s.path(file))
		require.NoError(s.t, err)
		key, _, _, _, err := ssh.ParseAuthorizedKey(line)
		require.NoError(s.t, err)
		return signWith(s.t, signer, key, data, namespace)
	}
	if len(options) == 0 {
		options = []string{"-n", "git"}
	}
	return must(s.t, nil, data, "ssh-keygen", append([]string{"-Y", "sign", "-f", s.path(file)}, options...)...)
}

func (s sshKeys) signer(name string) ssh.Signer {
	s.t.Helper()
	private, err := os.ReadFile(s.path(name))
	require.NoError(s.t, err)
	signer, err := ssh.ParsePrivateKey(private)
	require.NoError(s.t, err)
	return signer
}

// signWith signs and names any public key, a certificate for example.
func signWith(t testing.TB, signer ssh.Signer, key ssh.PublicKey, data, namespace string) string {
	t.Helper()
	sig, err := sshsig.Sign(strings.NewReader(data), signer, sshsig.HashSHA512, namespace)
	require.NoError(t, err)
	sig.PublicKey = key
	return string(sshsig.Armor(sig))
}

// rawSSH makes a signature that no program would make.
func rawSSH(t testing.TB, key ssh.PublicKey, data, hash string, sign func([]byte) *ssh.Signature) string {
	t.Helper()
	sum := sha256.Sum256([]byte(data))
	message := append([]byte("SSHSIG"), ssh.Marshal(struct{ Namespace, Reserved, Hash, Sum string }{"git", "", hash, string(sum[:])})...)
	return string(sshsig.Armor(&sshsig.Signature{Version: 1, PublicKey: key, Namespace: "git", HashAlgorithm: sshsig.HashAlgorithm(hash), Signature: sign(message)}))
}

// securityKey plays a FIDO key (PROTOCOL.u2f): it signs the hash of its application,
// flags, a counter and the hash of the message.
func securityKey(t testing.TB, kind string, flags byte) (ssh.PublicKey, func([]byte) *ssh.Signature) {
	t.Helper()
	wrap := func(message []byte) []byte {
		app, sum := sha256.Sum256([]byte("ssh:")), sha256.Sum256(message)
		return append(append(app[:], flags, 0, 0, 0, 7), sum[:]...)
	}
	rest := []byte{flags, 0, 0, 0, 7}
	var blob []byte
	var sign func([]byte) *ssh.Signature
	if kind == ssh.KeyAlgoSKED25519 {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		require.NoError(t, err)
		blob = ssh.Marshal(struct {
			Kind string
			Key  []byte
			App  string
		}{kind, public, "ssh:"})
		sign = func(m []byte) *ssh.Signature {
			return &ssh.Signature{Format: kind, Blob: ed25519.Sign(private, wrap(m)), Rest: rest}
		}
	} else {
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		point, err := private.PublicKey.Bytes()
		require.NoError(t, err)
		blob = ssh.Marshal(struct {
			Kind, Curve string
			Key         []byte
			App         string
		}{kind, "nistp256", point, "ssh:"})
		sign = func(m []byte) *ssh.Signature {
			sum := sha256.Sum256(wrap(m))
			r, s, err := ecdsa.Sign(rand.Reader, private, sum[:])
			require.NoError(t, err)
			return &ssh.Signature{Format: kind, Blob: ssh.Marshal(struct{ R, S *big.Int }{r, s}), Rest: rest}
		}
	}
	key, err := ssh.ParsePublicKey(blob)
	require.NoError(t, err)
	return key, sign
}

func line(key ssh.PublicKey) string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) }

type sha1Signer struct{ ssh.AlgorithmSigner }

func (s sha1Signer) Sign(in io.Reader, data []byte) (*ssh.Signature, error) {
	return s.SignWithAlgorithm(in, data, ssh.KeyAlgoRSA)
}

// TestAgainstSSHKeygen compares with git verify-commit, which asks ssh-keygen. Its
// clock is the committer's date, which is the time of receipt here. Where the
// verdicts differ the row says why.
func TestAgainstSSHKeygen(t *testing.T) {
	s, git := newSSH(t), newGit(t, "sha1")
	type row struct {
		name      string
		allowed   string
		object    string
		want      State
		principal string
		why       string // git judges otherwise, because
		load      string // the file is refused with this
		at        time.Time
	}
	var rows []row
	with := func(name, allowed, armored string) row {
		return row{name: name, allowed: allowed + "\n", object: withHeader(payload(name), "gpgsig", armored), want: Trusted, principal: "alice@example.com"}
	}
	add := func(r row) { rows = append(rows, r) }
	but := func(r row, want State, why string) row { r.want, r.why, r.principal = want, why, ""; return r }

	for _, k := range []struct{ kind, bits string }{{"rsa", "2048"}, {"rsa", "3072"}, {"rsa", "4096"}, {"ed25519", ""}, {"ecdsa", "256"}, {"ecdsa", "384"}, {"ecdsa", "521"}} {
		name := k.kind + k.bits
		key := s.key(name, k.kind, k.bits)
		add(with("algorithm "+name, "alice@example.com "+key, s.sign(name, payload("algorithm "+name))))
		add(with("sha256 "+name, "alice@example.com "+key, s.sign(name, payload("sha256 "+name), "-n", "git", "-O", "hashalg=sha256")))
		if authority := "ca-" + name; k.kind != "rsa" || k.bits == "2048" {
			s.key(authority, k.kind, k.bits)
		} else { // large keys take seconds
			for _, suffix := range []string{"", ".pub"} {
				require.NoError(t, os.Link(s.path("ca-rsa2048"+suffix), s.path(authority+suffix)))
			}
		}
		s.certify("ca-"+name, name, "-n", "alice@example.com", "-V", "20250101000000:20260101000000")
		add(with("certificate "+name, "*@example.com cert-authority "+s.public("ca-"+name), s.sign(name+"-cert.pub", payload("certificate "+name))))
	}
	key, signKey := s.public("ed25519"), func(name string) string { return s.sign("ed25519", payload(name)) }
	for _, kind := range []string{ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256} {
		public, sign := securityKey(t, kind, userPresence)
		add(with(kind, "alice@example.com "+line(public), rawSSH(t, public, payload(kind), "sha256", sign)))
		public, sign = securityKey(t, kind, 0)
		add(but(with(kind+" untouched", "alice@example.com "+line(public), rawSSH(t, public, payload(kind+" untouched"), "sha256", sign)), Weak, "malware on the computer can sign without a touch"))
	}
	add(but(with("tampered", "alice@example.com "+key, signKey("else")), Invalid, ""))
	add(but(with("another namespace", "alice@example.com "+key, s.sign("ed25519", payload("another namespace"), "-n", "file")), Invalid, ""))
	add(but(with("unknown key", "alice@example.com "+s.public("ecdsa256"), signKey("unknown key")), UntrustedKey, ""))
	add(but(with("armor twice", "alice@example.com "+key, signKey("armor twice")+signKey("armor twice")), Malformed, "which of the two counts depends on the reader"))
	add(but(with("text after", "alice@example.com "+key, signKey("text after")+"Hello"), Malformed, "nothing protects the text"))
	twice := with("two headers", "alice@example.com "+key, signKey("two headers"))
	twice.object = withHeader(twice.object, "gpgsig", signKey("two headers"))
	add(but(twice, Malformed, "git joins both, and ssh-keygen takes the first"))

	for name, options := range map[string]string{
		"no options": "", "namespace": `namespaces="git"`, "namespaces": `namespaces="file,g*"`, "case of options": `NameSpaces="git"`,
		"valid": `valid-after="20250101",valid-before="20260101"`, "valid in seconds": `valid-after="20250601235959Z",valid-before="20250602000001Z"`,
		"first second": `valid-after="20250602Z"`, "last second": `valid-before="202506020000Z"`, "all options": `namespaces="git",valid-after="20250101Z",valid-before="20260101Z"`,
	} {
		add(with(name, "alice@example.com "+options+" "+key, signKey(name)))
	}
	for name, options := range map[string]string{"other namespace": `namespaces="file"`, "namespace negated": `namespaces="*,!git"`, "authority alone": "cert-authority"} {
		add(but(with(name, "alice@example.com "+options+" "+key, signKey(name)), UntrustedKey, ""))
	}
	for name, options := range map[string]string{"not valid yet": `valid-after="20250602000001Z"`, "not valid any more": `valid-before="20250601235959Z"`} {
		add(but(with(name, "alice@example.com "+options+" "+key, signKey(name)), Expired, ""))
	}
	backdated := with("backdated", `alice@example.com valid-before="20250602000001Z" `+key, signKey("backdated"))
	backdated.at = received.AddDate(0, 0, 1)
	add(but(backdated, Expired, "git believes the committer's date"))
	for name, c := range map[string]struct{ principals, want string }{
		"list": {"alice@example.com,bob@example.com", "alice@example.com"}, "wildcard": {"*@example.com", "*@example.com"}, "question mark": {"alic?@example.com", "alic?@example.com"},
		"negation with others": {"!bob@example.com,*@example.com", "!bob@example.com"}, "quoted": {`"alice@example.com"`, "alice@example.com"}, "name alone": {"alice", "alice"},
	} {
		r := with(name, c.principals+" "+key, signKey(name))
		r.principal = c.want
		add(r)
	}
	add(but(with("only negated", "!alice@example.com "+key, signKey("only negated")), UntrustedKey, ""))
	add(but(with("all negated", "alice@example.com,!* "+key, signKey("all negated")), UntrustedKey, ""))
	add(with("comments", "# a comment\n\n  # another\nalice@example.com "+key+" of alice", signKey("comments")))
	add(with("blanks", "  \talice@example.com \t "+key+" \r", signKey("blanks")))
	add(with("second key", "bob@example.com "+s.public("ecdsa256")+"\nalice@example.com "+key, signKey("second key")))
	add(but(with("first line decides on principals", `old@example.com namespaces="file" `+key+"\nalice@example.com "+key, signKey("first line decides on principals")), UntrustedKey, ""))
	add(with("first line that is valid", `old@example.com valid-before="20250101Z" `+key+"\nalice@example.com "+key, signKey("first line that is valid")))
	add(with("same principal in both lines", `alice@example.com valid-before="20250101Z" `+key+"\nalice@example.com "+key, signKey("same principal in both lines")))
	wide := with("wider second line", `alice@example.com namespaces="file" `+key+"\n*@example.com "+key, signKey("wider second line"))
	add(wide)

	certified := func(name, allowed string, want State, why string, options ...string) {
		file := strings.ReplaceAll("c "+name, " ", "-")
		s.key(file, "ed25519", "")
		s.certify("ca-ed25519", file, options...)
		r := with("certificate "+name, allowed+" "+s.public("ca-ed25519"), s.sign(file+"-cert.pub", payload("certificate "+name)))
		if want != Trusted {
			r = but(r, want, why)
		}
		add(r)
	}
	valid := []string{"-V", "20250101000000:20260101000000"}
	for name, c := range map[string]struct {
		allowed string
		want    State
		why     string
		options []string
	}{
		"of two principals":        {"alice@example.com cert-authority", Trusted, "", append([]string{"-n", "bob@example.com,alice@example.com"}, valid...)},
		"of another principal":     {"alice@example.com cert-authority", UntrustedKey, "", append([]string{"-n", "bob@example.com"}, valid...)},
		"without principals":       {"*@example.com cert-authority", Invalid, "", valid},
		"that ended":               {"*@example.com cert-authority", Expired, "", []string{"-n", "alice@example.com", "-V", "20250101000000:20250602000000"}},
		"that has not begun":       {"*@example.com cert-authority", Expired, "", []string{"-n", "alice@example.com", "-V", "20250602000001:20260101000000"}},
		"in its first second":      {"*@example.com cert-authority", Trusted, "", []string{"-n", "alice@example.com", "-V", "20250602000000:20260101000000"}},
		"for ever":                 {"*@example.com cert-authority", Trusted, "", []string{"-n", "alice@example.com"}},
		"of a host":                {"*@example.com cert-authority", Invalid, "", append([]string{"-h", "-n", "alice@example.com"}, valid...)},
		"with critical options":    {"*@example.com cert-authority", Unsupported, "ssh-keygen heeds none of them", append([]string{"-n", "alice@example.com", "-O", "source-address=10.0.0.0/8"}, valid...)},
		"with an extension":        {"*@example.com cert-authority", Trusted, "", append([]string{"-n", "alice@example.com", "-O", "extension:note@example.com=1"}, valid...)},
		"without cert-authority":   {"*@example.com", UntrustedKey, "", append([]string{"-n", "alice@example.com"}, valid...)},
		"for another namespace":    {`*@example.com cert-authority,namespaces="file"`, UntrustedKey, "", append([]string{"-n", "alice@example.com"}, valid...)},
		"of an authority too old":  {`*@example.com cert-authority,valid-before="20250601Z"`, Expired, "", append([]string{"-n", "alice@example.com"}, valid...)},
		"with a negated principal": {"!alice@example.com,*@example.com cert-authority", UntrustedKey, "", append([]string{"-n", "alice@example.com"}, valid...)},
	} {
		certified(name, c.allowed, c.want, c.why, c.options...)
	}
	// The plain key of a certificate is another matter than the certificate.
	add(but(with("certified key as a plain one", "alice@example.com "+s.public("ed25519"), s.sign("ed25519-cert.pub", payload("certified key as a plain one"))), UntrustedKey, ""))
	add(but(with("plain key of an authority", "alice@example.com cert-authority "+s.public("ca-ed25519"), signKey("plain key of an authority")), UntrustedKey, ""))
	s.certify("ca-rsa2048", "ecdsa256", "-t", "ssh-rsa", "-n", "alice@example.com")
	add(but(with("authority with SHA-1", "alice@example.com cert-authority "+s.public("ca-rsa2048"), s.sign("ecdsa256-cert.pub", payload("authority with SHA-1"))), Weak, "collisions of SHA-1 can be made"))

	add(with("authority twice", "bob@example.com cert-authority "+s.public("ca-ed25519")+"\nalice@example.com cert-authority "+s.public("ca-ed25519"), s.sign("ed25519-cert.pub", payload("authority twice"))))

	// RSA with SHA-1, and weak keys.
	rsaSigner := s.signer("rsa2048").(ssh.AlgorithmSigner)
	withSHA1 := func(m []byte) *ssh.Signature {
		sig, err := sha1Signer{rsaSigner}.Sign(rand.Reader, m)
		require.NoError(t, err)
		return sig
	}
	add(but(with("ssh-rsa", "alice@example.com "+s.public("rsa2048"), rawSSH(t, rsaSigner.PublicKey(), payload("ssh-rsa"), "sha256", withSHA1)), Weak, ""))
	rsaCert, err := os.ReadFile(s.path("rsa2048-cert.pub"))
	require.NoError(t, err)
	certKey, _, _, _, err := ssh.ParseAuthorizedKey(rsaCert)
	require.NoError(t, err)
	add(but(with("ssh-rsa in a certificate", "*@example.com cert-authority "+s.public("ca-rsa2048"), rawSSH(t, certKey, payload("ssh-rsa in a certificate"), "sha256", withSHA1)), Weak, ""))
	small := s.key("rsa1024", "rsa", "1024")
	r := with("rsa1024", "alice@example.com "+small, s.sign("rsa1024", payload("rsa1024")))
	r.load, r.why = "line 1: RSA keys need 2048 to 8192 bits", "weak"
	add(r)

	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "allowed")
			require.NoError(t, os.WriteFile(file, []byte(r.allowed), 0o600))
			good, said := git.verify(r.object, nil, "-c", "gpg.format=ssh", "-c", "gpg.ssh.allowedSignersFile="+file)
			a, err := NewAllowed([]Signer{{Name: "alice", AllowedSigners: []KeyFile{{Path: "allowed", Content: []byte(r.allowed)}}}})
			if r.load != "" {
				require.ErrorContains(t, err, r.load)
				require.Equal(t, r.why != "", good, said)
				return
			}
			require.NoError(t, err)
			at := received
			if !r.at.IsZero() {
				at = r.at
			}
			v := a.Verify(nameOf(r.object), []byte(r.object), at)
			require.Equal(t, r.want.String(), v.State.String(), "%s\ngit: %s", v.Detail, said)
			require.Equal(t, r.why != "", good != v.Trusted(), "git: %v %s\nwe: %+v", good, said, v)
			if v.Trusted() {
				require.Equal(t, r.principal, v.Principal)
				require.Equal(t, "alice", v.Signer)
				require.Equal(t, SSH, v.Type)
				require.Contains(t, said, v.Key)
			}
		})
	}
}

// TestAllowedSignersAgainstSSHKeygen: what the file format means, for lines good
// and bad. ssh-keygen is asked for the principals of a signature.
func TestAllowedSignersAgainstSSHKeygen(t *testing.T) {
	s := newSSH(t)
	key := s.key("key", "ed25519", "")
	signature := s.path("signature")
	require.NoError(t, os.WriteFile(signature, []byte(s.sign("key", "data")), 0o600))
	_, b64, _ := strings.Cut(key, " ")
	for name, c := range map[string]struct{ file, why string }{
		"plain":                     {"a " + key, ""},
		"tab":                       {"a\t" + key, ""},
		"quoted with blank":         {`"a b" ` + key, ""},
		"empty quotes":              {`"" ` + key, "an empty principal is a mistake"},
		"quotes that do not end":    {`"a ` + key, ""},
		"no key":                    {"a", ""},
		"key alone":                 {key, ""},
		"no base64":                 {"a ssh-ed25519", ""},
		"bad base64":                {"a ssh-ed25519 AAAA*", ""},
		"cut base64":                {"a ssh-ed25519 " + b64[:40], ""},
		"other type":                {"a ssh-rsa " + b64, ""},
		"unknown type":              {"a ssh-unknown " + b64, ""},
		"unknown option":            {"a restrict " + key, ""},
		"option without quotes":     {"a namespaces=git " + key, ""},
		"option that does not end":  {`a namespaces="git ` + key, ""},
		"option without value":      {"a namespaces " + key, ""},
		"empty option":              {`a namespaces="" ` + key, "a list that allows nothing is a mistake"},
		"option with a value":       {`a cert-authority="x" ` + key, ""},
		"twice":                     {`a namespaces="git",namespaces="git" ` + key, ""},
		"twice the flag":            {`a cert-authority,cert-authority ` + key, ""},
		"comma at the end":          {`a namespaces="git", ` + key, ""},
		"two commas":                {`a namespaces="git",,valid-after="20200101" ` + key, "it can be read in two ways"},
		"no comma":                  {`a namespaces="git"valid-after="20200101" ` + key, ""},
		"blank in option":           {`a namespaces="git, file" ` + key, ""},
		"escaped quote":             {`a namespaces="g\"t" ` + key, ""},
		"order of times":            {`a valid-after="20300101",valid-before="20200101" ` + key, ""},
		"no time":                   {`a valid-after="never" ` + key, ""},
		"short time":                {`a valid-after="2025" ` + key, ""},
		"month 13":                  {`a valid-after="20251301" ` + key, ""},
		"30 February":               {`a valid-after="20200230" ` + key, "such a day does not exist"},
		"Z twice":                   {`a valid-after="20200101ZZ" ` + key, ""},
		"UTC as a word":             {`a valid-after="20200101UTC" ` + key, "ssh-keygen(1) does not name this form"},
		"small z":                   {`a valid-after="20200101z" ` + key, ""},
		"comment after the key":     {"a " + key + " # comment", ""},
		"comment behind principals": {"a #comment " + key, ""},
		"empty principal":           {"a,,b " + key, "an empty principal is a mistake"},
		"byte order mark":           {"\ufeffa " + key, ""},
		"CRLF":                      {"a " + key + "\r", ""},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "allowed")
			require.NoError(t, os.WriteFile(file, []byte(c.file+"\n"), 0o600))
			_, said, err := program(t, nil, "", "ssh-keygen", "-Y", "find-principals", "-f", file, "-s", signature)
			lines, own := parseAllowedSigners([]byte(c.file+"\n"), "")
			if own == nil && lines[0].authority {
				own = errors.New("no plain key")
			}
			require.Equal(t, c.why != "", (err == nil) != (own == nil), "ssh-keygen: %v %s\nwe: %v", err, said, own)
			if own != nil && !strings.Contains(own.Error(), "no plain key") {
				require.ErrorContains(t, own, "line 1: ")
			}
		})
	}
}

// TestWeakSSHKeys: what is no key to sign with stops the start.
func TestWeakSSHKeys(t *testing.T) {
	marshal := func(key any) string {
		k, err := ssh.NewPublicKey(key)
		require.NoError(t, err)
		return line(k)
	}
	var d dsa.PrivateKey
	require.NoError(t, dsa.GenerateParameters(&d.Parameters, rand.Reader, dsa.L1024N160))
	require.NoError(t, dsa.GenerateKey(&d, rand.Reader))
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	for want, content := range map[string]string{
		"ssh.pub: line 1: keys of type ssh-dss":         marshal(&d.PublicKey),
		"ssh.pub: line 3: RSA keys need 2048":           "# old\n\n" + marshal(&weak.PublicKey),
		"ssh.pub: line 1: it holds a private key":       "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
		"ssh.pub: it is empty":                          "# nothing\n",
		"ssh.pub: line 1: it has more than 32768 bytes": strings.Repeat("a", maxLine+1),
		"ssh.pub: line 1: it has a NUL byte":            "a\x00",
		"ssh.pub: a file may have":                      strings.Repeat("a", maxFile+1),
		"ssh.pub: line 1: it has no SSH public key":     "hello world",
	} {
		_, err := NewAllowed([]Signer{{Name: "alice", SSH: []KeyFile{{Path: "ssh.pub", Content: []byte(content)}}}})
		require.ErrorContains(t, err, `signer "alice": `+want)
	}
}
