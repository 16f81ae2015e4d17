package collect

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/mirror"
)

// landed is how a pull request landed at a commit. It cannot change.
type landed struct {
	landing mirror.Landing
	pull    pull
}

// step is one landing of a line while it is being collected.
type step struct {
	landing approval.Landing
	pull    *pull // nil for a direct push
	// before is the commit before the landing. It is the landing's Parent except
	// for a rebased run in which the baseline lies.
	before approval.SHA
}

// line collects the first-parent history of a branch after the baseline.
func (c *Collector) line(ctx context.Context, r *repo, rg approval.Range, needs approval.Needs) (approval.Line, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	line := approval.Line{
		Repository: rg.Repository, RepositoryID: r.id, Branch: rg.Branch,
		DefaultBranch: r.defaultBranch == rg.Branch, Baseline: rg.Baseline,
	}
	fetched := make(chan error, 1)
	go func() { fetched <- r.fetch(ctx, rg.Branch) }()

	// What was on the line at the last fetch is most likely on it now.
	reads := c.newReviewReads(r)
	reads.start(ctx, c.knownPulls(ctx, r, rg)...)
	steps, err := c.steps(ctx, r, &line, fetched)
	if err != nil {
		cancel()
		return approval.Line{}, firstError(reads.wait(), err)
	}
	var numbers []int
	for _, s := range steps {
		if s.pull != nil && s.landing.Unsettled == "" {
			numbers = append(numbers, s.pull.number)
		}
	}
	reads.start(ctx, numbers...)
	if err := reads.wait(); err != nil {
		return approval.Line{}, err
	}
	if line.Landings, err = c.fillSteps(ctx, r, steps, reads, needs); err != nil {
		return approval.Line{}, err
	}
	return line, nil
}

// knownPulls are the pull requests of the line as the mirror has it before the
// fetch, as far as they are known. It asks nobody, and an error only means that
// nothing is known yet: what counts is read after the fetch.
func (c *Collector) knownPulls(ctx context.Context, r *repo, rg approval.Range) []int {
	commits, _, err := r.mirror.Line(ctx, rg.Branch, rg.Baseline)
	if err != nil {
		return nil
	}
	var numbers []int
	for i := len(commits) - 1; i >= 0; i-- {
		if l, ok := c.landed.peek(commitKey{r.id, rg.Branch, commits[i].SHA}); ok {
			numbers = append(numbers, l.pull.number)
			i -= l.landing.Commits - 1
		}
	}
	return numbers
}

// firstError prefers what a read said to what its cancellation caused elsewhere.
func firstError(read, other error) error {
	if read != nil && !errors.Is(read, context.Canceled) && errors.Is(other, context.Canceled) {
		return read
	}
	return other
}

