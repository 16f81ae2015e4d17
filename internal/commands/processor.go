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

	"go.opentelemetry.io/otel/trace"

	"github.com/argo-gatekeeper/gatekeeper/internal/adopt"
	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/internal/operate"
	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/internal/tracing"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/conversation"
)

// Store keeps what was asked for, and approvals by comment; *inbox.Store does.
type Store interface {
	Next(ctx context.Context, limit int) ([]inbox.Request, error)
	Answer(ctx context.Context, id string) error
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
	WakePull(ctx context.Context, repository approval.RepositoryName, number int)
	WakeKey(ctx context.Context, application string)
}

// Asker asks for reviews; *reviewrequest.Publisher does.
type Asker interface {
	// RequestReviews asks people and teams on the word of somebody, which has that ID, and
	// returns who was asked already. Doing it again does the same.
	RequestReviews(ctx context.Context, r approval.RepositoryName, pull int, id string, logins []string, teams []approval.TeamName) (already []string, err error)
	// Cancel takes back the requests that were made here, on somebody's word or without, and
	// none are made until the head is another one or RequestReviews is called. It returns
	// whose reviews they were of, each time the same.
	Cancel(ctx context.Context, r approval.RepositoryName, pull int, head approval.SHA) ([]string, error)
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
	// Policies are those of now.
	Policies func() []approval.Policy
	Store    Store
	Hub      Hub
	Gates    Gates
	Desk     *orders.Desk
	Operator *operate.Operator
	Adopter  *adopt.Adopter
	// Asker, Differ and Promoter may be nil: then the help does not have their verbs.
	Asker    Asker
	Differ   Differ
	Promoter Promoter
	Logger   *slog.Logger
	// Tracer may be nil: then nothing is traced.
	Tracer *tracing.Tracer
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Processor carries out what was asked for. It is safe for concurrent use.
type Processor struct {
	Options
	wake chan struct{}

	mu    sync.Mutex
	later map[string]later // by the ID of the request
	heard map[approval.UserID]map[string]heard
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
	return &Processor{Options: o, wake: make(chan struct{}, 1), later: map[string]later{}, heard: map[approval.UserID]map[string]heard{}}
}

// Bounds of the work.
const (
	batch   = 1000
	atOnce  = 8
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

// Run carries out what is asked for until the context ends, and then waits for what it
// began. What a crash left behind comes first.
func (p *Processor) Run(ctx context.Context) error {
	tick := time.NewTicker(idle)
	defer tick.Stop()
	c := &crew{busy: map[string]bool{}, done: make(chan struct{}, 1)}
	defer c.Wait()
	for {
		if _, err := p.start(ctx, c); err != nil && ctx.Err() == nil {
			p.Logger.LogAttrs(ctx, slog.LevelError, "commands_failed", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-p.wake:
		case <-tick.C:
		case <-c.done:
		}
	}
}

// Drain takes a step through everything that is not finished and is due. The error says
// that the store failed; what fails otherwise stays for the next time.
func (p *Processor) Drain(ctx context.Context) error {
	c := &crew{busy: map[string]bool{}, done: make(chan struct{}, 1)}
	defer c.Wait()
	for {
		atWork, err := p.start(ctx, c)
		if err != nil || !atWork {
			return err
		}
		<-c.done
	}
}

// crew is who is at work: for each pull request at most one who carries out what is asked
// for, in the order in which it came, and others who answer.
type crew struct {
	sync.WaitGroup
	mu      sync.Mutex
	busy    map[string]bool
	replies int
	done    chan struct{} // has something when somebody finished
}

// takes says whether there is somebody for a request, who then is at work.
func (c *crew) takes(key string, reply bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy[key] || len(c.busy) >= atOnce || reply && c.replies >= atOnce/2 {
		return false
	}
	c.busy[key] = true
	if reply {
		c.replies++
	}
	return true
}

func (c *crew) leaves(key string, reply bool) {
	c.mu.Lock()
	delete(c.busy, key)
	if reply {
		c.replies--
	}
	c.mu.Unlock()
	select {
	case c.done <- struct{}{}:
	default:
	}
}

// start begins what can be begun, without waiting for what is slow, and says whether
// somebody was or is at work, so that there will be something in done. On one pull request what comes later waits until what came before was carried
// out, because somebody may have asked for one thing because of the other; it does not
// wait for the reply.
func (p *Processor) start(ctx context.Context, c *crew) (atWork bool, err error) {
	if ctx.Err() != nil {
		return false, nil //nolint:nilerr // the rest is there at the next start
	}
	// Whoever is at work while this is read may be further than what was read.
	c.mu.Lock()
	busy := maps.Clone(c.busy)
	c.mu.Unlock()
	requests, err := p.Store.Next(ctx, batch)
	if err != nil {
		return false, err
	}
	atWork = len(busy) > 0
	for _, r := range requests {
		key := fmt.Sprintf("%d#%d", r.Asked.RepositoryID, r.Asked.Pull)
		if r.Answered {
			key = r.ID
		}
		if busy[key] || !p.due(r.ID) || !c.takes(key, r.Answered) {
			continue
		}
		atWork = true
		c.Go(func() {
			defer c.leaves(key, r.Answered)
			if err := p.outcome(r.ID, p.one(ctx, r)); err != nil {
				p.Logger.LogAttrs(ctx, slog.LevelWarn, "command_postponed", slog.String("request", r.ID),
					slog.String("repository", string(r.Asked.Repository)), slog.Int("pull", r.Asked.Pull), slog.Any("error", err))
			}
		})
	}
	return atWork, nil
}

// How many commands and presses of one person are answered in a while. Anybody may comment
// on a public repository, and each answer costs calls. A comment without a command counts
// as one, because it is read.
const (
	mostHeard = 30
	hearing   = 10 * time.Minute
)

// heard is a comment or a press of a person, with how many commands it has.
type heard struct {
	at       time.Time
	commands int
}

// counts says how many commands are in what was heard.
func (p *Processor) counts(who approval.UserID, id string, commands int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h, ok := p.heard[who][id]; ok {
		h.commands = max(commands, 1)
		p.heard[who][id] = h
	}
}

// hears says whether a request of a person is to be looked at, and counts it.
func (p *Processor) hears(who approval.UserID, id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.Now()
	for person, asked := range p.heard {
		maps.DeleteFunc(asked, func(_ string, h heard) bool { return now.Sub(h.at) > hearing })
		if len(asked) == 0 {
			delete(p.heard, person)
		}
	}
	asked := p.heard[who]
	if _, again := asked[id]; again {
		return true
	}
	sum := 0
	for _, h := range asked {
		sum += h.commands
	}
	if sum >= mostHeard {
		return false
	}
	if asked == nil {
		asked = map[string]heard{}
		p.heard[who] = asked
	}
	asked[id] = heard{now, 1}
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
func (p *Processor) one(ctx context.Context, r inbox.Request) (failed error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	ctx, span := p.Tracer.Resume(ctx, r.ID, "command", trace.SpanKindConsumer, time.Time{})
	defer func() {
		span.Fail(failed)
		span.End()
	}()
	if span.On() {
		span.Text(tracing.Request, r.ID)
		span.Text(tracing.Pull, fmt.Sprintf("%s#%d", r.Asked.Repository, r.Asked.Pull))
	}
	w := &work{Processor: p, id: r.ID, received: r.Received, asked: r.Asked, answered: r.Answered}
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
