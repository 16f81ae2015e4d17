package mirror

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const signatureHeader = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n abc\n -----END PGP SIGNATURE-----\n"

func TestParseSigned(t *testing.T) {
	const head, tail = treeLine + people, "encoding UTF-8\n\nmessage\ngpgsig in the message\n"
	for name, c := range map[string]struct{ object, payload, signature string }{
		"unsigned":         {head + tail, head + tail, ""},
		"signed":           {head + signatureHeader + tail, head + tail, "-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n"},
		"with SHA-256":     {head + "gpgsig-sha256 x\n y\ngpgsig a\n b\n" + tail, head + tail, "a\nb\n"},
		"SHA-256 alone":    {head + "gpgsig-sha256 x\n y\n" + tail, head + tail, ""},
		"merged tag":       {head + "mergetag object 1\n gpgsig x\n" + tail, head + "mergetag object 1\n gpgsig x\n" + tail, ""},
		"no message":       {head + "gpgsig a\n", head, "a\n"},
		"similar header":   {head + "gpgsignature a\n" + tail, head + "gpgsignature a\n" + tail, ""},
		"empty":            {"", "", ""},
		"cut in a header":  {head + "gpgsig a", head, "a"},
		"message is empty": {head + "\n", head + "\n", ""},
	} {
		s, err := ParseSigned([]byte(c.object))
		require.NoError(t, err, name)
		require.Equal(t, c.payload, string(s.Payload), name)
		require.Equal(t, c.signature, string(s.Signature), name)
	}
	for name, object := range map[string]string{
		"twice":          head + signatureHeader + signatureHeader + tail,
		"twice apart":    head + signatureHeader + "encoding x\n" + signatureHeader + tail,
		"SHA-256 twice":  head + "gpgsig-sha256 a\ngpgsig-sha256 b\n" + tail,
		"without value":  head + "gpgsig\n" + tail,
		"with a blank":   head + "gpgsig \n" + tail,
		"of blank lines": head + "gpgsig \n \n" + tail,
	} {
		_, err := ParseSigned([]byte(object))
		require.ErrorIs(t, err, ErrSignatureHeader, name)
	}
}

func FuzzParseSigned(f *testing.F) {
	f.Add([]byte(treeLine + people + signatureHeader + "\nm\n"))
	f.Add([]byte("gpgsig a\n b\n\n"))
	f.Add([]byte(" \n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ParseSigned(data)
		if err != nil {
			return
		}
		if len(s.Signature) == 0 && !bytes.Contains(data, []byte("gpgsig-sha256")) {
			require.Equal(t, string(data), string(s.Payload))
		}
		require.LessOrEqual(t, len(s.Payload)+len(s.Signature), len(data))
		// What was signed has no signature itself.
		again, err := ParseSigned(s.Payload)
		require.NoError(t, err)
		require.Empty(t, again.Signature)
	})
}

func FuzzParsePackedRefs(f *testing.F) {
	sha := strings.Repeat("1", 40)
	f.Add("# pack-refs with: peeled fully-peeled sorted \n" + sha + " refs/heads/main\n^" + sha + "\n")
	f.Add(sha + " refs/heads/../x\n")
	f.Fuzz(func(t *testing.T, text string) {
		refs, err := parsePackedRefs(text)
		if err != nil {
			return
		}
		s := refSnapshot{refs: refs}
		again, err := parsePackedRefs(s.packed())
		require.NoError(t, err)
		require.Equal(t, refs, again)
		for name := range refs {
			require.NotContains(t, name, "..")
			require.NotContains(t, name, "\n")
		}
	})
}

func FuzzParseLooseRef(f *testing.F) {
	f.Add(strings.Repeat("1", 40) + "\n")
	f.Add("ref: refs/heads/main\n")
	f.Add("ref: refs/heads/../../x\n")
	f.Fuzz(func(t *testing.T, text string) {
		sha, target, ok := parseLooseRef(text)
		if !ok {
			return
		}
		require.NotEqual(t, sha == "", target == "")
		if target != "" {
			require.True(t, validRef(target))
		}
	})
}
