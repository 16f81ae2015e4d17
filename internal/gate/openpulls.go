package gate

import (
	"context"
	"log/slog"
	"slices"
	"sync"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Judgements remembers what open pull requests were judged on, and what happened since
// that may change it, so that a process that ends before it judged them anew does not
// forget to. *inbox.Store does.
type Judgements interface {
	SaveJudged(ctx context.Context, repository approval.RepositoryName, pull int, j inbox.Judged) error
	Judged(ctx context.Context, repository approval.RepositoryName, pull int) (inbox.Judged, bool, error)
	ForgetJudged(ctx context.Context, repository approval.RepositoryName, pull int) error
	SaveNews(ctx context.Context, about inbox.Scope) (number uint64, err error)
	News(ctx context.Context) (map[inbox.Scope]uint64, error)
}

// openPulls are the open pull requests into protected branches, as far as they were
// reported on or listed. What is said of them is about people, policies and their base
// branch as they were then; this is where it is known of which it may be outdated.
//
// News has a number. A pull request is outdated when there is news about it with a higher
// number than the newest that was heard of before its facts were read. So news that comes
// while it is being judged, or that is heard ten times, costs no more than it must, and
// nothing is forgotten by a restart. Safe for concurrent use.
type openPulls struct {
	store Judgements // nil: nothing is kept across restarts
	log   *slog.Logger
	// wake is told that something may be outdated.
	wake chan struct{}

	mu sync.Mutex
	// policies identify the policies of each protected branch.
	policies map[inbox.Scope]string
	loaded   bool
	news     map[inbox.Scope]uint64
	newest   uint64
	pulls    map[Key]openPull
}

type openPull struct {
	branch string
	judged inbox.Judged // the zero one for never
	// woken is true once it is to be judged because of all that is known.
	woken bool
	// moved is true when what is read of git is known to be different.
	moved bool
}

// maxOpenPulls bounds the open pull requests that are remembered.
const maxOpenPulls = 20_000

func newOpenPulls(r *rules, store Judgements, log *slog.Logger) *openPulls {
	return &openPulls{
		store: store, log: log, wake: make(chan struct{}, 1),
		policies: r.branches, news: map[inbox.Scope]uint64{}, pulls: map[Key]openPull{},
	}
}

// exchanged says that there are other policies. Of pull requests into branches that no gate
// protects any more there is nothing more to say.
func (o *openPulls) exchanged(r *rules) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.policies = r.branches
	for k, p := range o.pulls {
		if _, protected := o.policies[(inbox.Scope{Repository: k.Repository, Branch: p.branch}).Key()]; !protected {
			delete(o.pulls, k)
			continue
		}
		p.woken = false
		o.pulls[k] = p
	}
	o.tell()
}

// protected are the branches that gates protect.
func (o *openPulls) protected() map[inbox.Scope]string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.policies
}

// load reads what an earlier process heard. What cannot be read is tried again.
func (o *openPulls) load(ctx context.Context) {
	if o.loaded || o.store == nil {
		return
	}
	news, err := o.store.News(ctx)
	if err != nil {
		o.log.LogAttrs(ctx, slog.LevelError, "open_pulls_not_loaded", slog.Any("error", err))
		return
	}
	o.loaded = true
	for at, n := range news {
		o.news[at] = max(o.news[at], n)
		o.newest = max(o.newest, n)
	}
}

// begin is the number of the newest event so far, for facts that are read from now on.
func (o *openPulls) begin(ctx context.Context) uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.load(ctx)
	return o.newest
}

// heard says that there is news. It is kept before anything comes of it.
func (o *openPulls) heard(ctx context.Context, about inbox.Scope) error {
	about = about.Key()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.load(ctx)
	number := o.newest + 1
	if o.store != nil {
		n, err := o.store.SaveNews(ctx, about)
		if err != nil {
			return err
		}
		number = max(number, n)
	}
	o.newest, o.news[about] = number, number
	some := false
	for k, p := range o.pulls {
		if at := (inbox.Scope{Repository: k.Repository, Branch: p.branch}).Key(); about.Repository == "" || about == at || about == (inbox.Scope{Repository: at.Repository}) {
			p.woken, p.moved, some = false, false, true
			o.pulls[k] = p
		}
	}
	if some {
		o.tell()
	}
	return nil
}

func (o *openPulls) tell() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// opened says that a pull request is open; checked is false when its head lacks a check.
func (o *openPulls) opened(ctx context.Context, k Key, branch string, checked bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.load(ctx)
	p, known := o.pulls[k]
	if known && p.branch == branch && checked || !known && len(o.pulls) >= maxOpenPulls {
		return
	}
	p = openPull{branch: branch}
	if o.store != nil && checked {
		judged, found, err := o.store.Judged(ctx, k.Repository, k.Pull)
		switch {
		case err != nil:
			o.log.LogAttrs(ctx, slog.LevelError, "judgement_unknown", k.attrs(slog.Any("error", err))...)
		case found:
			p.judged = judged
		}
	}
	o.pulls[k] = p
	if _, stale := o.stale(k, p); stale {
		o.tell()
	}
}

