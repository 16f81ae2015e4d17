package signature

import (
	"crypto/ed25519"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
)

// FuzzVerify judges any header in a commit whose name fits: only the two
// signatures that the keys made are trusted.
func FuzzVerify(f *testing.F) {
	alice := entity(f, "alice")
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(f, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(f, err)
	a, err := NewAllowed([]Signer{{Name: "alice", OpenPGP: []KeyFile{{Content: exported(f, alice)}}, SSH: []KeyFile{{Content: ssh.MarshalAuthorizedKey(signer.PublicKey())}}}})
	require.NoError(f, err)
	p := payload("fuzz")
	for _, armored := range []string{sign(f, alice, p), signWith(f, signer, signer.PublicKey(), p, namespace)} {
		object := withHeader(p, "gpgsig", armored)
		require.True(f, a.Verify(nameOf(object), []byte(object), received).Trusted())
		f.Add(object)
		f.Add(withHeader(object, "gpgsig", armored))
	}
	f.Add(p)
	f.Fuzz(func(t *testing.T, object string) {
		v := a.Verify(nameOf(object), []byte(object), received)
		require.NotEmpty(t, v.Detail)
		require.Equal(t, oneLine(v.Detail), v.Detail)
		if !v.Trusted() {
			return
		}
		s, err := Split([]byte(object))
		require.NoError(t, err)
		require.Equal(t, p, string(s.Payload), "this was never signed")
	})
}

// FuzzAllowedSigners: a line that is read means the same when it is written down
// again, and holds a key that may sign.
func FuzzAllowedSigners(f *testing.F) {
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINNwMHM8lLcve+HMdKmjaanRnkdOE0Sm3ZUxkjv5LTgg"
	for _, line := range []string{"a " + key, "# x\n\n*@x,!b@x namespaces=\"git\",valid-after=\"20200101Z\" " + key + " c\r\n", `"a b" cert-authority ` + key, "a ssh-rsa AAAA", `a namespaces="\"" ` + key} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		lines, err := parseAllowedSigners(content, "")
		if err != nil {
			require.Equal(t, oneLine(err.Error()), err.Error())
			return
		}
		require.NotEmpty(t, lines)
		for _, l := range lines {
			require.NoError(t, sshStrength(l.key))
			require.NotEmpty(t, l.principals)
			require.NotContains(t, l.principals, `"`)
			var options []string
			if l.authority {
				options = append(options, "cert-authority")
			}
			if l.namespaces != "" {
				options = append(options, `namespaces="`+strings.ReplaceAll(l.namespaces, `"`, `\"`)+`"`)
			}
			if !l.after.IsZero() {
				options = append(options, `valid-after="`+l.after.Format("20060102150405")+`Z"`)
			}
			if !l.before.IsZero() {
				options = append(options, `valid-before="`+l.before.Format("20060102150405")+`"`)
			}
			again, err := parseAllowedSigners([]byte(`"`+l.principals+`" `+strings.Join(options, ",")+" "+string(ssh.MarshalAuthorizedKey(l.key))), "")
			if strings.ContainsAny(l.namespaces, "\\") {
				continue // a backslash before a quote cannot be written
			}
			require.NoError(t, err)
			l.number = 1
			require.Equal(t, []sshLine{l}, again)
		}
	})
}

// FuzzKeyFile: whatever is in a key file, a key that is taken can be told by its
// fingerprint and is strong.
func FuzzKeyFile(f *testing.F) {
	alice := entity(f, "alice")
	f.Add(exported(f, alice))
	f.Add([]byte(armorOf(f, pgpPublicKey, exported(f, alice))))
	f.Fuzz(func(t *testing.T, content []byte) {
		keys, err := readPGPKeys(content, func(string) bool { return true })
		if err != nil {
			return
		}
		for _, k := range keys {
			require.Len(t, k.fingerprint, 40)
			require.NoError(t, pgpStrength(k.packet))
			k.statements(received)
		}
	})
}
