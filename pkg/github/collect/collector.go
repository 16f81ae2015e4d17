package collect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hmarr/codeowners"
	"golang.org/x/sync/errgroup"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/mirror"
)

// Defaults of Options.
const (
	DefaultIndexGrace    = 30 * time.Second
	DefaultMembershipTTL = 5 * time.Minute
	DefaultRepositoryTTL = 5 * time.Minute
)

const (
	// parallel bounds the requests of one collection that run at the same time.
	parallel = 8
	// directTTL is how long the index's word that a commit has no pull request is
	// believed. A witnessed merge is looked for each time.
	directTTL = 10 * time.Minute
)

// GitHub gives clients; *github.App does.
type GitHub interface {
	Client(ctx context.Context, repository approval.RepositoryName) (*github.Client, error)
	Organization(ctx context.Context, organization string) (*github.Client, error)
}

// Witness remembers what webhooks told and GitHub does not keep. False means
// that nothing was witnessed.
type Witness interface {
	// Review is what was told when a review was submitted. The base branch may be
	// empty.
	Review(ctx context.Context, repositoryID, reviewID int64) (approval.WitnessedReview, bool, error)
	// HeadPush is the newest arrival of this head at the pull request. It is false
	// when another head arrived there since, or in the same second: a head that is
	// there nevertheless came back, and that was not witnessed.
	HeadPush(ctx context.Context, repositoryID int64, pull int, head approval.SHA) (approval.WitnessedHead, bool, error)
	// FormerHead is HeadPush for a head whose place another one took at a given
	// time: it is false when a third one arrived since it and not later than that.
	FormerHead(ctx context.Context, repositoryID int64, pull int, head, next approval.SHA, until time.Time) (approval.WitnessedHead, bool, error)
	// MergedPull is the number of the pull request that was merged with a commit.
	MergedPull(ctx context.Context, repositoryID int64, commit approval.SHA) (int, bool, error)
}

// Options configure a Collector.
type Options struct {
	GitHub  GitHub
	Witness Witness
	// Pushes and Memory save calls. They may be nil.
	Pushes Pushes
	Memory Memory
	// Comments may be nil where no policy takes approvals by comment.
	Comments Comments
	// Mirror gives the mirror of a repository. It stays the caller's.
	Mirror func(ctx context.Context, repository approval.RepositoryName) (*mirror.Mirror, error)
	// IndexGrace is how long GitHub may take to say which pull request a commit
	// belongs to. Its index of commits lags by seconds (github.com/Songmu/tagpr
	// issue 333: at least 13).
	IndexGrace time.Duration
	// MembershipTTL is how old a fact about people may be.
	MembershipTTL time.Duration
	// RepositoryTTL is how old a repository's ID and default branch may be.
	RepositoryTTL time.Duration
	// NoReplyHost is the host in the addresses that GitHub makes up for people,
	// USER@users.noreply.HOST; "github.com" when empty. On a GitHub Enterprise
	// Server it is that server's host name.
	NoReplyHost string
	// Logger is required.
	Logger *slog.Logger
}

// Collector answers queries. Safe for concurrent use.
type Collector struct {
	github  GitHub
	witness Witness
	pushes  Pushes
	memory  Memory
	// comments may be nil
	comments Comments
	mirror   func(context.Context, approval.RepositoryName) (*mirror.Mirror, error)
	grace    time.Duration
	people   time.Duration
	noReply  string
	log      *slog.Logger

	repositoryTTL time.Duration
	repositories  *memory[string, repositoryFacts]
	surveyed      *memory[string, bool]
	listed        *memory[int64, []pull]
	newest        *memory[int64, []activity]
	pulls         *memory[pullKey, pull]
	landed        *memory[commitKey, landed]
	direct        *memory[commitKey, bool]
	seen          *memory[commitKey, time.Time]
	contributors  *memory[contributorKey, contributors]
	accounts      *memory[accountsKey, accounts]
	learning      *memory[learningKey, bool]
	arrivals      *memory[pusherKey, arrivals]
	logs          *memory[pusherKey, arrivals]
	emails        *memory[string, approval.User]
	strangers     *memory[string, bool]
	teams         *memory[string, approval.Team]
	users         *memory[string, account]
	roles         *memory[roleKey, string]
	pasts         *memory[pullKey, past]
	pastReads     *queue[pullKey, past]
	// groups are the pull requests for which merge groups were made, see CollectGroup.
	groups   *memory[groupKey, int]
	rulesets *memory[approval.SHA, codeowners.Ruleset]
	reviews  *shared[pullName, []approval.Review]
	// requested, checks and pushers are what only some policies ask for.
	requested *shared[pullName, []approval.UserID]
	checks    *shared[checksKey, []approval.Check]
	pushers   *shared[pushersKey, []approval.User]
	// heard counts the events that were heard of.
	heard *atomic.Uint64
}

