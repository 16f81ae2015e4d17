package dora_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history/dora"
)

// begin is minute 0 of the fixtures: a Monday, at midnight.
var begin = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

func minute(m float64) time.Time { return begin.Add(time.Duration(m * float64(time.Minute))) }

// health reads "0 Healthy, 10.5 Degraded".
func health(t *testing.T, text string) []dora.Transition {
	t.Helper()
	var out []dora.Transition
	for part := range strings.SplitSeq(text, ", ") {
		at, status, found := strings.Cut(part, " ")
		require.True(t, found, part)
		m, err := strconv.ParseFloat(at, 64)
		require.NoError(t, err)
		out = append(out, dora.Transition{At: minute(m), Status: dora.Health(status)})
	}
	return out
}

// operation is one that ended; what is further said about it is set by the options.
func operation(id string, started, finished float64, revision string, options ...func(*dora.Operation)) dora.Operation {
	op := dora.Operation{
		ID: id, StartedAt: minute(started), FinishedAt: minute(finished), Phase: dora.Succeeded, Applied: dora.AppliedSome,
		Target: dora.Target{Revisions: []string{revision}},
	}
	for _, o := range options {
		o(&op)
	}
	return op
}

func failing(applied dora.Applied) func(*dora.Operation) {
	return func(op *dora.Operation) { op.Phase, op.Applied = dora.Failed, applied }
}

func because(kind dora.Rework, blames ...string) func(*dora.Operation) {
	return func(op *dora.Operation) { op.Rework, op.Blames = append(op.Rework, kind), blames }
}

func ships(changes ...dora.Change) func(*dora.Operation) {
	return func(op *dora.Operation) { op.Changes = changes }
}

func images(images ...string) func(*dora.Operation) {
	return func(op *dora.Operation) { op.Target.Images = images }
}

// change has all of its times, at these minutes.
func change(id string, committed, opened, quorum, merged float64) dora.Change {
	return dora.Change{
		ID: id, Committed: minute(committed), Basis: dora.BasisCommit, Opened: minute(opened), Quorum: minute(quorum), Merged: minute(merged),
	}
}

// assess is the Application until minute 100,000, or earlier.
func assess(t *testing.T, app dora.Application, until ...float64) dora.Assessed {
	t.Helper()
	end := 100_000.0
	if len(until) > 0 {
		end = until[0]
	}
	if app.Name == "" {
		app.Name = "argocd/payments"
	}
	a, err := dora.Assess(app, dora.DefaultPolicy(), minute(end))
	require.NoError(t, err)
	return a
}

// outcomes are "1 succeeded" and "2 failed: degraded@20, remediated@30".
func outcomes(a dora.Assessed) []string {
	var out []string
	for _, d := range a.Deployments {
		text := d.ID + " " + string(d.Outcome)
		for i, r := range d.Reasons {
			text += map[bool]string{true: ": ", false: ", "}[i == 0] + string(r.Signal) + "@" + minutes(r.At.Sub(begin))
		}
		if d.Open && d.Outcome == dora.OutcomeFailed {
			text += " (open)"
		}
		out = append(out, text)
	}
	return out
}

func minutes(d time.Duration) string { return strconv.FormatFloat(d.Minutes(), 'f', -1, 64) }

// failures are "2+3 recovered@40 after 20", "2 unrecovered" and "2 unobserved".
func failures(a dora.Assessed) []string {
	var out []string
	for _, f := range a.Failures {
		text := strings.Join(append([]string{f.Operation}, f.Further...), "+")
		switch {
		case f.Recovery != nil:
			text += fmt.Sprintf(" recovered@%s after %s", minutes(f.RecoveredAt.Sub(begin)), minutes(*f.Recovery))
		case f.Unobserved:
			text += " unobserved"
		default:
			text += " unrecovered"
		}
		out = append(out, text)
	}
	return out
}

func report(all []dora.Assessed, from, to float64) dora.Report {
	return dora.Measure(all, dora.Scope{Kind: dora.ScopeAll}, dora.Window{From: minute(from), To: minute(to)}, dora.DefaultPolicy())
}
