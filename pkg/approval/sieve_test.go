package approval

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSieve: what was seen is always seen again, and little else is.
func TestSieve(t *testing.T) {
	name := func(n int) SHA { return SHA(fmt.Sprintf("%08x%032d", n*7919, 0)) }
	var s sieve
	mistaken := 0
	for n := range 50 {
		if s.sees(name(n).hash()) {
			mistaken++
		}
	}
	require.Less(t, mistaken, 5)
	for n := range 50 {
		require.True(t, s.sees(name(n).hash()), n)
	}
	require.Equal(t, SHA("").hash(), SHA("short").hash(), "what is too short to differ is looked for")
}
