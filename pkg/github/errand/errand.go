// Package errand writes to GitHub what nothing waits for: one write at a time, of several
// that say different things of the same the newest, tried again when it failed, and not
// while GitHub wants quiet.
//
//	Put(key, word) ──► newest word of each key ──► Do ──► done
//	                        ▲                       │
//	                        └── later, with a wait ─┘
//
// Errands are kept in memory alone. Whoever puts them keeps that there are some, until Done
// tells that they were carried out, and says the same again after a restart if it still
// matters, so Do has to find out what is written already.
package errand

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

// Options make a Queue.
type Options[K comparable, W any] struct {
	// Do carries a word out. What it returns is told below.
	Do func(ctx context.Context, word W) error
	// Repository is where a key's writes go: what may not be written there is not tried for
	// others of it. Attrs name the key in logs.
	Repository func(K) approval.RepositoryName
	Attrs      func(K) []slog.Attr
	// What is written, in the plural, and Remedy is what to do when the App may not.
	What, Remedy string
	Logger       *slog.Logger
	// Done is told that nothing is left to be done for a key. It may be nil.
	Done func(context.Context, K)
}

// Queue holds what is to be written. Make it with New; Run writes, Put may be called at any
// time by anybody.
//
// An errand whose Do fails is tried again after a while, which doubles up to five minutes.
// A Later says when instead. A limit of GitHub's makes all errands wait as long as GitHub
// asks. What the App may not do (403) is tried again after an hour, together with all else
// of that repository, and logged once in that time. What GitHub will never take (422) is
// given up. What anybody else refuses, Do says by Forbidden.
type Queue[K comparable, W any] struct {
	o Options[K, W]

	mu   sync.Mutex
	jobs map[K]*job[W]
	// mute says until when a repository is not written to.
	mute map[approval.RepositoryName]time.Time
	wake chan struct{}
	// turns counts the words.
	turns int
	// refused counts how often in a row a repository was refused for good, see Forbidden.
	refused map[approval.RepositoryName]int
}

type job[W any] struct {
	word     W
	due      time.Time
	attempts int
	// turn is the word's number, so that one that comes while another is written is kept.
	turn int
}

// How long errands wait after failures.
const (
	firstWait = 2 * time.Second
	maxWait   = 5 * time.Minute
	muteFor   = time.Hour
	idle      = time.Hour // when there is none
)

// Later is returned by a Do that is to be called again at a time.
type Later struct{ At time.Time }

func (l Later) Error() string { return "it is too early to write again" }

// New makes a Queue.
func New[K comparable, W any](o Options[K, W]) *Queue[K, W] {
	return &Queue[K, W]{o: o, jobs: map[K]*job[W]{}, mute: map[approval.RepositoryName]time.Time{}, wake: make(chan struct{}, 1), refused: map[approval.RepositoryName]int{}}
}

// Put takes the place of what was put under the key before and is not done. It never
// waits. hurry says of two words whether the second is not to wait as the first did.
func (q *Queue[K, W]) Put(key K, word W, hurry func(before, now W) bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	j := q.jobs[key]
	if j == nil {
		j = &job[W]{due: q.mute[q.o.Repository(key)]}
		q.jobs[key] = j
	} else if hurry != nil && hurry(j.word, word) {
		j.due = q.mute[q.o.Repository(key)]
	}
	q.turns++
	j.word, j.turn = word, q.turns
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Len is how many errands are not done.
func (q *Queue[K, W]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.jobs)
}

// Run writes until the context ends.
func (q *Queue[K, W]) Run(ctx context.Context) {
	for ctx.Err() == nil {
		if wait := q.Step(ctx, time.Now()); wait > 0 {
			q.sleep(ctx, wait)
		}
	}
}

// Step does what is due first, or says how long nothing is. Run calls it.
func (q *Queue[K, W]) Step(ctx context.Context, now time.Time) (wait time.Duration) {
	key, word, turn, wait := q.next(now)
	if wait > 0 {
		return wait
	}
	q.done(ctx, key, turn, q.o.Do(ctx, word))
	if q.o.Done != nil && !q.holds(key) {
		q.o.Done(ctx, key)
	}
	return 0
}

// Hurry makes due what waits, whatever for.
func (q *Queue[K, W]) Hurry() {
	q.mu.Lock()
	defer q.mu.Unlock()
	clear(q.mute)
	for _, j := range q.jobs {
		j.due = time.Time{}
	}
}

