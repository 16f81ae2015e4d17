package redeliver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	gh "github.com/google/go-github/v60/github"

	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
)

const (
	// kept is how long GitHub keeps deliveries for redelivery: three days on
	// github.com, seven on GitHub Enterprise Server (GitHub docs, "Redelivering
	// webhooks").
	kept = 3 * 24 * time.Hour
	// underWay is how long a delivery may take. GitHub waits 10 seconds for an
	// answer, GitHub Enterprise Server 30.
	underWay = time.Minute
	// overlap is how much of what was swept is swept once more. It covers what was
	// under way, and the difference between GitHub's clock and ours.
	overlap = 5 * time.Minute
	// maxPages bounds a sweep, which reads the newest deliveries first.
	maxPages = 100
	// maxAttempts bounds how often a delivery is asked for.
	maxAttempts = 20
	// maxRemembered bounds the deliveries whose attempts are counted.
	maxRemembered = 10_000
	// DefaultInterval is the time between two sweeps.
	DefaultInterval = 5 * time.Minute
)

// App makes calls as the GitHub App itself; *github.App does.
type App interface {
	API() *gh.Client
}

// Sweeper looks for deliveries that did not arrive. It is not safe for concurrent
// use.
type Sweeper struct {
	app      App
	log      *slog.Logger
	now      func() time.Time
	since    time.Time      // what is older was swept
	attempts map[string]int // by GUID
}

// New makes a Sweeper. Now is the clock; nil means time.Now.
func New(app App, logger *slog.Logger, now func() time.Time) *Sweeper {
	if now == nil {
		now = time.Now
	}
	return &Sweeper{app: app, log: logger, now: now, attempts: map[string]int{}}
}

// Run sweeps at once, for what was missed while nobody listened, and then at each
// interval until the context ends.
func (s *Sweeper) Run(ctx context.Context, interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		if _, err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.log.LogAttrs(ctx, slog.LevelWarn, "redelivery_sweep_failed", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Sweep asks once for each delivery that failed and did not arrive later, oldest
// first, and says for how many. The error is a *github.Error somewhere in its
// chain.
func (s *Sweeper) Sweep(ctx context.Context) (asked int, err error) {
	began := s.now()
	since := s.since
	if oldest := began.Add(-kept); since.Before(oldest) {
		since = oldest
	}
	missed, err := s.missed(ctx, since, began.Add(-underWay))
	if err != nil {
		return 0, err
	}
	for _, d := range missed {
		if s.attempts[d.GetGUID()] >= maxAttempts {
			continue
		}
		// A 202 is a success, which go-github v60 gives as an error.
		_, _, err := s.app.API().Apps.RedeliverHookDelivery(ctx, d.GetID())
		if err != nil && !errors.As(err, new(*gh.AcceptedError)) {
			return asked, github.Wrap(fmt.Sprintf("ask for delivery %d again", d.GetID()), "", err)
		}
		asked++
		s.count(ctx, d)
	}
	// A redelivery is a delivery of its own, so what fails again is found again.
	s.since = began.Add(-overlap)
	return asked, nil
}

func (s *Sweeper) count(ctx context.Context, d *gh.HookDelivery) {
	if len(s.attempts) >= maxRemembered {
		clear(s.attempts)
	}
	s.attempts[d.GetGUID()]++
	attrs := []slog.Attr{slog.String("delivery", d.GetGUID()), slog.String("event", d.GetEvent()),
		slog.String("status", d.GetStatus()), slog.Int("attempt", s.attempts[d.GetGUID()])}
	s.log.LogAttrs(ctx, slog.LevelInfo, "redelivery_asked", attrs...)
	if s.attempts[d.GetGUID()] == maxAttempts {
		s.log.LogAttrs(ctx, slog.LevelError, "redelivery_given_up", attrs...)
	}
}

// missed are the deliveries between two times of which no attempt arrived, oldest
// first. Each is there once.
func (s *Sweeper) missed(ctx context.Context, since, until time.Time) ([]*gh.HookDelivery, error) {
	var out []*gh.HookDelivery
	seen := map[string]bool{}
	o := &gh.ListCursorOptions{PerPage: github.PageSize}
	for range maxPages {
		page, resp, err := s.app.API().Apps.ListHookDeliveries(ctx, o)
		if err != nil {
			return nil, github.Wrap("list the App's deliveries", "", err)
		}
		for _, d := range page {
			switch {
			case d.GetDeliveredAt().Before(since):
				slices.Reverse(out)
				return out, nil
			case d.GetGUID() == "" || d.GetID() <= 0 || seen[d.GetGUID()]:
				continue
			}
			// The newest attempt comes first: if it arrived, or is on its way, all is well.
			seen[d.GetGUID()] = true
			if arrived := d.GetStatusCode() >= 200 && d.GetStatusCode() <= 299; !arrived && d.GetDeliveredAt().Before(until) {
				out = append(out, d)
			}
		}
		if resp.Cursor == "" {
			break
		}
		o.Cursor = resp.Cursor
	}
	slices.Reverse(out)
	return out, nil
}
