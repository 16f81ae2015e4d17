package election

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// lock is the Lease, as the elector uses it. It asks whether this process is fit before
// each renewal, and knows when the last one was sent.
type lock struct {
	resourcelock.Interface
	o Options

	mu sync.Mutex
	// renewed is when the newest renewal was sent that succeeded.
	renewed time.Time
	// seen is the Lease as it was read or written last, at is when that was news.
	seen   resourcelock.LeaderElectionRecord
	at     time.Time
	unfit  string
	looked bool
}

// Get implements resourcelock.Interface.
func (l *lock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.Interface.Get(ctx)
	if err == nil {
		l.see(*record)
	}
	return record, raw, err //nolint:wrapcheck // the elector looks at its kind
}

// Create implements resourcelock.Interface.
func (l *lock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.write(ctx, record, l.Interface.Create)
}

// Update implements resourcelock.Interface.
func (l *lock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.write(ctx, record, l.Interface.Update)
}

func (l *lock) write(ctx context.Context, record resourcelock.LeaderElectionRecord, write func(context.Context, resourcelock.LeaderElectionRecord) error) error {
	ours := record.HolderIdentity == l.Identity()
	if ours {
		if err := l.fit(ctx); err != nil {
			return err
		}
	}
	sent := l.o.Now()
	if err := write(ctx, record); err != nil {
		return err //nolint:wrapcheck // the elector looks at its kind
	}
	l.see(record)
	if ours {
		l.mu.Lock()
		l.renewed = sent
		l.mu.Unlock()
	}
	return nil
}

// fit asks whether this process can work, and logs once when the answer changes.
func (l *lock) fit(ctx context.Context) error {
	asking, cancel := context.WithTimeout(ctx, l.o.Times.Renew/2)
	err := l.o.Fit(asking)
	cancel()
	text := ""
	if err != nil {
		text = err.Error()
	}
	l.mu.Lock()
	news := (l.unfit == "") != (text == "")
	l.unfit = text
	l.mu.Unlock()
	switch {
	case err == nil && news:
		l.o.Logger.LogAttrs(ctx, slog.LevelInfo, "fit_to_lead")
	case err != nil && news:
		l.o.Logger.LogAttrs(ctx, slog.LevelWarn, "unfit_to_lead", slog.Any("error", err))
	}
	if err != nil {
		return fmt.Errorf("this replica cannot do the work: %w", err)
	}
	return nil
}

func (l *lock) see(record resourcelock.LeaderElectionRecord) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.looked || record.HolderIdentity != l.seen.HolderIdentity || !record.RenewTime.Time.Equal(l.seen.RenewTime.Time) {
		l.at, l.looked = l.o.Now(), true
	}
	l.seen = record
	l.o.Metrics.transitions(record.LeaderTransitions)
}

// age is how long ago the last renewal was sent, by the clock that does not jump or by the
// one on the wall, whichever says more: the first one stands still while a machine sleeps.
func (l *lock) age() time.Duration {
	l.mu.Lock()
	renewed := l.renewed
	l.mu.Unlock()
	return since(l.o.Now(), renewed)
}

func since(now, then time.Time) time.Duration {
	return max(now.Sub(then), now.Round(0).Sub(then.Round(0)))
}

// held says why nobody is known to lead.
func (l *lock) held() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !l.looked:
		return fmt.Errorf("%w: the Lease %s was not read yet", ErrNobody, l.Describe())
	case l.seen.HolderIdentity == "":
		return fmt.Errorf("%w: the Lease %s is free", ErrNobody, l.Describe())
	}
	if age := since(l.o.Now(), l.at); age >= l.o.Times.Lease {
		return fmt.Errorf("%w: %s has not renewed the Lease %s for %s", ErrNobody, l.seen.HolderIdentity, l.Describe(), age.Round(time.Millisecond))
	}
	return nil
}
