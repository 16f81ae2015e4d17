package label

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	gh "github.com/google/go-github/v60/github"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/errand"
)

// MaxGate is the longest name of a gate that fits into a label: GitHub allows 50
// characters.
const MaxGate = 29

// prefix is how the labels of a gate begin.
func prefix(gate string) string { return "gatekeeper/" + gate + ": " }

// of is the label of a gate's state; empty for none. known is false when it is to stay
// what it is.
func of(r approval.PullReport, g approval.GateReport) (label string, known bool) {
	if g.Class == approval.ClassNone {
		return "", true
	}
	switch g.Quorum.Verdict {
	case approval.Allowed:
		if r.Merged && synced(g) {
			return prefix(g.Gate) + "synced", true
		}
		return prefix(g.Gate) + "approved", true
	case approval.Blocked:
		if reviewsMend(g.Quorum) {
			return prefix(g.Gate) + "waiting", true
		}
		return prefix(g.Gate) + "blocked", true
	case approval.Unknown:
		return "", false
	default:
		return "", false
	}
}

// reviewsMend says whether nothing but approvals is missing.
func reviewsMend(quorum approval.Finding) bool {
	for _, c := range quorum.Children {
		if c.Verdict != approval.Allowed && c.Code != approval.CodeQuorumMissing {
			return false
		}
	}
	return len(quorum.Children) > 0 || quorum.Code == approval.CodeQuorumMissing
}

// synced says whether every Application has it.
func synced(g approval.GateReport) bool {
	some := false
	for _, a := range g.Applications {
		switch a.Rollout.Stage {
		case approval.StageLive, approval.StagePast:
			some = true
		case approval.StageWaiting, approval.StageSyncing, approval.StageFailed:
			return false
		default:
			return false
		}
	}
	return some
}

// GitHub gives clients; *github.App does.
type GitHub interface {
	Client(ctx context.Context, repository approval.RepositoryName) (*github.Client, error)
}

// Store remembers what was written to a pull request under a name; *inbox.Store does.
type Store interface {
	Written(ctx context.Context, repository approval.RepositoryName, pull int, name string) (id int64, digest string, ok bool, err error)
	SaveWritten(ctx context.Context, repository approval.RepositoryName, pull int, name string, id int64, digest string) error
}

// Options make a Publisher.
type Options struct {
	GitHub GitHub
	Store  Store
	// Gates are those that have labels, as they are now. Their names have at most MaxGate characters.
	Gates  func() []string
	Logger *slog.Logger
	// Pace keeps writes apart. Required.
	Pace *errand.Pace
	// Again is how soon labels that others changed are put right once more. Default 10
	// minutes.
	Again time.Duration
	// Done is told that the labels of a pull request are what they are to be. It may be nil.
	Done func(ctx context.Context, repository approval.RepositoryName, pull int)
}

// Publisher writes labels. Make it with New; Run writes, the other methods may be called at
// any time by anybody.
type Publisher struct {
	options Options
	log     *slog.Logger
	queue   *errand.Queue[key, word]
}

type key struct {
	repository approval.RepositoryName
	pull       int
}

// word is what the labels of some gates are to be.
type word struct {
	key
	// gates are those of which it is known, labels what they have.
	gates, labels []string
	// has are the labels by the report, seen is false when those may be old.
	has  []string
	seen bool
}

const (
	storeName = "labels"
	// maxLabels bounds a list of labels; GitHub allows 100 on a pull request.
	maxLabels = 300
)

// New makes a Publisher.
func New(o Options) *Publisher {
	if o.Again == 0 {
		o.Again = 10 * time.Minute
	}
	p := &Publisher{options: o, log: o.Logger}
	p.queue = errand.New(errand.Options[key, word]{
		Do: p.bring, Repository: func(k key) approval.RepositoryName { return k.repository },
		Attrs: func(k key) []slog.Attr {
			return []slog.Attr{slog.String("repository", string(k.repository)), slog.Int("pull", k.pull)}
		},
		What: "labels", Remedy: "give the App the permission pull_requests: write, or switch labels off", Logger: o.Logger,
		Done: func(ctx context.Context, k key) {
			if o.Done != nil {
				o.Done(ctx, k.repository, k.pull)
			}
		},
	})
	return p
}

// Follow takes over what a report says. It never waits.
func (p *Publisher) Follow(r approval.PullReport) {
	w := word{key: key{r.Repository, r.Number}, has: r.Labels, seen: !r.Merged}
	for _, g := range r.Gates {
		if !slices.Contains(p.options.Gates(), g.Gate) {
			continue
		}
		label, known := of(r, g)
		if !known {
			continue
		}
		w.gates = append(w.gates, g.Gate)
		if label != "" {
			w.labels = append(w.labels, label)
		}
	}
	if len(w.gates) > 0 && r.Number > 0 {
		p.queue.Put(w.key, w, func(before, now word) bool { return !slices.Equal(before.labels, now.labels) })
	}
}