// New makes a Collector. It makes no request.
func New(o Options) (*Collector, error) {
	if o.GitHub == nil || o.Witness == nil || o.Mirror == nil || o.Logger == nil {
		return nil, errors.New("a collector needs GitHub, a witness, mirrors and a logger")
	}
	orDefault := func(d, other time.Duration) time.Duration {
		if d <= 0 {
			return other
		}
		return d
	}
	if o.NoReplyHost == "" {
		o.NoReplyHost = "github.com"
	}
	if o.Pushes == nil {
		o.Pushes = nothingKept{}
	}
	if o.Memory == nil {
		o.Memory = nothingKept{}
	}
	heard := new(atomic.Uint64)
	return &Collector{
		github: o.GitHub, witness: o.Witness, pushes: o.Pushes, memory: o.Memory, comments: o.Comments, mirror: o.Mirror, log: o.Logger,
		grace:         orDefault(o.IndexGrace, DefaultIndexGrace),
		people:        orDefault(o.MembershipTTL, DefaultMembershipTTL),
		repositoryTTL: orDefault(o.RepositoryTTL, DefaultRepositoryTTL),
		noReply:       strings.ToLower(o.NoReplyHost),

		repositories: newMemory[string, repositoryFacts](1024),
		surveyed:     newMemory[string, bool](1024),
		listed:       newMemory[int64, []pull](1024),
		newest:       newMemory[int64, []activity](256),
		pulls:        newMemory[pullKey, pull](8192),
		landed:       newMemory[commitKey, landed](16384),
		direct:       newMemory[commitKey, bool](16384),
		seen:         newMemory[commitKey, time.Time](16384),
		contributors: newMemory[contributorKey, contributors](4096),
		accounts:     newMemory[accountsKey, accounts](16384),
		learning:     newMemory[learningKey, bool](64),
		arrivals:     newMemory[pusherKey, arrivals](8192),
		logs:         newMemory[pusherKey, arrivals](8192),
		emails:       newMemory[string, approval.User](8192),
		strangers:    newMemory[string, bool](8192),
		teams:        newMemory[string, approval.Team](1024),
		users:        newMemory[string, account](8192),
		roles:        newMemory[roleKey, string](8192),
		pasts:        newMemory[pullKey, past](4096),
		pastReads:    newQueue[pullKey, past](),
		groups:       newMemory[groupKey, int](1024),
		rulesets:     newMemory[approval.SHA, codeowners.Ruleset](64),
		reviews:      newShared[pullName, []approval.Review](256, heard),
		requested:    newShared[pullName, []approval.UserID](256, heard),
		checks:       newShared[checksKey, []approval.Check](256, heard),
		pushers:      newShared[pushersKey, []approval.User](256, heard),
		heard:        heard,
	}, nil
}

// Forget drops what is known about teams, users, roles and addresses. It is
// called when a hint says that people may have changed.
func (c *Collector) Forget() {
	c.teams.forget()
	c.users.forget()
	c.roles.forget()
	c.emails.forget()
	c.strangers.forget()
	c.contributors.forgetMortal()
}

// Collect answers the query from reads that began after the call, except for
// facts that cannot change, those that Options lets grow old, and for a query that
// shares those that were read for another one since the last call of Heard. The answer is
// complete, or there is an error. A failed call of GitHub is a *github.Error
// somewhere in the error's chain, so errors.As finds its RetryAfter.
func (c *Collector) Collect(ctx context.Context, q approval.Query) (approval.Answer, error) {
	var answer approval.Answer
	repos, err := c.repos(ctx, q)
	if err != nil {
		return approval.Answer{}, err
	}
	answer.Lines = make([]approval.Line, len(q.Ranges))
	g, gctx := errgroup.WithContext(ctx)
	for i, r := range q.Ranges {
		g.Go(func() error {
			line, err := c.line(gctx, repos[i], r, q.Needs)
			if err != nil {
				return fmt.Errorf("collect %s %s: %w", r.Repository, r.Branch, err)
			}
			answer.Lines[i] = line
			return nil
		})
	}
	var people approval.Directory
	g.Go(func() error {
		var err error
		people, err = c.peopleOf(gctx, q, repos)
		return err
	})
	if err := g.Wait(); err != nil {
		return approval.Answer{}, err
	}
	var votes []vote
	var pulls []*approval.PullRequest
	for i, line := range answer.Lines {
		for _, l := range line.Landings {
			if l.Pull != nil && l.Unsettled == "" {
				votes, pulls = append(votes, votesOf(repos[i], *l.Pull)...), append(pulls, l.Pull)
			}
		}
	}
	if answer.Directory, err = c.complete(ctx, q, people, repos, pulls, votes); err != nil {
		return approval.Answer{}, err
	}
	return answer, nil
}

