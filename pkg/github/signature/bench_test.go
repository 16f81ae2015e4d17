package signature

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// BenchmarkVerify100 verifies 100 commits, a third each signed with RSA of 3072
// bits and ed25519 by OpenPGP, and with ed25519 by SSH. Budget: 150 ms.
func BenchmarkVerify100(b *testing.B) {
	rsa, err := openpgp.NewEntity("rsa", "", "rsa@example.com", &packet.Config{Algorithm: packet.PubKeyAlgoRSA, RSABits: 3072, DefaultHash: crypto.SHA512, Time: config(made).Time})
	require.NoError(b, err)
	rsa.Subkeys = nil
	ed := entity(b, "ed")
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(b, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(b, err)
	a, err := NewAllowed([]Signer{
		{Name: "rsa", OpenPGP: []KeyFile{{Content: exported(b, rsa)}}}, {Name: "ed", OpenPGP: []KeyFile{{Content: exported(b, ed)}}},
		{Name: "ssh", SSH: []KeyFile{{Content: ssh.MarshalAuthorizedKey(signer.PublicKey())}}},
	})
	require.NoError(b, err)
	type commit struct {
		name   approval.SHA
		object []byte
	}
	commits := make([]commit, 100)
	for i := range commits {
		p := payload(fmt.Sprint("commit ", i))
		var armored string
		switch i % 3 {
		case 0:
			var out strings.Builder
			require.NoError(b, openpgp.ArmoredDetachSign(&out, rsa, strings.NewReader(p), config(signed)))
			armored = out.String()
		case 1:
			armored = sign(b, ed, p)
		default:
			armored = signWith(b, signer, signer.PublicKey(), p, namespace)
		}
		object := withHeader(p, "gpgsig", armored)
		commits[i] = commit{nameOf(object), []byte(object)}
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, c := range commits {
			if v := a.Verify(c.name, c.object, received); !v.Trusted() {
				b.Fatal(v)
			}
		}
	}
}
