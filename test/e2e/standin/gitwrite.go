package standin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Change is what one commit does, and who signs for it.
type Change struct {
	Files   map[string]string // path to content
	Modes   map[string]string // path to git mode ("100755", "120000"); 100644 when absent
	Delete  []string          // paths to remove
	Message string            // "Update" when empty
	// Author and Committer are the person who acts when nil.
	Author, Committer *Identity
	// Sign returns an armoured signature over the payload; nil leaves the commit unsigned.
	Sign func(payload []byte) (string, error)
}

// newCommit is a commit to be written.
type newCommit struct {
	ref               string   // moved to the commit without a check of its old value; "" moves nothing
	parents           []string // the first parent's tree is where the change starts
	tree              string   // starts from this tree instead, when set
	author, committer signature
	change            Change
}

var errPath = errors.New("path cannot be committed")

// checkPath refuses what git would refuse or what would need quoting.
func checkPath(path string) error {
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." || strings.EqualFold(part, ".git") {
			return fmt.Errorf("%w: %q", errPath, path)
		}
	}
	if strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' || r == 0x7f }) {
		return fmt.Errorf("%w: %q", errPath, path)
	}
	return nil
}

// write stores blobs, trees and the commit with one git process (two or three more when it is signed).
func (g *gitRepo) write(ctx context.Context, n newCommit) (string, error) {
	target := n.ref
	if target == "" || n.change.Sign != nil {
		target = "refs/scratch/commit"
	}
	in, err := importStream(target, n)
	if err != nil {
		return "", err
	}
	out, err := g.run(ctx, []byte(in), nil, "fast-import", "--quiet", "--force", "--date-format=raw")
	if err != nil {
		return "", fmt.Errorf("write commit: %w", err)
	}
	sha := strings.TrimSpace(string(out))
	if !isSHA(sha) {
		return "", fmt.Errorf("write commit: git answered %q", sha)
	}
	if n.change.Sign == nil {
		return sha, nil
	}
	if sha, err = g.sign(ctx, sha, n.change.Sign); err != nil {
		return "", fmt.Errorf("sign commit: %w", err)
	}
	if n.ref == "" {
		return sha, nil
	}
	return sha, g.setRefs(ctx, refChange{ref: n.ref, after: sha})
}

func importStream(target string, n newCommit) (string, error) {
	var in strings.Builder
	message := n.change.Message
	if message == "" {
		message = "Update"
	}
	fmt.Fprintf(&in, "commit %s\nmark :1\nauthor %s\ncommitter %s\ndata %d\n%s\n",
		target, n.author.line(), n.committer.line(), len(message), message)
	for i, p := range n.parents {
		fmt.Fprintf(&in, "%s %s\n", [2]string{"from", "merge"}[min(i, 1)], p)
	}
	if len(n.parents) == 0 {
		fmt.Fprintf(&in, "deleteall\n")
	}
	if n.tree != "" {
		fmt.Fprintf(&in, "M 040000 %s \n", n.tree)
	}
	files, err := n.change.commands()
	if err != nil {
		return "", err
	}
	in.WriteString(files + "\nget-mark :1\n")
	return in.String(), nil
}

// commands are the change as fast-import reads it.
func (c Change) commands() (string, error) {
	var in strings.Builder
	for _, path := range c.Delete {
		if err := checkPath(path); err != nil {
			return "", err
		}
		fmt.Fprintf(&in, "D %s\n", path)
	}
	for _, path := range slices.Sorted(maps.Keys(c.Files)) {
		if err := checkPath(path); err != nil {
			return "", err
		}
		content, mode := c.Files[path], c.Modes[path]
		switch mode {
		case "160000": // a submodule: the content is the commit it points to
			fmt.Fprintf(&in, "M %s %s %s\n", mode, content, path)
			continue
		case "":
			mode = "100644"
		case "100644", "100755", "120000":
		default:
			return "", fmt.Errorf("mode %q of %s: %w", mode, path, errPath)
		}
		fmt.Fprintf(&in, "M %s inline %s\ndata %d\n%s\n", mode, path, len(content), content)
	}
	return in.String(), nil
}