// judged says what a pull request was judged and reported on, the policies included.
func (o *openPulls) judged(ctx context.Context, k Key, branch string, j inbox.Judged) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p, known := o.pulls[k]
	if !known && len(o.pulls) >= maxOpenPulls {
		return
	}
	same := known && p.branch == branch && p.judged == j
	now := openPull{branch: branch, judged: j}
	if _, stale := o.stale(k, now); stale {
		// It was being judged when it was woken, so it is going to be once more.
		now.woken = p.woken
	}
	o.pulls[k] = now
	if same || o.store == nil {
		return
	}
	if err := o.store.SaveJudged(ctx, k.Repository, k.Pull, j); err != nil {
		o.log.LogAttrs(ctx, slog.LevelError, "judgement_not_kept", k.attrs(slog.Any("error", err))...)
	}
}

// closed says that a pull request is not open, or into no protected branch.
func (o *openPulls) closed(ctx context.Context, k Key) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, known := o.pulls[k]; !known {
		return
	}
	delete(o.pulls, k)
	if o.store == nil {
		return
	}
	if err := o.store.ForgetJudged(ctx, k.Repository, k.Pull); err != nil {
		o.log.LogAttrs(ctx, slog.LevelError, "judgement_not_kept", k.attrs(slog.Any("error", err))...)
	}
}

// doubt is why what is said of a pull request may be outdated.
type doubt int

const (
	// doubtUnsaid: nothing was said of its head.
	doubtUnsaid doubt = iota
	// doubtNews: people, access or policies are different.
	doubtNews
	// doubtPush: its base branch was pushed to.
	doubtPush
)

// stale says whether what is said of a pull request may be outdated and nothing is done
// about it.
func (o *openPulls) stale(k Key, p openPull) (doubt, bool) {
	at := inbox.Scope{Repository: k.Repository, Branch: p.branch}.Key()
	news := o.news[inbox.Scope{Repository: at.Repository}]
	if p.judged.Concerned {
		news = max(news, o.news[inbox.Scope{}]) // who is in a team is nothing to the others
	}
	switch {
	case p.woken:
		return 0, false
	case p.judged == inbox.Judged{}:
		return doubtUnsaid, true
	case p.judged.Policy != o.policies[at], news > p.judged.News:
		return doubtNews, true
	case o.news[at] > p.judged.News:
		return doubtPush, true
	default:
		return 0, false
	}
}

// outdated are the pull requests of which what is said may be outdated: those first of
// which nothing was said, then those that were judged the longest ago.
func (o *openPulls) outdated() []outdatedPull {
	o.mu.Lock()
	defer o.mu.Unlock()
	var found []outdatedPull
	for k, p := range o.pulls {
		if why, stale := o.stale(k, p); stale {
			found = append(found, outdatedPull{k, p, why})
		}
	}
	slices.SortFunc(found, outdatedPull.compare)
	return found
}

// wakes says that a pull request is about to be judged.
func (o *openPulls) wakes(k Key) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if p, ok := o.pulls[k]; ok {
		p.woken = true
		o.pulls[k] = p
	}
}

// differs says that what is read of git for a pull request is not what it was judged on.
func (o *openPulls) differs(k Key) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if p, ok := o.pulls[k]; ok {
		p.moved = true
		o.pulls[k] = p
	}
}

// Outdated is of how many open pull requests what is said of them may be outdated.
func (g *Gate) Outdated() int { return len(g.open.outdated()) }

// Opened says that a pull request is open and into a protected branch; checked is false
// when its head lacks a check run of ours. What is outdated of it is brought up to date.
func (g *Gate) Opened(ctx context.Context, repository approval.RepositoryName, branch string, pull int, checked bool) {
	if pull > 0 && g.protectsBranch(repository, branch) {
		g.open.opened(ctx, Key{Repository: repository, Pull: pull}, branch, checked)
	}
}

func (g *Gate) protectsBranch(repository approval.RepositoryName, branch string) bool {
	_, ok := g.open.protected()[inbox.Scope{Repository: repository, Branch: branch}.Key()]
	return ok
}

// outdates notes for which open pull requests a hint is news. Whoever calls has made what
// was remembered of it be forgotten.
func (g *Gate) outdates(ctx context.Context, h approval.Hint) error {
	if h.People {
		if err := g.open.heard(ctx, inbox.Scope{}); err != nil {
			return err
		}
	}
	if h.Access {
		for at := range g.open.protected() {
			if err := g.open.heard(ctx, inbox.Scope{Repository: at.Repository}); err != nil {
				return err
			}
		}
	}
	if name := g.configured(h); h.Branch != "" && g.protectsBranch(name, h.Branch) {
		return g.open.heard(ctx, inbox.Scope{Repository: name, Branch: h.Branch})
	}
	return nil
}
