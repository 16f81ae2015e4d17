package dora_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history/dora"
)

// TestOutcomes has each edge case of what is a deployment, what failed, and what
// recovered, worked out by hand.
func TestOutcomes(t *testing.T) {
	aborted := func(op *dora.Operation) { op.Phase, op.Terminated = dora.Failed, true }
	partial := func(op *dora.Operation) { op.Partial = true }
	dryRun := func(op *dora.Operation) { op.DryRun = true }
	for _, test := range []struct {
		name       string
		health     string
		gaps       [][2]float64
		operations []dora.Operation
		marks      []dora.Mark
		live       *dora.Target
		until      float64
		want       []string
		failures   []string
	}{
		{
			name: "a plain success", health: "0 Healthy, 11 Progressing, 14 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a")},
			want:       []string{"1 succeeded"},
		},
		{
			name: "an error and a failure, both with something applied", health: "0 Healthy",
			operations: []dora.Operation{
				operation("1", 10, 12, "a"), operation("2", 100, 103, "b", failing(dora.AppliedSome)),
				operation("3", 200, 203, "c", failing(dora.AppliedSome), func(op *dora.Operation) { op.Phase = dora.Error }),
			},
			want:     []string{"1 succeeded", "2 failed: sync-failed@103", "3 failed: sync-failed@203"},
			failures: []string{"2+3 unrecovered"},
		},
		{
			name: "nothing applied is not counted, and changes nothing", health: "0 Healthy",
			operations: []dora.Operation{
				operation("1", 10, 12, "a"), operation("2", 100, 103, "b", failing(dora.AppliedNone)), operation("3", 200, 201, "a"),
			},
			want: []string{"1 succeeded", "2 not-applied", "3 same-revision"},
		},
		{
			name: "whether something was applied is not known", health: "0 Healthy",
			operations: []dora.Operation{
				operation("1", 10, 12, "a"), operation("2", 100, 103, "b", failing("")), operation("3", 200, 201, "a"),
			},
			want: []string{"1 succeeded", "2 applied-unknown", "3 succeeded"},
		},
		{
			name: "the same revision again, as a resync and as a sync that failed", health: "0 Healthy",
			operations: []dora.Operation{
				operation("1", 10, 12, "a"), operation("2", 20, 21, "a"), operation("3", 30, 31, "a", failing(dora.AppliedSome)), operation("4", 40, 41, "a"),
			},
			want: []string{"1 succeeded", "2 same-revision", "3 same-revision", "4 same-revision"},
		},
		{
			name: "what was live before the first operation", health: "0 Healthy", live: &dora.Target{Revisions: []string{"a"}},
			operations: []dora.Operation{operation("1", 10, 12, "a"), operation("2", 20, 21, "b")},
			want:       []string{"1 same-revision", "2 succeeded"},
		},
		{
			name: "the revisions are a tuple", health: "0 Healthy",
			operations: []dora.Operation{
				operation("1", 10, 12, "a", func(op *dora.Operation) { op.Target.Revisions = []string{"a", "x"} }),
				operation("2", 20, 21, "a", func(op *dora.Operation) { op.Target.Revisions = []string{"a", "y"} }),
				operation("3", 30, 31, "a", func(op *dora.Operation) { op.Target.Revisions = []string{"y", "a"} }),
				operation("4", 40, 41, "a", func(op *dora.Operation) { op.Target.Revisions = []string{"y", "a"} }),
			},
			want: []string{"1 succeeded", "2 succeeded", "3 succeeded", "4 same-revision"},
		},
		{
			name: "images alone, in any order, and not known", health: "0 Healthy",
			operations: []dora.Operation{
				operation("1", 10, 12, "a", images("x", "y")), operation("2", 20, 21, "a", images("y", "x")),
				operation("3", 30, 31, "a", images("y", "z")), operation("4", 40, 41, "a"),
			},
			want: []string{"1 succeeded", "2 same-revision", "3 succeeded", "4 same-revision"},
		},
		{
			name: "dry run, partial, aborted, running", health: "0 Healthy", until: 1000,
			operations: []dora.Operation{
				operation("1", 10, 12, "a"), operation("2", 20, 21, "b", dryRun), operation("3", 30, 31, "b", partial),
				operation("4", 40, 41, "a"), operation("5", 50, 51, "b", aborted), operation("6", 60, 61, "a"),
				operation("7", 70, 71, "a", aborted), operation("8", 80, 81, "a"),
				operation("9", 90, 91, "b", func(op *dora.Operation) { op.Phase, op.FinishedAt = "", time.Time{} }),
			},
			// What an aborted sync left behind is not what was live, so 6 changes it back.
			want: []string{
				"1 succeeded", "2 dry-run", "3 partial", "4 same-revision", "5 aborted", "6 succeeded", "7 aborted", "8 same-revision", "9 running",
			},
		},
		{
			name: "times and phases that contradict themselves", health: "0 Healthy",
			operations: []dora.Operation{
				operation("1", 10, 9, "a"), operation("2", 20, 21, "a", func(op *dora.Operation) { op.Phase = "Sleeping" }),
			},
			want: []string{"1 contradictory", "2 contradictory"},
		},
		{
			name: "one target fails once, and its success counts", health: "0 Healthy",
			operations: []dora.Operation{
				operation("1", 10, 12, "a"), operation("2", 100, 101, "b", failing(dora.AppliedSome)),
				operation("3", 110, 111, "b", failing(dora.AppliedSome)), operation("4", 120, 121, "b"),
			},
			want:     []string{"1 succeeded", "2 failed: sync-failed@101", "3 retry", "4 succeeded"},
			failures: []string{"2 recovered@121 after 20"},
		},
		{
			name: "degraded for the grace, and recovered by itself", health: "0 Healthy, 20 Degraded, 25 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a")},
			want:       []string{"1 failed: degraded@25"}, failures: []string{"1 recovered@25 after 13"},
		},
		{
			name: "degraded for a moment less than the grace", health: "0 Healthy, 20 Degraded, 24.99 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a")},
			want:       []string{"1 succeeded"},
		},
		{
			name: "degraded, then missing: one illness", health: "0 Healthy, 20 Degraded, 23 Missing, 25 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a")},
			want:       []string{"1 failed: degraded@25"}, failures: []string{"1 recovered@25 after 13"},
		},
		{
			name: "degraded twice, shorter than the grace", health: "0 Healthy, 20 Degraded, 24 Progressing, 25 Degraded, 29 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a")},
			want:       []string{"1 succeeded"},
		},
		{
			name: "degraded at the very end of the watch", health: "0 Healthy, 67 Degraded, 90 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a")},
			want:       []string{"1 failed: degraded@72"}, failures: []string{"1 recovered@90 after 78"},
		},
		{
			name: "the grace ends after the watch", health: "0 Healthy, 67.1 Degraded, 90 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a")},
			want:       []string{"1 succeeded"},
		},
		{
			name: "illness during the sync counts from its end", health: "0 Healthy, 9 Healthy, 11 Degraded, 16.5 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a")},
			want:       []string{"1 succeeded"},
		},
		{
			name: "degraded already: the signal is suppressed", health: "0 Degraded",
			operations: []dora.Operation{operation("1", 10, 12, "a")},
			want:       []string{"1 succeeded"},
		},
		{
			name: "illness after another deployment began is not blamed on the first", health: "0 Healthy, 38 Degraded, 60 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a"), operation("2", 40, 41, "b")},
			// And the second found the Application ill.
			want: []string{"1 succeeded", "2 succeeded"},
		},
		{
			name: "progressing until the deadline", health: "0 Healthy, 11 Progressing, 42 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a")},
			want:       []string{"1 succeeded"},
		},
		{
			name: "progressing beyond the deadline", health: "0 Healthy, 11 Progressing, 42.1 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a")},
			want:       []string{"1 failed: never-healthy@42"}, failures: []string{"1 recovered@42.1 after 30.1"},
		},
		{
			name: "the deadline has no need of a Healthy Application before", health: "0 Degraded, 11 Progressing, 50 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a")},
			want:       []string{"1 failed: never-healthy@42"}, failures: []string{"1 recovered@50 after 38"},
		},
		{
			name: "suspended stops the deadline", health: "0 Healthy, 11 Progressing, 32 Suspended, 500 Progressing, 510 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a")},
			want:       []string{"1 succeeded"},
		},
		{
			name: "and does not end it", health: "0 Healthy, 11 Progressing, 32 Suspended, 500 Progressing, 511 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a")},
			want:       []string{"1 failed: never-healthy@510"}, failures: []string{"1 recovered@511 after 499"},
		},
		{
			name: "a canary that is paused is still being watched", health: "0 Healthy, 11 Suspended", until: 5000,
			operations: []dora.Operation{operation("1", 10, 12, "a")},
			want:       []string{"1 open"},
		},
		{
			name: "the clock goes on at the very end of the watch", health: "0 Degraded, 72 Progressing, 200 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a")},
			want:       []string{"1 failed: never-healthy@102"}, failures: []string{"1 recovered@200 after 188"},
		},
		{
			name: "of two states at one moment the worse holds", health: "0 Healthy, 20 Degraded, 20 Healthy, 30 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a")},
			want:       []string{"1 failed: degraded@25"}, failures: []string{"1 recovered@30 after 18"},
		},
		{
			name: "of two marks at one moment the one that says that it failed holds", health: "0 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a"), operation("2", 100, 102, "b")},
			marks: []dora.Mark{
				{Operation: "1", At: minute(300), By: "alice", Failed: true}, {Operation: "1", At: minute(300), By: "bob"},
				{Operation: "2", At: minute(300), By: "bob"}, {Operation: "2", At: minute(300), By: "alice", Failed: true},
			},
			want:     []string{"1 failed: marked@300", "2 failed: marked@300"},
			failures: []string{"1 recovered@102 after 90", "2 unrecovered"},
		},
		{
			name: "superseded before the deadline", health: "0 Healthy, 11 Progressing, 45 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a"), operation("2", 40, 41, "b")},
			want:       []string{"1 succeeded", "2 succeeded"},
		},
		{
			name: "still watched, and ill already", health: "0 Healthy, 20 Degraded", until: 30,
			operations: []dora.Operation{operation("1", 10, 12, "a")},
			want:       []string{"1 failed: degraded@25 (open)"}, failures: []string{"1 unrecovered"},
		},
		{
			name: "still watched", health: "0 Healthy", until: 71,
			operations: []dora.Operation{operation("1", 10, 12, "a")},
			want:       []string{"1 open"},
		},
		{
			name: "not watched any more", health: "0 Healthy", until: 72,
			operations: []dora.Operation{operation("1", 10, 12, "a")},
			want:       []string{"1 succeeded"},
		},
		{
			name: "a rollback blames the deployment before it", health: "0 Healthy",
			operations: []dora.Operation{
				operation("1", 10, 12, "a"), operation("2", 100, 102, "b"), operation("3", 110, 111, "a", because(dora.Rollback)),
			},
			want:     []string{"1 succeeded", "2 failed: remediated@110", "3 succeeded"},
			failures: []string{"2 recovered@111 after 9"},
		},
		{
			name: "a rollback that applied nothing blames nobody", health: "0 Healthy",
			operations: []dora.Operation{
				operation("1", 10, 12, "a"), operation("2", 100, 102, "b"), operation("3", 110, 111, "a", because(dora.Rollback), failing(dora.AppliedNone)),
			},
			want: []string{"1 succeeded", "2 succeeded", "3 not-applied"},
		},
		{
			name: "a revert names a change", health: "0 Healthy",
			operations: []dora.Operation{
				operation("1", 10, 12, "a", ships(change("p#1", 0, 1, 2, 3))), operation("2", 100, 102, "b", ships(change("p#2", 0, 1, 2, 3))),
				operation("3", 200, 201, "c", because(dora.Revert, "p#1")),
			},
			want:     []string{"1 failed: remediated@200", "2 succeeded", "3 succeeded"},
			failures: []string{"1 recovered@102 after 90"},
		},
		{
			name: "a hotfix names an operation; one that names nobody and a break-glass blame nobody", health: "0 Healthy",
			operations: []dora.Operation{
				operation("1", 10, 12, "a"), operation("2", 100, 102, "b", because(dora.Hotfix, "1")),
				operation("3", 200, 202, "c", because(dora.Hotfix)), operation("4", 300, 302, "d", because(dora.BreakGlass, "3")),
			},
			want:     []string{"1 failed: remediated@100", "2 succeeded", "3 succeeded", "4 succeeded"},
			failures: []string{"1 recovered@102 after 90"},
		},
		{
			name: "attribution ends after seven days, and includes its end", health: "0 Healthy",
			operations: []dora.Operation{
				operation("1", 10, 12, "a"), operation("2", 10_092, 10_093, "b", because(dora.Hotfix, "1")),
				operation("3", 20_173.1, 20_174, "c", because(dora.Hotfix, "2")),
			},
			want:     []string{"1 failed: remediated@10092", "2 succeeded", "3 succeeded"},
			failures: []string{"1 recovered@10093 after 10081"},
		},
		{
			name: "a mark, and a mark that was taken back", health: "0 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a"), operation("2", 100, 102, "b"), operation("3", 200, 202, "c")},
			marks: []dora.Mark{
				{Operation: "2", At: minute(500), By: "bob"},
				{Operation: "1", At: minute(300), By: "alice", Failed: true},
				{Operation: "2", At: minute(400), By: "pager", Failed: true},
			},
			want:     []string{"1 failed: marked@300", "2 succeeded", "3 succeeded"},
			failures: []string{"1 recovered@102 after 90"},
		},
		{
			name: "a mark that is taken back does not undo what was observed", health: "0 Healthy, 20 Degraded, 30 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a")},
			marks:      []dora.Mark{{Operation: "1", At: minute(300), By: "bob"}},
			want:       []string{"1 failed: degraded@25"}, failures: []string{"1 recovered@30 after 18"},
		},
		{
			name: "consecutive failures have one clock", health: "0 Healthy, 20 Degraded, 92 Progressing, 95 Healthy",
			operations: []dora.Operation{
				operation("1", 10, 12, "a"), operation("2", 50, 51, "b", failing(dora.AppliedSome)), operation("3", 90, 91, "c"),
			},
			want:     []string{"1 failed: degraded@25", "2 failed: sync-failed@51", "3 succeeded"},
			failures: []string{"1+2 recovered@95 after 83"},
		},
		{
			name: "healthy for less than stable is no recovery", health: "0 Healthy, 20 Degraded, 30 Healthy, 34 Degraded, 40 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a")},
			want:       []string{"1 failed: degraded@25"}, failures: []string{"1 recovered@40 after 28"},
		},
		{
			name: "two failures with a recovery between them have two clocks", health: "0 Healthy, 20 Degraded, 30 Healthy, 110 Degraded, 120 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a"), operation("2", 100, 102, "b")},
			want:       []string{"1 failed: degraded@25", "2 failed: degraded@115"},
			failures:   []string{"1 recovered@30 after 18", "2 recovered@120 after 18"},
		},
		{
			name: "a gap in which it could have failed", health: "0 Healthy", gaps: [][2]float64{{30, 40}},
			operations: []dora.Operation{operation("1", 10, 12, "a")},
			want:       []string{"1 undetermined"},
		},
		{
			name: "a gap in which it could not", health: "0 Healthy", gaps: [][2]float64{{30, 34.9}},
			operations: []dora.Operation{operation("1", 10, 12, "a")},
			want:       []string{"1 succeeded"},
		},
		{
			name: "two short illnesses with a gap between", health: "0 Healthy, 20 Degraded, 23 Healthy", gaps: [][2]float64{{23, 26}},
			operations: []dora.Operation{operation("1", 10, 12, "a")},
			want:       []string{"1 undetermined"},
		},
		{
			name: "nobody saw what was before", health: "11 Degraded",
			operations: []dora.Operation{operation("1", 10, 12, "a")},
			want:       []string{"1 undetermined"},
		},
		{
			name: "nobody saw what was before, and whoever asked for the sync did", health: "11 Degraded, 90 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a", func(op *dora.Operation) { op.Before = dora.Healthy })},
			want:       []string{"1 failed: degraded@17"}, failures: []string{"1 recovered@90 after 78"},
		},
		{
			name: "nobody ever saw its health", health: "0 Healthy", gaps: [][2]float64{{0, 100_000}},
			operations: []dora.Operation{operation("1", 10, 12, "a"), operation("2", 200, 202, "b", failing(dora.AppliedSome))},
			want:       []string{"1 undetermined", "2 failed: sync-failed@202"}, failures: []string{"2 unrecovered"},
		},
		{
			name: "a gap in the middle of an illness changes nothing", health: "0 Healthy, 20 Degraded, 90 Healthy", gaps: [][2]float64{{50, 51}},
			operations: []dora.Operation{operation("1", 10, 12, "a")},
			want:       []string{"1 failed: degraded@25"}, failures: []string{"1 recovered@90 after 78"},
		},
		{
			name: "a gap in which it may have recovered", health: "0 Healthy, 20 Degraded, 90 Healthy", gaps: [][2]float64{{50, 91}},
			operations: []dora.Operation{operation("1", 10, 12, "a")},
			want:       []string{"1 failed: degraded@25"}, failures: []string{"1 unobserved"},
		},
		{
			name: "Unknown is neither well nor ill", health: "0 Healthy, 20 Unknown, 40 Healthy",
			operations: []dora.Operation{operation("1", 10, 12, "a")},
			want:       []string{"1 succeeded"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			app := dora.Application{Operations: test.operations, Marks: test.marks, Live: test.live, Health: health(t, test.health)}
			for _, g := range test.gaps {
				app.Gaps = append(app.Gaps, dora.Interval{From: minute(g[0]), To: minute(g[1])})
			}
			until := 100_000.0
			if test.until > 0 {
				until = test.until
			}
			a := assess(t, app, until)
			require.Equal(t, test.want, outcomes(a))
			require.Equal(t, test.failures, failures(a))
		})
	}
}

