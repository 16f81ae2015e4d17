package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/internal/operate"
	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/command"
)

// sync has what is approved synced. Where a gate waits for that, it is an order that is
// recorded; where it does not, everything is judged anew.
func (w *work) sync(ctx context.Context, origin string, c command.Command) (answer, error) {
	waiting, err := w.onCommand(ctx, c)
	if err != nil {
		return answer{}, err
	}
	if len(waiting) == 0 {
		return w.again(ctx, c)
	}
	_, err = w.Operator.From(operate.Origin{ID: origin, Pull: w.asked.Pull, Asked: w.since(), Request: w.id + "-"}).Sync(ctx, w.person(), operate.SyncRequest{
		Applications: waiting, Reason: fmt.Sprintf("asked for on %s#%d", w.repository, w.asked.Pull),
	})
	if err != nil && !errors.Is(err, operate.ErrGiven) {
		return answer{}, err
	}
	told, ok, err := w.onRecord(ctx, origin)
	if err == nil && !ok {
		err = fmt.Errorf("the order %s is not on record", origin)
	}
	w.Gates.WakePull(ctx, w.repository, w.asked.Pull)
	return told, err
}

// onCommand are the Applications that a command is about and whose gates wait until
// somebody says sync.
func (w *work) onCommand(ctx context.Context, c command.Command) ([]string, error) {
	if c.Gate != "" {
		if _, err := w.gate(c.Gate); err != nil {
			return nil, err
		}
	}
	wait := func(app string) bool {
		all := w.Gates.Protected(w.repository)
		i := slices.IndexFunc(all, func(a approval.Application) bool { return a.Key() == app })
		return i >= 0 && slices.ContainsFunc(w.policies(), func(p approval.Policy) bool {
			return p.Sync.OnCommand && p.Protects(all[i]) && (c.Gate == "" || p.Gate == c.Gate)
		})
	}
	var out []string
	if c.Application != "" {
		app, err := w.application(ctx, c.Application)
		if err == nil && wait(app) {
			out = append(out, app)
		}
		return out, err
	}
	report, _, err := w.look(ctx)
	if err != nil {
		return nil, err
	}
	for _, g := range report.Gates {
		for _, app := range g.Affected {
			if g.Class != approval.ClassNone && !slices.Contains(out, app) && wait(app) {
				out = append(out, app)
			}
		}
	}
	return out, nil
}

// tellSyncs tells of orders to sync as they are on record.
func tellSyncs(given []orders.Given) string {
	var b strings.Builder
	b.WriteString("**Asked for.** This is synced now, if nothing stops it, and nothing newer:\n\n")
	for _, g := range given {
		b.WriteString("- " + code(g.Application) + " to " + revisionsOf(g) + "\n")
	}
	if len(given) == orders.MaxBatch {
		fmt.Fprintf(&b, "\nNo more than %d are asked for at once; what else waits is asked for by `/gk sync` once more.\n", orders.MaxBatch)
	}
	return b.String() + "\nThe word holds " + until(given[0].Expires) + ", for one sync of each."
}
