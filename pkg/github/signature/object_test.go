package signature

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSplit(t *testing.T) {
	const (
		tree   = "tree " + emptyTree + "\n"
		people = "author A <a@x> 1 +0000\ncommitter C <c@x> 1 +0000\n"
		parent = "parent " + emptyTree + "\n"
		sig    = "gpgsig a\n b\n"
		end    = "\nmessage\ngpgsig in the message\n"
		head   = tree + parent + people
	)
	for name, c := range map[string]struct{ object, payload, signature string }{
		"unsigned":                      {head + end, head + end, ""},
		"signed":                        {head + sig + end, head + end, "a\nb\n"},
		"root":                          {tree + people + sig + end, tree + people + end, "a\nb\n"},
		"two parents":                   {tree + parent + parent + people + sig + end, tree + parent + parent + people + end, "a\nb\n"},
		"before another header":         {head + sig + "encoding UTF-8" + "\n" + end, head + "encoding UTF-8\n" + end, "a\nb\n"},
		"blank lines in it":             {head + "gpgsig a\n \n b\n \n" + end, head + end, "a\n\nb\n\n"},
		"folded twice":                  {head + "gpgsig a\n  b\n" + end, head + end, "a\n b\n"},
		"SHA-256":                       {head + "gpgsig-sha256 a\n b\n" + end, head + end, "a\nb\n"},
		"no message":                    {head + sig + "\n", head + "\n", "a\nb\n"},
		"merged tag":                    {head + "mergetag object 1\n gpgsig x\n gpgsig y\n" + sig + end, head + "mergetag object 1\n gpgsig x\n gpgsig y\n" + end, "a\nb\n"},
		"extra headers":                 {head + "HG:extra x\nmergetag a\nmergetag b\n" + sig + end, head + "HG:extra x\nmergetag a\nmergetag b\n" + end, "a\nb\n"},
		"unsigned in no order":          {people + tree + end, people + tree + end, ""},
		"unsigned with a NUL":           {head + "\na\x00b", head + "\na\x00b", ""},
		"unsigned without an end":       {head, head, ""},
		"in the message after a folded": {head + "\n gpgsig a\n", head + "\n gpgsig a\n", ""},
	} {
		s, err := Split([]byte(c.object))
		require.NoError(t, err, name)
		require.Equal(t, c.payload, string(s.Payload), name)
		require.Equal(t, c.signature, string(s.Signature), name)
		require.Equal(t, c.signature != "", s.Header != "", name)
	}
	for name, object := range map[string]string{
		"twice":                  head + sig + sig + end,
		"apart":                  tree + sig + people + "x y\n" + sig + end,
		"both kinds":             head + sig + "gpgsig-sha256 a\n" + end,
		"empty":                  head + "gpgsig \n" + end,
		"blank lines":            head + "gpgsig \n \n \n" + end,
		"no value":               head + "gpgsig\n a\n" + end,
		"longer name":            head + sig + "gpgsigs a\n" + end,
		"longer name alone":      head + "gpgsig-sha512 a\n" + end,
		"capitals":               head + "GPGSIG a\n" + end,
		"tab":                    head + "gpgsig\ta\n" + end,
		"colon":                  head + "gpgsig: a\n" + end,
		"CR in the name":         head + "gpgsig\r\n a\n" + end,
		"header with a tab":      head + "note\tx y\n" + sig + end,
		"NUL in a header":        head + "note a\x00b\n" + sig + end,
		"NUL in the message":     head + sig + "\na\x00b\n",
		"no blank line":          head + sig,
		"cut":                    head + "gpgsig a",
		"continuation at first":  " a\n" + head + sig + end,
		"two trees":              tree + tree + people + sig + end,
		"tree later":             head + tree + sig + end,
		"no tree":                parent + people + sig + end,
		"two authors":            tree + "author A <a@x> 1 +0000\n" + people + sig + end,
		"committer later":        head + sig + "committer M <m@x> 1 +0000\n" + end,
		"parent later":           head + sig + parent + end,
		"no committer":           tree + "author A <a@x> 1 +0000\n" + sig + end,
		"two encodings":          head + sig + "encoding a\nencoding b\n" + end,
		"signature between":      tree + "author A <a@x> 1 +0000\n" + sig + end,
		"header without a name":  head + sig + "\r\n" + end,
		"signature far too long": head + "gpgsig " + strings.Repeat("a", maxSignature+1) + "\n" + end,
		"object far too long":    head + "\n" + strings.Repeat("a", maxObject),
	} {
		_, err := Split([]byte(object))
		require.ErrorIs(t, err, ErrObject, name)
		require.NotContains(t, err.Error(), "\n", name)
	}
	s, err := Split([]byte(tree + "author A <a@x> 1 +0000\ncommitter <x> y <c@x> 1 +0000\n" + end))
	require.NoError(t, err)
	require.Equal(t, "c@x", s.Committer)
}

// FuzzSplit: what is taken apart can be put together again, and nothing is lost
// or signed that does not stand in the object.
func FuzzSplit(f *testing.F) {
	p := payload("fuzz")
	f.Add([]byte(p))
	f.Add([]byte(withHeader(p, "gpgsig", "-----BEGIN PGP SIGNATURE-----\n\nwsBc\n-----END PGP SIGNATURE-----\n")))
	f.Add([]byte(withHeader(withHeader(p, "mergetag", "object 1\ngpgsig x"), "gpgsig-sha256", "a\nb")))
	f.Add([]byte("gpgsig a\n b\n\n"))
	f.Add([]byte("gpgsig\n a\n\n"))
	f.Fuzz(func(t *testing.T, object []byte) {
		s, err := Split(object)
		if err != nil {
			return
		}
		if s.Header == "" {
			require.Equal(t, string(object), string(s.Payload))
			require.Empty(t, s.Signature)
			return
		}
		folded := s.Header + " " + strings.ReplaceAll(strings.TrimSuffix(string(s.Signature), "\n"), "\n", "\n ") + "\n"
		i := bytes.Index(object, []byte(folded))
		require.GreaterOrEqual(t, i, 0)
		require.Equal(t, string(object), string(s.Payload[:i])+folded+string(s.Payload[i:]))
		again, err := Split(s.Payload)
		require.NoError(t, err)
		require.Empty(t, again.Header)
	})
}
