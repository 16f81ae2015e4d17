package scenario

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
)

// explained: somebody asks on the command line why a change is not in production.
// The recorded answer and one that is worked out there and then are the same while
// gatekeeper runs. With gatekeeper stopped, the last approval changes the second
// answer and not the first, and asking changes nothing anywhere.
func explained(t *testing.T, s *story) {
	gatekeeper := s.run()
	pull := s.propose(payments.Alice, payments.Ledger, "5000")
	s.approve(payments.Bob, pull.Number)
	s.says(pull.Number, "1 of 2")
	sha, err := s.Merge(payments.Dave, pull.Number, "squash")
	require.NoError(t, err)
	s.verdict(payments.Ledger, "blocked", "quorum.missing")

	application := "argocd/" + s.Application("prod", payments.Ledger)
	const replayed = "Replayed: the recorded policy and facts give this decision."
	missing := []string{"✗ " + application + ": BLOCKED by gate prod", "1 more of acme/sre", "carol", "#" + strconv.Itoa(pull.Number)}
	text := s.explain(application)
	for _, part := range append(missing, "recorded as entry ", replayed) {
		require.Contains(t, text, part)
	}
	live := s.explain(application, "--live")
	for _, part := range append(missing, "decided now, from facts of ", "nothing was recorded") {
		require.Contains(t, live, part)
	}
	require.NotContains(t, live, "Replayed")
	blocked := s.explanation(application)
	require.Equal(t, "same", blocked.Replayed)
	require.Equal(t, "blocked", blocked.verdict(t))
	require.JSONEq(t, string(blocked.Decision), string(s.explanation(application, "--live").Decision), "the same facts, the same policy")

	// Nobody is there when carol approves.
	require.NoError(t, gatekeeper.Stop(s.ctx))
	s.nextSecond()
	s.approve(payments.Carol, pull.Number)
	before, err := s.Record(s.ctx)
	require.NoError(t, err)
	require.JSONEq(t, string(blocked.Decision), string(s.explanation(application).Decision), "what was recorded stays")
	live = s.explain(application, "--live")
	require.Contains(t, live, "✓ "+application+": ALLOWED by gate prod")
	require.Contains(t, live, "may be synced to "+sha+" of "+payments.Repository)
	allowed := s.explanation(application, "--live")
	require.Equal(t, "allowed", allowed.verdict(t))
	require.Zero(t, allowed.Entry)
	after, err := s.Record(s.ctx)
	require.NoError(t, err)
	require.Equal(t, before, after, "nothing was recorded")
	s.untouched(payments.Ledger)
	comments, err := s.Comments(pull.Number)
	require.NoError(t, err)
	require.Contains(t, strings.Join(comments, ""), "1 of 2", "and nobody was told")

	// Gatekeeper comes back, decides likewise and syncs.
	s.run()
	s.runs(payments.Ledger, sha, "5000", 2)
	for _, e := range s.carried(payments.Ledger, 1) {
		x := s.explanation(application, "--entry", strconv.Itoa(e.Sequence-1)) // the decision that it rests on
		require.Equal(t, "same", x.Replayed)
		require.JSONEq(t, string(allowed.Decision), string(x.Decision))
	}
	live = s.explain(application, "--live")
	require.Contains(t, live, "✓ "+application+": ALLOWED by gate prod")
	require.Contains(t, live, "nothing after the baseline "+sha[:7])
}

// explain runs gatekeeper explain and gives what it prints.
func (s *story) explain(application string, args ...string) string {
	s.t.Helper()
	out, err := s.Gatekeeper(s.ctx, append([]string{"explain", application, "--config", s.Config}, args...)...)
	require.NoError(s.t, err)
	return out
}

// explanation is what explain prints with -o json, spelled out again.
type explanation struct {
	Entry    int             `json:"entry"`
	Decision json.RawMessage `json:"decision"`
	Replayed string          `json:"replayed"`
}

func (x explanation) verdict(t *testing.T) string {
	t.Helper()
	var d payments.Decision
	require.NoError(t, json.Unmarshal(x.Decision, &d))
	return d.Verdict
}

func (s *story) explanation(application string, args ...string) explanation {
	s.t.Helper()
	var x explanation
	out := s.explain(application, append(args, "-o", "json")...)
	require.NoError(s.t, json.Unmarshal([]byte(out), &x), out)
	return x
}
