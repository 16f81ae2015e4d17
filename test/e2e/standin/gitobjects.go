package standin

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// kinds tells the types of objects, "" for those that do not exist. Names are full ones.
func (g *gitRepo) kinds(ctx context.Context, shas ...string) ([]string, error) {
	if len(shas) == 0 {
		return nil, nil
	}
	out, err := g.run(ctx, []byte(strings.Join(shas, "\n")+"\n"), nil, "cat-file", "--batch-check=%(objecttype)")
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != len(shas) {
		return nil, fmt.Errorf("read types of %d objects: %d answers", len(shas), len(lines))
	}
	for i, line := range lines {
		if strings.HasSuffix(line, " missing") {
			lines[i] = ""
		}
	}
	return lines, nil
}

// object reads a blob, a tree or a tag in its raw form; ok is false when there is none of that kind.
func (g *gitRepo) object(ctx context.Context, kind, sha string) (raw []byte, ok bool, err error) {
	if !isSHA(sha) {
		return nil, false, nil
	}
	kinds, err := g.kinds(ctx, sha)
	if err != nil || kinds[0] != kind {
		return nil, false, err
	}
	raw, err = g.run(ctx, nil, nil, "cat-file", kind, sha)
	return raw, err == nil, err
}

// hash stores an object.
func (g *gitRepo) hash(ctx context.Context, kind string, raw []byte) (string, error) {
	out, err := g.run(ctx, raw, nil, "hash-object", "-t", kind, "-w", "--stdin")
	return strings.TrimSpace(string(out)), err
}

// validRef tells whether git accepts the name.
func (g *gitRepo) validRef(ctx context.Context, ref string) bool {
	if strings.ContainsRune(ref, 0) || strings.HasPrefix(ref, "-") {
		return false
	}
	_, err := g.line(ctx, "check-ref-format", ref)
	return err == nil
}

// treeEntry is one line of a tree.
type treeEntry struct {
	mode, kind, sha, path string
	size                  int // of blobs, else -1
}

// listTree lists a tree, or the one entry of a path in it; with recursive, everything below as well.
func (g *gitRepo) listTree(ctx context.Context, tree string, recursive bool, path ...string) ([]treeEntry, error) {
	args := []string{"--literal-pathspecs", "ls-tree", "-z", "-l", "--full-tree"}
	if recursive {
		args = append(args, "-r", "-t")
	}
	out, err := g.run(ctx, nil, nil, append(append(args, tree, "--"), path...)...)
	if err != nil {
		return nil, err
	}
	var entries []treeEntry
	for record := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if record == "" {
			continue
		}
		meta, name, _ := strings.Cut(record, "\t")
		fields := strings.Fields(meta)
		if len(fields) != 4 {
			return nil, fmt.Errorf("list tree %s: %q", tree, record)
		}
		e := treeEntry{mode: fields[0], kind: fields[1], sha: fields[2], path: name, size: -1}
		if e.kind == "blob" {
			if e.size, err = strconv.Atoi(fields[3]); err != nil {
				return nil, fmt.Errorf("list tree %s: %q", tree, record)
			}
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// canHold says whether git can hold a file of that path.
func canHold(path string) bool { return checkPath(path) == nil }

// entry finds one path in a tree or commit. A path that git cannot hold is not there.
func (g *gitRepo) entry(ctx context.Context, tree, path string) (e treeEntry, ok bool, err error) {
	if !canHold(path) {
		return e, false, nil
	}
	list, err := g.listTree(ctx, tree, false, path)
	if err != nil || len(list) == 0 {
		return e, false, err
	}
	return list[0], true, nil
}

// treeOf finds the tree of a tree, a commit or a tag; "" when there is none.
func (g *gitRepo) treeOf(ctx context.Context, sha string) (string, error) {
	if !isSHA(sha) {
		return "", nil
	}
	tree, err := g.line(ctx, "rev-parse", "--verify", "--quiet", sha+"^{tree}")
	if _, failed := errors.AsType[*exitError](err); failed {
		return "", nil
	}
	return tree, err
}

// escapePath writes a path for an address; its slashes stay.
func escapePath(path string) string {
	parts := strings.Split(path, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}

// importTree stores the tree that fast-import's file commands describe. They need a commit around them,
// which nothing refers to afterwards.
func (g *gitRepo) importTree(ctx context.Context, commands string) (string, error) {
	const scratch = "refs/scratch/tree"
	in := "commit " + scratch + "\nmark :1\ncommitter nobody <nobody@invalid> 0 +0000\ndata 0\n" + commands + "\nget-mark :1\n"
	out, err := g.run(ctx, []byte(in), nil, "fast-import", "--quiet", "--force", "--date-format=raw")
	if err != nil {
		return "", fmt.Errorf("store tree: %w", err)
	}
	if err := g.setRefs(ctx, refChange{ref: scratch, after: zeroSHA}); err != nil {
		return "", err
	}
	return g.treeOf(ctx, strings.TrimSpace(string(out)))
}
