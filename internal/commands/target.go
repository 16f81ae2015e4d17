package commands

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/internal/console"
	"github.com/argo-gatekeeper/gatekeeper/internal/operate"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/command"
)

// policies are those of the gates that protect the repository.
func (w *work) policies() []approval.Policy {
	return slices.DeleteFunc(slices.Clone(w.Policies()), func(p approval.Policy) bool {
		_, ok := p.Repository(w.repository)
		return !ok
	})
}

func (w *work) policy(gate string) (approval.Policy, bool) {
	for _, p := range w.policies() {
		if p.Gate == gate {
			return p, true
		}
	}
	return approval.Policy{}, false
}

// look reads how the pull request stands.
func (w *work) look(ctx context.Context) (approval.PullReport, approval.PullAnswer, error) {
	return w.Gates.LookAt(ctx, w.repository, w.asked.Pull)
}

// target is what a hold or a release is about: what is named, or the one Application
// that the pull request concerns.
func (w *work) target(ctx context.Context, c command.Command) (operate.Target, error) {
	if c.Gate != "" {
		if c.Application != "" {
			return operate.Target{}, &console.Error{Code: console.CodeInvalid, Text: "both an Application and a gate are named", Remedy: "name one of both"}
		}
		gate, err := w.gate(c.Gate)
		return operate.Target{Gate: gate}, err
	}
	app, err := w.application(ctx, c.Application)
	return operate.Target{Application: app}, err
}

// gate checks the name of a gate.
func (w *work) gate(name string) (string, error) {
	var names []string
	for _, p := range w.policies() {
		if p.Gate == name {
			return name, nil
		}
		names = append(names, p.Gate)
	}
	return "", unknown("gate", name, names)
}

// application finds an Application by NAME or NAMESPACE/NAME, or without either the one
// that the pull request concerns. Those of other repositories are none.
func (w *work) application(ctx context.Context, named string) (string, error) {
	if named == "" {
		return w.concerned(ctx)
	}
	var all, found []string
	for _, a := range w.Gates.Protected(w.repository) {
		all = append(all, a.Key())
		if a.Key() == named || a.Name == named {
			found = append(found, a.Key())
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		if !strings.Contains(named, "/") {
			for i, key := range all {
				_, all[i], _ = strings.Cut(key, "/")
			}
		}
		return "", unknown("Application", named, all)
	default:
		return "", &console.Error{Code: console.CodeInvalid, Text: named + " is the name of several Applications", Remedy: "name one of " + strings.Join(found, ", ")}
	}
}

// concerned is the one Application that the pull request changes. What the report says of
// their states is not used: just after a start it does not have all.
func (w *work) concerned(ctx context.Context) (string, error) {
	report, _, err := w.look(ctx)
	if err != nil {
		return "", err
	}
	var all []string
	for _, g := range report.Gates {
		for _, a := range g.Affected {
			if g.Class != approval.ClassNone && !slices.Contains(all, a) {
				all = append(all, a)
			}
		}
	}
	const most = 20
	switch {
	case len(all) == 1:
		return all[0], nil
	case len(all) == 0:
		return "", &console.Error{Code: console.CodeInvalid, Text: "this pull request concerns no protected Application", Remedy: "name one as NAMESPACE/NAME"}
	case len(all) > most:
		return "", &console.Error{Code: console.CodeInvalid, Text: fmt.Sprintf("this pull request concerns %d Applications", len(all)), Remedy: "name one, for example " + all[0] + ", or a gate with --gate"}
	default:
		return "", &console.Error{Code: console.CodeInvalid, Text: "this pull request concerns several Applications", Remedy: "name one of " + strings.Join(all, ", ") + ", or a gate with --gate"}
	}
}

// unknown says that there is no such thing, and what may have been meant.
func unknown(kind, name string, all []string) error {
	e := &console.Error{Code: console.CodeNotFound, Text: fmt.Sprintf("no gate of this repository protects an Application %q", name)}
	if kind == "gate" {
		e.Text = fmt.Sprintf("no gate %q protects this repository", name)
	}
	switch meant, ok := command.Similar(name, all); {
	case ok:
		e.Remedy = "did you mean " + meant + "?"
	case len(all) > 0 && len(all) <= 20:
		e.Remedy = "there are " + strings.Join(all, ", ")
	}
	return e
}

// shown leaves of a report what a command is about.
func (w *work) shown(ctx context.Context, report approval.PullReport, c command.Command) (approval.PullReport, error) {
	if c.Gate != "" {
		if _, err := w.gate(c.Gate); err != nil {
			return report, err
		}
		report.Gates = slices.DeleteFunc(slices.Clone(report.Gates), func(g approval.GateReport) bool { return g.Gate != c.Gate })
	}
	if c.Application == "" {
		return report, nil
	}
	app, err := w.application(ctx, c.Application)
	if err != nil {
		return report, err
	}
	gates := slices.Clone(report.Gates)
	report.Gates = nil
	for _, g := range gates {
		g.Applications = slices.DeleteFunc(slices.Clone(g.Applications), func(a approval.ApplicationReport) bool { return a.Application != app })
		if len(g.Applications) > 0 {
			report.Gates = append(report.Gates, g)
		}
	}
	return report, nil
}
