package approval_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func able(v approval.Vacancy) []string {
	out := []string{}
	for _, u := range v.Able {
		out = append(out, u.Login)
	}
	return out
}

// Vacancies name those who could still approve, and nobody who had a part in it.
func TestVacancies(t *testing.T) {
	s := approved()
	s.DistinctApprovers = true
	require.Empty(t, s.judge(s.pull()).Vacancies, "the quorum is met")

	s.pull().Reviews = nil
	s.Directory.Teams[0].Members = append(s.Directory.Teams[0].Members, person("renovate[bot]"), person("frank"), person("grace"), s.pull().Author)
	s.grant("read", "frank")
	s.Exclude.Users = []string{"grace"}
	s.Directory.Users = append(s.Directory.Users, person("grace"))
	approve(s.pull(), "alice")
	got := s.judge(s.pull()).Vacancies
	require.Len(t, got, 1)
	require.Equal(t, 1, got[0].Missing)
	require.Equal(t, "production", got[0].Requirement)
	require.Equal(t, []approval.TeamName{"acme/sre"}, got[0].Teams)
	require.True(t, got[0].Distinct)
	require.Subset(t, able(got[0]), []string{"bob", "zoe"})
	for _, login := range []string{"alice", "renovate[bot]", "frank", "grace", s.pull().Author.Login} {
		require.NotContains(t, able(got[0]), login)
	}

	// A stale approval can be given anew.
	s.pull().Reviews[0].Commit = baseline
	got = s.judge(s.pull()).Vacancies
	require.Equal(t, 2, got[0].Missing)
	require.Contains(t, able(got[0]), "alice")
}

// Nobody is asked to fill what nobody can fill, or what is not known.
func TestNoVacancy(t *testing.T) {
	s := approved()
	s.pull().Reviews = nil
	s.Config.Requirements[0].Approvals = 50
	require.Equal(t, approval.CodeQuorumUnsatisfiable, s.judge(s.pull()).Finding.Code)
	require.Empty(t, s.judge(s.pull()).Vacancies)
	s.Config.Requirements[0].Approvals = 1
	s.Directory.Teams = nil
	require.Equal(t, approval.CodeQuorumPeople, s.judge(s.pull()).Finding.Code)
	require.Empty(t, s.judge(s.pull()).Vacancies)
}
