package approval_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestFolderPattern: "folder/**" is matched without a search. Spelled with a
// wildcard for the same names it is searched, and matches the same paths.
func TestFolderPattern(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	parts := []string{"a", "b", "ab", "", "a.", "**", "[a]"}
	path := func() string {
		out := make([]string, random.IntN(5))
		for i := range out {
			out[i] = parts[random.IntN(len(parts))]
		}
		return strings.Join(out, "/")
	}
	for _, folder := range []string{"a", "a/b", "ab/a"} {
		quick := approval.ProtectedRepository{Paths: []string{folder + "/**"}}
		searched := approval.ProtectedRepository{Paths: []string{"[a]" + folder[1:] + "/**"}}
		found := 0
		for range 5000 {
			name := path()
			require.Equal(t, searched.Covers(name), quick.Covers(name), "%s and %s/**", name, folder)
			if quick.Covers(name) {
				found++
			}
		}
		require.NotZero(t, found)
	}
}

// TestParseSHAEachByte: digits are looked at eight at a time, so each byte is
// tried at each place.
func TestParseSHAEachByte(t *testing.T) {
	t.Parallel()
	for place := range 40 {
		for c := range 256 {
			digits := []byte("0123456789abcdef0123456789abcdef01234567")
			digits[place] = byte(c)
			_, err := approval.ParseSHA(string(digits))
			require.Equal(t, strings.IndexByte("0123456789abcdef", byte(c)) >= 0, err == nil, "%q at %d", c, place)
		}
	}
}
