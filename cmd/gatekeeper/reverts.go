package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/internal/gate"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/revert"
)

// reverting works out which files of an Application are not as they were at a rollback,
// and has the pull requests opened.
type reverting struct {
	repositories *mirrors
	closures     gate.Closures
	reverter     *revert.Reverter
	// list returns all Applications, to name those that share files.
	list func() []approval.Application
}

// Revert implements gate.Reverter.
func (v reverting) Revert(ctx context.Context, p approval.Policy, app approval.Application, r approval.Rollback) ([]gate.Key, error) {
	closure, err := v.closures.Closure(ctx, app, r.Candidate.Revisions)
	if err != nil {
		return nil, fmt.Errorf("read what %s is rendered from: %w", app.Key(), err)
	}
	var pulls []gate.Key
	for i, revision := range r.Candidate.Revisions {
		if slices.Contains(r.Candidate.Revisions[:i], revision) {
			continue
		}
		protected, ok := p.Repository(revision.Repository)
		if !ok {
			return nil, fmt.Errorf("gate %s does not protect %s any more", p.Gate, revision.Repository)
		}
		pull, err := v.revertOne(ctx, protected, app, r, revision, closure.Reads)
		if errors.Is(err, revert.ErrNothing) {
			continue
		}
		if err != nil {
			return nil, err
		}
		pulls = append(pulls, gate.Key{Repository: protected.Name, Pull: pull.Number})
	}
	return pulls, nil
}

func (v reverting) revertOne(ctx context.Context, at approval.ProtectedRepository, app approval.Application, r approval.Rollback, to approval.Revision, reads []approval.Read) (revert.Pull, error) {
	mirror, err := v.repositories.get(ctx, at.Name)
	if err != nil {
		return revert.Pull{}, err
	}
	if err := mirror.Fetch(ctx, at.Branch); err != nil {
		return revert.Pull{}, fmt.Errorf("fetch %s: %w", at.Name, err)
	}
	head, err := mirror.Head(ctx, at.Branch)
	if err != nil {
		return revert.Pull{}, fmt.Errorf("read the head of %s: %w", at.Name, err)
	}
	changes, err := mirror.Changes(ctx, head, to.SHA)
	if err != nil {
		return revert.Pull{}, fmt.Errorf("compare %s with %s: %w", head.Short(), to.SHA.Short(), err)
	}
	request := revert.Request{
		ID: r.ID, Application: app.Key(), Person: r.Person, Reason: r.Reason, Repository: at.Name, Branch: at.Branch, Base: head, To: to.SHA,
	}
	for _, c := range changes {
		if approval.Covers(reads, at.Name, c.Path) {
			request.Files = append(request.Files, revert.File{Path: c.Path, Entry: c.After})
		}
	}
	request.Others = v.sharing(app, at.Name, request.Files)
	return v.reverter.Open(ctx, request)
}

// sharing are the other Applications whose specs name some of the files.
func (v reverting) sharing(app approval.Application, repository approval.RepositoryName, files []revert.File) []string {
	var names []string
	for _, other := range v.list() {
		if other.UID == app.UID {
			continue
		}
		for _, s := range other.Sources {
			if slices.ContainsFunc(files, func(f revert.File) bool { return approval.Covers(s.Reads, repository, f.Path) }) {
				names = append(names, other.Key())
				break
			}
		}
	}
	slices.SortFunc(names, strings.Compare)
	return names
}
