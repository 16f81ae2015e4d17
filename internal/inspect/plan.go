package inspect

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/mirror"
)

// maxTips bounds the heads of pull requests that are read to find rebased ones.
const maxTips = 200_000

// plan reads the line and decides which of its commits are one landing, and which
// pull request each is of.
func (in *inspection) plan(ctx context.Context) error {
	line, err := in.repo.Line(ctx, in.o.After, in.o.Head)
	if err != nil {
		return err
	}
	if in.o.After != "" {
		if in.after, err = in.repo.Commit(ctx, in.o.After); err != nil {
			return err
		}
	}
	in.steps = make([]step, 0, len(line))
	err = in.repo.Read(ctx, line, func(c mirror.Commit, data []byte) error {
		c.CoAuthors = nil
		in.steps = append(in.steps, step{commit: c, claim: ParseClaim(string(mirror.Message(data))), signature: in.signature(c.SHA, data, c.Committer.When)})
		return nil
	})
	if err != nil {
		return err
	}
	in.heads, in.byHead = in.repo.PullHeads(), map[approval.SHA]int{}
	for number, sha := range in.heads {
		// Of two pull requests with the same head, the same one every time.
		if other, ok := in.byHead[sha]; !ok || number < other {
			in.byHead[sha] = number
		}
	}
	in.replaced = map[approval.SHA]bool{}
	for _, sha := range in.repo.Info().Replaced {
		in.replaced[sha] = true
	}
	candidates, err := in.candidates(ctx)
	if err != nil {
		return err
	}
	if in.graph, err = in.shape(ctx, candidates); err != nil {
		return err
	}
	runs, err := in.rebased(ctx, candidates)
	if err != nil {
		return err
	}
	in.group(runs)
	return nil
}

// shape reads the range's shape when a proof needs it.
func (in *inspection) shape(ctx context.Context, candidates []candidate) (*mirror.Graph, error) {
	var tips []approval.SHA
	for _, c := range candidates {
		for _, number := range c.pulls {
			tips = append(tips, in.heads[number])
		}
	}
	needed := len(tips) > 0
	for _, s := range in.steps {
		needed = needed || len(s.commit.Parents) > 1
		if head, ok := in.heads[s.claim.Number]; ok && len(s.commit.Parents) == 1 {
			tips, needed = append(tips, head), true
		}
	}
	if !needed {
		return nil, nil //nolint:nilnil // a line of commits alone has no shape to read
	}
	return in.repo.Graph(ctx, in.o.After, in.o.Head, tips)
}

// candidate is a commit of the line that can be the last one of a rebased run.
type candidate struct {
	at    int
	pulls []int
}

// maxCandidates is how many pull requests are tried for one commit.
const maxCandidates = 4

// candidates finds commits of the line with the author and the author's date of a
// pull request's head, which a rebase keeps and a squash does not.
func (in *inspection) candidates(ctx context.Context) ([]candidate, error) {
	wanted := false
	for _, s := range in.steps {
		wanted = wanted || len(s.commit.Parents) == 1 && s.claim.Number == 0
	}
	if !wanted || len(in.heads) == 0 || len(in.heads) > maxTips {
		return nil, nil
	}
	tips, pulls := make([]approval.SHA, 0, len(in.heads)), map[approval.SHA][]int{}
	for _, number := range slices.Sorted(maps.Keys(in.heads)) {
		sha := in.heads[number]
		if pulls[sha] = append(pulls[sha], number); len(pulls[sha]) == 1 {
			tips = append(tips, sha)
		}
	}
	byAuthor := map[string][]int{}
	if err := in.repo.Read(ctx, tips, func(c mirror.Commit, _ []byte) error {
		byAuthor[authorKey(c)] = append(byAuthor[authorKey(c)], pulls[c.SHA]...)
		return nil
	}); err != nil {
		return nil, err
	}
	var found []candidate
	for i, s := range in.steps {
		if len(s.commit.Parents) != 1 {
			continue
		}
		numbers := byAuthor[authorKey(s.commit)]
		if n := s.claim.Number; n > 0 {
			// Others with the same author and date are backports of it.
			if !slices.Contains(numbers, n) {
				continue
			}
			numbers = []int{n}
		}
		if len(numbers) > 0 {
			found = append(found, candidate{at: i, pulls: numbers[:min(maxCandidates, len(numbers))]})
		}
	}
	return found, nil
}