// complete adds to the people of the query the code owners, and the roles.
func (c *Collector) complete(ctx context.Context, q approval.Query, people approval.Directory, repos []*repo, pulls []*approval.PullRequest, votes []vote) (approval.Directory, error) {
	if extra := ownersIn(q, pulls); len(extra.Teams)+len(extra.Users) > 0 {
		owners, err := c.peopleOf(ctx, extra, repos)
		if err != nil {
			return approval.Directory{}, err
		}
		people.Teams = append(people.Teams, owners.Teams...)
		people.Users = append(people.Users, owners.Users...)
		people.NoSuchUsers = append(people.NoSuchUsers, owners.NoSuchUsers...)
	}
	var err error
	people.Roles, err = c.rolesOf(ctx, people, votes, q.Needs.Roles)
	return people, err
}

// repo is a repository with the means to read it.
type repo struct {
	name   approval.RepositoryName
	client *github.Client
	mirror *mirror.Mirror
	// shared is true when what is read of it is for a query that shares.
	shared bool
	repositoryFacts
}

// fetch brings branch and heads up to date. git learns from GitHub no more than
// that it is refused; why, and what to do about it, the API tells.
func (r *repo) fetch(ctx context.Context, branch string, pulls ...int) error {
	err := r.mirror.Fetch(ctx, branch, pulls...)
	if !errors.Is(err, mirror.ErrDenied) {
		return err
	}
	var newest []json.RawMessage
	path := fmt.Sprintf("repos/%s/%s/commits?per_page=1", r.name.Owner(), r.name.Name())
	if _, why := r.client.Get(ctx, "read the newest commit", path, &newest); why != nil {
		return fmt.Errorf("%w (%w)", why, err)
	}
	return err
}

type repositoryFacts struct {
	id            int64
	defaultBranch string
}

// repos opens the repository of each range.
func (c *Collector) repos(ctx context.Context, q approval.Query) ([]*repo, error) {
	out := make([]*repo, len(q.Ranges))
	for i, r := range q.Ranges {
		if r.Branch == "" {
			return nil, fmt.Errorf("the range of %s names no branch", r.Repository)
		}
		if _, err := approval.ParseSHA(string(r.Baseline)); err != nil {
			return nil, fmt.Errorf("the baseline of %s: %w", r.Repository, err)
		}
		opened, err := c.open(ctx, r.Repository)
		if err != nil {
			return nil, err
		}
		opened.shared = q.Shared
		out[i] = opened
	}
	return out, nil
}

// open opens a repository whose landings are wanted.
func (c *Collector) open(ctx context.Context, name approval.RepositoryName) (*repo, error) {
	r, err := c.handle(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := c.surveyOnce(ctx, r.client, name); err != nil {
		return nil, err
	}
	r.repositoryFacts, err = c.repositories.get(ctx, strings.ToLower(string(name)), func(ctx context.Context) (repositoryFacts, time.Duration, error) {
		facts, err := readRepository(ctx, r.client, name)
		return facts, c.repositoryTTL, err
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// handle is a repository of which nothing was read yet.
func (c *Collector) handle(ctx context.Context, name approval.RepositoryName) (*repo, error) {
	client, err := c.github.Client(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	m, err := c.mirror(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("open the mirror of %s: %w", name, err)
	}
	return &repo{name: name, client: client, mirror: m}, nil
}

// openWith opens a repository of which one pull request alone is wanted. That has
// the repository's own facts; where those are not known it is read for them, and
// returned so that it need not be read twice.
func (c *Collector) openWith(ctx context.Context, name approval.RepositoryName, number int) (*repo, *pull, error) {
	r, err := c.handle(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	var read atomic.Pointer[pull]
	r.repositoryFacts, err = c.repositories.get(ctx, strings.ToLower(string(name)), func(ctx context.Context) (repositoryFacts, time.Duration, error) {
		p, facts, err := readPullAndBase(ctx, r, number)
		if err == nil && facts.id == p.baseRepository && facts.defaultBranch != "" {
			read.Store(&p)
			return facts, c.repositoryTTL, nil
		}
		// Whether it is the pull request that cannot be read or the repository, the
		// repository tells.
		facts, err = readRepository(ctx, r.client, name)
		return facts, c.repositoryTTL, err
	})
	if err != nil {
		return nil, nil, err
	}
	return r, read.Load(), nil
}
