package signature

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/stretchr/testify/require"
)

func TestNewAllowed(t *testing.T) {
	alice, bob := entity(t, "alice"), entity(t, "bob")
	file := func(content ...[]byte) []KeyFile {
		return []KeyFile{{Path: "keys", Content: slices.Concat(content...)}}
	}
	text := func(e *openpgp.Entity) []byte { return []byte(armorOf(t, pgpPublicKey, exported(t, e))) }
	print := fingerprint(alice.PrimaryKey)
	spaced := fmt.Sprintf("%s %s  %s", print[:4], strings.ToLower(print[4:20]), print[20:])
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINNwMHM8lLcve+HMdKmjaanRnkdOE0Sm3ZUxkjv5LTgg"
	many := strings.Repeat("a "+key+"\n", maxKeys+1)
	for name, c := range map[string]struct {
		signers []Signer
		want    string
	}{
		"binary":                 {[]Signer{{Name: "a", OpenPGP: file(exported(t, alice))}}, ""},
		"armored":                {[]Signer{{Name: "a", OpenPGP: file(text(alice))}}, ""},
		"two armors":             {[]Signer{{Name: "a", OpenPGP: file(text(alice), []byte("\n\n"), text(bob))}}, ""},
		"fingerprint":            {[]Signer{{Name: "a", OpenPGP: file(text(alice), text(bob)), Fingerprints: []string{spaced}}}, ""},
		"two kinds":              {[]Signer{{Name: "a", OpenPGP: file(text(alice)), SSH: file([]byte(key)), AllowedSigners: file([]byte("a@example.com " + key))}}, ""},
		"same authority":         {[]Signer{{Name: "a", AllowedSigners: file([]byte("a cert-authority " + key))}, {Name: "b", AllowedSigners: file([]byte("b cert-authority " + key))}}, ""},
		"nobody":                 {nil, "no allowed signer is given"},
		"no name":                {[]Signer{{OpenPGP: file(text(alice))}}, `signer 1: "" is no name`},
		"two lines":              {[]Signer{{Name: "a\nb", OpenPGP: file(text(alice))}}, "is no name"},
		"no keys":                {[]Signer{{Name: "a"}}, `signer "a": it has no key`},
		"name twice":             {[]Signer{{Name: "a", OpenPGP: file(text(alice))}, {Name: "a", OpenPGP: file(text(bob))}}, "is there twice"},
		"key of two":             {[]Signer{{Name: "a", OpenPGP: file(text(alice))}, {Name: "b", OpenPGP: file(text(alice))}}, "key " + print + " is there twice"},
		"SSH key of two":         {[]Signer{{Name: "a", SSH: file([]byte(key))}, {Name: "b", SSH: file([]byte("#\n" + key))}}, `signer "b": keys: line 2: key SHA256:`},
		"short fingerprint":      {[]Signer{{Name: "a", OpenPGP: file(text(alice)), Fingerprints: []string{print[24:]}}}, "is not the full fingerprint"},
		"fingerprint of nothing": {[]Signer{{Name: "a", OpenPGP: file(text(bob)), Fingerprints: []string{print}}}, "no OpenPGP file has the key " + print},
		"empty":                  {[]Signer{{Name: "a", OpenPGP: file()}}, `signer "a": keys: it is empty`},
		"text":                   {[]Signer{{Name: "a", OpenPGP: file([]byte("hello"))}}, "it is no OpenPGP public key"},
		"text behind":            {[]Signer{{Name: "a", OpenPGP: file(text(alice), []byte("hello"))}}, "it is no OpenPGP public key"},
		"cut":                    {[]Signer{{Name: "a", OpenPGP: file(exported(t, alice)[:100])}}, "gpg --export --armor"},
		"cut armor":              {[]Signer{{Name: "a", OpenPGP: file(text(alice)[:200])}}, "gpg --export --armor"},
		"private armor":          {[]Signer{{Name: "a", OpenPGP: file([]byte("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n-----END PGP PRIVATE KEY BLOCK-----\n"))}}, "it holds a private key"},
		"private packet":         {[]Signer{{Name: "a", OpenPGP: file([]byte{0xc5, 1, 4})}}, "it holds a private key"},
		"no key at first":        {[]Signer{{Name: "a", OpenPGP: file(exported(t, alice)[53:])}}, "keys: it "},
		"version 6":              {[]Signer{{Name: "a", OpenPGP: file([]byte{0xc6, 1, 6})}}, "version 6 is not supported"},
		"too many keys":          {[]Signer{{Name: "a", AllowedSigners: file([]byte(many))}}, fmt.Sprintf("there are more than %d keys", maxKeys)},
		"too many signers":       {make([]Signer, maxSigners+1), "allowed signers are more than"},
	} {
		a, err := NewAllowed(c.signers)
		if c.want == "" {
			require.NoError(t, err, name)
			require.NotNil(t, a)
			continue
		}
		require.ErrorContains(t, err, c.want, name)
		require.Nil(t, a)
	}

	// Who signed is told by the key, whatever is written in it.
	a, err := NewAllowed([]Signer{{Name: "one", OpenPGP: file(text(alice))}, {Name: "two", OpenPGP: file(text(bob))}})
	require.NoError(t, err)
	for signer, e := range map[string]*openpgp.Entity{"one": alice, "two": bob} {
		p := payload(signer)
		object := withHeader(p, "gpgsig", sign(t, e, p))
		require.Equal(t, signer, a.Verify(nameOf(object), []byte(object), received).Signer)
	}
	// A key that the fingerprints leave out is nobody's.
	a, err = NewAllowed([]Signer{{Name: "one", OpenPGP: file(text(alice), text(bob)), Fingerprints: []string{print}}})
	require.NoError(t, err)
	object := withHeader(payload("bob"), "gpgsig", sign(t, bob, payload("bob")))
	require.Equal(t, UntrustedKey, a.Verify(nameOf(object), []byte(object), received).State)
}

