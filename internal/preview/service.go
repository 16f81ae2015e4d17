package preview

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"reflect"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/util/workqueue"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/manifestdiff"
)

// Bounds.
const (
	workers = 4
	// jobTimeout bounds both renderings of a comparison.
	jobTimeout = 100 * time.Second
	// maxWanted is how much may be wanted at a time.
	maxWanted = 2_000
	// freshFor is how long a comparison is good, failedFor how long the message that
	// something cannot be rendered is.
	freshFor  = time.Hour
	failedFor = 10 * time.Minute
	// retryAfter is the first wait after Argo CD did not answer, and retryMost the longest.
	retryAfter = 5 * time.Second
	retryMost  = 10 * time.Minute
	// pauseAfter is after how many such failures in a row nothing is tried for a while.
	pauseAfter = 3
	pauseMost  = 5 * time.Minute
	// forgetAfter is when somebody who has not asked again is forgotten.
	forgetAfter = 24 * time.Hour
	// settledAfter is how long an Application must have had its spec after a change:
	// Argo CD renders the one in its own cache, which may be a little older.
	settledAfter = 5 * time.Second
	busyAgain    = 200 * time.Millisecond
)

// Options make a Service.
type Options struct {
	Renderer Renderer
	Logger   *slog.Logger
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Metrics may be nil: then nothing is counted.
	Metrics *Metrics
}

// Service makes previews. All methods are safe for concurrent use.
type Service struct {
	renderer Renderer
	masker   *manifestdiff.Masker
	log      *slog.Logger
	now      func() time.Time
	metrics  *Metrics
	queue    workqueue.TypedRateLimitingInterface[string]

	mu sync.Mutex
	// wanted is what is to be compared, by its key.
	wanted  map[string]approval.Comparison
	askers  map[string]*asker
	answers *store[answer]
	renders *store[manifestdiff.Manifests]
	busy    map[string]bool // UIDs of Applications that are being rendered
	specs   map[string]specSince
	// failures in a row, and until when nothing is tried.
	failures int
	pause    time.Time
	reason   string
}

// answer is what became of a comparison.
type answer struct {
	diff   approval.RenderedDiff
	reason string // why there is none
	until  time.Time
}

func (a answer) same(b answer) bool {
	return a.reason == b.reason && reflect.DeepEqual(a.diff, b.diff)
}

// asker is somebody who wants previews.
type asker struct {
	wake func()
	keys map[string]bool
	// open are those of keys that it has not got yet, news is true when one of the
	// others came since.
	open map[string]bool
	news bool
	at   time.Time
}

type specSince struct {
	digest string
	since  time.Time
}

// New makes a Service. It does nothing before Run.
func New(o Options) *Service {
	s := &Service{
		renderer: o.Renderer, masker: manifestdiff.NewMasker(), log: o.Logger, now: o.Now,
		wanted: map[string]approval.Comparison{}, askers: map[string]*asker{}, busy: map[string]bool{}, specs: map[string]specSince{},
		answers: newStore[answer](4_000, 32<<20), renders: newStore[manifestdiff.Manifests](1_000, 48<<20),
		queue: workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](retryAfter, retryMost)),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.metrics = o.Metrics; s.metrics == nil {
		s.metrics = NewMetrics()
	}
	return s
}

// Ask gives what is known of each comparison, in their order, and has the rest rendered.
// Wake is called, from another goroutine, whenever all that was wanted is there and
// something of it is new. What was wanted under the same name before is not wanted any
// more.
func (s *Service) Ask(name string, wake func(), wanted []approval.Comparison) []approval.Preview {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	a := &asker{wake: wake, keys: map[string]bool{}, open: map[string]bool{}, at: now}
	out := make([]approval.Preview, len(wanted))
	for i, c := range wanted {
		key := keyOf(c)
		a.keys[key] = true
		known, ok := s.answers.get(key)
		s.metrics.asked(cacheComparison, ok)
		out[i] = approval.Preview{Application: c.Application.Key(), Comparison: c}
		switch {
		case ok && known.reason != "":
			out[i].State, out[i].Reason = approval.PreviewUnavailable, known.reason
		case ok:
			out[i].State, out[i].Diff = approval.PreviewReady, known.diff
		case len(s.wanted) >= maxWanted:
			out[i].State, out[i].Reason = approval.PreviewUnavailable, "too much is waiting to be rendered"
			continue
		default:
			out[i].State = approval.PreviewPending
			a.open[key] = true
		}
		_, waits := s.wanted[key]
		if !waits && (!ok || !now.Before(known.until)) && len(s.wanted) < maxWanted {
			s.wanted[key] = c
			s.queue.Add(key)
		}
	}
	if delete(s.askers, name); len(wanted) > 0 {
		s.askers[name] = a
	}
	s.metrics.waiting.Set(float64(len(s.wanted)))
	return out
}

func keyOf(c approval.Comparison) string {
	return c.Application.UID + "\x00" + c.Application.SpecDigest + "\x00" + vectorKey(c.From) + "\x00" + vectorKey(c.To)
}

func vectorKey(revisions []approval.Revision) string {
	parts := make([]string, len(revisions))
	for i, r := range revisions {
		parts[i] = strings.ToLower(string(r.Repository)) + "@" + string(r.SHA)
	}
	return strings.Join(parts, ",")
}

// Run renders until the context ends.
func (s *Service) Run(ctx context.Context) error {
	var group errgroup.Group
	for range workers {
		group.Go(func() error {
			for s.next(ctx) {
			}
			return nil
		})
	}
	group.Go(func() error {
		tick := time.NewTicker(time.Hour)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				s.queue.ShutDown()
				return nil
			case <-tick.C:
				s.sweep()
			}
		}
	})
	return group.Wait()
}

