package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/calendar"
	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Rules are what a Gate judges by. They are exchanged as a whole: everything that is
// judged is judged by one of them, from the first fact to the entry in the record.
type Rules struct {
	Policies []approval.Policy
	// Images may be nil when no gate has an image quorum.
	Images Images
	// Keys are the digests of the public keys that gates trust, by the gate's name.
	Keys map[string]history.Digest
	// File is the digest of the configuration file. With the empty one the record is not
	// told about policies, and not asked whether they hold.
	File history.Digest
}

// rules are Rules with what follows from them. They are never changed.
type rules struct {
	Rules
	calendars map[string]*calendar.Calendar
	// digests are those of the policies by their gates' names; a policy that has no
	// canonical form has none, and holds never.
	digests map[string]history.Digest
	// branches identify the policies of each protected branch.
	branches map[inbox.Scope]string
	cause    history.Cause
}

func newRules(r Rules, cause history.Cause) *rules {
	out := &rules{Rules: r, calendars: calendars(r.Policies), digests: map[string]history.Digest{}, branches: map[inbox.Scope]string{}, cause: cause}
	byBranch := map[inbox.Scope][]approval.Policy{}
	for _, p := range r.Policies {
		if digest, err := history.DigestOf(p); err == nil {
			out.digests[p.Gate] = digest
		}
		for _, repository := range p.Repositories {
			at := inbox.Scope{Repository: repository.Name, Branch: repository.Branch}.Key()
			byBranch[at] = append(byBranch[at], p)
		}
	}
	for at, of := range byBranch {
		digest, err := history.DigestOf(of)
		if err != nil {
			digest = "unknown" // it has no canonical form, so the record refuses it as well
		}
		out.branches[at] = string(digest)
		for _, p := range of {
			out.branches[at] += string(r.Keys[p.Gate])
		}
	}
	return out
}

// protecting are the policies that protect an Application.
func (r *rules) protecting(a approval.Application) []approval.Policy {
	var out []approval.Policy
	for _, p := range r.Policies {
		if p.Protects(a) {
			out = append(out, p)
		}
	}
	return out
}

// identity tells the policy of a gate, with the keys that it trusts, from others.
func (r *rules) identity(gate string) string { return string(r.digests[gate] + " " + r.Keys[gate]) }

// rules are those of now. What is judged takes them once, and looks again before anything
// comes of it: see current.
func (g *Gate) rules() *rules { return g.inForce.Load() }

// Policies are those of now. The result is not to be changed.
func (g *Gate) Policies() []approval.Policy { return g.rules().Policies }

// Keys are the digests of the public keys that gates trust now, see Rules. The result is not
// to be changed.
func (g *Gate) Keys() map[string]history.Digest { return g.rules().Keys }

// errExchanged says that the policies were exchanged while something was judged by the
// ones before. It is judged anew.
var errExchanged = fmt.Errorf("the policies have been exchanged: %w", errRaced)

// current says whether something that was judged by these rules may have consequences.
func (g *Gate) current(r *rules) error {
	if g.rules() != r {
		return errExchanged
	}
	return nil
}

// enacted knows the newest policy that the record has for each gate. It is safe for
// concurrent use.
type enacted struct {
	mu    sync.Mutex
	seen  uint64
	gates map[string]history.PolicyPayload
	// since is when each was recorded, and entries which entry that was.
	since   map[string]time.Time
	entries map[string]uint64
}

// entry is the one that says which policy a gate has, as far as the record was read.
func (e *enacted) entry(gate string) uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.entries[gate]
}

// from is since when the record, as far as it was read, has the policy of a gate.
func (e *enacted) from(gate string) time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.since[gate]
}

// policiesRead is how many policies are read at once.
const policiesRead = 100

// at is what the record says at that head, or later.
func (e *enacted) at(ctx context.Context, record history.Reader, head history.Head) (map[string]history.PolicyPayload, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for e.seen < head.Sequence {
		entries, err := record.Select(ctx, history.Selection{Kinds: []history.Kind{history.KindPolicy}, From: e.seen + 1}, policiesRead)
		if err != nil {
			return nil, fmt.Errorf("read the policies on record: %w", err)
		}
		gates := make(map[string]history.PolicyPayload, len(e.gates)+len(entries))
		maps.Copy(gates, e.gates)
		seen := e.seen
		for _, entry := range entries {
			p, err := history.Decode[history.PolicyPayload](entry)
			if err != nil {
				return nil, fmt.Errorf("read a policy on record: %w", err)
			}
			if gates[p.Gate] = p; p.After == "" {
				delete(gates, p.Gate)
			}
			if e.since == nil {
				e.since, e.entries = map[string]time.Time{}, map[string]uint64{}
			}
			e.since[p.Gate], e.entries[p.Gate] = entry.Time, entry.Sequence
			seen = entry.Sequence
		}
		if len(entries) == 0 {
			seen = head.Sequence
		}
		e.seen, e.gates = seen, gates
	}
	return e.gates, nil
}

