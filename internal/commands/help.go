package commands

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/internal/console"
	"github.com/argo-gatekeeper/gatekeeper/internal/operate"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/command"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// help shows what can be asked for on this pull request: what works here, who may, and
// whether the asker may.
func (w *work) help(ctx context.Context) (answer, error) {
	report, _, err := w.look(ctx)
	if err != nil {
		return answer{}, err
	}
	concerned := w.concernedPolicies(report)
	var b strings.Builder
	if len(concerned) == 0 {
		b.WriteString("This pull request concerns no gate.\n")
	} else {
		b.WriteString("What can be asked for here, each on a line of its own in a new comment.\n")
	}
	b.WriteString("\n| Command | Does | Who may | You |\n| --- | --- | --- | --- |\n")
	for _, s := range command.Verbs() {
		works, who, may, err := w.usable(ctx, s.Verb, concerned)
		if err != nil {
			return answer{}, err
		}
		if !works {
			continue
		}
		yes := "no"
		if may {
			yes = "yes"
		}
		b.WriteString("| " + code(s.Usage()) + " | " + s.Does + " | " + who + " | " + yes + " |\n")
	}
	for _, p := range concerned {
		b.WriteString("\n" + describe(p))
	}
	b.WriteString("\nAPPLICATION is NAME or NAMESPACE/NAME; without it the one that this pull request concerns is meant, if it is one. " +
		"`/gatekeeper` and `/gk` are the same.\n")
	return answer{OK: true, Text: b.String()}, nil
}

// concernedPolicies are those of the gates that the pull request concerns.
func (w *work) concernedPolicies(report approval.PullReport) []approval.Policy {
	var out []approval.Policy
	for _, g := range report.Gates {
		if p, ok := w.policy(g.Gate); ok && g.Class != approval.ClassNone {
			out = append(out, p)
		}
	}
	return out
}

// usable says whether a verb works here, who may use it, and whether the asker may.
func (w *work) usable(ctx context.Context, v command.Verb, gates []approval.Policy) (works bool, who string, may bool, err error) {
	const writers, readers = "who may write", "everybody"
	writes := atLeast(w.role, "write")
	switch v {
	case command.Help, command.Status, command.Why:
		return true, readers, atLeast(w.role, "read"), nil
	case command.Diff:
		return w.Differ != nil && len(gates) > 0, readers, atLeast(w.role, "read"), nil
	case command.Retry:
		return true, writers, writes, nil
	case command.Sync:
		return len(gates) > 0, writers, writes, nil
	case command.Request:
		return w.Asker != nil, writers, writes, nil
	case command.Promote:
		if w.Promoter == nil || len(gates) == 0 {
			return false, "", false, nil
		}
		can, err := w.Promoter.Can(ctx, w.repository)
		return can, writers, writes, err
	case command.Approve, command.Cancel:
		if v == command.Cancel && w.Asker != nil {
			return true, writers, writes, nil
		}
		may, err := w.mayApprove(ctx, gates)
		return slices.ContainsFunc(gates, takesComments), "whom a requirement below names", writes && may, err
	case command.Hold, command.Release, command.Rollback:
		return w.entitled(ctx, history.VerbHold, gates)
	case command.BreakGlass:
		return w.entitled(ctx, history.VerbBreakGlass, gates)
	case command.Adopt:
		return w.entitled(ctx, history.VerbAdopt, gates)
	default:
		return false, "", false, nil
	}
}

// mayApprove says whether a requirement that takes comments may mean the asker. Code
// owners differ from path to path, so whoever may write may be one.
func (w *work) mayApprove(ctx context.Context, gates []approval.Policy) (bool, error) {
	for _, p := range gates {
		requirements := p.Config.Requirements
		if p.Image != nil {
			requirements = slices.Concat(requirements, p.Image.Requirements)
		}
		for _, r := range requirements {
			if !slices.Contains(r.Methods, approval.MethodComment) {
				continue
			}
			if len(r.Teams)+len(r.Users) == 0 || r.CodeOwners {
				return true, nil
			}
			may, err := w.Operator.IsOneOf(ctx, approval.Named{Teams: r.Teams, Users: r.Users}, w.person())
			if may || err != nil {
				return may, err
			}
		}
	}
	return false, nil
}

// entitled says who may give an order for one of the gates, if anybody.
func (w *work) entitled(ctx context.Context, v history.Verb, gates []approval.Policy) (works bool, who string, may bool, err error) {
	var names []string
	for _, p := range gates {
		n := operate.Entitled(p, v)
		if n.Empty() {
			continue
		}
		works = true
		for _, name := range peopleOf(n) {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		if atLeast(w.role, "write") && !may {
			may, err = w.Operator.May(ctx, p.Gate, v, w.person())
			if _, refused := errors.AsType[*console.Error](err); err != nil && !refused {
				return false, "", false, err
			}
		}
	}
	return works, strings.Join(names, ", "), may, nil
}

func peopleOf(n approval.Named) []string {
	var out []string
	for _, t := range n.Teams {
		out = append(out, code(string(t)))
	}
	for _, u := range n.Users {
		out = append(out, code(u))
	}
	return out
}

// describe is the configuration of a gate as far as it concerns people here.
func describe(p approval.Policy) string {
	var b strings.Builder
	b.WriteString("Gate " + code(p.Gate) + ":\n\n")
	list := func(kind string, q approval.Quorum) {
		for _, r := range q.Requirements {
			b.WriteString("- " + kind + ": " + plural(r.Approvals) + " of " + whoOf(r) + ", " + methodsOf(r) + "\n")
		}
	}
	list("configuration", p.Config)
	if p.Image != nil {
		list("images", approval.Quorum{Requirements: p.Image.Requirements})
	}
	for _, c := range p.Checks {
		b.WriteString("- check: " + code(c.Name) + "\n")
	}
	for _, x := range p.Windows {
		b.WriteString("- window: " + code(x.Name) + " (" + string(x.Kind) + ")\n")
	}
	return b.String()
}

func plural(n int) string {
	if n == 1 {
		return "1 approval"
	}
	return strconv.Itoa(n) + " approvals"
}

func whoOf(r approval.Requirement) string {
	names := peopleOf(approval.Named{Teams: r.Teams, Users: r.Users})
	if r.CodeOwners {
		names = append(names, "code owners")
	}
	if r.MinimumRole != "" {
		names = append(names, "the role "+code(r.MinimumRole))
	}
	return strings.Join(names, ", ")
}

func methodsOf(r approval.Requirement) string {
	var out []string
	for _, m := range r.Methods {
		out = append(out, "by "+string(m))
	}
	if len(out) == 0 {
		return "by review"
	}
	return strings.Join(out, " or ")
}
