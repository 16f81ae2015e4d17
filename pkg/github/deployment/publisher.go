package deployment

import (
	"context"
	"log/slog"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/errand"
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
	// Gates are the gates that are shown, as they are now.
	Gates  func() map[string]Settings
	Links  Links
	Logger *slog.Logger
	// Checkpoint gives a signed checkpoint of the record as it is, which is put where it
	// cannot be changed unseen; nil for none. A Deployment is written without it when it
	// fails.
	Checkpoint func(ctx context.Context) (string, error)
	// Pace keeps writes apart. Required.
	Pace *errand.Pace
	// Refresh is how soon a status of the same state may be written again with other
	// words. Default 30 s.
	Refresh time.Duration
	// Done is told that a Deployment of a pull request is what it is to be. It may be nil.
	Done func(ctx context.Context, repository approval.RepositoryName, pull int)
}

// Publisher writes Deployments. Make it with New; Run writes, the other methods may be
// called at any time by anybody.
type Publisher struct {
	options Options
	log     *slog.Logger
	queue   *errand.Queue[key, wanted]
}

// New makes a Publisher.
func New(o Options) *Publisher {
	if o.Refresh == 0 {
		o.Refresh = 30 * time.Second
	}
	p := &Publisher{options: o, log: o.Logger}
	p.queue = errand.New(errand.Options[key, wanted]{
		Do: p.bring, Repository: func(k key) approval.RepositoryName { return k.repository },
		Attrs: func(k key) []slog.Attr {
			return []slog.Attr{slog.String("repository", string(k.repository)), slog.Int("pull", k.pull), slog.String("gate", k.gate)}
		},
		What: "deployments", Remedy: "give the App the permission deployments: write, or switch deployments off for the gate", Logger: o.Logger,
		Done: func(ctx context.Context, k key) {
			if o.Done != nil {
				o.Done(ctx, k.repository, k.pull)
			}
		},
	})
	return p
}

// Follow takes over what a report says of landed pull requests. It never waits.
func (p *Publisher) Follow(r approval.PullReport) {
	for _, g := range r.Gates {
		settings, shown := p.options.Gates()[g.Gate]
		if !shown {
			continue
		}
		if w, ok := want(r, g, settings, p.options.Links); ok {
			p.queue.Put(w.key, w, func(before, now wanted) bool { return before.state != now.state })
		}
	}
}

// Awaits says whether the Deployment of a pull request has not ended yet.
func (p *Publisher) Awaits(ctx context.Context, repository approval.RepositoryName, pull int) bool {
	for gate := range p.options.Gates() {
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

// Owes says whether something is to be written of a pull request.
func (p *Publisher) Owes(repository approval.RepositoryName, pull int) bool {
	return p.queue.Holds(func(k key) bool { return k.repository == repository && k.pull == pull })
}

// Closed is nothing: what did not land has no Deployment.
func (*Publisher) Closed(approval.RepositoryName, int) {}

// Run writes until the context ends.
func (p *Publisher) Run(ctx context.Context) { p.queue.Run(ctx) }
