package gate

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/internal/tracing"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Inbox is the durable store of deliveries, and the witness of what GitHub does
// not keep.
type Inbox interface {
	// Pending returns deliveries that were not processed yet, oldest first, without those
	// of the given GUIDs.
	Pending(ctx context.Context, limit int, besides ...string) ([]inbox.Delivery, error)
	Done(ctx context.Context, guid string) error
	Failed(ctx context.Context, guid, reason string) error
	SaveReview(ctx context.Context, w approval.WitnessedReview) error
	SaveHead(ctx context.Context, w approval.WitnessedHead) error
	SaveMerge(ctx context.Context, w approval.WitnessedMerge) error
	SavePush(ctx context.Context, w approval.WitnessedPush) error
	// Ask keeps what somebody asks for; false if it was asked before.
	Ask(ctx context.Context, id string, a approval.Asked, received time.Time) (bool, error)
}

// Intake turns deliveries into woken keys: it parses them, keeps what is to be
// witnessed, and wakes what they concern. A delivery leaves the inbox only when
// every key it woke was reconciled after it, or a newer one waits for that, so the
// work of a webhook survives a crash.
type Intake struct {
	gate  *Gate
	inbox Inbox
	parse func(event string, body []byte) (approval.Hint, error)
	log   *slog.Logger
	wake  chan struct{}
	asked func() // may be nil
	// taken are the deliveries that are being worked on, and those of again, which
	// are to be tried again later.
	taken map[string]bool
	again []string
	done  chan handled
}

// handled is a delivery that is no longer worked on. It is to be tried again if
// it could not be handled, or if that could not be written down.
type handled struct {
	guid  string
	again bool
}

// intakeBatch bounds how many deliveries are read at once, intakeOpen how many
// may be under way. Besides these, intakeLate may wait for what fails, or what fails
// would keep everything else waiting. Of each no more is in memory than its name.
const (
	intakeBatch = 100
	intakeOpen  = 1000
	intakeLate  = 9000
	intakeIdle  = 5 * time.Second
)

// NewIntake makes the intake of a gate. parse is the reader of GitHub's events.
func NewIntake(g *Gate, store Inbox, parse func(event string, body []byte) (approval.Hint, error), log *slog.Logger) *Intake {
	return &Intake{
		gate: g, inbox: store, parse: parse, log: log,
		wake: make(chan struct{}, 1), taken: map[string]bool{}, done: make(chan handled, intakeOpen+intakeLate+intakeBatch),
	}
}

