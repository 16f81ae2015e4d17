package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/argo-gatekeeper/gatekeeper/internal/adopt"
	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/internal/operate"
	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/conversation"
)

// Store keeps what was asked for, and approvals by comment; *inbox.Store does.
type Store interface {
	Requests(ctx context.Context, limit int) ([]inbox.Request, error)
	SaveProgress(ctx context.Context, id string, progress []byte) error
	Finish(ctx context.Context, id string) error
	SaveComment(ctx context.Context, w approval.WitnessedComment) error
	Withdraw(ctx context.Context, repositoryID int64, pull int, person approval.UserID, at time.Time) (int, error)
}

// Hub reads and writes on GitHub; *conversation.Conversation does.
type Hub interface {
	App() int64
	Installation(ctx context.Context, r approval.RepositoryName) (int64, error)
	Comment(ctx context.Context, r approval.RepositoryName, id int64) (conversation.Comment, error)
	Pull(ctx context.Context, r approval.RepositoryName, number int) (conversation.Pull, error)
	CheckRun(ctx context.Context, r approval.RepositoryName, id int64) (conversation.CheckRun, error)
	Role(ctx context.Context, r approval.RepositoryName, who approval.User) (string, error)
	React(ctx context.Context, r approval.RepositoryName, comment int64, reaction string) error
	Reply(ctx context.Context, r approval.RepositoryName, pull int, body string) (int64, error)
	FindReply(ctx context.Context, r approval.RepositoryName, pull int, id string, since time.Time) (int64, error)
}

// Gates say how things stand, and are woken; *gate.Gate does.
type Gates interface {
	// Configured is the name by which the gates know a repository; false if none
	// protects it.
	Configured(id int64, name approval.RepositoryName) (approval.RepositoryName, bool)
	// LookAt judges a pull request anew, for each gate of its base branch.
	LookAt(ctx context.Context, repository approval.RepositoryName, number int) (approval.PullReport, approval.PullAnswer, error)
	// Protected are the Applications that are protected and read from the repository.
	Protected(repository approval.RepositoryName) []approval.Application
	// WakePull judges a pull request and the Applications of its repository again, and
	// WakeKey one Application.
	WakePull(repository approval.RepositoryName, number int)
	WakeKey(application string)
}

// Requester asks people for their review; *conversation.Conversation does.
type Requester interface {
	RequestReviews(ctx context.Context, r approval.RepositoryName, pull int, logins, teams []string) error
}

// Differ shows what a pull request changes, as Markdown without mentions or links that
// come from outside.
type Differ interface {
	Diff(ctx context.Context, r approval.RepositoryName, pull int, application string) (string, error)
}

// Promoter opens a pull request that brings the images of one Application, from, to
// another one, and says in Markdown what it did. Doing it again finds what was done.
type Promoter interface {
	// Can says whether it is possible in a repository.
	Can(ctx context.Context, r approval.RepositoryName) (bool, error)
	Promote(ctx context.Context, r approval.RepositoryName, asker approval.User, from, to string) (string, error)
}

