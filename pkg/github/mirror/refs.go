package mirror

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// The mirror keeps its refs in a folder of its own. Branch names are escaped to
// one path component there, so that no branch can be taken for another ref, stand
// in the way of another one ("a" and "a/b") or differ from it by case alone.
const (
	refFolder = "refs/gatekeeper/"
	// maxBranch is in bytes of the escaped name. It leaves room for ".lock" in
	// the 255 bytes that a file name may have.
	maxBranch = 240
	// maxPull is above any number that GitHub gives.
	maxPull = 1_000_000_000
)

// branchRef is the mirror's ref for a branch.
func branchRef(branch string) (string, error) {
	if err := checkBranch(branch); err != nil {
		return "", err
	}
	var b strings.Builder
	for _, c := range []byte(branch) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	if b.Len() > maxBranch {
		return "", fmt.Errorf("the branch name %q is too long", clip(branch, 60))
	}
	return refFolder + "heads/" + b.String(), nil
}

// checkBranch holds a branch name to the rules of git check-ref-format, and to
// the one of git branch that it does not begin with "-".
func checkBranch(branch string) error {
	fail := func(why string) error {
		return fmt.Errorf("%q is not a branch name: %s", clip(branch, 60), why)
	}
	switch {
	case branch == "":
		return fail("it is empty")
	case branch == "@" || branch == "HEAD":
		return fail("git gives it another meaning")
	case branch[0] == '-':
		return fail(`it begins with "-"`)
	case strings.Contains(branch, ".."), strings.Contains(branch, "@{"):
		return fail(`it contains ".." or "@{"`)
	case strings.HasSuffix(branch, "."):
		return fail("it ends with a dot")
	}
	for _, c := range []byte(branch) {
		if c <= ' ' || c == 0x7f || strings.IndexByte(`~^:?*[\`, c) >= 0 {
			return fail("it contains a character that refs may not have")
		}
	}
	for part := range strings.SplitSeq(branch, "/") {
		if part == "" || part[0] == '.' || strings.HasSuffix(part, ".lock") {
			return fail(`one of its parts is empty, begins with a dot or ends with ".lock"`)
		}
	}
	return nil
}

// pullRef is the mirror's ref for the head of a pull request.
func pullRef(number int) (string, error) {
	if number <= 0 || number > maxPull {
		return "", fmt.Errorf("%d is not the number of a pull request", number)
	}
	return refFolder + "pull/" + strconv.Itoa(number) + "/head", nil
}

// Head is the commit that the branch had at the last fetch. It is
// approval.ErrNotFound when the branch was not fetched or did not exist then.
func (m *Mirror) Head(ctx context.Context, branch string) (approval.SHA, error) {
	ref, err := branchRef(branch)
	if err != nil {
		return "", err
	}
	sha, ok, err := m.resolve(ctx, ref)
	if err != nil {
		return "", fmt.Errorf("read the head of branch %s: %w", branch, err)
	}
	if !ok {
		return "", fmt.Errorf("read the head of branch %s: %w", branch, approval.ErrNotFound)
	}
	return sha, nil
}

// PullHead is the head that the pull request had at the last fetch that named
// it; false when the pull request was not fetched or had none.
func (m *Mirror) PullHead(ctx context.Context, number int) (approval.SHA, bool, error) {
	ref, err := pullRef(number)
	if err != nil {
		return "", false, err
	}
	sha, ok, err := m.resolve(ctx, ref)
	if err != nil {
		return "", false, fmt.Errorf("read the head of pull request #%d: %w", number, err)
	}
	return sha, ok, nil
}

// resolve reads one of the mirror's own refs.
func (m *Mirror) resolve(ctx context.Context, ref string) (approval.SHA, bool, error) {
	o, ok, err := m.stat(ctx, ref)
	if err != nil || !ok {
		return "", false, err
	}
	if o.kind != "commit" {
		return "", false, fmt.Errorf("%s names a %s, not a commit", ref, o.kind)
	}
	return o.sha, true, nil
}
