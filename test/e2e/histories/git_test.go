package histories

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// repo is a bare repository, read and written with plain git.
type repo struct {
	ctx    context.Context
	dir    string
	trees  map[string]tree
	merges map[[2]string]string
	said   map[string]string
}

// tree holds "mode object" by path; an absent path has "".
type tree map[string]string

func newRepo(ctx context.Context, dir string) *repo {
	return &repo{ctx: ctx, dir: dir, trees: map[string]tree{}, merges: map[[2]string]string{}, said: map[string]string{}}
}

func (r *repo) run(stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(r.ctx, "git", args...)
	cmd.Dir = r.dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_TERMINAL_PROMPT=0", "GIT_ATTR_NOSYSTEM=1", "LC_ALL=C", "TZ=UTC",
	}
	cmd.Stdin = strings.NewReader(stdin)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, complaint.String())
	}
	return out.String(), nil
}

// must is run for what cannot fail unless the test itself is wrong.
func (r *repo) must(args ...string) string {
	out, err := r.run("", args...)
	if err != nil {
		panic(err)
	}
	return out
}

// about is must for what can never change: its arguments are names of objects.
func (r *repo) about(args ...string) string {
	key := strings.Join(args, " ")
	out, ok := r.said[key]
	if !ok {
		out = strings.TrimSpace(r.must(args...))
		r.said[key] = out
	}
	return out
}

// tip is the commit of a branch, "" when there is none.
func (r *repo) tip(branch string) string {
	out, err := r.run("", "rev-parse", "--verify", "--quiet", "refs/heads/"+branch)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(out)
}

// line lists the first-parent commits down from a commit, newest first.
func (r *repo) line(commit string) []string {
	return strings.Fields(r.must("rev-list", "--first-parent", commit))
}

func (r *repo) tree(name string) tree {
	if t, ok := r.trees[name]; ok {
		return t
	}
	t := tree{}
	for row := range strings.SplitSeq(r.must("ls-tree", "-r", "-z", "--full-tree", name), "\x00") {
		if what, path, ok := strings.Cut(row, "\t"); ok {
			f := strings.Fields(what)
			t[path] = f[0] + " " + f[2]
		}
	}
	r.trees[name] = t
	return t
}

// mergeTree is the tree that merging two commits gives; "" when they conflict.
func (r *repo) mergeTree(ours, theirs string) string {
	key := [2]string{ours, theirs}
	name, ok := r.merges[key]
	if !ok {
		if out, err := r.run("", "merge-tree", "--write-tree", ours, theirs); err == nil {
			name = strings.TrimSpace(out)
		}
		r.merges[key] = name
	}
	return name
}

// merged is what merging two commits gives; nil when they conflict.
func (r *repo) merged(ours, theirs string) tree {
	if name := r.mergeTree(ours, theirs); name != "" {
		return r.tree(name)
	}
	return nil
}

func (r *repo) content(path, entry string) string {
	_, object, _ := strings.Cut(entry, " ")
	out, err := r.run("", "cat-file", "blob", object)
	if err != nil {
		panic(fmt.Errorf("read %s: %w", path, err))
	}
	return out
}

// edit is what a commit does to one path: it removes it, or sets it to content
// or to an object that exists.
type edit struct {
	path, mode, content, object string
	remove                      bool
}

func put(path, content string) edit { return edit{path: path, mode: "100644", content: content} }

// newCommit is a commit to be made. Its tree starts as that of the first parent,
// unless one is given.
type newCommit struct {
	parents           []string
	tree              string
	edits             []edit
	author, committer string // "Name <address>"
	message           string
	at                int64
}

// commit makes a commit without moving any branch of a person.
func (r *repo) commit(c newCommit) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "commit refs/scratch/histories\nmark :1\nauthor %s %d +0000\ncommitter %s %d +0000\ndata %d\n%s\nfrom %s\n",
		c.author, c.at, c.committer, c.at, len(c.message), c.message, c.parents[0])
	for _, p := range c.parents[1:] {
		fmt.Fprintf(&b, "merge %s\n", p)
	}
	if c.tree != "" {
		fmt.Fprintf(&b, "M 040000 %s \"\"\n", c.tree)
	}
	for _, e := range c.edits {
		switch {
		case e.remove:
			fmt.Fprintf(&b, "D %s\n", e.path)
		case e.object != "":
			fmt.Fprintf(&b, "M %s %s %s\n", e.mode, e.object, e.path)
		default:
			fmt.Fprintf(&b, "M %s inline %s\ndata %d\n%s\n", e.mode, e.path, len(e.content), e.content)
		}
	}
	b.WriteString("\nget-mark :1\n")
	out, err := r.run(b.String(), "fast-import", "--quiet", "--force", "--date-format=raw")
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(out), nil
}