func (s *Service) next(ctx context.Context) bool {
	key, shutdown := s.queue.Get()
	if shutdown {
		return false
	}
	defer s.queue.Done(key)
	c, wait, ok := s.begin(key)
	switch {
	case !ok:
		return true
	case wait > 0:
		s.queue.AddAfter(key, wait)
		return true
	}
	work, cancel := context.WithTimeout(ctx, jobTimeout)
	diff, err := s.compare(work, c)
	cancel()
	if ctx.Err() != nil {
		return true // not an answer of Argo CD's
	}
	s.finish(ctx, key, c, diff, err)
	return true
}

// begin takes a comparison. It has to wait while the Application is being rendered,
// while its spec is too new, and while Argo CD is left alone.
func (s *Service) begin(key string) (c approval.Comparison, wait time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok = s.wanted[key]
	if !ok {
		return c, 0, false
	}
	if !s.isWanted(key) {
		delete(s.wanted, key)
		s.metrics.waiting.Set(float64(len(s.wanted)))
		s.queue.Forget(key)
		return c, 0, false
	}
	now := s.now()
	uid := c.Application.UID
	if known, seen := s.specs[uid]; !seen {
		s.specs[uid] = specSince{digest: c.Application.SpecDigest}
	} else if known.digest != c.Application.SpecDigest {
		s.specs[uid] = specSince{c.Application.SpecDigest, now}
	}
	switch {
	case now.Before(s.pause):
		s.settle(key, answer{reason: s.reason})
		return c, s.pause.Sub(now), true
	case s.busy[uid]:
		return c, busyAgain, true
	}
	if wait := settledAfter - now.Sub(s.specs[uid].since); wait > 0 {
		return c, wait, true
	}
	s.busy[uid] = true
	return c, 0, true
}

func (s *Service) isWanted(key string) bool {
	for _, a := range s.askers {
		if a.keys[key] {
			return true
		}
	}
	return false
}

var errPanic = errors.New("comparing ended in a panic")

// compare renders and compares. What a pull request makes Argo CD answer must not end
// the process that decides, whatever it is.
func (s *Service) compare(ctx context.Context, c approval.Comparison) (diff approval.RenderedDiff, err error) {
	defer func() {
		if r := recover(); r != nil {
			s.log.LogAttrs(ctx, slog.LevelError, "preview_panicked", slog.String("application", c.Application.Key()), slog.String("stack", string(debug.Stack())))
			err = errPanic
		}
	}()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.busy, c.Application.UID)
	}()
	return compareWith(c, func(revisions []approval.Revision) (manifestdiff.Manifests, error) {
		key := c.Application.UID + "\x00" + c.Application.SpecDigest + "\x00" + vectorKey(revisions)
		s.mu.Lock()
		known, ok := s.renders.get(key)
		s.mu.Unlock()
		s.metrics.asked(cacheRendering, ok)
		if ok {
			return known, nil
		}
		rendered, err := s.metrics.rendering(func() (manifestdiff.Manifests, error) {
			return render(ctx, s.renderer, s.masker, c.Application, revisions)
		})
		if err != nil {
			return rendered, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.renders.put(key, rendered, rendered.Size())
		return rendered, nil
	})
}

// finish keeps what became of a comparison.
func (s *Service) finish(ctx context.Context, key string, c approval.Comparison, diff approval.RenderedDiff, err error) {
	got := answer{diff: diff, until: s.now().Add(freshFor)}
	away := false
	if err != nil {
		got = answer{until: s.now().Add(failedFor)}
		got.reason, away = Explain(err)
		s.log.LogAttrs(ctx, slog.LevelWarn, "preview_failed", slog.String("application", c.Application.Key()),
			slog.String("from", vectorKey(c.From)), slog.String("to", vectorKey(c.To)), slog.Bool("again", away), slog.Any("error", err))
	}
	s.mu.Lock()
	s.settle(key, got)
	if errors.Is(err, errPanic) {
		away = false
	}
	if away {
		s.failed(got.reason)
	} else {
		s.failures, s.pause = 0, time.Time{}
		delete(s.wanted, key)
		s.metrics.waiting.Set(float64(len(s.wanted)))
	}
	s.mu.Unlock()
	if away {
		s.queue.AddRateLimited(key)
	} else {
		s.queue.Forget(key)
	}
}

// failed leaves Argo CD alone after some failures in a row.
func (s *Service) failed(reason string) {
	s.failures++
	if s.failures >= pauseAfter {
		s.reason = reason
		s.pause = s.now().Add(min(retryAfter<<min(s.failures-pauseAfter, 10), pauseMost))
	}
}

// settle keeps an answer and wakes whoever has got all there is. The lock is held.
func (s *Service) settle(key string, got answer) {
	before, known := s.answers.get(key)
	if known && before.reason == "" && got.reason != "" {
		return // an older comparison of the same is better than none
	}
	s.answers.put(key, got, size(got))
	changed := !known || !before.same(got)
	for _, a := range s.askers {
		if !a.keys[key] {
			continue
		}
		delete(a.open, key)
		a.news = a.news || changed
		if a.news && len(a.open) == 0 {
			a.news = false
			go a.wake() // it may take locks of its own
		}
	}
}

func size(a answer) int {
	n := 200
	for _, r := range a.diff.Resources {
		n += 200 + len(r.Lines)
	}
	return n
}

// sweep forgets who has not asked for long, and what nobody wants.
func (s *Service) sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	oldest := s.now().Add(-forgetAfter)
	maps.DeleteFunc(s.askers, func(_ string, a *asker) bool { return a.at.Before(oldest) })
	if len(s.specs) > 20_000 {
		clear(s.specs)
	}
}