// steps waits for the fetch and finds the landings, oldest first.
func (c *Collector) steps(ctx context.Context, r *repo, line *approval.Line, fetched <-chan error) ([]step, error) {
	select {
	case err := <-fetched:
		if err != nil {
			return nil, err
		}
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	commits, onLine, err := r.mirror.Line(ctx, line.Branch, line.Baseline)
	if err != nil {
		return nil, err
	}
	line.BaselineOnLine = onLine
	switch {
	case !onLine:
		line.Head, err = r.mirror.Head(ctx, line.Branch)
		return nil, err
	case len(commits) == 0:
		// Not asked of the mirror: another fetch may have moved the branch since.
		line.Head = line.Baseline
		return nil, nil
	}
	line.Head = commits[len(commits)-1].SHA
	w := &walk{collector: c, repo: r, branch: line.Branch, baseline: line.Baseline, commits: commits}
	if err := w.lookUp(ctx); err != nil {
		return nil, err
	}
	return w.steps(ctx)
}

// fillSteps adds people and reviews to the landings.
func (c *Collector) fillSteps(ctx context.Context, r *repo, steps []step, reads *reviewReads, needs approval.Needs) ([]approval.Landing, error) {
	out := make([]approval.Landing, len(steps))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i, s := range steps {
		out[i] = s.landing
		switch {
		case s.pull == nil:
		case s.landing.Unsettled != "":
			out[i].Pull = s.pull.basics(r)
		default:
			g.Go(func() error {
				about := change{before: s.before, changes: s.landing.Changes}
				pr, err := c.fill(ctx, r, *s.pull, about, *reads.got[s.pull.number], needs)
				out[i].Pull = pr
				return err
			})
		}
	}
	return out, g.Wait()
}

// walk goes along a line from its newest commit to the oldest.
type walk struct {
	collector *Collector
	repo      *repo
	branch    string
	baseline  approval.SHA
	commits   []mirror.Commit // oldest first

	known   map[approval.SHA]landed
	origins map[approval.SHA]origin
	heads   map[int]approval.SHA // what the mirror has as the head of a pull request
}

func (w *walk) key(commit approval.SHA) commitKey {
	return commitKey{w.repo.id, w.branch, commit}
}

// lookUp finds the pull requests of all commits whose landing is not known, and
// fetches their heads. Commits inside of a known run belong to it.
func (w *walk) lookUp(ctx context.Context) error {
	w.known = map[approval.SHA]landed{}
	var unknown []mirror.Commit
	for i := len(w.commits) - 1; i >= 0; i-- {
		commit := w.commits[i]
		if l, ok := w.collector.landed.peek(w.key(commit.SHA)); ok {
			w.known[commit.SHA] = l
			i -= l.landing.Commits - 1
			continue
		}
		unknown = append(unknown, commit)
	}
	if len(unknown) == 0 {
		return nil
	}
	if err := w.collector.adopt(ctx, w.repo, w.branch, unknown); err != nil {
		return err
	}
	origins := make([]origin, len(unknown))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i, commit := range unknown {
		g.Go(func() error {
			var err error
			origins[i], err = w.collector.resolve(gctx, w.repo, w.branch, commit)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	w.origins = make(map[approval.SHA]origin, len(unknown))
	var pulls []pull
	for i, commit := range unknown {
		w.origins[commit.SHA] = origins[i]
		pulls = append(pulls, origins[i].pulls...)
	}
	var err error
	w.heads, err = fetchHeads(ctx, w.repo, w.branch, pulls)
	return err
}

// fetchHeads fetches the heads of the pull requests that the mirror does not
// have as the API gives them, and returns what the mirror then has.
func fetchHeads(ctx context.Context, r *repo, branch string, pulls []pull) (map[int]approval.SHA, error) {
	heads := make(map[int]approval.SHA, len(pulls))
	read := func() (missing []int, err error) {
		for _, p := range pulls {
			head, ok, err := r.mirror.PullHead(ctx, p.number)
			if err != nil {
				return nil, err
			}
			if ok {
				heads[p.number] = head
			}
			if head != p.head {
				missing = append(missing, p.number)
			}
		}
		return missing, nil
	}
	missing, err := read()
	if err != nil || len(missing) == 0 {
		return heads, err
	}
	if err := r.fetch(ctx, branch, missing...); err != nil {
		return nil, err
	}
	_, err = read()
	return heads, err
}

// steps makes the landings, oldest first.
func (w *walk) steps(ctx context.Context) ([]step, error) {
	boundaries := w.landingCommits()
	before, err := w.repo.mirror.Commit(ctx, w.baseline)
	if err != nil {
		return nil, err
	}
	var steps []step
	for i := len(w.commits) - 1; i >= 0; {
		s, commits, err := w.step(ctx, i, boundaries)
		if err != nil {
			return nil, err
		}
		// The baseline may lie inside of a rebased run. Each commit of the run is one
		// of the pull request replayed, so the rest of it is a part of what was
		// reviewed.
		parent := before
		if i >= commits {
			parent = w.commits[i-commits]
		}
		s.landing.Parent, s.landing.ParentTree = parent.SHA, parent.Tree
		if s.landing.Changes, err = w.repo.mirror.Changes(ctx, parent.SHA, s.landing.Commit); err != nil {
			return nil, err
		}
		steps = append(steps, s)
		i -= commits
	}
	slices.Reverse(steps)
	return steps, nil
}

// landingCommits are the commits that some pull request names as its own. A
// rebased run never reaches back over one of them.
func (w *walk) landingCommits() []approval.SHA {
	var out []approval.SHA
	for _, c := range w.commits {
		_, known := w.known[c.SHA]
		if known || len(w.origins[c.SHA].pulls) > 0 {
			out = append(out, c.SHA)
		}
	}
	return out
}

// step makes the landing that ends at the i-th commit and says of how many
// commits of the line it is.
func (w *walk) step(ctx context.Context, i int, boundaries []approval.SHA) (step, int, error) {
	commit := w.commits[i]
	s := step{landing: approval.Landing{Commit: commit.SHA, Tree: commit.Tree, Title: commit.Subject}, before: commit.Parents[0]}
	if l, ok := w.known[commit.SHA]; ok {
		s.take(l)
		return s, l.landing.Commits, nil
	}
	from := w.origins[commit.SHA]
	switch {
	case from.unsettled != "":
		s.landing.Unsettled = from.unsettled
		return s, 1, nil
	case len(from.pulls) == 0:
		s.landing.Kind = approval.KindDirect
		return s, 1, nil
	}
	l, unsettled, err := w.prove(ctx, commit, from.pulls, boundaries)
	if err != nil {
		return step{}, 0, err
	}
	if unsettled == "" {
		unsettled = w.unsettledInside(i, l.landing.Commits)
	}
	s.take(l)
	if unsettled != "" {
		s.landing.Unsettled = unsettled
		s.before = commit.Parents[0]
		return s, 1, nil
	}
	w.collector.landed.put(w.key(commit.SHA), l, forever)
	if l.landing.Proof.Result == approval.Proven && !l.pull.recalled {
		w.collector.rememberPull(ctx, w.repo, l.pull)
	}
	return s, l.landing.Commits, nil
}

// prove compares what landed with the heads of the pull requests that claim it,
// and takes the first that is proven.
func (w *walk) prove(ctx context.Context, at mirror.Commit, pulls []pull, boundaries []approval.SHA) (landed, string, error) {
	others := slices.DeleteFunc(slices.Clone(boundaries), func(sha approval.SHA) bool { return sha == at.SHA })
	var first landed
	unsettled := ""
	for _, p := range pulls {
		if got := w.heads[p.number]; got != p.head {
			unsettled = fmt.Sprintf("GitHub's API says that the head of #%d is %s, its git repository says %q", p.number, p.head.Short(), got.Short())
			continue
		}
		proof, err := w.repo.mirror.Prove(ctx, at, p.head, others...)
		if err != nil {
			return landed{}, "", err
		}
		l := landed{landing: proof, pull: p}
		if proof.Proof.Result == approval.Proven {
			if p.queued {
				// The queue merges by one of the three methods, each entry onto the one
				// before it, and is proven like them. What is not proven keeps the kind
				// that its commits suggest, whoever GitHub says merged it.
				l.landing.Kind = approval.KindQueue
			}
			return l, "", nil
		}
		if first.pull.number == 0 {
			first = l
		}
	}
	if unsettled != "" {
		return landed{landing: mirror.Landing{Commits: 1}, pull: pulls[0]}, unsettled, nil
	}
	return first, "", nil
}

// unsettledInside makes sure that the commits inside of a rebased run are known
// not to be landings of their own. Otherwise a stacked pull request could take
// an unapproved one that landed before it for a part of itself.
func (w *walk) unsettledInside(i, commits int) string {
	for k := i - 1; k > i-commits && k >= 0; k-- {
		sha := w.commits[k].SHA
		if why := w.origins[sha].unsettled; why != "" {
			return sha.Short() + ", which seems to be a part of it: " + why
		}
		if _, known := w.known[sha]; known || len(w.origins[sha].pulls) > 0 {
			return sha.Short() + ", which seems to be a part of it, is the landing of another pull request"
		}
	}
	return ""
}

func (s *step) take(l landed) {
	s.pull = &l.pull
	s.landing.Kind = l.landing.Kind
	s.landing.Proof = l.landing.Proof
	if l.landing.Parent != "" {
		s.before = l.landing.Parent
	}
}