func authorKey(c mirror.Commit) string {
	return c.Author.Name + "\x00" + c.Author.Email + "\x00" + strconv.FormatInt(c.Author.When.Unix(), 10)
}

// rebased proves which candidates end a rebased run, or are a pull request of one
// commit that was rebased.
func (in *inspection) rebased(ctx context.Context, candidates []candidate) (map[int]planned, error) {
	runs := map[int]planned{}
	if len(candidates) == 0 {
		return runs, nil
	}
	results := make([]*planned, len(candidates))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(2, runtime.GOMAXPROCS(0)))
	next := 0
	for i, s := range in.steps {
		if next < len(candidates) && candidates[next].at == i {
			n, c := next, candidates[next]
			next++
			owns := make([]mirror.Own, len(c.pulls))
			for k, number := range c.pulls {
				owns[k] = in.graph.Own(in.heads[number], maxOwn)
			}
			group.Go(func() (err error) {
				results[n], err = in.try(ctx, c, owns)
				return err
			})
		}
		in.graph.Land(s.commit.SHA)
	}
	in.graph.Rewind()
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, p := range results {
		if p != nil {
			runs[p.last] = *p
		}
	}
	return runs, nil
}

// try looks which of the candidate's pull requests landed there; none gives nil.
func (in *inspection) try(ctx context.Context, c candidate, owns []mirror.Own) (*planned, error) {
	at := in.steps[c.at]
	for k, number := range c.pulls {
		head := in.heads[number]
		p := planned{last: c.at, commits: 1, pull: number, head: head, found: at.claim.Number != number}
		if head == at.commit.SHA {
			p.pushed = true
			return &p, nil
		}
		if err := in.expect(ctx, at.commit, head, owns[k]); err != nil {
			return nil, err
		}
		proof, err := in.repo.Prove(ctx, at.commit, head, in.boundary(p)...)
		if missing, ok := errors.AsType[*mirror.MissingObjectError](err); ok && missing != nil {
			continue // it stays what it seems to be: a landing without proof
		}
		if err != nil {
			return nil, err
		}
		if proof.Proof.Result != approval.Proven || proof.Commits > c.at+1 {
			continue
		}
		p.proof, p.commits = &proof, proof.Commits
		return &p, nil
	}
	return nil, nil //nolint:nilnil // no pull request is a usual answer
}

// expect spares Prove a merge where comparing trees tells its result.
func (in *inspection) expect(ctx context.Context, at mirror.Commit, sha approval.SHA, own mirror.Own) error {
	if own.Cut || len(own.Bases) != 1 {
		return nil
	}
	in.repo.Stands(sha, at.Parents[0], own)
	var commits [3]mirror.Commit
	for i, name := range []approval.SHA{at.Parents[0], sha, own.Bases[0]} {
		var err error
		if commits[i], err = in.repo.Commit(ctx, name); err != nil {
			return err
		}
	}
	_, err := in.repo.Expect(ctx, commits[0], commits[1], commits[2], at.Tree)
	return err
}

// boundary is the nearest commit before a landing that names a pull request: a
// rebased run never reaches back over it.
func (in *inspection) boundary(p planned) []approval.SHA {
	const furthest = 250
	for i := p.last - 1; i >= 0 && i >= p.last-furthest; i-- {
		if s := in.steps[i]; s.claim.Number > 0 || len(s.commit.Parents) != 1 {
			return []approval.SHA{s.commit.SHA}
		}
	}
	return nil
}

// group makes landings of the steps: a rebased run is one, every other commit is
// one by itself.
func (in *inspection) group(runs map[int]planned) {
	var reversed []planned
	for i := len(in.steps) - 1; i >= 0; {
		p, ok := runs[i]
		if !ok {
			p = in.single(i)
		}
		reversed = append(reversed, p)
		i -= p.commits
	}
	slices.Reverse(reversed)
	in.landings = reversed
}

func (in *inspection) single(i int) planned {
	s := in.steps[i]
	p := planned{last: i, commits: 1, pull: s.claim.Number}
	switch len(s.commit.Parents) {
	case 1:
		p.head = in.heads[p.pull]
		p.pushed = p.head == s.commit.SHA
	case 2:
		p.head = s.commit.Parents[1]
		if number, ok := in.byHead[p.head]; ok && p.pull == 0 {
			p.pull, p.found = number, true
		}
	}
	return p
}
