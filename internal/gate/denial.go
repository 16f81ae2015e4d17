package gate

import (
	"context"
	"errors"
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
	// denialGather is how long a refusal waits for others, to be recorded with them, and
	// denialsTogether how many there are at most.
	denialGather, denialsTogether = 250 * time.Millisecond, 64
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
// then what is left. Those that come close together are recorded together: each entry
// by itself would make the approved syncs of others wait for the disk.
func (g *Gate) tellDenials(ctx context.Context) {
	known := map[string]told{}
	for {
		select {
		case one := <-g.denials.pending:
			g.tellTogether(context.WithoutCancel(ctx), known, g.denials.gather(ctx, one))
		case <-ctx.Done():
			for {
				select {
				case one := <-g.denials.pending:
					g.tellTogether(context.WithoutCancel(ctx), known, g.denials.gather(ctx, one))
				default:
					return
				}
			}
		}
	}
}

// gather waits for more refusals than the first, unless the context has ended.
func (d *denials) gather(ctx context.Context, first denial) []denial {
	all := []denial{first}
	full := time.NewTimer(denialGather)
	defer full.Stop()
	for len(all) < denialsTogether {
		select {
		case one := <-d.pending:
			all = append(all, one)
			continue
		case <-full.C:
		case <-ctx.Done():
			select {
			case one := <-d.pending:
				all = append(all, one)
				continue
			default:
			}
		}
		break
	}
	return all
}

// news is a refusal that is told, and how often it came since it was told last.
type news struct {
	denial
	repeated int
}

func (g *Gate) tellTogether(ctx context.Context, known map[string]told, all []denial) {
	var fresh []news
	for _, one := range all {
		if repeated, isNew := g.isNews(known, one); isNew {
			fresh = append(fresh, news{one, repeated})
		}
	}
	for _, one := range fresh {
		g.log.LogAttrs(ctx, slog.LevelWarn, "request_denied",
			slog.String("application", one.application), slog.String("gate", one.gate), slog.String("user", one.user),
			slog.String("initiated_by", one.initiatedBy), slog.String("asked", one.asked), slog.String("code", one.code),
			slog.String("text", one.text), slog.Bool("warned", g.warnOnly), slog.Int("repeated", one.repeated), slog.Int("dropped", g.denials.lost()))
	}
	g.recordDenials(ctx, fresh)
	if g.onDenied == nil {
		return
	}
	for _, one := range fresh {
		text := one.text + repeats(one.repeated)
		if g.warnOnly {
			text = "would be refused: " + text
		}
		g.onDenied(ctx, one.application, one.uid, text)
	}
}

// isNews says whether a refusal is to be told, and how often it came since it was last.
func (g *Gate) isNews(known map[string]told, one denial) (repeated int, isNews bool) {
	now := g.now()
	before, seen := known[one.key()]
	if seen && now.Sub(before.at) < denialAgain {
		before.since++
		known[one.key()] = before
		return 0, false
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
		return 0, false
	}
	known[one.key()] = told{at: now}
	return before.since, true
}

// recordDenials appends on top of whatever is there: nothing rests on a refusal. When
// the record does not take them together, one that it does not take must not keep the
// others from it.
func (g *Gate) recordDenials(ctx context.Context, all []news) {
	var drafts []history.Draft
	var of []string
	for _, one := range all {
		if one.uid == "" {
			continue // not created, so there is nothing that an entry could be about
		}
		of = append(of, one.application)
		drafts = append(drafts, history.Draft{Time: g.now(), Application: one.uid, Payload: history.DeniedPayload{
			Gate: one.gate, Application: one.application, User: one.user, InitiatedBy: one.initiatedBy,
			Asked: one.asked, Code: one.code, Text: one.text, Repeated: one.repeated, Warned: g.warnOnly,
		}})
	}
	if len(drafts) == 0 {
		return
	}
	err := g.appendAnyway(ctx, drafts...)
	if err == nil {
		return
	}
	for i, draft := range drafts {
		if errors.Is(err, history.ErrInvalid) && len(drafts) > 1 {
			if alone := g.appendAnyway(ctx, draft); alone == nil {
				continue
			}
		}
		g.log.LogAttrs(ctx, slog.LevelError, "denial_not_recorded", slog.String("application", of[i]), slog.Any("error", err))
	}
}
