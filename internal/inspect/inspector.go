package inspect

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/mirror"
)

const (
	// window is how many landings are worked on together: their commits and
	// differences are read at once.
	window = 64
	// maxOwn bounds the commits of a pull request that are listed.
	maxOwn = 2_000
	// maxPaths bounds the listed paths of a landing. The class is of all of them.
	maxPaths = 10_000
)

// Options say what is inspected.
type Options struct {
	// After is where the range begins, exclusive; empty means from the root on.
	After approval.SHA
	// Head is where it ends.
	Head approval.SHA
	// Gates are the scopes; without any, everything is in scope.
	Gates []Gate
	// Classifier says what a change is; nil is an ImageClassifier without rules of
	// its own.
	Classifier Classifier
	// Progress, when set, is told how many landings of how many are done.
	Progress func(done, total int)
}

// Gate is the part of a gate that an inspection needs.
type Gate struct {
	Name       string
	Repository approval.ProtectedRepository
	// Classifier is that of the gate; nil is that of the Options.
	Classifier Classifier
	// Signers are whose signatures the gate takes; nil when it takes none, or when
	// their keys are not at hand.
	Signers Signers
}

// Signers verify the signature of a commit, given as git stores it, which was
// received at that time. They do no I/O.
type Signers interface {
	Verify(commit approval.SHA, object []byte, at time.Time) approval.CommitSignature
}

// Classifier says what kind of change the changed paths in a gate's scope are.
// One that reads files tells images from configuration.
type Classifier interface {
	Classify(ctx context.Context, files Files, scope approval.ProtectedRepository, changes []approval.Change) (Classification, error)
}

// Files reads the content of files.
type Files interface {
	// Blob is a file of at most limit bytes; a longer one is an error.
	Blob(ctx context.Context, sha approval.SHA, limit int64) ([]byte, error)
}

// Classification is what a Classifier says. Its findings must have codes of their
// own.
type Classification struct {
	Class    Class
	Moves    []Move
	Findings []Finding
}

// PathClassifier classifies by paths alone: what touches the scope is config,
// because nothing shows that it is not.
type PathClassifier struct{}

// Classify implements Classifier.
func (PathClassifier) Classify(_ context.Context, _ Files, scope approval.ProtectedRepository, changes []approval.Change) (Classification, error) {
	if (approval.Policy{}).Classify(scope, changes) == approval.ClassNone {
		return Classification{Class: ClassNone}, nil
	}
	return Classification{Class: ClassConfig}, nil
}

// Run inspects a range and hands the landings over, oldest first, as they become
// known. It works on as many at a time as there are processors.
func Run(ctx context.Context, repo *mirror.Local, o Options, emit func(Landing) error) (Summary, error) {
	began := time.Now()
	if o.Classifier == nil {
		o.Classifier = ImageClassifier{}
	}
	if len(o.Gates) == 0 {
		o.Gates = []Gate{{}}
	}
	in := &inspection{repo: repo, o: o}
	if err := in.plan(ctx); err != nil {
		return Summary{}, err
	}
	s := newSummary(len(in.steps))
	err := in.run(ctx, func(l Landing) error {
		s.add(l)
		if err := emit(l); err != nil {
			return err
		}
		if o.Progress != nil {
			o.Progress(s.Landings, len(in.landings))
		}
		return nil
	})
	if err != nil {
		return Summary{}, err
	}
	s.Replaced = len(repo.Info().Replaced)
	s.Partial = repo.Info().Partial
	s.Took = time.Since(began)
	return s, nil
}

// inspection is one run.
type inspection struct {
	repo *mirror.Local
	o    Options
	// steps are the commits of the line, oldest first.
	steps []step
	// landings are the last steps of landings.
	landings []planned
	heads    map[int]approval.SHA
	byHead   map[approval.SHA]int
	replaced map[approval.SHA]bool
	graph    *mirror.Graph
	// after is the commit before the range; without one it is empty.
	after mirror.Commit
}

