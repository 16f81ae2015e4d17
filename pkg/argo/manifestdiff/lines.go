package manifestdiff

import (
	"fmt"
	"strings"

	"github.com/aymanbagabas/go-udiff"
)

// Unified is how two texts differ: a unified diff with that many lines of context and
// without the names of files.
func Unified(old, now string, around int) (string, error) {
	text, err := udiff.ToUnified("", "", old, udiff.Lines(old, now), around)
	if err != nil {
		return "", fmt.Errorf("compare two texts: %w", err)
	}
	_, text, _ = strings.Cut(text, "\n") // --- and +++
	_, text, _ = strings.Cut(text, "\n")
	return text, nil
}
