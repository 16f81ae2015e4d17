package deployment

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
)

// GitHub gives clients; *github.App does.
type GitHub interface {
	Client(ctx context.Context, repository approval.RepositoryName) (*github.Client, error)
	// ID is the App's number.
	ID() int64
}

// Store remembers what was written to a pull request under a name; *inbox.Store does.
// What was saved must be there after a restart.
type Store interface {
	Written(ctx context.Context, repository approval.RepositoryName, pull int, name string) (id int64, digest string, ok bool, err error)
	SaveWritten(ctx context.Context, repository approval.RepositoryName, pull int, name string, id int64, digest string) error
	// EachWritten calls each for every pull request of the repository.
	EachWritten(ctx context.Context, repository approval.RepositoryName, name string, each func(pull int, id int64, digest string)) error
}

// Options make a Publisher.
type Options struct {
	GitHub GitHub
	Store  Store
	// Gates are the gates that are shown.
	Gates  map[string]Settings
	Links  Links
	Logger *slog.Logger
	// Pace is the time between two writes. Default 1 s, as GitHub asks for ("Best
	// practices for using the REST API").
	Pace time.Duration
	// Refresh is how soon a status of the same state may be written again with other
	// words. Default 30 s.
	Refresh time.Duration
}

// Publisher writes Deployments. Make it with New; Run writes, the other methods may be
// called at any time by anybody.
type Publisher struct {
	options Options
	log     *slog.Logger
	paced   time.Time // when the next write may be, for Run alone

	mu   sync.Mutex
	jobs map[key]*job
	// mute says until when a repository is not written to, since the App may not.
	mute map[approval.RepositoryName]time.Time
	wake chan struct{}
}

// job is a Deployment that is to be looked at.
type job struct {
	wanted   wanted
	due      time.Time
	attempts int
	// turn counts the reports, so that one that comes while another is written is kept.
	turn int
}

// How long a job waits after failures.
const (
	firstWait = 2 * time.Second
	maxWait   = 5 * time.Minute
	muteFor   = time.Hour
)

// New makes a Publisher.
func New(o Options) *Publisher {
	if o.Pace == 0 {
		o.Pace = time.Second
	}
	if o.Refresh == 0 {
		o.Refresh = 30 * time.Second
	}
	return &Publisher{
		options: o, log: o.Logger, jobs: map[key]*job{}, mute: map[approval.RepositoryName]time.Time{}, wake: make(chan struct{}, 1),
	}
}

// Follow takes over what a report says of landed pull requests. It never waits.
func (p *Publisher) Follow(r approval.PullReport) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range r.Gates {
		settings, shown := p.options.Gates[g.Gate]
		if !shown {
			continue
		}
		w, ok := want(r, g, settings, p.options.Links)
		if !ok {
			continue
		}
		j := p.jobs[w.key]
		if j == nil {
			j = &job{}
			p.jobs[w.key] = j
		}
		if j.wanted.state != w.state {
			j.due = p.mute[w.repository] // zero unless muted
		}
		j.wanted, j.turn = w, j.turn+1
	}
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Awaits says whether the Deployment of a pull request has not ended yet.
func (p *Publisher) Awaits(ctx context.Context, repository approval.RepositoryName, pull int) bool {
	for gate := range p.options.Gates {
		m, known, err := p.load(ctx, key{repository, pull, gate})
		if err != nil {
			p.log.LogAttrs(ctx, slog.LevelWarn, "deployment_unreadable", slog.String("repository", string(repository)),
				slog.Int("pull", pull), slog.Any("error", err))
			return true // it is looked at once more, which is harmless
		}
		if known && (m.unsure || !m.state.ended()) {
			return true
		}
	}
	return false
}

// Run writes until the context ends.
func (p *Publisher) Run(ctx context.Context) {
	for {
		k, w, turn, wait := p.next(time.Now())
		if wait != 0 {
			if !p.sleep(ctx, wait) {
				return
			}
			continue
		}
		if ctx.Err() != nil {
			return
		}
		p.done(ctx, k, turn, p.bring(ctx, w))
	}
}

// idle is how long nothing is looked at when nothing comes.
const idle = time.Hour

// sleep waits until something comes; false when the context has ended.
func (p *Publisher) sleep(ctx context.Context, wait time.Duration) bool {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-p.wake:
	case <-t.C:
	}
	return true
}

// next is the job that is due first, or how long nothing is due.
func (p *Publisher) next(now time.Time) (k key, w wanted, turn int, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var first *job
	for at, j := range p.jobs {
		if first == nil || j.due.Before(first.due) {
			first, k = j, at
		}
	}
	switch {
	case first == nil:
		return k, w, 0, idle
	case first.due.After(now):
		return k, w, 0, first.due.Sub(now)
	default:
		return k, first.wanted, first.turn, 0
	}
}

// later says that a job is to be looked at again.
type later struct{ at time.Time }

func (l later) Error() string { return "it is too early to write again" }

// done notes what became of a job.
func (p *Publisher) done(ctx context.Context, k key, turn int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	j, now := p.jobs[k], time.Now()
	attrs := []slog.Attr{slog.String("repository", string(k.repository)), slog.Int("pull", k.pull), slog.String("gate", k.gate), slog.Any("error", err)}
	var postponed later
	var refused *github.Error
	switch {
	case err == nil:
		if j.attempts = 0; j.turn == turn {
			delete(p.jobs, k)
		}
		return
	case errors.As(err, &postponed):
		j.due = postponed.at
		return
	case ctx.Err() != nil:
		return
	case errors.As(err, &refused) && refused.Limited:
		// GitHub wants quiet, from all of us.
		for _, other := range p.jobs {
			if at := now.Add(refused.Retry); other.due.Before(at) {
				other.due = at
			}
		}
		p.log.LogAttrs(ctx, slog.LevelWarn, "deployment_postponed", append(attrs, slog.Duration("wait", refused.Retry))...)
		return
	case errors.As(err, &refused) && refused.Status == http.StatusForbidden:
		if until := p.mute[k.repository]; until.Before(now) {
			p.log.LogAttrs(ctx, slog.LevelError, "deployments_not_permitted", append(attrs,
				slog.String("remedy", "give the App the permission deployments: write, or switch deployments off for the gate"))...)
		}
		p.mute[k.repository] = now.Add(muteFor)
		j.due = now.Add(muteFor)
		return
	case errors.As(err, &refused) && refused.Status == http.StatusUnprocessableEntity:
		// It will not be accepted the next time either; the next change is another try.
		p.log.LogAttrs(ctx, slog.LevelError, "deployment_refused", attrs...)
		if j.turn == turn {
			delete(p.jobs, k)
		}
		return
	}
	j.attempts++
	wait := min(firstWait<<min(j.attempts-1, 10), maxWait)
	j.due = now.Add(wait)
	p.log.LogAttrs(ctx, slog.LevelWarn, "deployment_failed", append(attrs, slog.Int("attempts", j.attempts), slog.Duration("wait", wait))...)
}
