package closure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
)

// The bounds of one computation. Beyond them every repository is read whole.
const (
	maxTrees      = 20_000
	maxSteps      = 200_000 // paths that are looked up and entries that are looked at
	maxBytes      = 64 << 20
	maxFile       = 1 << 20
	maxReads      = 1_000
	maxUnresolved = 20
)

// errBound says that a bound was exceeded.
var errBound = errors.New("there is more to follow than Gatekeeper follows")

// finding is one computation.
type finding struct {
	ctx   context.Context //nolint:containedctx // lives no longer than the call that made it
	files Files
	app   approval.Application
	// views hold each repository at each of its revisions.
	views []*view
	// given are the spec's own reads, more are those that were found.
	given, more []approval.Read
	has         map[approval.Read]bool

	unresolved []string
	// foreign is what is fetched from elsewhere.
	foreign []string
	dropped int
	trees   map[approval.SHA]*tree
	steps   int
	bytes   int64
}

func find(ctx context.Context, files Files, a approval.Application, revisions []approval.Revision) (approval.Closure, error) {
	f := &finding{ctx: ctx, files: files, app: a, has: map[approval.Read]bool{}, trees: map[approval.SHA]*tree{}}
	for _, s := range a.Sources {
		for _, r := range s.Reads {
			if !f.has[r] {
				f.has[r] = true
				f.given = append(f.given, r)
			}
		}
	}
	err := f.follow(revisions)
	if errors.Is(err, errBound) || errors.Is(err, ErrContent) {
		f.widenAll("%v", err)
		err = nil
	}
	if err != nil {
		return approval.Closure{}, err
	}
	slices.SortFunc(f.more, func(a, b approval.Read) int {
		return cmp.Or(cmp.Compare(a.Repository, b.Repository), cmp.Compare(a.Path, b.Path))
	})
	c := approval.Closure{Revisions: slices.Clone(revisions), Reads: slices.Concat(f.given, f.more), Unresolved: f.unresolved, Foreign: f.foreign}
	if f.dropped > 0 {
		c.Unresolved = append(c.Unresolved, fmt.Sprintf("and %d more", f.dropped))
	}
	return c, nil
}

// follow starts from what the spec names, and goes on until nothing new is found.
func (f *finding) follow(revisions []approval.Revision) error {
	for i, s := range f.app.Sources {
		if s.Kind != approval.SourceGit || s.Repository == "" {
			continue // pinned by its version, or of a host that is not GitHub: package argo says so
		}
		if !s.Repository.Equal(revisions[i].Repository) {
			return fmt.Errorf("the revision of %s is one of %s", s.Repository, revisions[i].Repository)
		}
		f.view(s.Repository, revisions[i].SHA)
	}
	for i, s := range f.app.Sources {
		for at, r := range s.Reads {
			// The folder of a source in git is the first of its reads (package argo).
			base := at == 0 && s.Kind == approval.SourceGit && r.Repository == s.Repository && strings.HasSuffix(r.Path, "/")
			if err := f.start(r, i, base); err != nil {
				return err
			}
		}
	}
	for more := true; more; {
		more = false
		for _, v := range f.views {
			for len(v.queue) > 0 {
				next := v.queue[0]
				v.queue = v.queue[1:]
				more = true
				if err := v.visit(next); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// view adds a repository at a revision.
func (f *finding) view(repository approval.RepositoryName, commit approval.SHA) {
	if slices.ContainsFunc(f.views, func(v *view) bool { return v.commit == commit && v.repository.Equal(repository) }) {
		return
	}
	f.views = append(f.views, &view{
		finding: f, repository: repository, commit: commit,
		visited: map[folder]bool{}, whole: map[string]bool{}, walked: map[string]bool{}, linked: map[int]string{}, imported: map[string]bool{},
	})
}

// start follows one read that the spec or an override names, at every revision of its
// repository: which of them is meant does not matter then.
func (f *finding) start(r approval.Read, source int, base bool) error {
	found := false
	for _, v := range f.views {
		if !v.repository.Equal(r.Repository) {
			continue
		}
		found = true
		if err := v.start(r.Path, source, base); err != nil {
			return err
		}
	}
	if !found {
		f.widen(r.Repository, "%s is read from %s, of which no source says the revision", r.Path, r.Repository)
	}
	return nil
}

// add notes a read.
func (f *finding) add(repository approval.RepositoryName, p string) {
	r := approval.Read{Repository: repository, Path: p}
	if f.has[r] {
		return
	}
	if len(f.more) >= maxReads && p != wholeRepository {
		f.widen(repository, "it is rendered from more than %d places", maxReads)
		return
	}
	f.has[r] = true
	f.more = append(f.more, r)
}

// widen makes a whole repository part of the answer, and says why.
func (f *finding) widen(repository approval.RepositoryName, format string, args ...any) {
	f.add(repository, wholeRepository)
	text := sayable(format, args...)
	switch {
	case slices.Contains(f.unresolved, text):
	case len(f.unresolved) == maxUnresolved:
		f.dropped++
	default:
		f.unresolved = append(f.unresolved, text)
	}
}

// sayable makes a text that can stand in a finding, whoever chose the names in it.
func sayable(format string, args ...any) string {
	return strings.ToValidUTF8(shorten(fmt.Sprintf(format, args...)), "\uFFFD")
}

// widenAll is for what could lead into any repository of the Application.
func (f *finding) widenAll(format string, args ...any) {
	for _, s := range f.app.Sources {
		if s.Kind == approval.SourceGit {
			f.widen(s.Repository, format, args...)
		}
	}
}

// override follows an override in the folder of a source.
func (f *finding) override(source int, name string, content []byte) error {
	fields, err := parse(content)
	if err != nil {
		f.widenAll("%s cannot be understood: %v", name, err)
		return nil
	}
	found, unclear := argo.OverrideReads(f.app, source, fields)
	for _, u := range unclear {
		f.widenAll("%s: %s", name, u)
	}
	for _, r := range found {
		f.add(r.Repository, r.Path)
		if err := f.start(r, source, false); err != nil {
			return err
		}
	}
	return nil
}

// step counts what is done.
func (f *finding) step() error {
	f.steps++
	if f.steps > maxSteps {
		return fmt.Errorf("%w: %d paths", errBound, maxSteps)
	}
	if f.steps%1024 == 0 {
		return f.ctx.Err()
	}
	return nil
}

// shorten keeps what somebody wrote in a file to a readable length.
func shorten(s string) string {
	const most = 300
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