func TestState(t *testing.T) {
	var zero Result
	require.False(t, zero.Trusted())
	require.Equal(t, "unknown", zero.State.String())
	for s := Unknown; s <= Unsupported; s++ {
		require.Equal(t, s == Trusted, Result{State: s}.Trusted())
		data, err := json.Marshal(Result{State: s})
		require.NoError(t, err)
		var r Result
		require.NoError(t, json.Unmarshal(data, &r))
		require.Equal(t, s, r.State)
	}
	require.Equal(t, "a\ufffdb\ufffd[2J\ufffd\ufffd", refuse(Invalid, "%s", "a\nb\x1b[2J\x00\u202e").Detail)
	require.LessOrEqual(t, len(refuse(Invalid, "%s", strings.Repeat("ä", 1000)).Detail), maxDetail+3)
	require.Equal(t, "State(10)", (Unsupported + 1).String())
	_, err := json.Marshal(Unsupported + 1)
	require.Error(t, err)
	require.Error(t, new(State).UnmarshalText([]byte("Trusted")))
	require.Error(t, new(State).UnmarshalText(nil))
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		s, list string
		want    bool
	}{
		{"git", "git", true}, {"git", "file,git", true}, {"git", "*", true}, {"git", "g?t", true}, {"git", "g*t*", true}, {"gi", "git", false},
		{"git", "!git", false}, {"git", "*,!git", false}, {"git", "!file,*", true}, {"git", "!file", false}, {"", "*", true}, {"", "?", false},
		{"a*b", "a*b", true}, {"aXXbXXc", "a*b*c", true}, {"aXXbXX", "a*b*c", false}, {"git", "", false}, {"git", "GIT", false},
		{strings.Repeat("a", 2000), strings.Repeat("*a", 1000) + "b", false},
	} {
		require.Equal(t, c.want, matchList(c.s, c.list), "%s in %s", clip(c.s), clip(c.list))
	}
}
