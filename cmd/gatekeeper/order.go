package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/adopt"
	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/console"
	"github.com/argo-gatekeeper/gatekeeper/internal/gate"
	"github.com/argo-gatekeeper/gatekeeper/internal/operate"
	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/internal/tracing"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/deployments"
)

// ordering is what orders rest on, in the running process and in a command alike.
type ordering struct {
	policies func() []approval.Policy
	reader   *argo.Reader
	record   history.Record
	// wake asks for a new decision on an Application; it does nothing in a command.
	wake   func(ctx context.Context, application string)
	tracer *tracing.Tracer // nil in a command
	// decider judges and wakes; nil in a command.
	decider *gate.Gate
	log     *slog.Logger
}

// verbs are all orders that can be given.
func (o ordering) verbs() console.Verbs {
	desk := orders.NewDesk(orders.Options{Record: o.record})
	all := console.Verbs{}
	maps.Copy(all, adopt.New(adopt.Options{
		Policies: o.policies, Applications: o.reader, Desk: desk, Wake: o.wake, Logger: o.log,
	}).Verbs())
	maps.Copy(all, o.operator(desk).Verbs())
	return all
}

// operator takes orders about holds, break-glass and permissions.
func (o ordering) operator(desk *orders.Desk) *operate.Operator {
	options := operate.Options{Policies: o.policies, Applications: o.reader, Desk: desk, History: o.record, Numbers: deployments.New(o.record), Wake: o.wake, Logger: o.log}
	if o.decider != nil {
		options.People, options.Judge, options.Waiting, options.WakeAll = o.decider, o.decider, o.decider, o.decider.WakeAll
	}
	return operate.New(options)
}

// orderTaker takes orders: the running process, or this one.
type orderTaker interface {
	Call(ctx context.Context, verb string, in, out any) error
}

// startingFor is how long a process may have the record open before it takes orders.
const startingFor = 10 * time.Second

// withOrders finds who takes orders. When no process runs, the record is opened by this
// one, for as long as use takes.
func withOrders(ctx context.Context, cfg config.Config, log *slog.Logger, use func(orderTaker) error) error {
	client := console.NewClient(consolePath(cfg.File.DataDirectory))
	deadline := time.Now().Add(startingFor)
	for {
		err := client.Hello(ctx)
		if err == nil {
			return use(client)
		}
		if !errors.Is(err, console.ErrNotRunning) {
			return err
		}
		record, err := openRecord(ctx, cfg, nil)
		if err == nil {
			return errors.Join(orderHere(cfg, record, log, use), record.Close())
		}
		if !recordLocked(err) {
			return err
		}
		// Either it is starting, or another command is at work.
		if time.Now().After(deadline) {
			return fmt.Errorf("another process has the record open and takes no orders on %s; "+
				"is it of another version? %w", consolePath(cfg.File.DataDirectory), err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func orderHere(cfg config.Config, record history.Record, log *slog.Logger, use func(orderTaker) error) error {
	cluster, err := connectArgoCD(cfg)
	if err != nil {
		return err
	}
	return use(ordering{
		policies: newSettings(cfg).policies, reader: argo.NewReader(cluster.client, cluster.parser), record: record,
		wake: func(context.Context, string) {}, log: log,
	}.verbs())
}
