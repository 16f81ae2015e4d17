package debian

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMirrorOf(t *testing.T) {
	t.Parallel()
	for sources, want := range map[string]string{
		"http://mirror.example/debian-security/\nhttp://mirror.example/debian/\n": "http://mirror.example",
		"https://a.example/x/debian\nhttps://b.example/debian\n":                  "https://a.example/x",
	} {
		got, err := mirrorOf(sources)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, sources := range []string{"", "http://mirror.example/ubuntu/", "http://mirror.example/debian-security/"} {
		_, err := mirrorOf(sources)
		require.ErrorIs(t, err, ErrNoMirror, sources)
	}
}