// Awaits is false: what was missed is seen with the next report.
func (p *Publisher) Awaits(context.Context, approval.RepositoryName, int) bool { return false }

// Owes says whether the labels of a pull request are to be written.
func (p *Publisher) Owes(repository approval.RepositoryName, pull int) bool {
	return p.queue.Holds(func(k key) bool { return k == key{repository, pull} })
}

// Closed leaves the labels of a pull request as they are.
func (p *Publisher) Closed(repository approval.RepositoryName, pull int) {
	p.queue.Drop(func(k key) bool { return k == key{repository, pull} })
}

// Run writes until the context ends.
func (p *Publisher) Run(ctx context.Context) { p.queue.Run(ctx) }

// differs says which labels are to be added and which to be removed.
func (w word) differs(has []string) (add, remove []string) {
	holds := func(list []string, label string) bool {
		return slices.ContainsFunc(list, func(o string) bool { return strings.EqualFold(o, label) })
	}
	for _, l := range w.labels {
		if !holds(has, l) {
			add = append(add, l)
		}
	}
	for _, l := range has {
		ours := slices.ContainsFunc(w.gates, func(gate string) bool {
			return len(l) >= len(prefix(gate)) && strings.EqualFold(l[:len(prefix(gate))], prefix(gate))
		})
		if ours && !holds(w.labels, l) {
			remove = append(remove, l)
		}
	}
	return add, remove
}

// written is what is kept: when something was written last, and what.
func (w word) written(at time.Time) string {
	return strconv.FormatInt(at.Unix(), 10) + " " + strings.Join(w.labels, "\n")
}

// bring makes the labels what they are to be.
func (p *Publisher) bring(ctx context.Context, w word) error {
	_, text, known, err := p.options.Store.Written(ctx, w.repository, w.pull, storeName)
	if err != nil {
		return fmt.Errorf("look up the labels of #%d: %w", w.pull, err)
	}
	when, before, _ := strings.Cut(text, " ")
	same := known && before == strings.Join(w.labels, "\n")
	add, remove := w.differs(w.has)
	if len(add)+len(remove) == 0 && w.seen || same && !w.seen {
		return nil
	}
	if same {
		// Somebody else changed them, or the report is older than what was written.
		if at, err := strconv.ParseInt(when, 10, 64); err == nil {
			if again := time.Unix(at, 0).Add(p.options.Again); time.Now().Before(again) {
				return errand.Later{At: again}
			}
		}
	}
	client, err := p.options.GitHub.Client(ctx, w.repository)
	if err != nil {
		return fmt.Errorf("label #%d: %w", w.pull, err)
	}
	err = p.write(ctx, client, w)
	if errors.Is(err, approval.ErrNotFound) {
		return nil // the pull request is gone
	}
	if err != nil {
		return err
	}
	if err := p.options.Store.SaveWritten(ctx, w.repository, w.pull, storeName, 1, w.written(time.Now())); err != nil {
		return fmt.Errorf("remember the labels of #%d: %w", w.pull, err)
	}
	return nil
}

func (p *Publisher) write(ctx context.Context, client *github.Client, w word) error {
	owner, name := w.repository.Owner(), w.repository.Name()
	op := fmt.Sprintf("label #%d", w.pull)
	list, err := github.All(maxLabels, func(o gh.ListOptions) ([]*gh.Label, *gh.Response, error) {
		return client.API().Issues.ListLabelsByIssue(ctx, owner, name, w.pull, &o)
	})
	if err != nil {
		return github.Wrap(op, w.repository, err)
	}
	var has []string
	for _, l := range list {
		has = append(has, l.GetName())
	}
	add, remove := w.differs(has)
	if len(add) > 0 {
		if err := p.options.Pace.Wait(ctx); err != nil {
			return err
		}
		if _, _, err := client.API().Issues.AddLabelsToIssue(ctx, owner, name, w.pull, add); err != nil {
			return github.Wrap(op, w.repository, err)
		}
	}
	for _, l := range remove {
		if err := p.options.Pace.Wait(ctx); err != nil {
			return err
		}
		// go-github v60 does not escape the name.
		_, err := client.API().Issues.RemoveLabelForIssue(ctx, owner, name, w.pull, url.PathEscape(l))
		if err = github.Wrap(op, w.repository, err); err != nil && !errors.Is(err, approval.ErrNotFound) {
			return err
		}
	}
	if len(add)+len(remove) > 0 {
		p.log.LogAttrs(ctx, slog.LevelInfo, "labels_written", slog.String("repository", string(w.repository)), slog.Int("pull", w.pull),
			slog.Any("added", add), slog.Any("removed", remove))
	}
	return nil
}