// Wake says that a delivery was stored. It never blocks.
func (in *Intake) Wake() {
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

// Run works through the inbox until the context ends. What a crash left behind
// comes first.
func (in *Intake) Run(ctx context.Context) error {
	idle := time.NewTicker(intakeIdle)
	defer idle.Stop()
	for {
		if err := in.drain(ctx); err != nil && ctx.Err() == nil {
			in.log.LogAttrs(ctx, slog.LevelError, "inbox_read_failed", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case h := <-in.done:
			in.release(h)
		case <-in.wake:
		case <-idle.C:
			in.clear()
			for _, guid := range in.again {
				delete(in.taken, guid)
			}
			in.again = nil
		}
	}
}

// drain takes up every delivery that is not under way yet.
func (in *Intake) drain(ctx context.Context) error {
	for ctx.Err() == nil && in.mayTake() {
		in.clear()
		// What is taken already is not read again: it may be late and large, and would
		// leave no room for the others.
		pending, err := in.inbox.Pending(ctx, intakeBatch, slices.Collect(maps.Keys(in.taken))...)
		if err != nil {
			return fmt.Errorf("read the inbox: %w", err)
		}
		if len(pending) == 0 {
			return nil
		}
		for _, d := range pending {
			if ctx.Err() != nil {
				break
			}
			in.taken[d.GUID] = true
			in.take(ctx, d)
		}
	}
	return nil
}

// mayTake is true while there is room for one more batch.
func (in *Intake) mayTake() bool {
	late := len(in.again) + int(in.gate.tickets.late.Load())
	return len(in.taken) < intakeOpen+min(late, intakeLate)
}

// clear forgets the deliveries that are finished.
func (in *Intake) clear() {
	for {
		select {
		case h := <-in.done:
			in.release(h)
		default:
			return
		}
	}
}

// release forgets a delivery, unless it is to be tried again: what failed a
// moment ago would fail now.
func (in *Intake) release(h handled) {
	if h.again {
		in.again = append(in.again, h.guid)
		return
	}
	delete(in.taken, h.guid)
}

// take handles one delivery. A delivery that cannot be handled is kept, with
// the reason, and tried again later.
func (in *Intake) take(ctx context.Context, d inbox.Delivery) {
	ctx, span := in.gate.tracer.Taken(ctx, d.GUID)
	defer span.End()
	span.Text(tracing.Delivery, d.GUID)
	span.Text(tracing.Event, d.Event)
	keys, again, err := in.open(ctx, d)
	span.Number(tracing.Woken, len(keys))
	span.Fail(err)
	if err != nil {
		in.gate.metrics.delivery(d.Event, "failed")
		in.log.LogAttrs(ctx, slog.LevelError, "delivery_failed",
			slog.String("delivery", d.GUID), slog.String("event", d.Event), slog.Any("error", err))
		if err := in.inbox.Failed(ctx, d.GUID, err.Error()); err != nil {
			in.log.LogAttrs(ctx, slog.LevelError, "inbox_write_failed", slog.String("delivery", d.GUID), slog.Any("error", err))
		}
		in.done <- handled{d.GUID, true}
		return
	}
	finish := in.finishing(d.GUID, d.Event)
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.String()
	}
	in.log.LogAttrs(ctx, slog.LevelInfo, "delivery_taken",
		slog.String("delivery", d.GUID), slog.String("event", d.Event), slog.Any("keys", names))
	if len(keys) == 0 {
		finish(ctx)
		return
	}
	in.gate.tickets.issue(d.GUID, keys, again, finish)
	for _, k := range keys {
		if k.Application != "" {
			in.gate.memory.doubt(k.Application)
		}
		in.gate.waits.hurry(k.Application)
		in.gate.sharing.may(k)
		in.gate.causes.Add(ctx, k)
		in.gate.queue.Add(k)
	}
}

// finishing returns what is done when a delivery is over. It knows no more than names, for
// it is kept as long as that takes, and bodies would fill the memory.
func (in *Intake) finishing(guid, event string) func(context.Context) {
	return func(ctx context.Context) {
		// A crash before this line repeats the delivery, which is harmless.
		err := in.inbox.Done(ctx, guid)
		if err != nil {
			in.log.LogAttrs(ctx, slog.LevelError, "inbox_write_failed", slog.String("delivery", guid), slog.Any("error", err))
		}
		in.gate.metrics.delivery(event, "done")
		in.done <- handled{guid, err != nil}
	}
}

// open parses a delivery, keeps what it witnesses and finds the keys that it
// concerns. Again is true when it says that a report is to be written although nothing is
// new.
func (in *Intake) open(ctx context.Context, d inbox.Delivery) (keys []Key, again bool, err error) {
	hint, err := in.parse(d.Event, d.Body)
	if err != nil {
		return nil, false, fmt.Errorf("parse %s: %w", d.Event, err)
	}
	if hint.Review != nil {
		if err := in.inbox.SaveReview(ctx, *hint.Review); err != nil {
			return nil, false, fmt.Errorf("keep the reviewed commit: %w", err)
		}
	}
	if hint.Head != nil {
		if err := in.inbox.SaveHead(ctx, *hint.Head); err != nil {
			return nil, false, fmt.Errorf("keep the pushed head: %w", err)
		}
	}
	if hint.Merge != nil {
		if err := in.inbox.SaveMerge(ctx, *hint.Merge); err != nil {
			return nil, false, fmt.Errorf("keep the merge: %w", err)
		}
	}
	if hint.Push != nil {
		if err := in.inbox.SavePush(ctx, *hint.Push); err != nil {
			return nil, false, fmt.Errorf("keep the push: %w", err)
		}
	}
	if hint.Asked != nil {
		if err := in.ask(ctx, d, *hint.Asked); err != nil {
			return nil, false, err
		}
	}
	if hint.People || hint.Access {
		in.gate.collector.Forget()
	}
	if !saysNothing(hint) {
		in.gate.collector.Heard()
	}
	if err := in.gate.outdates(ctx, hint); err != nil {
		return nil, false, fmt.Errorf("note what is to be judged again: %w", err)
	}
	keys, only, err := in.gate.reportAnew(ctx, hint)
	if only || err != nil {
		return keys, hint.Again, err
	}
	for _, k := range in.gate.concerned(hint) {
		if !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	return keys, hint.Again, nil
}
