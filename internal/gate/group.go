package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// againGroup is how soon a merge group is looked at again of which something is not
// known; the queue waits for the answer.
const againGroup = 10 * time.Second

// reconcileGroup answers a merge queue. Each pull request of the group is judged by the
// reviews that it has now, on the content that the group would land.
func (g *Gate) reconcileGroup(ctx context.Context, key Key) (again time.Duration, err error) {
	now := g.rules()
	all, q := g.queryOf(key.Repository)
	var concerned []approval.Policy
	for _, p := range all {
		if r, _ := p.Repository(key.Repository); r.Branch == key.Group.Branch {
			concerned = append(concerned, p)
		}
	}
	if len(concerned) == 0 {
		return 0, nil
	}
	answer, err := g.collector.CollectGroup(ctx, key.Repository, key.Group, q)
	if errors.Is(err, approval.ErrNotFound) {
		return 0, nil // the queue gave it up
	}
	if err != nil {
		return 0, fmt.Errorf("collect facts of %s: %w", key, err)
	}
	ordered, err := g.book.Standing(ctx)
	if err != nil {
		return 0, fmt.Errorf("read what people have ordered: %w", err)
	}
	report := approval.GroupReport{Repository: key.Repository, Group: key.Group, Pull: answer.Newest}
	for _, p := range concerned {
		protected, _ := p.Repository(key.Repository)
		in := approval.GroupGate{Gate: p.Gate, Untold: answer.Untold, UntoldAhead: answer.UntoldAhead}
		if answer.UntoldAhead != "" {
			again = againGroup
		}
		for i, pull := range answer.Pulls {
			r, _, err := g.gateReport(ctx, Key{Repository: key.Repository, Pull: pull.Pull.Number}, p, protected, pull, ordered)
			if err != nil {
				return 0, fmt.Errorf("judge %s: %w", key, err)
			}
			approved := r.Class == approval.ClassNone || r.Quorum.Verdict == approval.Allowed
			one := approval.GroupPull{Number: pull.Pull.Number, Title: pull.Pull.Title, Report: r}
			switch {
			case i < answer.Ahead:
				if in.Ahead = append(in.Ahead, one); !approved {
					again = againGroup
				}
			default:
				if in.Pulls = append(in.Pulls, one); !approved && r.Quorum.Verdict != approval.Blocked {
					again = againGroup
				}
			}
		}
		report.Gates = append(report.Gates, in)
	}
	if err := g.current(now); err != nil {
		return 0, err
	}
	if err := g.reporter.PublishGroup(ctx, report); err != nil {
		return 0, fmt.Errorf("report on %s: %w", key, err)
	}
	g.log.LogAttrs(ctx, slog.LevelInfo, "group_reported",
		key.attrs(slog.Int("pulls", len(answer.Pulls)), slog.String("untold", answer.Untold))...)
	return again, nil
}