// Options make a Processor.
type Options struct {
	Policies []approval.Policy
	Store    Store
	Hub      Hub
	Gates    Gates
	Desk     *orders.Desk
	Operator *operate.Operator
	Adopter  *adopt.Adopter
	// Requester, Differ and Promoter may be nil: then the help does not have their verbs.
	Requester Requester
	Differ    Differ
	Promoter  Promoter
	Logger    *slog.Logger
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Processor carries out what was asked for. It is safe for concurrent use.
type Processor struct {
	Options
	wake chan struct{}

	mu    sync.Mutex
	later map[string]later // by the ID of the request
	heard map[approval.UserID]map[string]time.Time
}

// later is when something that failed is tried again.
type later struct {
	failures int
	at       time.Time
}

// New makes a Processor.
func New(o Options) *Processor {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Processor{Options: o, wake: make(chan struct{}, 1), later: map[string]later{}, heard: map[approval.UserID]map[string]time.Time{}}
}

// Bounds of the work.
const (
	batch   = 100
	atOnce  = 4
	timeout = 2 * time.Minute
	idle    = 5 * time.Second
	// courtesy is how long a reaction may take.
	courtesy = 5 * time.Second
	// patience is how long something is tried to be carried out, and the age from which
	// an order is not given any more unless it stops something; to answer is tried for as
	// long as Latest.
	patience = 10 * time.Minute
	// slowest is how often something is tried again at least.
	slowest = 5 * time.Minute
	// Latest is the age from which a comment is not carried out any more: what somebody
	// wanted yesterday may be wrong today.
	Latest = 24 * time.Hour
)

// Wake says that something was asked for. It never blocks.
func (p *Processor) Wake() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Run carries out what is asked for until the context ends. What a crash left behind
// comes first.
func (p *Processor) Run(ctx context.Context) error {
	tick := time.NewTicker(idle)
	defer tick.Stop()
	for {
		if err := p.Drain(ctx); err != nil && ctx.Err() == nil {
			p.Logger.LogAttrs(ctx, slog.LevelError, "commands_failed", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-p.wake:
		case <-tick.C:
		}
	}
}

// Drain takes one step through everything that is not finished: what is asked for on
// one pull request in the order in which it came, and several pull requests at once.
// The error says that the store failed; what fails otherwise stays for the next time.
func (p *Processor) Drain(ctx context.Context) error {
	requests, err := p.Store.Requests(ctx, batch)
	if err != nil {
		return err
	}
	type place struct {
		repository int64
		pull       int
	}
	var order []place
	queues := map[place][]inbox.Request{}
	for _, r := range requests {
		at := place{r.Asked.RepositoryID, r.Asked.Pull}
		if queues[at] == nil {
			order = append(order, at)
		}
		queues[at] = append(queues[at], r)
	}
	var group errgroup.Group
	group.SetLimit(atOnce)
	for _, at := range order {
		group.Go(func() error {
			for _, r := range queues[at] {
				if ctx.Err() != nil {
					return nil //nolint:nilerr // the rest is there at the next start
				}
				if !p.due(r.ID) {
					return nil
				}
				if err := p.outcome(r.ID, p.one(ctx, r)); err != nil {
					// What comes after it waits: somebody may have asked for one thing because
					// of the other.
					p.Logger.LogAttrs(ctx, slog.LevelWarn, "command_postponed", slog.String("request", r.ID),
						slog.String("repository", string(r.Asked.Repository)), slog.Int("pull", r.Asked.Pull), slog.Any("error", err))
					return nil
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// How many comments and presses of one person are answered in a while. Anybody may comment
// on a public repository, and each answer costs calls.
const (
	mostHeard = 30
	hearing   = 10 * time.Minute
)

// hears says whether a request of a person is to be looked at, and counts it.
func (p *Processor) hears(who approval.UserID, id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.Now()
	for person, asked := range p.heard {
		maps.DeleteFunc(asked, func(_ string, at time.Time) bool { return now.Sub(at) > hearing })
		if len(asked) == 0 {
			delete(p.heard, person)
		}
	}
	asked := p.heard[who]
	if _, again := asked[id]; again {
		return true
	}
	if len(asked) >= mostHeard {
		return false
	}
	if asked == nil {
		asked = map[string]time.Time{}
		p.heard[who] = asked
	}
	asked[id] = now
	return true
}

// due says whether something is to be tried now.
func (p *Processor) due(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.Now().Before(p.later[id].at)
}

// outcome remembers when to try again what failed.
func (p *Processor) outcome(id string, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		delete(p.later, id)
		return nil
	}
	l := p.later[id]
	wait := min(time.Second<<min(l.failures, 20), slowest)
	var asked interface{ RetryAfter() time.Duration }
	if errors.As(err, &asked) && asked.RetryAfter() > wait {
		wait = asked.RetryAfter()
	}
	p.later[id] = later{l.failures + 1, p.Now().Add(wait)}
	return err
}

// one takes one request as far as it goes. What has begun is not cut off.
func (p *Processor) one(ctx context.Context, r inbox.Request) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	w := &work{Processor: p, id: r.ID, received: r.Received, asked: r.Asked}
	if len(r.Progress) > 0 {
		if err := json.Unmarshal(r.Progress, &w.progress); err != nil {
			return fmt.Errorf("read how far %s is: %w", r.ID, err)
		}
	}
	w.hopeless = p.Now().Sub(r.Received) > patience
	err := w.do(ctx)
	if errors.Is(err, errIgnored) {
		p.Logger.LogAttrs(ctx, slog.LevelInfo, "command_ignored", slog.String("request", r.ID),
			slog.String("repository", string(r.Asked.Repository)), slog.Int("pull", r.Asked.Pull),
			slog.String("person", r.Asked.Person.Login), slog.String("why", err.Error()))
		err = p.Store.Finish(ctx, r.ID)
	}
	if err != nil && p.Now().Sub(r.Received) > Latest {
		p.Logger.LogAttrs(ctx, slog.LevelError, "command_given_up", slog.String("request", r.ID),
			slog.String("repository", string(r.Asked.Repository)), slog.Int("pull", r.Asked.Pull), slog.Any("error", err))
		return p.Store.Finish(ctx, r.ID)
	}
	return err
}