// sign stores the commit again with a signature header, placed where git places it.
func (g *gitRepo) sign(ctx context.Context, sha string, sign func([]byte) (string, error)) (string, error) {
	raw, err := g.run(ctx, nil, nil, "cat-file", "commit", sha)
	if err != nil {
		return "", err
	}
	armoured, err := sign(raw)
	if err != nil {
		return "", err
	}
	head, message, _ := strings.Cut(string(raw), "\n\n")
	header := "gpgsig " + strings.ReplaceAll(strings.TrimSpace(armoured), "\n", "\n ")
	out, err := g.run(ctx, []byte(head+"\n"+header+"\n\n"+message), nil, "hash-object", "-t", "commit", "-w", "--stdin")
	return strings.TrimSpace(string(out)), err
}

// commitTree stores a commit of an existing tree; no reference moves.
func (g *gitRepo) commitTree(ctx context.Context, tree string, parents []string, author, committer signature, message string) (string, error) {
	args := []string{"commit-tree", tree}
	for _, p := range parents {
		args = append(args, "-p", p)
	}
	out, err := g.run(ctx, []byte(message), append(author.env("AUTHOR"), committer.env("COMMITTER")...), args...)
	return strings.TrimSpace(string(out)), err
}

var errConflict = errors.New("merge conflict")

// mergeTree merges two commits without a work tree; errConflict when a person would have to decide.
func (g *gitRepo) mergeTree(ctx context.Context, ours, theirs string) (string, error) {
	out, err := g.run(ctx, nil, nil, "merge-tree", "--write-tree", "--no-messages", ours, theirs)
	var exit *exitError
	if errors.As(err, &exit) && exit.code == 1 {
		return "", errConflict
	}
	return strings.TrimSpace(string(out)), err
}

// applyDiff brings what changed between two trees onto a third: the result of a cherry-pick or a
// revert. git merge-tree of Debian 12 (2.39.5) cannot be given a merge base, so two throw-away
// commits with a common parent, whose tree is from, stand for the other two trees.
func (g *gitRepo) applyDiff(ctx context.Context, onto, from, to string) (string, error) {
	nobody := signature{Identity{Name: "nobody", Email: "nobody@invalid"}, time.Unix(0, 0)}
	base, err := g.commitTree(ctx, from, nil, nobody, nobody, "base")
	if err != nil {
		return "", err
	}
	ours, err := g.commitTree(ctx, onto, []string{base}, nobody, nobody, "ours")
	if err != nil {
		return "", err
	}
	theirs, err := g.commitTree(ctx, to, []string{base}, nobody, nobody, "theirs")
	if err != nil {
		return "", err
	}
	return g.mergeTree(ctx, ours, theirs)
}

// rebase replays commits, oldest first, onto a commit: authors stay, the committer is new, merge
// commits are left out, and so is a commit whose change is already there. It returns the new
// commits, oldest first.
func (g *gitRepo) rebase(ctx context.Context, onto string, shas []string, committer signature) ([]string, error) {
	tip, err := g.commit(ctx, onto)
	if err != nil {
		return nil, err
	}
	picks, err := g.commits(ctx, shas...)
	if err != nil {
		return nil, err
	}
	var landed []string
	for _, c := range picks {
		if len(c.parents) != 1 {
			continue
		}
		parent, err := g.commit(ctx, c.parents[0])
		if err != nil {
			return nil, err
		}
		tree, err := g.applyDiff(ctx, tip.tree, parent.tree, c.tree)
		if err != nil {
			return nil, err
		}
		if tree == tip.tree && c.tree != parent.tree {
			continue
		}
		sha, err := g.commitTree(ctx, tree, []string{tip.sha}, c.author, committer, c.message)
		if err != nil {
			return nil, err
		}
		landed = append(landed, sha)
		if tip, err = g.commit(ctx, sha); err != nil {
			return nil, err
		}
	}
	return landed, nil
}
