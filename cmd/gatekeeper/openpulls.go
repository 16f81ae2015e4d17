package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// How open pull requests are looked for: those from before Gatekeeper was there, those of
// which no webhook came, and those that another process judged, by other policies perhaps.
const (
	openPullsEvery = time.Hour
	// openPullsAgain is when some could not be looked for.
	openPullsAgain = 5 * time.Minute
)

// openPulls says which pull requests into protected branches are open. One without a check
// run would wait for ever if that is required.
type openPulls struct {
	policies func() []approval.Policy
	list     func(ctx context.Context, repository approval.RepositoryName, branch string) ([]approval.OpenPull, error)
	reported func(ctx context.Context, repository approval.RepositoryName, pull int, gate string, head approval.SHA) (bool, error)
	opened   func(ctx context.Context, repository approval.RepositoryName, branch string, pull int, checked bool)
	log      *slog.Logger
	// again has it look at once; it may be nil.
	again <-chan struct{}
}

// run looks at once and every hour, until the context ends.
func (o openPulls) run(ctx context.Context) error {
	for {
		again := openPullsEvery
		if _, ok := o.look(ctx); !ok {
			again = openPullsAgain
		}
		timer := time.NewTimer(again)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		case <-o.again:
			timer.Stop()
		}
	}
}

type protectedBranch struct {
	repository approval.RepositoryName
	branch     string
}

// look says which are open, and returns how many of them lack a check run; false when some
// could not be listed.
func (o openPulls) look(ctx context.Context) (unchecked int, ok bool) {
	var branches []protectedBranch
	gates := map[protectedBranch][]string{}
	for _, p := range o.policies() {
		for _, r := range p.Repositories {
			b := protectedBranch{r.Name, r.Branch}
			if !slices.Contains(branches, b) {
				branches = append(branches, b)
			}
			gates[b] = append(gates[b], p.Gate)
		}
	}
	ok = true
	for _, b := range branches {
		n, err := o.lookAt(ctx, b, gates[b])
		unchecked, ok = unchecked+n, ok && err == nil
		if err != nil && ctx.Err() == nil {
			o.log.LogAttrs(ctx, slog.LevelWarn, "open_pulls_unknown", slog.String("repository", string(b.repository)), slog.String("branch", b.branch), slog.Any("error", err))
		}
	}
	o.log.LogAttrs(ctx, slog.LevelInfo, "open_pulls_looked_at", slog.Int("without_check", unchecked))
	return unchecked, ok
}

func (o openPulls) lookAt(ctx context.Context, b protectedBranch, gates []string) (unchecked int, err error) {
	open, err := o.list(ctx, b.repository, b.branch)
	if err != nil {
		return 0, fmt.Errorf("look for pull requests without a check: %w", err)
	}
	for _, p := range open {
		checked := true
		for _, gate := range gates {
			ok, err := o.reported(ctx, b.repository, p.Number, gate, p.Head)
			if err != nil {
				return unchecked, err
			}
			checked = checked && ok
		}
		if !checked {
			unchecked++
		}
		o.opened(ctx, b.repository, b.branch, p.Number, checked)
	}
	return unchecked, nil
}
