package signature

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestAgainstGPG compares with git verify-commit, which asks gpg with its clock
// set to the time of receipt. Where the verdicts differ the row says why.
func TestAgainstGPG(t *testing.T) {
	g, git := newGnuPG(t), newGit(t, "sha1")
	g.clock(received)
	type row struct {
		name   string
		key    string
		object string
		at     time.Time // received unless set
		want   State
		why    string // git judges otherwise, because
		load   string // the key file is refused with this
	}
	var rows []row
	// signedBy makes a key, lets it sign, and takes what else happens to it.
	signedBy := func(name, key string, options ...string) row {
		p := payload(name)
		return row{name: name, key: key, object: withHeader(p, "gpgsig", g.sign(key, p, options...)), want: Trusted}
	}
	add := func(r row) { rows = append(rows, r) }

	for _, algo := range []string{"rsa2048", "rsa3072", "rsa4096", "ed25519", "nistp256", "nistp384", "nistp521", "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1"} {
		add(signedBy("algorithm "+algo, g.key(algo, algo, "sign", "never")))
	}
	for _, algo := range []string{"ed25519", "nistp256/ecdsa", "rsa2048"} {
		primary := g.key("subkeys "+algo, "ed25519", "cert", "never")
		g.run("", made, "--batch", "--quick-add-key", primary, "cv25519", "encr", "never")
		g.run("", made, "--batch", "--quick-add-key", primary, algo, "sign", "never")
		add(signedBy("subkey "+algo, primary))
	}
	alice := g.key("alice", "ed25519", "sign", "never")
	for _, hash := range []string{"SHA256", "SHA384", "SHA512"} {
		add(signedBy("hash "+hash, alice, "--digest-algo", hash))
	}
	weak := signedBy("hash SHA-1", alice, "--digest-algo", "SHA1")
	weak.want, weak.why = Weak, "collisions of SHA-1 can be made"
	add(weak)
	other := signedBy("hash SHA-224", alice, "--digest-algo", "SHA224")
	other.want, other.why = Unsupported, "nobody uses it, and it is shorter than what git hashes with"
	add(other)
	text := signedBy("text", alice, "--textmode")
	text.want, text.why = Unsupported, "the same signature fits bytes with other line ends"
	add(text)
	add(signedBy("notation and policy", alice, "--sig-notation", "note@example.com=1", "--sig-policy-url", "https://example.com/"))
	critical := signedBy("critical notation", alice, "--sig-notation", "!note@example.com=1")
	critical.want = Unsupported
	add(critical)
	add(signedBy("sender", alice, "--sender", "alice@example.com"))
	add(signedBy("signature with an end", alice, "--default-sig-expire", "30d"))
	ended := signedBy("signature that ended", alice, "--default-sig-expire", "seconds=43200")
	ended.want = Expired
	add(ended)

	moved := signedBy("moved to another commit", alice)
	moved.object, moved.want = strings.Replace(moved.object, "moved", "carried", 1), Invalid
	add(moved)
	tree := signedBy("another tree", alice)
	tree.object, tree.want = strings.Replace(tree.object, "4b825", "5b825", 1), Invalid
	add(tree)
	crlf := signedBy("line ends of the message", alice)
	crlf.object, crlf.want = strings.Replace(crlf.object, "message\n", "message\r\n", 1), Invalid
	add(crlf)
	web := signedBy("blank end as GitHub writes it", alice)
	web.object = strings.Replace(web.object, "-----END PGP SIGNATURE-----\n", "-----END PGP SIGNATURE-----\n \n", 1)
	add(web)
	windows := signedBy("armor with CRLF", alice)
	head, sig, _ := strings.Cut(windows.object, "gpgsig ")
	sig, message, _ := strings.Cut(sig, "\n\n")
	windows.object = head + "gpgsig " + strings.ReplaceAll(sig, "\n", "\r\n") + "\r\n\n" + message
	add(windows)
	add(row{name: "unsigned", key: alice, object: payload("unsigned"), want: Unsigned})

	two := g.key("second of two", "ed25519", "sign", "never")
	both := signedBy("two packets in one armor", alice, "-u", two)
	both.want = Malformed
	add(both)
	p := payload("two armors in one header")
	one := g.sign(alice, p)
	add(row{name: "two armors in one header", key: alice, object: withHeader(p, "gpgsig", one+one), want: Malformed})
	p = payload("two headers")
	one = g.sign(alice, p)
	add(row{name: "two headers", key: alice, object: withHeader(withHeader(p, "gpgsig", one), "gpgsig", one), want: Malformed})
	add(row{name: "and a SHA-256 header", key: alice, object: withHeader(withHeader(p, "gpgsig", one), "gpgsig-sha256", one), want: Malformed, why: "which of the two counts depends on the reader"})
	add(row{name: "header that nothing protects", key: alice, object: withHeader(withHeader(p, "gpgsig", one), "gpgsignature", "anything"), want: Malformed, why: "git leaves out what begins with gpgsig, so anything can be added there"})
	add(row{name: "text before the armor", key: alice, object: withHeader(p, "gpgsig", "Hello\n"+one), want: Malformed})
	add(row{name: "text after the armor", key: alice, object: withHeader(p, "gpgsig", one+"Hello"), want: Malformed, why: "nothing protects the text"})
	add(row{name: "header without a value", key: alice, object: strings.Replace(withHeader(p, "gpgsig", one), "gpgsig -", "gpgsig\n -", 1), want: Malformed})
	add(row{name: "signature in the message", key: alice, object: p + "gpgsig " + one, want: Unsigned})
	merged := withHeader(payload("merged tag"), "mergetag", "object 1\ngpgsig -----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n")
	add(row{name: "signature in a merged tag", key: alice, object: merged, want: Unsigned})
	add(row{name: "around a merged tag", key: alice, object: withHeader(merged, "gpgsig", g.sign(alice, merged)), want: Trusted})
	latin := withHeader(payload("encoding"), "encoding", "ISO-8859-1")
	add(row{name: "with an encoding", key: alice, object: withHeader(latin, "gpgsig", g.sign(alice, latin)), want: Trusted})
	add(row{name: "encoding added", key: alice, object: withHeader(withHeader(payload("encoding"), "gpgsig", g.sign(alice, payload("encoding"))), "encoding", "ISO-8859-1"), want: Invalid})
	nul := payload("seen\x00unseen")
	add(row{name: "NUL in the message", key: alice, object: withHeader(nul, "gpgsig", g.sign(alice, nul)), want: Malformed, why: "git shows nothing behind a NUL"})
	authors := strings.Replace(payload("authors"), "author ", "author Mallory <m@example.com> 1 +0000\nauthor ", 1)
	add(row{name: "two authors", key: alice, object: withHeader(authors, "gpgsig", g.sign(alice, authors)), want: Malformed, why: "readers take the first or the last"})

	// What becomes of keys.
	older := func(r row) row {
		r.name += ", received before"
		r.at, r.want, r.why = signed.Add(time.Hour), Trusted, ""
		return r
	}
	end := signedBy("key that ended", g.key("ended", "ed25519", "sign", "20250601T120000"))
	end.want = Expired
	add(end)
	add(older(end))
	late := g.key("extended", "ed25519", "sign", "20250601T120000")
	g.run("", made.AddDate(0, 1, 0), "--batch", "--quick-set-expire", late, "20260101T000000")
	add(signedBy("key whose end was put off", late))
	short := signedBy("key whose end was put forward", g.key("shortened", "ed25519", "sign", "20260101T000000"))
	g.run("", signed, "--batch", "--quick-set-expire", short.key, "20250601T120000")
	short.want = Expired
	add(short)
	subEnd := g.key("subkey end", "ed25519", "cert", "never")
	g.run("", made, "--batch", "--quick-add-key", subEnd, "ed25519", "sign", "20250601T120000")
	r := signedBy("subkey that ended", subEnd)
	r.want = Expired
	add(r)
	add(older(r))
	after := received.Add(24 * time.Hour)
	for reason, name := range []string{"no reason", "compromised", "superseded", "retired"} {
		r := signedBy("revoked: "+name, g.key("revoked "+name, "ed25519", "sign", "never"))
		g.revoke(r.key, after, reason)
		r.at, r.want = after, Revoked
		add(r)
		if r.name, r.at = r.name+", received before", received; reason >= 2 {
			r.want, r.why = Trusted, "the key was only put out of use later; gpg has no such time"
		}
		add(r)
	}
	for reason, name := range []string{"no reason", "compromised", "superseded", "retired"} {
		primary := g.key("subkey revoked "+name, "ed25519", "cert", "never")
		g.run("", made, "--batch", "--quick-add-key", primary, "ed25519", "sign", "never")
		r := signedBy("subkey revoked: "+name, primary)
		g.edit(primary, after, "key 1\nrevkey\ny\n"+string(rune('0'+reason))+"\n\ny\nsave\n")
		r.at, r.want = after, Revoked
		add(r)
		if r.name, r.at = r.name+", received before", received; reason >= 2 {
			r.want, r.why = Trusted, "the subkey was only put out of use later; gpg has no such time"
		}
		add(r)
	}
	users := g.key("first user", "ed25519", "sign", "never")
	g.run("", made.Add(time.Hour), "--batch", "--quick-add-uid", users, "second user")
	r = signedBy("one user ID revoked", users)
	g.run("", signed.Add(2*time.Hour), "--batch", "--quick-revoke-uid", users, "first user")
	add(r)
	r = signedBy("from the future", alice)
	r.at, r.want = signed.Add(-time.Hour), Invalid
	r.why = "gpg warns of a clock problem alone"
	add(r)
	r = signedBy("a clock that is ahead", alice)
	r.at = signed.Add(-time.Minute)
	add(r)

	// Keys that are refused.
	for name, options := range map[string][]string{"dsa2048": nil, "rsa1024": nil, "secp256k1": nil, "ed25519": {"--cert-digest-algo", "SHA1"}} {
		r := signedBy("weak key "+name, g.key("weak "+name, name, "sign", "never", options...), "--digest-algo", "SHA256")
		r.why = "weak"
		r.load = map[string]string{"dsa2048": "DSA keys are too weak", "rsa1024": "RSA keys need 2048", "secp256k1": "is not supported", "ed25519": "it is signed with SHA-1"}[name]
		add(r)
	}

	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			at := r.at
			if at.IsZero() {
				at = received
			}
			g.clock(at)
			good, said := git.verify(r.object, g.env())
			key := g.export(r.key)
			if r.load != "" {
				_, err := NewAllowed([]Signer{{Name: "alice", OpenPGP: []KeyFile{{Path: "alice.asc", Content: key}}}})
				require.ErrorContains(t, err, r.load)
				require.ErrorContains(t, err, `signer "alice": alice.asc: `)
				require.True(t, good, said)
				return
			}
			v := allow(t, key).Verify(nameOf(r.object), []byte(r.object), at)
			require.Equal(t, r.want.String(), v.State.String(), "%s\ngit: %s", v.Detail, said)
			require.Equal(t, r.why != "", good != v.Trusted(), "git: %v %s\nwe: %+v", good, said, v)
			if v.Trusted() {
				require.Equal(t, Result{State: Trusted, Type: OpenPGP, Signer: "alice", Key: r.key, Detail: "signed by alice with OpenPGP key " + r.key}, v)
			}
		})
	}
}
