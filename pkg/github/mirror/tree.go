package mirror

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// maxTree bounds one tree object: some 300,000 entries of one folder.
const maxTree = 16 << 20

// maxDepth bounds how deep a path may be.
const maxDepth = 100

// TreeEntry is one name in a folder. The mode is git's octal one, "40000" for a
// folder and "160000" for a submodule.
type TreeEntry struct {
	Name string
	Mode string
	SHA  approval.SHA
}

// IsFolder says whether the entry is a folder.
func (e TreeEntry) IsFolder() bool { return e.Mode == "40000" }

// Entry is what a commit holds at a path, a folder or a file; false when it holds
// nothing there. Symbolic links are not followed. It is approval.ErrNotFound when
// the mirror does not have the commit.
func (m *Mirror) Entry(ctx context.Context, commit approval.SHA, path string) (TreeEntry, bool, error) {
	c, err := m.commit(ctx, commit)
	if err != nil {
		return TreeEntry{}, false, err
	}
	at := TreeEntry{Mode: "40000", SHA: c.Tree}
	if path == "" {
		return at, true, nil
	}
	parts := strings.Split(path, "/")
	if len(parts) > maxDepth {
		return TreeEntry{}, false, fmt.Errorf("the path is deeper than %d folders", maxDepth)
	}
	for _, name := range parts {
		if !at.IsFolder() {
			return TreeEntry{}, false, nil
		}
		entries, err := m.Tree(ctx, at.SHA)
		if err != nil {
			return TreeEntry{}, false, err
		}
		found := false
		for _, e := range entries {
			if e.Name == name {
				at, found = e, true
				break
			}
		}
		if !found {
			return TreeEntry{}, false, nil
		}
	}
	return at, true, nil
}

// Tree lists a folder by the name of its tree object.
func (m *Mirror) Tree(ctx context.Context, sha approval.SHA) ([]TreeEntry, error) {
	if sha == emptyTree {
		return nil, nil
	}
	data, err := m.content(ctx, sha, "tree", maxTree)
	if err != nil {
		return nil, err
	}
	entries, err := parseTree(data)
	if err != nil {
		return nil, fmt.Errorf("read tree %s: %w", sha, err)
	}
	return entries, nil
}

var errTree = errors.New("it is not a tree object")

// parseTree reads a raw tree object: for each entry the octal mode, a space, the
// name, a zero byte and the 20 bytes of the object's name (git's
// Documentation/gitformat-pack and fsck.c).
func parseTree(data []byte) ([]TreeEntry, error) {
	var out []TreeEntry
	for len(data) > 0 {
		mode, rest, ok := bytes.Cut(data, []byte{' '})
		if !ok || len(mode) > 6 {
			return nil, errTree
		}
		name, rest, ok := bytes.Cut(rest, []byte{0})
		if !ok || len(rest) < 20 || len(name) == 0 || bytes.IndexByte(name, '/') >= 0 {
			return nil, errTree
		}
		e := TreeEntry{Name: string(name), Mode: strings.TrimLeft(string(mode), "0"), SHA: approval.SHA(hex.EncodeToString(rest[:20]))}
		switch e.Mode {
		case "40000", "100644", "100755", "120000", "160000":
		case "100664":
			e.Mode = "100644" // group-writable, as git wrote it long ago
		default:
			return nil, fmt.Errorf("%w: mode %q", errTree, e.Mode)
		}
		if !utf8.Valid(name) {
			return nil, fmt.Errorf("the name %q is not valid UTF-8", e.Name)
		}
		out, data = append(out, e), rest[20:]
	}
	return out, nil
}
