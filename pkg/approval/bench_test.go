package approval_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// largeSetting has 50 landings of pull requests, each changing two of 25 files
// in scope and two outside it, five requirements of teams of 20 with one person
// in common, and three reviews for each pull request.
func largeSetting() *setting { return settingOf(50, 3) }

// settingOf is largeSetting with a number of landings and of reviews for each.
func settingOf(landings, reviewers int) *setting {
	s := approved()
	s.Lines = []approval.Line{deployLine()}
	s.Config.Requirements = nil
	s.Directory = approval.Directory{}
	logins := []string{"alice", "bob", "carol"}
	for n := len(logins); n < reviewers; n++ {
		logins = append(logins, fmt.Sprintf("reviewer-%d", n))
	}
	var common []approval.User
	for _, login := range logins {
		common = append(common, person(login))
	}
	for n := range 5 {
		name := approval.TeamName(fmt.Sprintf("acme/team-%d", n))
		team := approval.Team{Name: name, Members: slices.Clone(common)}
		for m := len(team.Members); m < max(20, 2*reviewers); m++ {
			team.Members = append(team.Members, person(fmt.Sprintf("member-%d-%d", n, m)))
		}
		s.Directory.Teams = append(s.Directory.Teams, team)
		s.Config.Requirements = append(s.Config.Requirements, approval.Requirement{
			Name: fmt.Sprintf("requirement %d", n), Approvals: 2, Teams: []approval.TeamName{name},
		})
	}
	s.grant("write", logins...)
	version := map[string]int{}
	for n := range landings {
		pr := pull(n+1, "dave")
		approve(pr, logins...)
		var changes []approval.Change
		for _, path := range []string{
			fmt.Sprintf("apps/prod/service-%d/values.yaml", n%(landings/2)), fmt.Sprintf("apps/prod/service-%d/image.yaml", n%(landings/2)),
			fmt.Sprintf("docs/page-%d.md", n), "README.md",
		} {
			changes = append(changes, change(path, fmt.Sprint(version[path]), fmt.Sprint(version[path]+1)))
			version[path]++
		}
		land(s.line(), pr, changes...)
	}
	return s
}

// BenchmarkDecide measures the decision alone, BenchmarkExplain the decision with
// its whole explanation.
func BenchmarkDecide(b *testing.B) { benchmark(b, approval.Decide) }

func BenchmarkExplain(b *testing.B) { benchmark(b, approval.Explain) }

func benchmark(b *testing.B, decide func(approval.Policy, approval.Facts) approval.Decision) {
	b.Helper()
	b.Run("50-landings-approved", func(b *testing.B) {
		s := largeSetting()
		require.Equal(b, commitOf(50), s.decide().Candidate.Revisions[0].SHA)
		b.ReportAllocs()
		for b.Loop() {
			decide(s.Policy, s.Facts)
		}
	})
	b.Run("50-landings-last-waits", func(b *testing.B) {
		s := largeSetting()
		s.line().Landings[49].Pull.Reviews = nil
		require.Equal(b, commitOf(49), s.decide().Candidate.Revisions[0].SHA)
		b.ReportAllocs()
		for b.Loop() {
			decide(s.Policy, s.Facts)
		}
	})
	b.Run("50-landings-none-approved", func(b *testing.B) {
		s := largeSetting()
		for i := range s.line().Landings {
			s.line().Landings[i].Pull.Reviews = nil
		}
		require.Equal(b, approval.Blocked, s.decide().Verdict)
		b.ReportAllocs()
		for b.Loop() {
			decide(s.Policy, s.Facts)
		}
	})
	b.Run("nothing-landed", func(b *testing.B) {
		s := largeSetting()
		s.line().Landings, s.line().Head = nil, baseline
		require.True(b, s.decide().Allowed())
		b.ReportAllocs()
		for b.Loop() {
			decide(s.Policy, s.Facts)
		}
	})
}

// BenchmarkDecideLarge shows that the time grows no faster than the facts.
func BenchmarkDecideLarge(b *testing.B) {
	for _, size := range []struct{ landings, reviewers int }{{500, 3}, {50, 50}, {500, 50}} {
		for _, state := range []string{"approved", "none-approved"} {
			b.Run(fmt.Sprintf("%d-landings-%d-reviewers-%s", size.landings, size.reviewers, state), func(b *testing.B) {
				s := settingOf(size.landings, size.reviewers)
				if state != "approved" {
					for i := range s.line().Landings {
						s.line().Landings[i].Pull.Reviews = nil
					}
				}
				require.Equal(b, state == "approved", s.decide().Allowed())
				b.ReportAllocs()
				for b.Loop() {
					approval.Decide(s.Policy, s.Facts)
				}
			})
		}
	}
}
