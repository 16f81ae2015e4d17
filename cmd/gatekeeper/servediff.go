package main

import (
	"context"
	"slices"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/commands"
	"github.com/argo-gatekeeper/gatekeeper/internal/gate"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/report"
)

// differing shows what Argo CD renders differently.
type differing struct{ decider *gate.Gate }

// differ is nil when nothing is rendered.
func differ(decider *gate.Gate) commands.Differ {
	if decider == nil || !decider.Renders() {
		return nil
	}
	return differing{decider}
}

// How long an answer waits for what is being rendered: what is asked next on the pull
// request waits as well. And how long it may be, in bytes.
const (
	diffPatience = 6 * time.Second
	diffPoll     = 2 * time.Second
	diffLimit    = 50_000
)

// Diff tells what is known after a while; what is still being rendered, it says so of.
func (d differing) Diff(ctx context.Context, r approval.RepositoryName, pull int, application string) (string, error) {
	until := time.Now().Add(diffPatience)
	for {
		all, err := d.decider.Previewed(ctx, r, pull)
		if err != nil {
			return "", err
		}
		pending := only(&all, application)
		if !pending || time.Now().After(until) {
			text := report.Previews(all, diffLimit)
			switch {
			case text == "":
				text = "Nothing that a gate protects is rendered differently because of this pull request.\n"
			case pending:
				text += "\nSome of it is still being rendered. The comment and the check run of the gate will have it; `/gk diff` shows it then as well.\n"
			}
			return text, nil
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(diffPoll):
		}
	}
}

// only leaves the previews of one Application, or all without one, and says whether any
// of them is not there yet.
func only(r *approval.PullReport, application string) (pending bool) {
	for i := range r.Gates {
		g := &r.Gates[i]
		if application != "" {
			g.Previews = slices.DeleteFunc(slices.Clone(g.Previews), func(p approval.Preview) bool { return p.Application != application })
			g.PreviewsLeftOut = 0
		}
		pending = pending || slices.ContainsFunc(g.Previews, func(p approval.Preview) bool { return p.State == approval.PreviewPending })
	}
	return pending
}
