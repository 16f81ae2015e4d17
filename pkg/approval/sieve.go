package approval

import "encoding/binary"

// sieve tells without allocating that something was not there before. What it may
// have seen has to be looked for. The zero sieve has seen nothing.
type sieve [64]uint64

// sees says whether something with this hash may have been there before.
func (s *sieve) sees(hash uint64) bool {
	hash *= 0x9e3779b97f4a7c15 // spreads what differs in few bits (Knuth, 6.4)
	word, bit := hash>>58, uint64(1)<<(hash>>52&63)
	seen := s[word]&bit != 0
	s[word] |= bit
	return seen
}

// hash is a number that is the same for the same name.
func (s SHA) hash() uint64 {
	if len(s) < 8 {
		return 0
	}
	return binary.LittleEndian.Uint64([]byte(s[:8]))
}
