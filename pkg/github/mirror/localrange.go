package mirror

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// maxRevision bounds an expression such as "main~10".
const maxRevision = 500

// Resolve gives the commit that an expression names: a branch, a tag, a remote
// branch, HEAD, a full or an abbreviated name, each with ~N, ^N and ^{commit}.
// Reflogs (main@{1}) and configuration (@{upstream}) are not looked at. A name
// that leads nowhere is approval.ErrNotFound.
func (l *Local) Resolve(ctx context.Context, revision string) (approval.SHA, error) {
	if revision == "" || len(revision) > maxRevision || strings.HasPrefix(revision, "-") || strings.ContainsAny(revision, "\x00\n\r") {
		return "", fmt.Errorf("%q is not a revision", clip(revision, 60))
	}
	out, err := l.m.git.run(ctx, "", "rev-parse", "--verify", "--quiet", "--end-of-options", revision+"^{commit}")
	if failed, ok := errors.AsType[*gitError](err); ok && failed.code > 0 {
		why := ""
		if failed.message != "" {
			why = " (" + failed.message + ")"
		}
		return "", fmt.Errorf("there is no commit %q in the repository%s: %w", clip(oneLine(revision), 100), why, approval.ErrNotFound)
	}
	if err != nil {
		return "", l.explain(fmt.Errorf("look up %q: %w", clip(oneLine(revision), 100), err))
	}
	name, _, _ := strings.Cut(string(out), "\n")
	return approval.ParseSHA(name)
}

// Line lists the first-parent commits up to head after a commit, oldest first;
// without one, from the root on. When the commit is not on the line, the error is
// a *NotOnLineError. A range of more than 100,000 commits is an error.
func (l *Local) Line(ctx context.Context, after, head approval.SHA) ([]approval.SHA, error) {
	if after == head {
		return nil, nil
	}
	args := []string{"rev-list", "--first-parent", "--parents", fmt.Sprintf("--max-count=%d", maxLine+1), "--end-of-options", string(head)}
	if after != "" {
		args = append(args, "^"+string(after))
	}
	out, err := l.m.git.run(ctx, "", args...)
	if err != nil {
		return nil, l.explain(fmt.Errorf("list the landings: %w", err))
	}
	var line []approval.SHA
	next := head
	for text := range strings.Lines(string(out)) {
		names, err := shas([]byte(strings.ReplaceAll(strings.TrimSuffix(text, "\n"), " ", "\n") + "\n"))
		if err != nil {
			return nil, fmt.Errorf("list the landings: %w", err)
		}
		if names[0] != next {
			return nil, fmt.Errorf("list the landings: git's list is not in order at %s", names[0])
		}
		if next = ""; len(names) > 1 {
			next = names[1]
		}
		line = append(line, names[0])
	}
	switch {
	case len(line) > maxLine:
		return nil, fmt.Errorf("there are more than %d landings up to %s; name a later beginning", maxLine, head.Short())
	case len(line) == 0:
		return nil, &NotOnLineError{After: after, Head: head, Contained: true}
	case next != after:
		return nil, l.notOnLine(ctx, after, head, next)
	}
	for i, j := 0, len(line)-1; i < j; i, j = i+1, j-1 {
		line[i], line[j] = line[j], line[i]
	}
	return line, nil
}

// NotOnLineError says that a range cannot be walked along first parents.
type NotOnLineError struct {
	After, Head approval.SHA
	// Contained: head is an ancestor of the commit that it should come after.
	Contained bool
	// Base is their merge base; empty when they share no history.
	Base approval.SHA
	// Nearest is the newest commit of the line that After contains; empty when
	// there is none.
	Nearest approval.SHA
}

func (e *NotOnLineError) Error() string {
	switch {
	case e.Contained:
		return fmt.Sprintf("%s is older than %s; were the ends of the range swapped? Try %s..%s", e.Head.Short(), e.After.Short(), e.Head.Short(), e.After.Short())
	case e.Base == "":
		return fmt.Sprintf("%s and %s have no common history", e.After.Short(), e.Head.Short())
	}
	text := fmt.Sprintf("%s is not on the first-parent line of %s, along which landings are listed; their merge base is %s", e.After.Short(), e.Head.Short(), e.Base.Short())
	if e.Nearest != "" {
		text += fmt.Sprintf(". Try %s..%s, which begins at the newest commit of the line that %s contains", e.Nearest.Short(), e.Head.Short(), e.After.Short())
	}
	return text
}

func (l *Local) notOnLine(ctx context.Context, after, head, nearest approval.SHA) error {
	e := &NotOnLineError{After: after, Head: head, Nearest: nearest}
	out, err := l.m.git.run(ctx, "", "merge-base", "--end-of-options", string(after), string(head))
	if failed, ok := errors.AsType[*gitError](err); ok && failed.code == 1 && failed.message == "" {
		return e
	}
	if err != nil {
		return l.explain(fmt.Errorf("find the merge base: %w", err))
	}
	name, _, _ := strings.Cut(string(out), "\n")
	if e.Base, err = approval.ParseSHA(name); err != nil {
		return fmt.Errorf("find the merge base: %w", err)
	}
	return e
}

// Prove computes a landing again, as Mirror.Prove does.
func (l *Local) Prove(ctx context.Context, at Commit, head approval.SHA, landed ...approval.SHA) (Landing, error) {
	proof, err := l.m.Prove(ctx, at, head, landed...)
	return proof, l.explain(err)
}

// Commit reads a commit.
func (l *Local) Commit(ctx context.Context, sha approval.SHA) (Commit, error) {
	c, err := l.m.Commit(ctx, sha)
	return c, l.explain(err)
}

// Blob returns the content of a file of at most limit bytes.
func (l *Local) Blob(ctx context.Context, sha approval.SHA, limit int64) ([]byte, error) {
	data, err := l.m.Blob(ctx, sha, limit)
	return data, l.explain(err)
}

// Changes are all paths that differ between two trees, as Mirror.Changes gives
// them, but with paths as git has them, valid UTF-8 or not.
func (l *Local) Changes(ctx context.Context, from, to approval.SHA) ([]approval.Change, error) {
	changes, err := l.m.treeChanges(ctx, from, to)
	if err != nil {
		return nil, l.explain(fmt.Errorf("compare the trees %s and %s: %w", from.Short(), to.Short(), err))
	}
	return changes, nil
}

// EmptyTree is the tree without a file, with which a root commit is compared.
const EmptyTree = emptyTree
