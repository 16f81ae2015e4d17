package report

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// rerun is how check runs are written although nothing is new.
type rerun int

const (
	rerunNone rerun = iota
	// rerunRun writes the run that is there: GitHub takes the conclusion of its suite away
	// when a run is to run again, and leaves it to the App to write the run ("Rerequest a
	// check run", GitHub docs).
	rerunRun
	// rerunSuite makes a new run: a whole suite that is to run again begins anew, and what
	// was in it is of before ("Rerequest a check suite", GitHub docs).
	rerunSuite
)

// Again has the next report on a pull request write its check runs although nothing is new.
func (p *Publisher) Again(repository approval.RepositoryName, pull int) {
	p.rerun(pullKey(repository, pull), rerunRun)
}

// AgainGroup is Again for the merge group with that head.
func (p *Publisher) AgainGroup(repository approval.RepositoryName, head approval.SHA) {
	p.rerun(groupAgain(repository, head), rerunRun)
}

// AgainSuite has the next reports on all that was reported on at a head make new check runs,
// and says which pull requests and merge groups those are. The gates are those of the
// repository. The event of a suite says of no run what it is of (GitHub docs, "check_suite"),
// so that is known by what was written.
func (p *Publisher) AgainSuite(ctx context.Context, repository approval.RepositoryName, head approval.SHA, gates []string) (pulls []int, groups []approval.MergeGroup, err error) {
	var broken error
	err = p.store.EachWritten(ctx, repository, groupName(head), func(_ int, w Written) {
		g := approval.MergeGroup{Head: head}
		if err := json.Unmarshal([]byte(w.Digest), &kept{&g.Branch, &g.Ref, &g.Base}); err != nil {
			broken = err
			return
		}
		if !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	})
	if err == nil {
		err = broken
	}
	if err != nil {
		return nil, nil, fmt.Errorf("look up merge group %s of %s: %w", head.Short(), repository, err)
	}
	if len(groups) > 0 { // its check runs are kept with a pull request that has another head
		p.rerun(groupAgain(repository, head), rerunSuite)
		return nil, groups, nil
	}
	for _, gate := range gates {
		err := p.store.EachWritten(ctx, repository, checkKey(gate, head), func(pull int, _ Written) { pulls = append(pulls, pull) })
		if err != nil {
			return nil, nil, fmt.Errorf("look up the check runs at %s of %s: %w", head.Short(), repository, err)
		}
	}
	slices.Sort(pulls)
	pulls = slices.Compact(pulls)
	for _, pull := range pulls {
		p.rerun(pullKey(repository, pull), rerunSuite)
	}
	return pulls, nil, nil
}

// kept is what is remembered of a merge group under its head.
type kept struct {
	Branch *string       `json:"branch"`
	Ref    *string       `json:"ref"`
	Base   *approval.SHA `json:"base"`
}

// keepGroup remembers a merge group, so that its head leads back to it.
func (p *Publisher) keepGroup(ctx context.Context, r approval.GroupReport) error {
	text, err := json.Marshal(kept{&r.Group.Branch, &r.Group.Ref, &r.Group.Base})
	if err != nil {
		return fmt.Errorf("remember merge group %s of %s: %w", r.Group.Head.Short(), r.Repository, err)
	}
	name, want := groupName(r.Group.Head), Written{ID: 1, Digest: string(text)}
	last, ok, err := p.store.Written(ctx, r.Repository, r.Pull, name)
	if err == nil && (!ok || last != want) {
		err = p.store.SaveWritten(ctx, r.Repository, r.Pull, name, want)
	}
	if err != nil {
		return fmt.Errorf("remember merge group %s of %s: %w", r.Group.Head.Short(), r.Repository, err)
	}
	return nil
}

func groupName(head approval.SHA) string { return "group/" + string(head) }

func groupAgain(repository approval.RepositoryName, head approval.SHA) string {
	return string(repository) + "@" + string(head)
}

func (p *Publisher) rerun(key string, how rerun) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.again[key] = max(p.again[key], how)
}

// takeAgain says whether something is to be written although nothing is new, once.
func (p *Publisher) takeAgain(key string) rerun {
	p.mu.Lock()
	defer p.mu.Unlock()
	again := p.again[key]
	delete(p.again, key)
	return again
}

// keepAgain gives back what was taken and could not be done.
func (p *Publisher) keepAgain(key string, again rerun, err error) {
	if again != rerunNone && err != nil {
		p.rerun(key, again)
	}
}
