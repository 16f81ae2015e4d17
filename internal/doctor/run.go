package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/installation"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
)

// Options say how checks are run.
type Options struct {
	// Timeout bounds each check; slow ones may take three times as long. Required.
	Timeout time.Duration
	// Skip are codes that are left out.
	Skip []string
	// Progress is told how many of the checks have ended; nil for nobody. It is called
	// by one goroutine at a time.
	Progress func(done, all int)
}

// parallel bounds the checks that run at once, so that API servers are asked gently.
const parallel = 8

// Run runs the checks. It always ends, at the latest when the slowest check's time is
// over.
func Run(ctx context.Context, s Sources, o Options) Report {
	return run(ctx, Checks(), s, o)
}

func run(ctx context.Context, all []Check, s Sources, o Options) Report {
	var report Report
	var checks []Check
	for _, c := range all {
		if slices.Contains(o.Skip, c.Code) {
			report.Skipped = append(report.Skipped, c.Code)
		} else {
			checks = append(checks, c)
		}
	}
	// What is shared is read for everybody, not for the check that came first.
	p := newProbe(ctx, s, 2*o.Timeout)
	results := make([][]Result, len(checks))
	var mu sync.Mutex
	done := 0
	group := errgroup.Group{}
	group.SetLimit(parallel)
	for i, c := range checks {
		group.Go(func() error {
			found := attempt(ctx, c, p, o.Timeout)
			mu.Lock()
			defer mu.Unlock()
			results[i] = found
			done++
			if o.Progress != nil {
				o.Progress(done, len(checks))
			}
			return nil
		})
	}
	_ = group.Wait() // no check returns an error
	report.Results = slices.Concat(results...)
	report.count()
	return report
}

// attempt runs one check within its time. One that does not heed its context is left
// behind; its answer is not waited for.
func attempt(ctx context.Context, c Check, p *probe, limit time.Duration) []Result {
	if c.slow {
		limit *= 3
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s", limit))
	defer cancel()
	answer := make(chan []Result, 1)
	go func() {
		o, err := safely(ctx, c, p)
		if err != nil {
			o.doubt("", err)
		}
		answer <- c.results(o)
	}()
	select {
	case r := <-answer:
		return r
	case <-ctx.Done():
		o := outcome{}
		o.doubt("", context.Cause(ctx))
		return c.results(o)
	}
}

func safely(ctx context.Context, c Check, p *probe) (o outcome, err error) {
	defer func() {
		if r := recover(); r != nil {
			o, err = outcome{}, fmt.Errorf("the check failed: %v", r)
		}
	}()
	return c.run(ctx, p)
}

// fromError says why something could not be looked at, and what would help.
func fromError(err error) note {
	n := note{reason: "could not be checked: " + err.Error()}
	if missing := forbidden(err); len(missing) > 0 {
		var reasons, rules []string
		for _, f := range missing {
			reasons, rules = append(reasons, f.Error()), append(rules, f.Rule())
		}
		slices.Sort(rules)
		n.reason = "could not be checked: " + strings.Join(reasons, ", ")
		n.fix = "give whoever runs doctor these rules in a ClusterRole"
		n.command = strings.Join(rules, "\n")
		return n
	}
	if e, ok := errors.AsType[*github.Error](err); ok && e.Remedy != "" {
		n.fix = e.Remedy
		return n
	}
	if a, ok := errors.AsType[*Absent](err); ok {
		n.reason, n.fix, n.command = "could not be checked: "+a.What, a.Fix, a.Command
		return n
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		n.fix = "try again with a longer --timeout"
	}
	return n
}

// forbidden are all missing rights in an error, which may be several joined.
func forbidden(err error) []*installation.Forbidden {
	if f, ok := err.(*installation.Forbidden); ok { //nolint:errorlint // the tree of errors is walked here
		return []*installation.Forbidden{f}
	}
	var out []*installation.Forbidden
	switch e := err.(type) { //nolint:errorlint // the tree of errors is walked here
	case interface{ Unwrap() error }:
		out = forbidden(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			out = append(out, forbidden(one)...)
		}
	}
	return out
}

// Absent says that what a check looks at is not there to be looked at.
type Absent struct{ What, Fix, Command string }

// Error says what is not there.
func (a *Absent) Error() string { return a.What }