// step is a commit of the line.
type step struct {
	commit    mirror.Commit
	claim     Claim
	signature Signature
}

// planned is a landing before it was looked at.
type planned struct {
	// last is the index of its last step, and commits how many there are.
	last, commits int
	// pull is the number of the pull request; 0 without one. head is its head, empty
	// when the clone lacks it. found says that the number comes from the heads.
	pull  int
	head  approval.SHA
	found bool
	// pushed says that the step is itself the head of the pull request.
	pushed bool
	proof  *mirror.Landing
	own    mirror.Own
}

// job is a window of landings, and where its result is awaited.
type job struct {
	landings []planned
	done     chan []Landing
}

func (in *inspection) run(ctx context.Context, emit func(Landing) error) error {
	group, ctx := errgroup.WithContext(ctx)
	workers := max(2, runtime.GOMAXPROCS(0))
	jobs, order := make(chan job), make(chan job, 2*workers)
	group.Go(func() error {
		defer close(jobs)
		defer close(order)
		for rest := in.landings; len(rest) > 0; {
			n := min(window, len(rest))
			j := job{landings: rest[:n], done: make(chan []Landing, 1)}
			in.stand(j.landings)
			for _, to := range []chan job{order, jobs} {
				select {
				case to <- j:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
			rest = rest[n:]
		}
		return nil
	})
	for range workers {
		group.Go(func() error {
			for j := range jobs {
				landings, err := in.look(ctx, j.landings)
				if err != nil {
					return err
				}
				j.done <- landings
			}
			return nil
		})
	}
	group.Go(func() error {
		for j := range order {
			select {
			case landings := <-j.done:
				for _, l := range landings {
					if err := emit(l); err != nil {
						return err
					}
				}
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	return group.Wait()
}

// stand finds for landings, which must come oldest first, what their pull requests
// have of their own.
func (in *inspection) stand(landings []planned) {
	for i := range landings {
		p := &landings[i]
		if p.head != "" && !p.pushed && in.graph != nil {
			p.own = in.graph.Own(p.head, maxOwn)
		}
		if in.graph != nil {
			for n := p.last - p.commits + 1; n <= p.last; n++ {
				in.graph.Land(in.steps[n].commit.SHA)
			}
		}
	}
}

// look inspects a window of landings.
func (in *inspection) look(ctx context.Context, landings []planned) ([]Landing, error) {
	signatures, bases, err := in.readCommits(ctx, landings)
	if err != nil {
		return nil, err
	}
	var pairs [][2]approval.SHA
	for _, p := range landings {
		pairs = append(pairs, [2]approval.SHA{in.before(p).tree, in.steps[p.last].commit.Tree})
		if parent, head, base, ok := in.quick(p, bases); ok {
			three := mirror.QuickPairs(parent, head, base, in.steps[p.last].commit.Tree)
			pairs = append(pairs, three[:2]...)
		}
	}
	if err := in.repo.Compare(ctx, pairs); err != nil {
		return nil, err
	}
	out := make([]Landing, 0, len(landings))
	for _, p := range landings {
		l, err := in.landing(ctx, p, signatures, bases)
		if err != nil {
			return nil, fmt.Errorf("inspect %s: %w", in.steps[p.last].commit.SHA.Short(), err)
		}
		out = append(out, l)
	}
	return out, nil
}

// readCommits reads the commits of the pull requests of a window, and those that
// they stand on.
func (in *inspection) readCommits(ctx context.Context, landings []planned) (map[approval.SHA]Signature, map[approval.SHA]mirror.Commit, error) {
	signatures, bases := map[approval.SHA]Signature{}, map[approval.SHA]mirror.Commit{}
	var own, stand []approval.SHA
	landed := map[approval.SHA]time.Time{}
	for _, p := range landings {
		for _, sha := range p.own.Commits {
			if _, seen := landed[sha]; !seen {
				landed[sha] = in.steps[p.last].commit.Committer.When
				own = append(own, sha)
			}
		}
		if p.head != "" && len(p.own.Bases) == 1 {
			stand = append(stand, p.own.Bases[0], p.head)
		}
		if parent := in.before(p).sha; parent != "" {
			stand = append(stand, parent)
		}
	}
	err := in.repo.Read(ctx, own, func(c mirror.Commit, data []byte) error {
		signatures[c.SHA] = in.signature(c.SHA, data, landed[c.SHA])
		bases[c.SHA] = c
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	for _, sha := range stand {
		if _, ok := bases[sha]; ok {
			continue
		}
		c, err := in.repo.Commit(ctx, sha)
		if err != nil {
			return nil, nil, err
		}
		bases[sha] = c
	}
	return signatures, bases, nil
}

// point is a commit of the line with its tree.
type point struct{ sha, tree approval.SHA }

// before is the commit of the line before a landing; the empty one with the empty
// tree when the line begins with it.
func (in *inspection) before(p planned) point {
	first := in.steps[p.last-p.commits+1].commit
	if len(first.Parents) == 0 {
		return point{tree: mirror.EmptyTree}
	}
	sha := first.Parents[0]
	if i := p.last - p.commits; i >= 0 {
		return point{sha: sha, tree: in.steps[i].commit.Tree}
	}
	return point{sha: sha, tree: in.after.Tree}
}

// quick says whether a landing may be proven by comparing trees, and of what.
func (in *inspection) quick(p planned, commits map[approval.SHA]mirror.Commit) (parent, head, base mirror.Commit, ok bool) {
	if p.proof != nil || p.pushed || p.head == "" || p.commits != 1 || p.own.Cut || len(p.own.Bases) != 1 || len(in.steps[p.last].commit.Parents) == 0 {
		return parent, head, base, false
	}
	parent, okParent := commits[in.before(p).sha]
	head, okHead := commits[p.head]
	base, okBase := commits[p.own.Bases[0]]
	return parent, head, base, okParent && okHead && okBase
}

// landing puts one landing together.
func (in *inspection) landing(ctx context.Context, p planned, signatures map[approval.SHA]Signature, commits map[approval.SHA]mirror.Commit) (Landing, error) {
	at := in.steps[p.last]
	before := in.before(p)
	l := Landing{SHA: at.commit.SHA, Title: at.commit.Subject, Commits: p.commits, Paths: []string{}, Moves: []Move{}, Findings: []Finding{}}
	if before.sha != "" {
		l.Parent = &before.sha
	}
	if l.heading = l.Title; at.claim.Title != "" {
		l.heading = at.claim.Title
	}
	if p.pull > 0 {
		l.Pull = &p.pull
	}
	if parent, head, base, ok := in.quick(p, commits); ok {
		if len(at.commit.Parents) == 1 {
			in.repo.Stands(p.head, parent.SHA, p.own)
		}
		if _, err := in.repo.Expect(ctx, parent, head, base, at.commit.Tree); err != nil {
			return Landing{}, err
		}
	}
	if err := in.prove(ctx, p, &l); err != nil {
		return Landing{}, err
	}
	in.sign(p, &l, signatures)
	for n := p.last - p.commits + 1; n <= p.last; n++ {
		if sha := in.steps[n].commit.SHA; in.replaced[sha] {
			l.add(CodeReplaced, "%s has a replacement in the repository (refs/replace or grafts), which is not looked at", sha.Short())
		}
	}
	trees := []approval.SHA{before.tree}
	for n := p.last - p.commits + 1; n <= p.last; n++ {
		trees = append(trees, in.steps[n].commit.Tree)
	}
	return l, in.classify(ctx, &l, trees)
}

func (l *Landing) add(code Code, format string, args ...any) {
	l.Findings = append(l.Findings, Finding{Code: code, Text: fmt.Sprintf(format, args...)})
}
