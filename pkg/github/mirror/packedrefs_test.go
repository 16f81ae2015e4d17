package mirror

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

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