// errNotEnacted says that the record has another policy for a gate than this process:
// either it is about to be told, or another process decides by another configuration.
var errNotEnacted = fmt.Errorf("the record has another policy for the gate: %w", errRaced)

// enacts says whether the record has these rules for a gate: by what it does not know,
// nothing is decided.
func (g *Gate) enacts(ctx context.Context, head history.Head, now *rules, gate string) error {
	if now.File == "" {
		return nil
	}
	known, err := g.enacted.at(ctx, g.record, head)
	if err != nil {
		return err
	}
	p, ok := known[gate]
	if !ok || now.digests[gate] == "" || p.After != now.digests[gate] || p.Keys != now.Keys[gate] {
		return errNotEnacted
	}
	return nil
}

// differing are the entries that the record lacks about these rules.
func (r *rules) differing(known map[string]history.PolicyPayload, at time.Time) ([]history.Draft, error) {
	var drafts []history.Draft
	there := map[string]bool{}
	for _, p := range r.Policies {
		there[p.Gate] = true
		news, err := history.NewPolicy(p, r.File, r.cause)
		if err != nil {
			return nil, fmt.Errorf("record the policy of gate %s: %w", p.Gate, err)
		}
		before := known[p.Gate]
		news.Before, news.Keys = before.After, r.Keys[p.Gate]
		if before.After != news.After || before.Keys != news.Keys {
			drafts = append(drafts, history.Draft{Time: at, Payload: news})
		}
	}
	for gate, before := range known {
		if !there[gate] {
			drafts = append(drafts, history.Draft{Time: at, Payload: history.PolicyPayload{Gate: gate, Before: before.After, File: r.File, Cause: r.cause}})
		}
	}
	slices.SortFunc(drafts, func(a, b history.Draft) int { return strings.Compare(gateOf(a), gateOf(b)) })
	return drafts, nil
}

func gateOf(d history.Draft) string {
	p, _ := d.Payload.(history.PolicyPayload)
	return p.Gate
}

// enact records what the record does not know yet about the rules of now.
func (g *Gate) enact(ctx context.Context) error {
	for {
		now := g.rules()
		if now.File == "" {
			return nil
		}
		head, err := g.record.Head(ctx)
		if err != nil {
			return fmt.Errorf("read the record's head: %w", err)
		}
		known, err := g.enacted.at(ctx, g.record, head)
		if err != nil {
			return err
		}
		drafts, err := now.differing(known, g.now())
		if err != nil || len(drafts) == 0 {
			return err
		}
		_, err = g.record.Append(ctx, head, drafts...)
		if errors.Is(err, history.ErrConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("record the policies: %w", err)
		}
		for _, d := range drafts {
			p, _ := d.Payload.(history.PolicyPayload)
			g.log.LogAttrs(ctx, slog.LevelInfo, "policy_changed", slog.String("gate", p.Gate), slog.String("before", string(p.Before)),
				slog.String("after", string(p.After)), slog.String("file", string(p.File)), slog.String("cause", string(p.Cause)))
		}
	}
}

// enactAgain is how soon it is tried again to record a policy. Nothing is synced until
// that succeeds.
const enactAgain = 2 * time.Second

// enactAll tries until the record has the rules of now, or the context ends.
func (g *Gate) enactAll(ctx context.Context) error {
	for {
		err := g.enact(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		g.log.LogAttrs(ctx, slog.LevelError, "policy_not_recorded", slog.Any("error", err))
		rest(ctx, enactAgain)
	}
}

// exchangePace is how far apart Applications are judged anew after an exchange: answers to
// the API server come in between. Until an Application was judged by the new policies,
// nothing of it is synced.
const exchangePace = 5 * time.Millisecond

// Exchange puts other rules in the place of those of now, all at once. When it returns,
// the record has them, and every Application and every open pull request is about to be
// judged anew. From the moment it is called nothing comes of what was judged by the rules
// before, except for syncs that were asked for already.
//
// While the record cannot be written, it tries again and nothing is synced. The error is
// that of the context. Only a Gate that runs writes; another one has to find in the record
// that whoever runs has the same policies.
func (g *Gate) Exchange(ctx context.Context, r Rules) error {
	before := g.inForce.Swap(newRules(r, history.CauseReload))
	g.open.exchanged(g.rules())
	for _, p := range before.Policies {
		if _, still := g.rules().digests[p.Gate]; !still {
			g.metrics.gone(p.Gate)
		}
	}
	var err error
	if g.running.Load() {
		err = g.enactAll(ctx)
	}
	g.collector.Forget()
	g.wakeWithin(min(time.Duration(len(g.apps.List()))*exchangePace, g.resync/2))
	if g.running.Load() {
		g.wakeLeftOver(ctx)
	}
	return err
}
