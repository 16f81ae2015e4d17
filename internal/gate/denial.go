package gate

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// denial is a request that was refused.
type denial struct {
	gate, application, uid, user, initiatedBy, asked, code, text string
}

// key is what makes two refusals the same. Argo CD asks again for the same automatic
// sync at every refresh.
func (d denial) key() string {
	return d.uid + "\x00" + d.application + "\x00" + d.user + "\x00" + d.code + "\x00" + d.text
}

const (
	// denialsPending bounds how many refusals wait to be told; more are counted as
	// dropped. The refusal itself does not depend on it.
	denialsPending = 1024
	// denialsKnown bounds how many different ones are remembered.
	denialsKnown = 4096
	// denialAgain is how long the same refusal is only counted before it is told anew.
	denialAgain = 10 * time.Minute
	// denialsOfOne is how many different refusals of one Application are told in that
	// time. More are only counted: whoever is refused chooses what to ask for.
	denialsOfOne = 20
)

// denials tells of refusals, each to the record and to the Application's events,
// without ever making the API server wait.
type denials struct {
	pending chan denial
	mu      sync.Mutex
	dropped int
}

func newDenials() *denials { return &denials{pending: make(chan denial, denialsPending)} }

func (d *denials) tell(one denial) {
	select {
	case d.pending <- one:
	default:
		d.drop()
	}
}

func (d *denials) drop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dropped++
}

func (d *denials) lost() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.dropped
	d.dropped = 0
	return n
}

// told is when a refusal was told last, and how often it came since.
type told struct {
	at    time.Time
	since int
}

// tellDenials records refusals and makes events of them until the context ends, and
// then what is left.
func (g *Gate) tellDenials(ctx context.Context) {
	known := map[string]told{}
	for {
		select {
		case one := <-g.denials.pending:
			g.tellDenial(context.WithoutCancel(ctx), known, one)
		case <-ctx.Done():
			for {
				select {
				case one := <-g.denials.pending:
					g.tellDenial(context.WithoutCancel(ctx), known, one)
				default:
					return
				}
			}
		}
	}
}

func (g *Gate) tellDenial(ctx context.Context, known map[string]told, one denial) {
	now := g.now()
	before, seen := known[one.key()]
	if seen && now.Sub(before.at) < denialAgain {
		before.since++
		known[one.key()] = before
		return
	}
	if len(known) >= denialsKnown {
		clear(known) // rather told twice than remembered without end
	}
	of := known[one.uid]
	if now.Sub(of.at) >= denialAgain {
		of = told{at: now}
	}
	of.since++
	known[one.uid] = of
	if of.since > denialsOfOne {
		g.denials.drop()
		return
	}
	known[one.key()] = told{at: now}
	g.log.LogAttrs(ctx, slog.LevelWarn, "request_denied",
		slog.String("application", one.application), slog.String("gate", one.gate), slog.String("user", one.user),
		slog.String("initiated_by", one.initiatedBy), slog.String("asked", one.asked), slog.String("code", one.code),
		slog.String("text", one.text), slog.Bool("warned", g.warnOnly), slog.Int("repeated", before.since), slog.Int("dropped", g.denials.lost()))
	if err := g.recordDenial(ctx, one, before.since); err != nil {
		g.log.LogAttrs(ctx, slog.LevelError, "denial_not_recorded", slog.String("application", one.application), slog.Any("error", err))
	}
	if g.onDenied != nil {
		text := one.text + repeats(before.since)
		if g.warnOnly {
			text = "would be refused: " + text
		}
		g.onDenied(ctx, one.application, one.uid, text)
	}
}

// recordDenial appends on top of whatever is there: nothing rests on a refusal.
func (g *Gate) recordDenial(ctx context.Context, one denial, repeated int) error {
	if one.uid == "" {
		return nil // not created, so there is nothing that an entry could be about
	}
	entry := history.Draft{Time: g.now(), Application: one.uid, Payload: history.DeniedPayload{
		Gate: one.gate, Application: one.application, User: one.user, InitiatedBy: one.initiatedBy,
		Asked: one.asked, Code: one.code, Text: one.text, Repeated: repeated, Warned: g.warnOnly,
	}}
	return g.appendAnyway(ctx, entry)
}
