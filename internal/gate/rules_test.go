package gate

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// fileOf is the digest of a configuration file that is told by one digit.
func fileOf(digit string) history.Digest {
	return history.Digest("sha256:" + strings.Repeat(digit, 64))
}

// needing is a policy that wants so many approvals.
func needing(approvals int) approval.Policy {
	p := openPolicy()
	p.Config.Requirements[0].Approvals = approvals
	return p
}

func rulesOf(digit string, policies ...approval.Policy) Rules {
	return Rules{Policies: policies, File: fileOf(digit)}
}

// newRuled is a setup whose gate decides by rules that are on record.
func newRuled(t *testing.T, policies ...approval.Policy) *setup {
	t.Helper()
	s := newSetup(t)
	s.gate = New(Options{
		Rules: rulesOf("1", policies...), Applications: s.argo, Collector: s.hub, Closures: s.hub, Record: s.record, Reporter: s.reports,
		Logger: testLogger(t), Metrics: NewMetrics(), Now: s.clock.now, Resync: time.Hour,
	})
	t.Cleanup(func() { shutDown(s.gate) })
	s.gate.running.Store(true) // the test does the work
	require.NoError(t, s.gate.enactAll(t.Context()))
	return s
}

func (s *setup) exchange(digit string, policies ...approval.Policy) {
	s.t.Helper()
	require.NoError(s.t, s.gate.Exchange(s.t.Context(), rulesOf(digit, policies...)))
}

func (s *setup) changes() []history.PolicyPayload {
	s.t.Helper()
	return payloads[history.PolicyPayload](s, history.KindPolicy)
}

// byTheirPolicy checks that everything on record was decided by the policy that the record
// had then.
func (s *setup) byTheirPolicy() {
	s.t.Helper()
	inForce := map[string]history.Digest{}
	for _, e := range s.entries() {
		switch e.Kind { //nolint:exhaustive // the others name no policy
		case history.KindPolicy:
			p := decode[history.PolicyPayload](s.t, e)
			require.Equal(s.t, inForce[p.Gate], p.Before)
			inForce[p.Gate] = p.After
		case history.KindDecision:
			d := decode[history.DecisionPayload](s.t, e)
			require.Equal(s.t, inForce[d.Gate], d.PolicyDigest, "entry %d", e.Sequence)
		case history.KindIntent:
			i := decode[history.IntentPayload](s.t, e)
			require.Equal(s.t, inForce[i.Gate], i.PolicyDigest, "entry %d", e.Sequence)
		}
	}
	report, err := history.Verify(s.t.Context(), s.store)
	require.NoError(s.t, err)
	require.True(s.t, report.Intact(), "%+v", report.Fault)
}

// TestExchangeInFlight: the policy is tightened at each step of a reconcile that would
// sync. Nothing is synced by the policy before.
func TestExchangeInFlight(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"get", "head", "open", "deployed", "collect", "append", "appended"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			s := newRuled(t, needing(1))
			s.hub.land(1)
			s.hub.approve(1, alice)
			tighten := first(func() { s.exchange("2", needing(2)) })
			switch at {
			case "get":
				s.argo.onGet = tighten
			case "collect":
				s.hub.onAnswer = tighten
			case "appended":
				s.record.after = once("append", tighten)
			default:
				s.record.before = once(at, tighten)
			}
			if _, err := s.reconcile(); err != nil {
				require.ErrorIs(t, err, errRaced)
			}
			s.reconciled()
			require.Empty(t, s.argo.stored())
			require.Len(t, s.changes(), 2)
			s.byTheirPolicy()
			d := s.decisions()
			require.Equal(t, approval.Blocked, d[len(d)-1].Decision.Verdict)
			require.Equal(t, 2, d[len(d)-1].Policy.Config.Requirements[0].Approvals)
			require.Len(t, s.abandoned(), len(s.intents()))

			s.hub.approve(1, bob)
			s.reconciled()
			require.Len(t, s.argo.stored(), 1)
			s.byTheirPolicy()
		})
	}
}

