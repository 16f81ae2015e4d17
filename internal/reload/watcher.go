package reload

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
)

// Options make a Watcher.
type Options struct {
	// Path is the configuration file, and Begin what was loaded of it at the start.
	Path  string
	Begin config.Config
	// Apply takes a configuration over, wholly or, with an error, not at all. It is called
	// with what is in force already when only its text differs.
	Apply func(ctx context.Context, next config.Config) error
	// Rejected is told why a configuration was refused, once for each reason. It may be nil.
	Rejected func(ctx context.Context, reason error)
	Metrics  *Metrics
	Logger   *slog.Logger
	// Every is how often the files are read. Default 2 seconds.
	Every time.Duration
	// Settle is for how long they have to be the same. Default 1 second.
	Settle time.Duration
	// Again is how often a refused configuration is tried again, for a secret that is
	// mounted later than the file that names it. Default 10 seconds.
	Again time.Duration
}

const (
	defaultEvery  = 2 * time.Second
	defaultSettle = time.Second
	defaultAgain  = 10 * time.Second
	// restless is how often the files may change while they are read.
	restless = 5
)

// Watcher follows the files. Make it with New and call Run once.
type Watcher struct {
	o Options
	// files are those besides the configuration file, and seen what was in all of them when
	// they were read last.
	files []string
	seen  string
	// reason is why what is there was refused; empty when it is in force. tried is when.
	reason string
	tried  time.Time
}

// New makes a Watcher. What changed since Begin was loaded is found by the first look.
func New(o Options) *Watcher {
	if o.Every == 0 {
		o.Every = defaultEvery
	}
	if o.Settle == 0 {
		o.Settle = defaultSettle
	}
	if o.Again == 0 {
		o.Again = defaultAgain
	}
	o.Metrics.taken(time.Now())
	return &Watcher{o: o, files: o.Begin.Files()}
}

// Run follows the files until the context ends. Whatever comes from hangup has them read at
// once.
func (w *Watcher) Run(ctx context.Context, hangup <-chan os.Signal) {
	tick := time.NewTicker(w.o.Every)
	defer tick.Stop()
	for {
		asked := false
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-hangup:
			asked = true
		}
		w.look(ctx, asked)
	}
}

// look takes over what has changed.
func (w *Watcher) look(ctx context.Context, asked bool) {
	now := config.Fingerprint(w.o.Path, w.files)
	again := w.reason != "" && time.Since(w.tried) >= w.o.Again
	if now == w.seen && !again && !asked {
		return
	}
	for {
		if !rest(ctx, w.o.Settle) {
			return
		}
		later := config.Fingerprint(w.o.Path, w.files)
		if later == now {
			break
		}
		now = later
	}
	w.take(ctx, now)
}

var errRestless = errors.New("the files keep changing while they are read")

// load reads the configuration, with the files as they were at one time.
func (w *Watcher) load() (config.Config, error) {
	files := w.files
	for range restless {
		before := config.Fingerprint(w.o.Path, files)
		next, err := config.Load(w.o.Path)
		if err == nil && !slices.Equal(next.Files(), files) {
			files = next.Files()
			continue
		}
		if config.Fingerprint(w.o.Path, files) != before {
			continue
		}
		if err == nil {
			w.files, w.seen = files, before
		}
		return next, err
	}
	return config.Config{}, errRestless
}

func (w *Watcher) take(ctx context.Context, now string) {
	first := w.seen == ""
	w.seen, w.tried = now, time.Now()
	next, err := w.load()
	if err == nil {
		err = w.o.Apply(ctx, next)
	}
	if ctx.Err() != nil {
		return // it ends
	}
	if err != nil {
		w.refuse(ctx, err)
		return
	}
	w.reason = ""
	w.o.Metrics.taken(time.Now())
	if first {
		return // there was most probably nothing new
	}
	w.o.Logger.LogAttrs(ctx, slog.LevelInfo, "config_reloaded", slog.String("file", w.o.Path), slog.String("digest", next.Digest))
}

// refuse says why what is there is not taken over, once for each reason.
func (w *Watcher) refuse(ctx context.Context, err error) {
	w.o.Metrics.refused()
	if w.reason == err.Error() {
		return
	}
	w.reason = err.Error()
	w.o.Logger.LogAttrs(ctx, slog.LevelError, "config_rejected", slog.String("file", w.o.Path), slog.Any("error", err),
		slog.String("remedy", "mend it, or put the one before back; gatekeeper config check says the same. Until then the one before stays in force"))
	if w.o.Rejected != nil {
		w.o.Rejected(ctx, err)
	}
}

func rest(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