func (q *Queue[K, W]) sleep(ctx context.Context, wait time.Duration) {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-q.wake:
	case <-t.C:
	}
}

func (q *Queue[K, W]) next(now time.Time) (key K, word W, turn int, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var first *job[W]
	for k, j := range q.jobs {
		if first == nil || j.due.Before(first.due) {
			first, key = j, k
		}
	}
	switch {
	case first == nil:
		return key, word, 0, idle
	case first.due.After(now):
		return key, word, 0, first.due.Sub(now)
	default:
		return key, first.word, first.turn, 0
	}
}

// done notes what became of an errand.
func (q *Queue[K, W]) done(ctx context.Context, key K, turn int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	j, now := q.jobs[key], time.Now()
	if j == nil {
		return // dropped meanwhile
	}
	attrs := append(q.o.Attrs(key), slog.String("what", q.o.What), slog.Any("error", err))
	var later Later
	var denied Forbidden
	var refused *github.Error
	switch {
	case err == nil:
		q.permitted(ctx, key)
		j.attempts = 0
		q.finish(key, j, turn)
		return
	case errors.As(err, &later):
		j.due = later.At
		return
	case ctx.Err() != nil:
		return
	case errors.As(err, &denied):
		q.refuse(ctx, key, denied, attrs, now)
		return
	case errors.As(err, &refused) && refused.Limited:
		for _, other := range q.jobs { // GitHub wants quiet
			if at := now.Add(refused.Retry); other.due.Before(at) {
				other.due = at
			}
		}
		q.o.Logger.LogAttrs(ctx, slog.LevelWarn, "errand_postponed", append(attrs, slog.Duration("wait", refused.Retry))...)
		return
	case errors.As(err, &refused) && refused.Status == http.StatusForbidden:
		q.forbidden(ctx, key, attrs, now)
		return
	case errors.As(err, &refused) && refused.Status == http.StatusUnprocessableEntity:
		q.o.Logger.LogAttrs(ctx, slog.LevelError, "errand_refused", attrs...)
		q.finish(key, j, turn)
		return
	}
	j.attempts++
	wait := min(firstWait<<min(j.attempts-1, 10), maxWait)
	j.due = now.Add(wait)
	q.o.Logger.LogAttrs(ctx, slog.LevelWarn, "errand_failed", append(attrs, slog.Int("attempts", j.attempts), slog.Duration("wait", wait))...)
}

// finish forgets an errand, unless there is a newer word.
func (q *Queue[K, W]) finish(key K, j *job[W], turn int) {
	if j.turn == turn {
		delete(q.jobs, key)
		return
	}
	j.due = time.Time{}
}

// forbidden keeps a repository from being written to for a while.
func (q *Queue[K, W]) forbidden(ctx context.Context, key K, attrs []slog.Attr, now time.Time) {
	repository := q.o.Repository(key)
	if !q.mute[repository].After(now) {
		q.o.Logger.LogAttrs(ctx, slog.LevelError, "errand_not_permitted", append(attrs, slog.String("remedy", q.o.Remedy))...)
	}
	q.silence(repository, now.Add(muteFor))
}

// silence keeps a repository from being written to until then.
func (q *Queue[K, W]) silence(repository approval.RepositoryName, until time.Time) {
	q.mute[repository] = until
	for k, j := range q.jobs {
		if q.o.Repository(k) == repository && j.due.Before(until) {
			j.due = until
		}
	}
}

// Pace keeps writes apart: one second lies between two, as GitHub asks for ("Best practices
// for using the REST API"). Safe for concurrent use, and meant to be shared.
type Pace struct {
	every time.Duration

	mu   sync.Mutex
	next time.Time
}

// NewPace makes a Pace; 0 is a second.
func NewPace(every time.Duration) *Pace {
	if every == 0 {
		every = time.Second
	}
	return &Pace{every: every}
}

// Wait waits until the next write may be.
func (p *Pace) Wait(ctx context.Context) error {
	p.mu.Lock()
	now := time.Now()
	at := p.next
	if at.Before(now) {
		at = now
	}
	p.next = at.Add(p.every)
	p.mu.Unlock()
	t := time.NewTimer(at.Sub(now))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