// TestExchangeNotRecorded: as long as the record does not know the new policy, nothing is
// decided by it, and nothing by the one before.
func TestExchangeNotRecorded(t *testing.T) {
	t.Parallel()
	s := newRuled(t, needing(1))
	s.held(1)
	s.admits(s.asks(1, func(r *AdmissionRequest) { r.DryRun = true }))
	s.record.before = func(call string) error {
		if call == "append" {
			return errDown
		}
		return nil
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.gate.Exchange(ctx, rulesOf("2", needing(2))) }()
	require.Eventually(t, func() bool { return s.gate.Policies()[0].Config.Requirements[0].Approvals == 2 }, 10*time.Second, time.Millisecond)
	s.refuses(s.asks(1), refusedPolicy)
	_, err := s.reconcile()
	require.ErrorIs(t, err, errNotEnacted)
	stop()
	require.ErrorIs(t, <-ended, context.Canceled)
	s.record.before = nil
	s.refuses(s.asks(1), refusedPolicy)
	require.Len(t, s.changes(), 1)

	require.NoError(t, s.gate.enactAll(t.Context()))
	s.reconciled()
	s.refuses(s.asks(1), "quorum.missing")
	s.byTheirPolicy()
}

func other() approval.Policy {
	p := gatePolicy("other")
	p.Applications = []approval.Selector{{Project: "other"}}
	return p
}

// TestOtherPolicyOnRecord: another process decides by another configuration.
func TestOtherPolicyOnRecord(t *testing.T) {
	t.Parallel()
	s := newRuled(t, needing(1))
	s.held(1)
	second := New(Options{
		Rules: rulesOf("2", needing(2)), Applications: s.argo, Collector: s.hub, Closures: s.hub, Record: s.record, Reporter: s.reports,
		Logger: testLogger(t), Metrics: NewMetrics(), Now: s.clock.now, Resync: time.Hour,
	})
	t.Cleanup(func() { shutDown(second) })
	require.NoError(t, second.enactAll(t.Context()))
	_, err := s.reconcile()
	require.ErrorIs(t, err, errNotEnacted)
	s.refuses(s.asks(1), refusedPolicy)
	require.NoError(t, s.gate.Exchange(t.Context(), rulesOf("2", needing(2))))
	s.reconciled()
	require.Len(t, s.changes(), 2, "by the same policies nothing changes")
	s.byTheirPolicy()
}

// TestPoliciesOnRecord: what the record says of gates that come, change and go.
func TestPoliciesOnRecord(t *testing.T) {
	t.Parallel()
	s := newRuled(t, needing(1))
	digest := func(p approval.Policy) history.Digest {
		d, err := history.DigestOf(p)
		require.NoError(t, err)
		return d
	}
	one, two, another := needing(1), needing(2), other()
	require.NoError(t, s.gate.enactAll(t.Context()))
	require.Equal(t, []history.PolicyPayload{
		{Gate: "prod", After: digest(one), Policy: &one, File: fileOf("1"), Cause: history.CauseStart},
	}, s.changes(), "at the start, once")
	s.exchange("2", two, another)
	s.exchange("3", two, another) // a comment of the file
	s.exchange("4", another)
	withKeys := rulesOf("5", another)
	withKeys.Keys = map[string]history.Digest{"other": fileOf("a")}
	require.NoError(t, s.gate.Exchange(t.Context(), withKeys))
	require.Equal(t, []history.PolicyPayload{
		{Gate: "other", After: digest(another), Policy: &another, File: fileOf("2"), Cause: history.CauseReload},
		{Gate: "prod", Before: digest(one), After: digest(two), Policy: &two, File: fileOf("2"), Cause: history.CauseReload},
		{Gate: "prod", Before: digest(two), File: fileOf("4"), Cause: history.CauseReload},
		{Gate: "other", Before: digest(another), After: digest(another), Policy: &another, Keys: fileOf("a"), File: fileOf("5"), Cause: history.CauseReload},
	}, s.changes()[1:])
	s.reconciled()
	require.Empty(t, s.decisions(), "no gate protects it any more")
	require.True(t, s.gate.Admit(t.Context(), s.asks(1)).Allowed)
}
