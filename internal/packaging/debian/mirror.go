package debian

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// ErrNoMirror says that this machine's apt has no archive of Debian.
var ErrNoMirror = errors.New("apt of this machine has no archive of Debian; name one with -mirror")

// Mirror is where apt of this machine finds Debian's archives, whatever release it is set
// to. What comes from there is checked against the lock, so that it need not be trusted.
func Mirror(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(REPO_URI)").Output()
	if err != nil {
		return "", fmt.Errorf("ask apt for its sources: %w", err)
	}
	return mirrorOf(string(out))
}

// mirrorOf finds the archive of the release among the addresses of apt's sources.
func mirrorOf(addresses string) (string, error) {
	for address := range strings.FieldsSeq(addresses) {
		if mirror, ok := strings.CutSuffix(strings.TrimRight(address, "/"), "/"+archiveMain); ok {
			return mirror, nil
		}
	}
	return "", ErrNoMirror
}
