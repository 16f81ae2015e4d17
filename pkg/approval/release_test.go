package approval_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func TestRelease(t *testing.T) {
	s := approved()
	d := s.decide()
	r, err := d.Release(s.Application, "intent-1", "#7 by dave, approved by alice, bob")
	require.NoError(t, err)
	require.True(t, r.Valid())
	require.Equal(t, "intent-1", r.Intent())
	require.Equal(t, "#7 by dave, approved by alice, bob", r.InitiatedBy())
	require.Equal(t, d.Candidate, r.Candidate())
	require.Equal(t, s.Application, r.Application())

	refused := map[string]func(d *approval.Decision, a *approval.Application, intent *string){
		"no intent":           func(_ *approval.Decision, _ *approval.Application, intent *string) { *intent = "" },
		"blocked":             func(d *approval.Decision, _ *approval.Application, _ *string) { d.Verdict = approval.Blocked },
		"unknown":             func(d *approval.Decision, _ *approval.Application, _ *string) { d.Verdict = approval.Unknown },
		"no verdict":          func(d *approval.Decision, _ *approval.Application, _ *string) { d.Verdict = "" },
		"no revisions":        func(d *approval.Decision, _ *approval.Application, _ *string) { d.Candidate.Revisions = nil },
		"zero decision":       func(d *approval.Decision, _ *approval.Application, _ *string) { *d = approval.Decision{} },
		"another application": func(_ *approval.Decision, a *approval.Application, _ *string) { a.UID = "other" },
		"another spec":        func(_ *approval.Decision, a *approval.Application, _ *string) { a.SpecDigest = "other" },
		"a source more": func(_ *approval.Decision, a *approval.Application, _ *string) {
			a.Sources = append(a.Sources[:1:1], a.Sources[0])
		},
		"sources in another order": func(d *approval.Decision, a *approval.Application, _ *string) {
			a.Sources = append(a.Sources[:1:1], approval.Source{Repository: "acme/charts"})
			d.Candidate.Revisions = []approval.Revision{{Repository: "acme/charts", SHA: commitOf(1)}, {Repository: "acme/deploy", SHA: commitOf(2)}}
		},
		"a source less":    func(_ *approval.Decision, a *approval.Application, _ *string) { a.Sources = nil },
		"zero application": func(_ *approval.Decision, a *approval.Application, _ *string) { *a = approval.Application{} },
	}
	for name, change := range refused {
		t.Run(name, func(t *testing.T) {
			s := approved()
			d, a, intent := s.decide(), s.Application, "intent-1"
			change(&d, &a, &intent)
			r, err := d.Release(a, intent, "alice")
			require.ErrorIs(t, err, approval.ErrNotAllowed)
			require.Zero(t, r)
			require.False(t, r.Valid())
		})
	}
}

func TestCandidateEqual(t *testing.T) {
	candidate := func() approval.Candidate {
		return approval.Candidate{UID: "u", SpecDigest: "s", Revisions: []approval.Revision{{Repository: "a/b", SHA: "1"}, {Repository: "c/d", SHA: "2"}}}
	}
	require.True(t, candidate().Equal(candidate()))
	require.True(t, approval.Candidate{}.Equal(approval.Candidate{}))
	for name, change := range map[string]func(c *approval.Candidate){
		"application": func(c *approval.Candidate) { c.UID = "v" },
		"spec":        func(c *approval.Candidate) { c.SpecDigest = "t" },
		"commit":      func(c *approval.Candidate) { c.Revisions[1].SHA = "3" },
		"repository":  func(c *approval.Candidate) { c.Revisions[0].Repository = "a/c" },
		"order":       func(c *approval.Candidate) { c.Revisions[0], c.Revisions[1] = c.Revisions[1], c.Revisions[0] },
		"fewer":       func(c *approval.Candidate) { c.Revisions = c.Revisions[:1] },
	} {
		other := candidate()
		change(&other)
		require.False(t, candidate().Equal(other), name)
		require.False(t, other.Equal(candidate()), name)
	}
}

func TestOperationFinished(t *testing.T) {
	var none *approval.Operation
	require.False(t, none.Finished())
	for phase, want := range map[string]bool{
		"Succeeded": true, "Failed": true, "Error": true, "Running": false, "Terminating": false, "": false, "succeeded": false,
	} {
		require.Equal(t, want, (&approval.Operation{Phase: phase}).Finished(), phase)
		require.False(t, (&approval.Operation{Phase: phase, Requested: true}).Finished(), phase)
	}
}

func TestPeople(t *testing.T) {
	p := approval.Policy{Config: approval.Quorum{Requirements: []approval.Requirement{
		{Approvals: 1, Teams: []approval.TeamName{"acme/sre", "acme/dba"}, Users: []string{"zoe"}},
		{Approvals: 1, Teams: []approval.TeamName{"acme/sre"}, Users: []string{"Zoe", "yan"}},
	}}}
	teams, logins := p.People()
	require.Equal(t, []approval.TeamName{"acme/sre", "acme/dba"}, teams)
	require.Equal(t, []string{"zoe", "yan"}, logins)

	teams, logins = approval.Policy{}.People()
	require.Empty(t, teams)
	require.Empty(t, logins)
}

// JudgeQuorum counts only what is needed, over all requirements.
func TestJudgeQuorumCounts(t *testing.T) {
	s := approved()
	s.Config.Requirements = append(s.Config.Requirements, approval.Requirement{
		Name: "data", Approvals: 2, Teams: []approval.TeamName{"acme/dba"},
	})
	s.Directory.Teams = append(s.Directory.Teams, approval.Team{Name: "acme/dba", Members: []approval.User{person("alice"), person("erin")}})
	approve(s.pull(), "carol")
	s.grant("admin", "carol")

	r := s.judge(s.pull())
	require.Equal(t, approval.Blocked, r.Finding.Verdict)
	require.Equal(t, 4, r.Needed)
	require.Equal(t, 3, r.Met, "two of three in the first requirement, one of two in the second")
	require.Equal(t, []approval.User{person("alice"), person("bob"), person("carol")}, r.Approvers, "each once")
	require.Len(t, r.Finding.Children, 2)

	approve(s.pull(), "erin")
	s.grant("maintain", "erin")
	r = s.judge(s.pull())
	require.Equal(t, approval.Allowed, r.Finding.Verdict)
	require.Equal(t, r.Needed, r.Met)
}

// A member without an ID makes the whole team unknown: it could be anybody.
func TestJudgeQuorumDoesNotGuessMembers(t *testing.T) {
	s := approved()
	s.Config.Requirements[0].Approvals = 1
	s.Config.Requirements[0].Users = nil
	s.Directory.Teams[0].Members = []approval.User{person("dave"), {Login: "nobody", Type: approval.UserTypePerson}}
	s.pull().Reviews = nil
	r := s.judge(s.pull())
	require.Equal(t, approval.CodeQuorumPeople, r.Finding.Code, r.Finding.Text)
	require.Equal(t, approval.Unknown, r.Finding.Verdict)
}

// Decide says the same when it is called at the same time by many.
func TestDecideConcurrently(t *testing.T) {
	s := approved()
	want := s.decide()
	for i := range 8 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			for range 50 {
				require.Equal(t, want, s.decide())
			}
		})
	}
}
