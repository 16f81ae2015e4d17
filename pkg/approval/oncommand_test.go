package approval_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// asked is an approved change of a gate that syncs on command, with somebody's word for it.
func asked() *setting {
	s := approved()
	s.Closure = s.closure()
	s.Sync.OnCommand = true
	c, _ := approval.Prospect(s.Policy, s.Facts)
	s.SyncOrder = &approval.SyncOrder{ID: "o1", Candidate: c, Person: "ada", Reason: "it is announced", Expires: pushed.AddDate(1, 0, 0)}
	return s
}

// TestOnCommand: only a complete word for exactly this candidate has it synced. The
// approval is the same with and without.
func TestOnCommand(t *testing.T) {
	for name, test := range map[string]struct {
		change func(s *setting)
		asked  string
		waits  bool
		code   approval.Code
	}{
		"asked for":     {func(*setting) {}, "o1", false, approval.CodeSyncAsked},
		"nobody asked":  {func(s *setting) { s.SyncOrder = nil }, "", true, approval.CodeSyncWaits},
		"without an ID": {func(s *setting) { s.SyncOrder.ID = "" }, "", true, approval.CodeSyncWaits},
		"by nobody":     {func(s *setting) { s.SyncOrder.Person = "" }, "", true, approval.CodeSyncWaits},
		"without an end": {func(s *setting) {
			s.SyncOrder = &approval.SyncOrder{ID: "o1", Candidate: s.SyncOrder.Candidate, Person: "ada"}
		}, "", true, approval.CodeSyncWaits},
		"another commit":  {func(s *setting) { s.SyncOrder.Candidate.Revisions[0].SHA = baseline }, "", true, approval.CodeSyncWaits},
		"another spec":    {func(s *setting) { s.SyncOrder.Candidate.SpecDigest = "other" }, "", true, approval.CodeSyncWaits},
		"another one":     {func(s *setting) { s.SyncOrder.Candidate.UID = "other" }, "", true, approval.CodeSyncWaits},
		"not waited for":  {func(s *setting) { s.Sync.OnCommand = false }, "", false, ""},
		"nothing in word": {func(s *setting) { s.SyncOrder = &approval.SyncOrder{} }, "", true, approval.CodeSyncWaits},
	} {
		t.Run(name, func(t *testing.T) {
			s := asked()
			test.change(s)
			for _, d := range []approval.Decision{approval.Explain(s.Policy, s.Facts), approval.Decide(s.Policy, s.Facts)} {
				require.True(t, d.Allowed(), "people may sync it in any case: %s", render(d))
				require.Equal(t, test.asked, d.Asked)
				require.Equal(t, test.waits, d.Waits)
				if test.code == "" {
					require.NotContains(t, codes(d.Findings), approval.CodeSyncWaits)
					require.NotContains(t, codes(d.Findings), approval.CodeSyncAsked)
				} else {
					require.Equal(t, test.code, d.Findings[0].Code)
				}
				_, err := d.Release(s.Application, "i1", "gatekeeper")
				if test.waits {
					require.ErrorIs(t, err, approval.ErrNotAllowed)
				} else {
					require.NoError(t, err)
				}
			}
		})
	}
}

func TestOnCommandApprovesNothing(t *testing.T) {
	s := asked()
	s.Lines[0].Landings[0].Pull.Reviews = nil
	d := approval.Explain(s.Policy, s.Facts)
	require.False(t, d.Allowed())
	require.False(t, d.Waits)
	require.Empty(t, d.Asked)

	s = asked()
	s.SyncOrder = nil
	d = approval.Explain(s.Policy, s.Facts)
	require.Equal(t, "approved; waits for somebody to say sync", d.Findings[0].Text)
	require.Contains(t, d.Findings[0].Remedy, "/gk sync")
	require.Contains(t, d.Findings[0].Remedy, "gatekeeper sync "+s.Application.Key()+" --by NAME")

	s.Sync.Automated = true
	d = approval.Explain(s.Policy, s.Facts)
	require.Equal(t, approval.Blocked, d.Verdict, "both cannot be meant")
	require.Contains(t, codes(d.Findings), approval.CodePolicyEmpty)
}

// TestOnCommandOfPeople: a rollback is a person's word already.
func TestOnCommandOfPeople(t *testing.T) {
	p, f := rolledBack(t)
	p.Sync.OnCommand = true
	d := approval.Explain(p, f)
	require.True(t, d.Allowed())
	require.False(t, d.Waits)
	_, err := d.Release(f.Application, "i1", "gatekeeper")
	require.NoError(t, err)
}
