package gate

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// How fast open pull requests are judged anew that nothing happened to. Each costs two
// calls or three, and nothing waits for it: nothing unapproved is synced meanwhile. GitHub
// allows an installation 5,000 calls an hour.
const (
	// refreshSettle is how long is waited for more news when there was none: a push that
	// merges comes with several events, and what they let be synced goes first.
	refreshSettle = 2 * time.Second
	// refreshEvery is between two of them, up to half as much again by chance.
	refreshEvery = 2 * time.Second
	// refreshMost is how many there are in an hour.
	refreshMost = 600
	// refreshBatch are compared with what git has at once, refreshCompare is between two.
	refreshBatch   = 50
	refreshCompare = 500 * time.Millisecond
	refreshIdle    = time.Hour
)

type outdatedPull struct {
	key Key
	openPull
	why doubt
}

func (a outdatedPull) compare(b outdatedPull) int {
	first := func(o outdatedPull) int {
		if o.why == doubtUnsaid {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(first(a), first(b)), cmp.Compare(a.judged.News, b.judged.News), compareKeys(a.key, b.key))
}

// refreshPace says when the next pull request may be judged anew.
type refreshPace struct {
	next time.Time
	hour []time.Time
}

// wait is how long it takes, 0 for now. Of those without any check none has to wait for
// the hour: a check that is required would be waited for.
func (p *refreshPace) wait(now time.Time, why doubt) time.Duration {
	for len(p.hour) > 0 && now.Sub(p.hour[0]) >= time.Hour {
		p.hour = p.hour[1:]
	}
	until := p.next.Sub(now)
	if why != doubtUnsaid && len(p.hour) >= refreshMost {
		until = max(until, p.hour[len(p.hour)-refreshMost].Add(time.Hour).Sub(now))
	}
	return max(0, until)
}

func (p *refreshPace) took(now time.Time) {
	p.next, p.hour = now.Add(wait.Jitter(refreshEvery, 0.5)), append(p.hour, now)
}

// refresh brings what is said of open pull requests up to date, until the context ends.
func (g *Gate) refresh(ctx context.Context) {
	var pace refreshPace
	for ctx.Err() == nil {
		pause, idle := g.refreshNext(ctx, time.Now(), &pace)
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-g.open.wake:
			if idle {
				rest(ctx, refreshSettle)
			}
		}
		timer.Stop()
	}
}

// refreshNext sees to one pull request, or compares some with git, and says when to go on.
func (g *Gate) refreshNext(ctx context.Context, now time.Time, pace *refreshPace) (pause time.Duration, idle bool) {
	outdated := g.open.outdated()
	if len(outdated) == 0 {
		return refreshIdle, true
	}
	// What git alone can settle comes first: it costs no call.
	if g.compareBases(ctx, outdated) {
		return refreshCompare, false
	}
	next := outdated[0]
	if pause := pace.wait(now, next.why); pause > 0 {
		return pause, false
	}
	pace.took(now)
	g.open.wakes(next.key)
	g.log.LogAttrs(ctx, slog.LevelInfo, "pull_outdated", next.key.attrs(slog.Int("outdated", len(outdated)))...)
	g.queue.Add(next.key)
	return pace.wait(now, doubtNews), false
}

// compareBases finds out of some whose base branch was pushed to whether that changes
// anything, and says whether there were any.
func (g *Gate) compareBases(ctx context.Context, outdated []outdatedPull) bool {
	var some []outdatedPull
	var numbers []int
	for _, o := range outdated {
		mine := o.why == doubtPush && !o.moved && o.judged.Basis != ""
		if mine && (len(some) == 0 || o.branch == some[0].branch && o.key.Repository == some[0].key.Repository) && len(some) < refreshBatch {
			some, numbers = append(some, o), append(numbers, o.key.Pull)
		}
	}
	if len(some) == 0 {
		return false
	}
	began := g.open.begin(ctx)
	bases, err := g.collector.Bases(ctx, some[0].key.Repository, some[0].branch, numbers)
	if err != nil {
		g.log.LogAttrs(ctx, slog.LevelWarn, "bases_unknown", slog.String("repository", string(some[0].key.Repository)), slog.Any("error", err))
	}
	for _, o := range some {
		if basis := bases[o.key.Pull]; err != nil || basis == "" || basis != o.judged.Basis {
			g.open.differs(o.key)
			continue
		}
		g.open.unchanged(ctx, o, began)
	}
	return true
}

// unchanged says that a pull request would be judged as it was.
func (o *openPulls) unchanged(ctx context.Context, was outdatedPull, began uint64) {
	o.mu.Lock()
	now, ok := o.pulls[was.key]
	why, stale := o.stale(was.key, now)
	// Judged anew meanwhile, or to be judged for another reason.
	ok = ok && stale && why == doubtPush && now.judged == was.judged && now.branch == was.branch
	o.mu.Unlock()
	if ok {
		j := was.judged
		j.News = began
		o.judged(ctx, was.key, was.branch, j)
	}
}

// judgedOpen keeps what an open pull request was judged and reported on.
func (g *Gate) judgedOpen(ctx context.Context, key Key, now *rules, report approval.PullReport, answer approval.PullAnswer, began uint64) {
	j := inbox.Judged{News: began, Basis: answer.Basis, Policy: now.branches[inbox.Scope{Repository: key.Repository, Branch: answer.Pull.Base}.Key()]}
	for _, of := range report.Gates {
		j.Concerned = j.Concerned || of.Class != approval.ClassNone
	}
	g.open.judged(ctx, key, answer.Pull.Base, j)
}
