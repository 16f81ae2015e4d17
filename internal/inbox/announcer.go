package inbox

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// Announcer writes down what the leader thinks, for one term:
//
//	Remember ──► what changed ──► SaveJudgements   at once, what comes meanwhile together
//	    └──────► what did not ──► Vouch            once in a while, in one row
//
// A delivery is Done only after Flush: whoever sees that no delivery waits then sees what
// became of it as well. It is safe for concurrent use.
type Announcer struct {
	shared     *Shared
	term       Term
	every, old time.Duration
	log        *slog.Logger
	wake       chan struct{}
	// writing is held by whoever writes, so that an older judgement never follows a newer.
	writing chan struct{}
	pruned  time.Time // when what former leaders judged was dropped last; by whoever writes

	mu sync.Mutex
	// known is what is thought of each Application, and fresh what of it is not written.
	known map[string]announced
	fresh map[string]bool
}

// announced is what is thought of an Application. The body is dropped once it was written.
type announced struct {
	judgement Judgement
	digest    [sha256.Size]byte
	gone      bool
	// number tells one from the next.
	number uint64
}

// AnnouncerOptions are those of NewAnnouncer.
type AnnouncerOptions struct {
	// Every is how often the leader vouches. Default DefaultEvery.
	Every time.Duration
	// Old is after how long a judgement that was not made anew is not vouched for any more.
	// It is how old, with Every on top, the others may take a judgement to be although it
	// is younger. Default DefaultOld.
	Old    time.Duration
	Logger *slog.Logger
}

// Defaults of AnnouncerOptions.
const (
	DefaultEvery = 10 * time.Second
	DefaultOld   = 10 * time.Minute
)

// NewAnnouncer begins to announce for a term that Lead began.
func NewAnnouncer(shared *Shared, term Term, o AnnouncerOptions) *Announcer {
	if o.Every <= 0 {
		o.Every = DefaultEvery
	}
	if o.Old <= 0 {
		o.Old = DefaultOld
	}
	return &Announcer{
		shared: shared, term: term, every: o.Every, old: o.Old, log: o.Logger,
		wake: make(chan struct{}, 1), writing: make(chan struct{}, 1), known: map[string]announced{}, fresh: map[string]bool{},
	}
}

// Remember says what is thought of an Application now. It does not block. What cannot be
// kept is forgotten instead, so that nobody goes by what was thought before.
func (a *Announcer) Remember(j Judgement) {
	if err := j.check(); err != nil {
		a.log.LogAttrs(context.Background(), slog.LevelError, "judgement_not_announced", slog.String("application", j.Application), slog.Any("error", err))
		a.Forget(j.Application)
		return
	}
	digest := sha256.New()
	_, _ = digest.Write([]byte(j.UID + "\x00"))
	_, _ = digest.Write(j.Body)
	now := announced{judgement: j, digest: [sha256.Size]byte(digest.Sum(nil))}
	a.mu.Lock()
	defer a.mu.Unlock()
	before, ok := a.known[j.Application]
	if ok && !before.gone && before.digest == now.digest && !a.fresh[j.Application] {
		before.judgement.At = j.At
		a.known[j.Application] = before
		return
	}
	now.number = before.number + 1
	a.changed(now)
}

// Forget says that an Application is gone.
func (a *Announcer) Forget(application string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changed(announced{judgement: Judgement{Application: application}, gone: true, number: a.known[application].number + 1})
}

func (a *Announcer) changed(now announced) {
	a.known[now.judgement.Application] = now
	a.fresh[now.judgement.Application] = true
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// Flush returns once everything that was remembered before it was called is written. It
// fails with ErrDeposed when another process leads since.
func (a *Announcer) Flush(ctx context.Context) error { return a.flush(ctx, nil) }

// flush writes, and then does what is to be done with that moment's view: what is thought
// then is what is written then.
func (a *Announcer) flush(ctx context.Context, then func(ctx context.Context, judged time.Time, late map[string]time.Time) error) error {
	select {
	case a.writing <- struct{}{}:
		defer func() { <-a.writing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	judged := time.Now().Add(-a.old)
	d := a.take(judged, then != nil)
	if len(d.save)+len(d.forget) > 0 {
		if err := errors.Join(a.shared.SaveJudgements(ctx, a.term, d.save), a.shared.ForgetJudgements(ctx, a.term, d.forget)); err != nil {
			return err
		}
		a.written(d.numbers)
	}
	if then == nil {
		return nil
	}
	return then(ctx, judged, d.late)
}

// due is what is to be written.
type due struct {
	save    []Judgement
	forget  []string
	numbers map[string]uint64
	// late are those that were judged too long ago.
	late map[string]time.Time
}

func (a *Announcer) take(judged time.Time, all bool) due {
	a.mu.Lock()
	defer a.mu.Unlock()
	d := due{numbers: make(map[string]uint64, len(a.fresh)), late: map[string]time.Time{}}
	for application := range a.fresh {
		now := a.known[application]
		d.numbers[application] = now.number
		if now.gone {
			d.forget = append(d.forget, application)
		} else {
			d.save = append(d.save, now.judgement)
		}
	}
	if all {
		for application, now := range a.known {
			if !now.gone && now.judgement.At.Before(judged) {
				d.late[application] = now.judgement.At
			}
		}
	}
	return d
}

// written forgets what was written, unless there is something newer.
func (a *Announcer) written(numbers map[string]uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for application, number := range numbers {
		now := a.known[application]
		if now.number != number {
			continue
		}
		delete(a.fresh, application)
		if now.gone {
			delete(a.known, application)
			continue
		}
		now.judgement.Body = nil
		a.known[application] = now
	}
}

// vouch says what is still so.
func (a *Announcer) vouch(ctx context.Context) error {
	return a.flush(ctx, func(ctx context.Context, judged time.Time, late map[string]time.Time) error {
		if err := a.shared.Vouch(ctx, a.term, judged, late); err != nil {
			return err
		}
		if time.Since(a.pruned) < pruneEvery {
			return nil
		}
		a.pruned = time.Now()
		_, err := a.shared.PruneJudgements(ctx, a.term, a.pruned.Add(-keepFormer))
		return err
	})
}

// What former leaders judged is dropped some time after the present one did not.
const (
	pruneEvery = time.Hour
	keepFormer = 24 * time.Hour
)

// Run writes until the context ends. It fails with ErrDeposed when another process leads
// since: then this one is not the leader any more. Other errors are tried again.
func (a *Announcer) Run(ctx context.Context) error {
	tick := time.NewTicker(a.every)
	defer tick.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-a.wake:
			err = a.Flush(ctx)
		case <-tick.C:
			err = a.vouch(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrDeposed):
			return err
		case err != nil:
			a.log.LogAttrs(ctx, slog.LevelError, "judgements_not_announced", slog.Any("error", err))
		}
	}
}
