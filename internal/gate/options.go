package gate

import (
	"context"
	"log/slog"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/tracing"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Applications is what the gate needs of Argo CD.
type Applications interface {
	// Get reads one Application afresh. The error wraps approval.ErrNotFound
	// when there is none.
	Get(ctx context.Context, namespace, name string) (approval.Application, error)
	// List returns all Applications as last seen.
	List() []approval.Application
	// Sync asks Argo CD to sync exactly what the release permits, in one write
	// that is bound to the resource version of the release's Application. The
	// error wraps approval.ErrStale when the Application changed meanwhile.
	Sync(ctx context.Context, r approval.Release) error
	// Nudge has Argo CD's controller look at an Application, as a refresh does.
	Nudge(ctx context.Context, namespace, name string) error
	// SyncAllowed says whether Argo CD's own sync windows are open, and if not,
	// why.
	SyncAllowed(ctx context.Context, a approval.Application) (allowed bool, reason string, err error)
}

// Collector reads facts from GitHub and its git repositories: everything that
// was asked for, or an error.
type Collector interface {
	Collect(ctx context.Context, q approval.Query) (approval.Answer, error)
	CollectPull(ctx context.Context, repository approval.RepositoryName, number int, q approval.Query) (approval.PullAnswer, error)
	// CollectGroup reads what is in a merge group. The error wraps approval.ErrNotFound
	// when the group is gone.
	CollectGroup(ctx context.Context, repository approval.RepositoryName, group approval.MergeGroup, q approval.Query) (approval.GroupAnswer, error)
	// Forget drops what was remembered about people.
	Forget()
	// Heard says that an event may have changed something: what was read before it is not
	// shared with a query from now on, see Query.Shared.
	Heard()
	// Bases identifies for open pull requests into a branch what is read of git, as it is
	// now, as PullAnswer.Basis does. It asks nothing else. Those of which it is not known
	// are left out.
	Bases(ctx context.Context, repository approval.RepositoryName, branch string, pulls []int) (map[int]string, error)
}

// Closures finds what an Application is rendered from at exact revisions, which
// are those of its sources in their order. What it cannot follow widens the
// answer; an error says that the content could not be read.
type Closures interface {
	Closure(ctx context.Context, a approval.Application, revisions []approval.Revision) (approval.Closure, error)
}

// Reporter tells people on the pull request. An error that is approval.ErrLater says
// that it is too early, and for how long by a method RetryAfter.
type Reporter interface {
	Publish(ctx context.Context, r approval.PullReport) error
	// PublishGroup tells a merge queue.
	PublishGroup(ctx context.Context, r approval.GroupReport) error
	// Wait is how long the next report on a pull request has to wait.
	Wait(repository approval.RepositoryName, pull int) time.Duration
	// CommentChanged says that somebody changed a comment on a pull request, and Again
	// that the check runs have to be written although nothing is new. The result is true
	// when the comment is ours.
	CommentChanged(ctx context.Context, repository approval.RepositoryName, pull int, c approval.ChangedComment) (ours bool, err error)
	Again(repository approval.RepositoryName, pull int)
	// AgainGroup is Again for the merge group with that head.
	AgainGroup(repository approval.RepositoryName, head approval.SHA)
	// AgainSuite is Again for all that was reported on at the head, by the gates, and says
	// what that is.
	AgainSuite(ctx context.Context, repository approval.RepositoryName, head approval.SHA, gates []string) (pulls []int, groups []approval.MergeGroup, err error)
}

// Options make a Gate.
type Options struct {
	// Rules are those of the start, see Exchange.
	Rules
	Applications Applications
	Collector    Collector
	Closures     Closures
	// Specs may be nil when no gate asks for approved specs.
	Specs    Specs
	Record   history.Record
	Reporter Reporter
	// Debts may be nil: then what is to be told is forgotten with the process.
	Debts Debts
	// Judgements may be nil: then what open pull requests were judged on is forgotten with
	// the process.
	Judgements Judgements
	// Followers are told of each report.
	Followers []Follower
	// Observers are told what is new about Applications.
	Observers []Observer
	// Reverter may be nil: then nobody brings Git to what was rolled back to.
	Reverter Reverter
	Logger   *slog.Logger
	Metrics  *Metrics
	// Tracer may be nil: then nothing is traced.
	Tracer *tracing.Tracer
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Workers reconcile keys side by side. Default 4.
	Workers int
	// Previews may be nil: then nothing is rendered for reports. PreviewsMost is for how
	// many Applications of one pull request it is.
	Previews     Previews
	PreviewsMost int
	// Observe is for how long the health after a deployment is recorded. Default one hour.
	Observe time.Duration
	// WarnOnly says that what Admit refuses is let through with a warning.
	WarnOnly bool
	// OnDenied is told of each refusal, at most once in a while of the same one. It may
	// be nil.
	OnDenied func(ctx context.Context, application, uid, text string)
	// Leadership says who works, where several replicas share the record, and Shared is
	// where the one that leads leaves what it knows. Both are nil for one process alone.
	Leadership Leadership
	Shared     Shared
	// Resync is how often every protected Application is judged again without an
	// event. Default 5 minutes.
	Resync time.Duration
}
