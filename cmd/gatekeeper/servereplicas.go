package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	coordination "k8s.io/client-go/kubernetes/typed/coordination/v1"

	"github.com/argo-gatekeeper/gatekeeper/internal/commands"
	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/election"
	"github.com/argo-gatekeeper/gatekeeper/internal/gate"
	"github.com/argo-gatekeeper/gatekeeper/internal/measures"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/redeliver"
)

// replica is this process among others that share the record. One that runs alone has no
// election, and leads from the start to the end.
type replica struct {
	election *election.Election
	identity string
}

// connectReplicas makes no request. Fit says why this process could not do the work.
func connectReplicas(cfg config.Config, cluster argoCD, fit func(context.Context) error, registry prometheus.Registerer, log *slog.Logger) (replica, error) {
	if cfg.File.Replicas == nil {
		return replica{}, nil
	}
	leases, err := coordination.NewForConfig(cluster.config)
	if err != nil {
		return replica{}, fmt.Errorf("make a client for Leases: %w", err)
	}
	host, err := os.Hostname() // the pod's name
	if err != nil {
		return replica{}, fmt.Errorf("read the host's name: %w", err)
	}
	identity := host + "_" + rand.Text()[:8]
	metrics := election.NewMetrics()
	registry.MustRegister(metrics)
	e, err := election.New(election.Options{
		Leases: leases, Namespace: cfg.File.Replicas.Namespace, Name: cfg.File.Replicas.Lease,
		Identity: identity, Fit: fit, Metrics: metrics, Logger: log,
	})
	return replica{e, identity}, err
}

// leads is nil while this process may decide and act.
func (r replica) leads() error {
	if r.election == nil {
		return nil
	}
	return r.election.Leads()
}

// leadership is nil for a process that runs alone.
func (r replica) leadership() gate.Leadership {
	if r.election == nil {
		return nil
	}
	return r.election
}

// reach looks whether the others are of more use; a process that runs alone has none.
func (r replica) reach(record openedRecord) *reach {
	if r.election == nil {
		return &reach{look: func(context.Context) error { return nil }}
	}
	return &reach{
		look: func(ctx context.Context) error {
			_, err := record.Head(ctx)
			return err
		},
		renewed: r.election.Renewed, leads: r.election.Leads,
	}
}

// patience is how long a delivery may wait for the database. A file is there or is not.
func (r replica) patience() time.Duration {
	if r.election == nil {
		return 0
	}
	return storePatience
}

// missedOften is how often several replicas ask for what did not arrive: what one of them
// was given and could not keep, no other one knows of.
const missedOften = 30 * time.Second

func (r replica) missedEvery() time.Duration {
	if r.election == nil {
		return redeliver.DefaultInterval
	}
	return missedOften
}

// run does the leader's work, once this process leads, until the context ends. When the
// Lease was lost it returns election.ErrLost at once, and the process has to end: what this
// one remembers is out of date as soon as another one works, so it begins anew.
func (r replica) run(ctx context.Context, l leader) error {
	if r.election == nil {
		return l.run(ctx)
	}
	return r.election.Run(ctx, l.run)
}

// follower is what every replica does besides answering.
type follower struct {
	replica replica
	decider *gate.Gate
	sharing *sharing
	wake    listeners
}

func (f follower) run(ctx context.Context) error {
	if f.replica.election == nil {
		return nil
	}
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error {
		f.decider.TellDenials(ctx)
		return nil
	})
	both.Go(func() error {
		f.decider.Follow(ctx)
		return nil
	})
	both.Go(func() error { return f.sharing.listen(ctx, f.wake) })
	return both.Wait()
}

// leader is what one process does, of several replicas the one that leads: it decides and
// syncs, and writes to GitHub.
type leader struct {
	identity string
	sharing  *sharing
	synced   func(context.Context) error
	decider  *gate.Gate
	intake   *gate.Intake
	pulls    openPulls
	answers  *commands.Processor
	measured *measures.Collector
	enforced *enforcement
	shown    shown
	soaks    *provings
	previews previews
	prune    func(context.Context) error
	// missed asks GitHub for what it could not deliver while nobody listened.
	missed      *redeliver.Sweeper
	missedEvery time.Duration
}

func (l leader) run(ctx context.Context) error {
	announce, err := l.sharing.lead(ctx, l.identity)
	if err != nil {
		return err
	}
	l.enforced.leads()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return announce(ctx) })
	group.Go(func() error { return l.shown.run(ctx) })
	group.Go(func() error { return l.soaks.watch.Run(ctx) })
	group.Go(func() error {
		if err := l.synced(ctx); err != nil {
			return nil //nolint:nilerr // stopped before there was anything to do
		}
		both, ctx := errgroup.WithContext(ctx)
		both.Go(func() error { return l.decider.Run(ctx) })
		both.Go(func() error { return l.intake.Run(ctx) })
		both.Go(func() error { return l.pulls.run(ctx) })
		both.Go(func() error { return l.answers.Run(ctx) })
		both.Go(func() error { return l.measured.Run(ctx) })
		return both.Wait()
	})
	group.Go(func() error { return l.prune(ctx) })
	group.Go(func() error { return l.previews.run(ctx) })
	group.Go(func() error {
		l.missed.Run(ctx, l.missedEvery)
		return nil
	})
	return group.Wait()
}

// fitness says why this process could not lead: it has not seen the Applications, or does
// not reach the record.
func fitness(synced func() bool, record openedRecord) func(context.Context) error {
	return func(ctx context.Context) error {
		if !synced() {
			return errors.New("the Applications have not been read yet")
		}
		if _, err := record.Head(ctx); err != nil {
			return fmt.Errorf("the record cannot be read: %w", err)
		}
		return nil
	}
}