func TestAssessRefuses(t *testing.T) {
	_, err := dora.Assess(dora.Application{Name: "a", Operations: []dora.Operation{{ID: "1"}, {ID: "1"}}}, dora.DefaultPolicy(), begin)
	require.ErrorContains(t, err, `operation "1" is there twice`)
	_, err = dora.Assess(dora.Application{}, dora.Policy{}, begin)
	require.ErrorContains(t, err, "observe must be greater than 0")
	policy := dora.DefaultPolicy()
	policy.Grace = 2 * time.Hour
	_, err = dora.Assess(dora.Application{}, policy, begin)
	require.ErrorContains(t, err, "grace must not be longer than observe")
}

func TestPolicyJSON(t *testing.T) {
	text, err := json.Marshal(dora.DefaultPolicy())
	require.NoError(t, err)
	require.JSONEq(t, `{"observe":"1h0m0s","grace":"5m0s","progressDeadline":"30m0s","stable":"5m0s","attribution":"168h0m0s","timezone":"UTC"}`, string(text))
}

// TestAsItWasKnown: what came later is left out.
func TestAsItWasKnown(t *testing.T) {
	app := dora.Application{
		Health:     health(t, "0 Healthy, 20 Degraded, 90 Healthy"),
		Operations: []dora.Operation{operation("1", 10, 12, "a"), operation("2", 80, 82, "b", because(dora.Rollback)), operation("3", 200, 202, "c")},
		Marks:      []dora.Mark{{Operation: "1", At: minute(300), Failed: true}},
	}
	require.Equal(t, []string{"1 open"}, outcomes(assess(t, app, 22)))
	require.Equal(t, []string{"1 failed: degraded@25", "2 running"}, outcomes(assess(t, app, 81)))
	require.Equal(t, []string{"1 failed: degraded@25, remediated@80", "2 succeeded", "3 open"}, outcomes(assess(t, app, 210)))
	require.Equal(t, []string{"1 failed: degraded@25, remediated@80, marked@300", "2 succeeded", "3 succeeded"}, outcomes(assess(t, app)))
}
