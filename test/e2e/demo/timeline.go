package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
)

// timeline prints who did what, what Gatekeeper decided, and what the cluster
// runs.
type timeline struct {
	w     *payments.World
	out   io.Writer
	start time.Time
}

func (t *timeline) begin() {
	t.start = time.Now()
	_, _ = fmt.Fprintln(t.out, "\nPayments in production needs 2 approvals of acme/sre (bob, carol, dave, erin).")
	_, _ = fmt.Fprintln(t.out)
}

// say prints one line: when, who, what. Further lines are indented below it.
func (t *timeline) say(who, format string, args ...any) {
	lines := strings.Split(strings.TrimSpace(fmt.Sprintf(format, args...)), "\n")
	_, _ = fmt.Fprintf(t.out, "%6.1fs  %-11s %s\n", time.Since(t.start).Seconds(), who, lines[0])
	for _, l := range lines[1:] {
		_, _ = fmt.Fprintf(t.out, "%21s%s\n", "", l)
	}
}

// play goes through the story. Every step is checked; the first one that did not
// happen ends it.
func (t *timeline) play(ctx context.Context) error {
	const limit = "5000"
	if err := t.cluster(ctx, t.w.Enrolled, payments.FirstLimit); err != nil {
		return err
	}
	pull, err := t.w.Propose(payments.Alice, payments.Payments, limit)
	if err != nil {
		return err
	}
	t.say("alice", "opens #%d: raise the transfer limit of payments in production from %s to %s", pull.Number, payments.FirstLimit, limit)
	if err := t.gatekeeper(ctx, pull, "0 of 2"); err != nil {
		return err
	}
	if _, err := t.w.Approve(payments.Bob, pull.Number); err != nil {
		return err
	}
	t.say("bob", "approves #%d", pull.Number)
	if err := t.gatekeeper(ctx, pull, "1 of 2"); err != nil {
		return err
	}
	sha, err := t.w.Merge(payments.Alice, pull.Number, "merge")
	if err != nil {
		return err
	}
	t.say("alice", "merges #%d with one approval; main is at %s", pull.Number, sha[:7])
	if err := t.decision(ctx, "blocked"); err != nil {
		return err
	}
	if err := t.cluster(ctx, t.w.Enrolled, payments.FirstLimit); err != nil {
		return err
	}
	if _, err := t.w.Approve(payments.Carol, pull.Number); err != nil {
		return err
	}
	t.say("carol", "approves #%d after the merge", pull.Number)
	if err := t.decision(ctx, "allowed"); err != nil {
		return err
	}
	if err := t.cluster(ctx, sha, limit); err != nil {
		return err
	}
	if err := t.gatekeeper(ctx, pull, "config approved"); err != nil {
		return err
	}
	return t.record(ctx)
}

// gatekeeper waits until the check run says what it should, and shows it.
func (t *timeline) gatekeeper(ctx context.Context, pull payments.Pull, want string) error {
	var title string
	err := payments.Await(ctx, "the check run on #"+fmt.Sprint(pull.Number), func(context.Context) (bool, string, error) {
		var err error
		title, err = t.w.CheckTitle(pull.Head)
		return strings.Contains(title, want), title, err
	})
	if err != nil {
		return err
	}
	t.say("gatekeeper", "check run on #%d: %s", pull.Number, title)
	return nil
}

// decision waits for the recorded decision on payments and shows its reasons.
func (t *timeline) decision(ctx context.Context, verdict string) error {
	var d payments.Decision
	err := payments.Await(ctx, "the decision to be "+verdict, func(ctx context.Context) (bool, string, error) {
		var err error
		d, err = t.w.Decision(ctx, payments.Payments)
		return d.Verdict == verdict, d.Verdict, err
	})
	if err != nil {
		return err
	}
	lines := []string{"decides: " + strings.ToUpper(d.Verdict)}
	for _, f := range d.Findings {
		lines = append(lines, mark(f.Verdict)+" "+f.Text)
		if f.Remedy != "" {
			lines = append(lines, "    "+f.Remedy)
		}
		for _, c := range f.Children {
			lines = append(lines, "    "+mark(c.Verdict)+" "+c.Text)
			for _, g := range c.Children {
				lines = append(lines, "        "+mark(g.Verdict)+" "+g.Text)
			}
		}
	}
	t.say("gatekeeper", "%s", strings.Join(lines, "\n"))
	return nil
}

func mark(verdict string) string {
	switch verdict {
	case "allowed":
		return "✓"
	case "blocked":
		return "✗"
	default:
		return "?"
	}
}

// cluster waits until payments runs a revision and shows what Kubernetes says.
func (t *timeline) cluster(ctx context.Context, revision, limit string) error {
	l, err := t.w.AwaitLive(ctx, "prod", payments.Payments, revision, limit)
	if err != nil {
		return err
	}
	by := l.InitiatedBy
	if by == "" {
		by = "nobody that Argo CD knows"
	}
	t.say("cluster", "payments runs %s, TRANSFER_LIMIT=%s in %d ready pods, %s; last sync by %s",
		revision[:7], l.Limit, l.PodLimits[limit], l.Health, by)
	return nil
}

// record shows what is on record for payments, and that it verifies.
func (t *timeline) record(ctx context.Context) error {
	var kinds []string
	err := payments.Await(ctx, "the outcome on record", func(ctx context.Context) (bool, string, error) {
		entries, err := t.w.RecordOf(ctx, payments.Payments)
		if err != nil {
			return false, "", err
		}
		kinds = nil
		ended := false
		for _, e := range entries {
			kinds = append(kinds, fmt.Sprintf("%d %s", e.Sequence, e.Kind))
			ended = ended || e.Kind == "outcome"
		}
		return ended, strings.Join(kinds, ", "), nil
	})
	if err != nil {
		return err
	}
	verified, err := t.w.Gatekeeper(ctx, "ledger", "verify", "--config", t.w.Config)
	if err != nil {
		return err
	}
	t.say("record", "payments: %s\n%s", strings.Join(kinds, ", "), strings.TrimSpace(verified))
	return nil
}
