package scenario

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
)

// quorum: a change is merged with one of two approvals. Nothing is synced and
// the pull request says who is missing. The second approval arrives, and exactly
// the merged commit is synced. Once for each kind of Application and merge method.
func quorum(t *testing.T, s *story) {
	gatekeeper := s.run()
	landed := s.Enrolled
	for _, step := range []struct {
		service, method, kind string
	}{
		{payments.Payments, "merge", "merge"},
		{payments.Ledger, "squash", "squash"},
		{payments.Notifier, "rebase", "squash"}, // one commit: a rebase looks like a squash
	} {
		pull := s.propose(payments.Alice, step.service, "5000")
		s.says(pull.Number, "2 more of acme/sre")
		s.approve(payments.Bob, pull.Number)
		s.says(pull.Number, "1 of 2", "1 more of acme/sre", "carol")
		s.check(pull.Head, "1 of 2")

		// Somebody else merges: a rebase then rewrites the commit even within one second.
		sha, err := s.Merge(payments.Dave, pull.Number, step.method)
		require.NoError(t, err)
		s.verdict(step.service, "blocked", "quorum.missing")
		s.says(pull.Number, "1 more of acme/sre", s.Application("prod", step.service))
		before, err := s.Live(s.ctx, "prod", step.service)
		require.NoError(t, err)
		require.False(t, before.Running)
		require.Equal(t, payments.FirstLimit, before.Limit)
		require.NotContains(t, before.Revisions, sha)

		s.approve(payments.Carol, pull.Number)
		live, err := s.AwaitLive(s.ctx, "prod", step.service, sha, "5000")
		require.NoError(t, err)
		require.Contains(t, live.InitiatedBy, "gatekeeper: PR #")
		require.Contains(t, live.InitiatedBy, "(bob, carol)")
		s.says(pull.Number, "synced")

		entries, err := s.Record(s.ctx)
		require.NoError(t, err)
		s.story(entries, string(live.Object.GetUID()), sha, step.kind, pull)
		landed = sha
	}
	// Every service follows: what the others changed is approved as well.
	for _, service := range payments.Services() {
		live, err := s.AwaitLive(s.ctx, "prod", service, landed, "5000")
		require.NoError(t, err)
		require.Equal(t, landed, live.History[len(live.History)-1])
	}
	out, err := s.Gatekeeper(s.ctx, "ledger", "verify", "--config", s.Config)
	require.NoError(t, err)
	require.Contains(t, out, "intact: ")

	metrics, err := s.Metrics(s.ctx)
	require.NoError(t, err)
	require.Contains(t, metrics, `gatekeeper_syncs_total{gate="prod",result="succeeded"}`)
	require.Contains(t, metrics, `gatekeeper_github_request_seconds_count{endpoint="GET /repos/{owner}/{repo}/pulls/{number}/reviews",status="200"}`)

	// SIGTERM ends it in good order.
	require.NoError(t, gatekeeper.Stop(s.ctx))
	require.NoError(t, gatekeeper.Err())
	require.Contains(t, gatekeeper.Logs(), `"msg":"stopped"`)
}

// story asserts that the record tells, for one deployment, the facts, the
// decision, the intent and the outcome, in this order.
func (s *story) story(entries []payments.Entry, uid, sha, kind string, pull payments.Pull) {
	s.t.Helper()
	var decided, intended, done int
	var intent intentPayload
	for _, e := range entries {
		if e.Application != uid {
			continue
		}
		switch e.Kind {
		case "decision":
			d := decode[decisionPayload](s, e)
			if d.Decision.Verdict != "allowed" || len(d.Facts.Lines) != 1 || decided > 0 {
				continue
			}
			for _, landing := range d.Facts.Lines[0].Landings {
				if landing.Pull == nil || landing.Pull.Number != pull.Number {
					continue
				}
				require.Equal(s.t, kind, landing.Kind)
				require.Equal(s.t, "proven", landing.Proof.Result)
				require.Equal(s.t, pull.Head, landing.Pull.Head)
				require.Len(s.t, landing.Pull.Reviews, 2)
				for _, r := range landing.Pull.Reviews {
					require.Equal(s.t, pull.Head, r.Commit)
				}
				decided = e.Sequence
			}
		case "intent":
			if i := decode[intentPayload](s, e); i.Candidate.Revisions[0].SHA == sha {
				intent, intended = i, e.Sequence
			}
		case "outcome":
			if o := decode[outcomePayload](s, e); o.Intent == intent.ID && intended > 0 {
				require.Equal(s.t, "succeeded", o.Result)
				for _, r := range o.Revisions {
					require.Equal(s.t, sha, r)
				}
				done = e.Sequence
			}
		}
	}
	require.Positive(s.t, decided, "no decision allows it")
	require.Greater(s.t, intended, decided)
	require.Greater(s.t, done, intended)
	require.Len(s.t, intent.Approvers, 2)
	require.Contains(s.t, intent.InitiatedBy, "bob, carol")
}

