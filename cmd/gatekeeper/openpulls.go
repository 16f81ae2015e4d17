package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// How open pull requests are looked for that have no check run: those from before
// Gatekeeper was there, and those of which no webhook came.
const (
	openPullsEvery = time.Hour
	// openPullsSpread is between two of them, so that many at once use up no limit.
	openPullsSpread = 2 * time.Second
)

// openPulls has a check run written on each open pull request into a protected branch:
// one that waits for a required check would wait for ever.
type openPulls struct {
	policies []approval.Policy
	list     func(ctx context.Context, repository approval.RepositoryName, branch string) ([]approval.OpenPull, error)
	reported func(ctx context.Context, repository approval.RepositoryName, pull int, gate string, head approval.SHA) (bool, error)
	wake     func(repository approval.RepositoryName, pull int, after time.Duration)
	log      *slog.Logger
}

// run looks at once and every hour, until the context ends.
func (o openPulls) run(ctx context.Context) error {
	tick := time.NewTicker(openPullsEvery)
	defer tick.Stop()
	for {
		o.look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

type protectedBranch struct {
	repository approval.RepositoryName
	branch     string
}

// look wakes the pull requests that lack a check run, and returns how many.
func (o openPulls) look(ctx context.Context) int {
	var branches []protectedBranch
	gates := map[protectedBranch][]string{}
	for _, p := range o.policies {
		for _, r := range p.Repositories {
			b := protectedBranch{r.Name, r.Branch}
			if !slices.Contains(branches, b) {
				branches = append(branches, b)
			}
			gates[b] = append(gates[b], p.Gate)
		}
	}
	woken := 0
	for _, b := range branches {
		n, err := o.lookAt(ctx, b, gates[b], woken)
		if woken += n; err != nil && ctx.Err() == nil {
			o.log.LogAttrs(ctx, slog.LevelWarn, "open_pulls_unknown", slog.String("repository", string(b.repository)), slog.String("branch", b.branch), slog.Any("error", err))
		}
	}
	o.log.LogAttrs(ctx, slog.LevelInfo, "open_pulls_looked_at", slog.Int("without_check", woken))
	return woken
}

func (o openPulls) lookAt(ctx context.Context, b protectedBranch, gates []string, before int) (woken int, err error) {
	open, err := o.list(ctx, b.repository, b.branch)
	if err != nil {
		return 0, fmt.Errorf("look for pull requests without a check: %w", err)
	}
	for _, p := range open {
		for _, gate := range gates {
			ok, err := o.reported(ctx, b.repository, p.Number, gate, p.Head)
			if err != nil {
				return woken, err
			}
			if !ok {
				o.wake(b.repository, p.Number, time.Duration(before+woken)*openPullsSpread)
				woken++
				break
			}
		}
	}
	return woken, nil
}
