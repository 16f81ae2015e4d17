package approval

import (
	"crypto/sha256"
	"encoding/hex"
)

// TextDigest identifies a text, for telling later whether it was changed.
func TextDigest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