// uncounted: approvals that do not count, each said on the pull request, and
// then two that do.
func uncounted(t *testing.T, s *story) {
	s.run()

	// Erin is an SRE and authors the change, so her own approval is none.
	pull := s.propose(payments.Erin, payments.Ledger, "2000")
	require.NoError(t, s.ForceApproval(payments.Erin, pull.Number))
	s.says(pull.Number, "erin", "author", "0 of 2")

	// Mallory may write to the repository but is not in the team.
	s.approve(payments.Mallory, pull.Number)
	s.says(pull.Number, "mallory", "not one of acme/sre", "0 of 2")

	// Bob approves, then the head moves on.
	s.approve(payments.Bob, pull.Number)
	s.says(pull.Number, "1 of 2")
	pull, err := s.Push(payments.Erin, pull, payments.Ledger, "3000")
	require.NoError(t, err)
	s.says(pull.Number, "bob", "the head is "+pull.Head[:7], "0 of 2")
	s.approve(payments.Mallory, pull.Number)
	s.says(pull.Number, "mallory is not one of acme/sre", "0 of 2")

	// Carol approves the new head, and her review is dismissed.
	review := s.approve(payments.Carol, pull.Number)
	s.says(pull.Number, "1 of 2")
	require.NoError(t, s.Dismiss(payments.Dave, pull.Number, review))
	s.says(pull.Number, "carol", "dismissed", "0 of 2")

	sha := s.merge(pull.Number, "merge")
	s.verdict(payments.Ledger, "blocked", "approval.dismissed")
	for _, code := range []string{"approval.author", "approval.outsider", "approval.older_head", "quorum.missing"} {
		s.verdict(payments.Ledger, "blocked", code)
	}
	s.untouched(payments.Ledger)

	s.approve(payments.Bob, pull.Number)
	s.says(pull.Number, "1 of 2")
	s.untouched(payments.Ledger)
	s.approve(payments.Dave, pull.Number)
	s.runs(payments.Ledger, sha, "3000", 2)
}

// directPush: a push to the protected branch blocks although a later pull
// request is approved; reverting it by an approved pull request unblocks.
func directPush(t *testing.T, s *story) {
	s.run()
	pushed, err := s.PushToMain(payments.Mallory, payments.Ledger, "999999")
	require.NoError(t, err)
	s.verdict(payments.Ledger, "blocked", "landing.direct_push")
	s.untouched(payments.Ledger)

	// An approved change of something else does not carry the push along.
	other, err := s.ProposeFile(payments.Alice, "charts/service/README.md", "# The service chart\n", "Describe the chart")
	require.NoError(t, err)
	s.approve(payments.Bob, other.Number)
	s.approve(payments.Carol, other.Number)
	s.merge(other.Number, "squash")
	s.says(other.Number, "2 of 2", "without a pull request")
	s.verdict(payments.Ledger, "blocked", "landing.approved")
	s.untouched(payments.Ledger)

	revert, err := s.Revert(payments.Alice, pushed)
	require.NoError(t, err)
	s.approve(payments.Bob, revert.Number)
	s.approve(payments.Carol, revert.Number)
	s.says(revert.Number, "2 of 2")
	s.untouched(payments.Ledger)
	sha := s.merge(revert.Number, "merge")
	s.runs(payments.Ledger, sha, payments.FirstLimit, 2)
	s.verdict(payments.Ledger, "allowed", "line.up_to_date")
}

// twoPulls: the older of two merged pull requests has no quorum; nothing is
// synced until both have it.
func twoPulls(_ *testing.T, s *story) {
	s.run()
	// What it is rendered from is read when it is judged with nothing that is known to stop it.
	s.verdict(payments.Payments, "allowed", "line.up_to_date")
	older := s.propose(payments.Alice, payments.Payments, "4000")
	newer, err := s.ProposeFile(payments.Alice, payments.ValuesFile("prod", payments.Ledger), payments.Values("prod", payments.Ledger, "7000"), "Raise the ledger's limit")
	require.NoError(s.t, err)
	s.approve(payments.Bob, older.Number)
	s.approve(payments.Bob, newer.Number)
	s.approve(payments.Carol, newer.Number)

	s.merge(older.Number, "merge")
	sha := s.merge(newer.Number, "merge")
	s.verdict(payments.Payments, "blocked", "landing.approved")
	// No Application reads the other service's file; it waits with what is before it.
	s.says(newer.Number, "2 of 2", "no Application reads what it changes")
	s.says(older.Number, "1 of 2", "1 more of acme/sre")
	s.untouched(payments.Payments)

	s.approve(payments.Dave, older.Number)
	live := s.runs(payments.Payments, sha, "4000", 2)
	require.Contains(s.t, live.InitiatedBy, "bob, dave")
	require.Contains(s.t, live.InitiatedBy, "bob, carol")
}
