package approval_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// variation changes a setting in which #7 is approved by alice and bob, who are
// in acme/sre with carol.
type variation struct {
	name    string
	change  func(s *setting)
	verdict approval.Verdict
	code    approval.Code // looked for in the whole tree, if set
}

func runVariations(t *testing.T, variations []variation) {
	t.Helper()
	for _, v := range variations {
		t.Run(v.name, func(t *testing.T) {
			s := approved()
			require.True(t, s.decide().Allowed())
			v.change(s)
			d := s.decide()
			requireSound(t, s, d)
			require.Equal(t, v.verdict, d.Verdict, render(d))
			if v.code != "" {
				require.Contains(t, codes(d.Findings), v.code, render(d))
			}
			var stored setting
			throughJSON(t, s.Policy, &stored.Policy)
			throughJSON(t, s.Facts, &stored.Facts)
			require.Equal(t, d, stored.decide(), "the decision differs when policy and facts were stored as JSON")
		})
	}
}

// requirement is the only one of the policy.
func (s *setting) requirement() *approval.Requirement { return &s.Config.Requirements[0] }

func (s *setting) team(name approval.TeamName, logins ...string) {
	t := approval.Team{Name: name}
	for _, l := range logins {
		t.Members = append(t.Members, person(l))
	}
	s.Directory.Teams = append(s.Directory.Teams, t)
}

// demand adds a requirement of one approval of acme/dba, in which are erin and
// alice.
func (s *setting) demand(change func(r *approval.Requirement)) {
	s.team("acme/dba", "alice", "erin")
	r := approval.Requirement{Name: "data", Approvals: 1, Teams: []approval.TeamName{"acme/dba"}}
	change(&r)
	s.Config.Requirements = append(s.Config.Requirements, r)
}

func TestScopedRequirement(t *testing.T) {
	only := func(paths ...string) func(s *setting) {
		return func(s *setting) {
			s.demand(func(r *approval.Requirement) { r.Paths, r.Teams = paths, []approval.TeamName{"acme/dba"} })
			s.Directory.Teams[1].Members = []approval.User{person("erin")}
		}
	}
	runVariations(t, []variation{
		{"another path", only("apps/prod/db/**"), approval.Allowed, ""},
		{"the changed path", only("apps/prod/web.yaml"), approval.Blocked, approval.CodeQuorumMissing},
		{"a folder above", only("apps/**"), approval.Blocked, approval.CodeQuorumMissing},
		{"one of several paths", only("apps/prod/db/**", "apps/prod/*.yaml"), approval.Blocked, approval.CodeQuorumMissing},
		{"met", func(s *setting) {
			only("apps/**")(s)
			approve(s.pull(), "erin")
			s.grant("write", "erin")
		}, approval.Allowed, approval.CodeQuorumMet},
		{"a link above the path decides what is there", func(s *setting) {
			only("apps/prod/db/**")(s)
			s.landing().Changes = append(s.landing().Changes, change("apps/prod/db", "-", "->../staging/db"))
		}, approval.Blocked, approval.CodeQuorumMissing},
		{"nothing else covers the change", func(s *setting) {
			s.requirement().Paths = []string{"apps/prod/db/**"}
		}, approval.Blocked, approval.CodePolicyEmpty},
		{"one path of the change is covered by nothing", func(s *setting) {
			s.requirement().Paths = []string{"apps/prod/web.yaml"}
			s.landing().Changes = append(s.landing().Changes, change("apps/prod/z.yaml", "v1", "v2"))
		}, approval.Blocked, approval.CodePolicyEmpty},
		{"all paths of the change are covered", func(s *setting) {
			s.requirement().Paths = []string{"apps/prod/*.yaml"}
		}, approval.Allowed, ""},
		{"a path that is no pattern", func(s *setting) {
			s.requirement().Paths = []string{"/apps"}
		}, approval.Blocked, approval.CodePolicyEmpty},
	})
}

func TestMinimumRole(t *testing.T) {
	role := func(minimum string) func(s *setting) {
		return func(s *setting) { s.requirement().MinimumRole = minimum }
	}
	runVariations(t, []variation{
		{"write", role("write"), approval.Allowed, ""},
		{"maintain", role("maintain"), approval.Blocked, approval.CodeApprovalRole},
		{"admin", role("admin"), approval.Blocked, approval.CodeApprovalRole},
		{"read is none", role("read"), approval.Blocked, approval.CodePolicyEmpty},
		{"admins may approve for maintainers", func(s *setting) {
			role("maintain")(s)
			s.Directory.Roles = nil
			s.grant("admin", "alice", "bob")
		}, approval.Allowed, ""},
		{"everybody with a role", func(s *setting) {
			*s.requirement() = approval.Requirement{Approvals: 2, MinimumRole: "write"}
		}, approval.Allowed, ""},
		{"everybody with a higher role", func(s *setting) {
			*s.requirement() = approval.Requirement{Approvals: 2, MinimumRole: "maintain"}
		}, approval.Blocked, approval.CodeApprovalRole},
		{"everybody, and no role is known", func(s *setting) {
			*s.requirement() = approval.Requirement{Approvals: 2, MinimumRole: "write"}
			s.Directory.Roles = nil
		}, approval.Unknown, approval.CodeQuorumPeople},
		{"everybody with write may veto", func(s *setting) {
			*s.requirement() = approval.Requirement{Approvals: 1, MinimumRole: "write"}
			s.pull().Reviews[1].State = approval.ReviewChangesRequested
		}, approval.Blocked, approval.CodeVeto},
	})
}

func TestCodeOwners(t *testing.T) {
	const web = "apps/prod/web.yaml"
	owned := func(owners ...approval.PathOwners) func(s *setting) {
		return func(s *setting) {
			*s.requirement() = approval.Requirement{Name: "owners", Approvals: 1, CodeOwners: true}
			s.pull().Owners = owners
		}
	}
	sre := []approval.TeamName{"acme/sre"}
	runVariations(t, []variation{
		{"approved by an owner", owned(approval.PathOwners{Path: web, Teams: sre}), approval.Allowed, approval.CodeQuorumMet},
		{"approved by nobody of the owners", func(s *setting) {
			owned(approval.PathOwners{Path: web, Teams: []approval.TeamName{"acme/dba"}})(s)
			s.team("acme/dba", "erin")
		}, approval.Blocked, approval.CodeQuorumMissing},
		{"a user owns it", owned(approval.PathOwners{Path: web, Users: []string{"zoe"}}), approval.Blocked, approval.CodeQuorumMissing},
		{"owners that are not read", owned(), approval.Unknown, approval.CodeOwnersUnknown},
		{"owners of another path", owned(approval.PathOwners{Path: "apps/prod/x.yaml", Teams: sre}), approval.Unknown, approval.CodeOwnersUnknown},
		{"owners that are known twice", owned(approval.PathOwners{Path: web, Teams: sre}, approval.PathOwners{Path: web}), approval.Unknown, approval.CodeOwnersUnknown},
		{"a team that is not read", owned(approval.PathOwners{Path: web, Teams: []approval.TeamName{"acme/nobody"}}), approval.Unknown, approval.CodeQuorumPeople},
		{"no owner", owned(approval.PathOwners{Path: web}), approval.Blocked, approval.CodeOwnersNone},
		{"no owner, and others stand in", func(s *setting) {
			owned(approval.PathOwners{Path: web})(s)
			s.requirement().Teams = sre
		}, approval.Allowed, ""},
		{"others do not stand in where there is an owner", func(s *setting) {
			owned(approval.PathOwners{Path: web, Users: []string{"zoe"}})(s)
			s.requirement().Teams = sre
		}, approval.Blocked, approval.CodeQuorumMissing},
		{"each path needs its own owners", func(s *setting) {
			s.landing().Changes = append(s.landing().Changes, change("apps/prod/z.yaml", "v1", "v2"))
			owned(approval.PathOwners{Path: web, Teams: sre}, approval.PathOwners{Path: "apps/prod/z.yaml", Users: []string{"zoe"}})(s)
		}, approval.Blocked, approval.CodeQuorumMissing},
		{"paths outside of the scope need none", func(s *setting) {
			s.landing().Changes = append(s.landing().Changes, change("docs/z.md", "v1", "v2"))
			owned(approval.PathOwners{Path: web, Teams: sre}, approval.PathOwners{Path: "docs/z.md"})(s)
		}, approval.Allowed, ""},
	})
}

func TestDistinctApprovers(t *testing.T) {
	two := func(s *setting) {
		// alice is in both teams, bob in acme/sre alone.
		s.requirement().Approvals, s.requirement().Users = 1, nil
		s.demand(func(*approval.Requirement) {})
	}
	runVariations(t, []variation{
		{"one person for both, not asked for", func(s *setting) {
			two(s)
			s.pull().Reviews = s.pull().Reviews[:1]
		}, approval.Allowed, ""},
		{"one person for both", func(s *setting) {
			two(s)
			s.DistinctApprovers = true
			s.pull().Reviews = s.pull().Reviews[:1]
		}, approval.Blocked, approval.CodeQuorumMissing},
		{"two people, of whom one could do both", func(s *setting) {
			two(s)
			s.DistinctApprovers = true
		}, approval.Allowed, ""},
		{"nobody is left", func(s *setting) {
			two(s)
			s.DistinctApprovers = true
			s.Directory.Teams[0].Members = []approval.User{person("alice")}
			s.Directory.Teams[1].Members = []approval.User{person("alice")}
			s.pull().Reviews = s.pull().Reviews[:1]
		}, approval.Blocked, approval.CodeQuorumUnsatisfiable},
		{"the only one left is wanted twice", func(s *setting) {
			two(s)
			s.DistinctApprovers = true
			s.Directory.Teams[0].Members = []approval.User{person("erin")}
			s.Directory.Teams[1].Members = []approval.User{person("erin")}
			s.pull().Reviews = nil
		}, approval.Blocked, approval.CodeQuorumUnsatisfiable},
	})
}

// The assignment of people to requirements is as good as the best of all.
func TestDistinctApproversAgainstAllAssignments(t *testing.T) {
	everybody := []string{"alice", "bob", "carol", "erin"}
	for n := range 1 << 12 {
		s := approved()
		s.DistinctApprovers = true
		s.Config.Requirements, s.Directory = nil, approval.Directory{}
		s.pull().Reviews = nil
		approve(s.pull(), everybody...)
		s.grant("write", everybody...)
		var members [3][]int
		needed := [3]int{1 + n&1, 1, 1 + n>>1&1}
		for i := range members {
			var logins []string
			for p, login := range everybody {
				if (n*2654435761>>(4*i))&(1<<p) != 0 {
					members[i], logins = append(members[i], p), append(logins, login)
				}
			}
			name := approval.TeamName("acme/team-" + string(rune('a'+i)))
			s.team(name, logins...)
			s.Config.Requirements = append(s.Config.Requirements, approval.Requirement{Approvals: needed[i], Teams: []approval.TeamName{name}})
		}
		require.Equal(t, assignable(members[:], needed[:], 0), s.decide().Allowed(), "members %v, needed %v", members, needed)
	}
}

// assignable tries every choice of people for each requirement.
func assignable(members [][]int, needed []int, taken int) bool {
	i := slices.IndexFunc(needed, func(n int) bool { return n > 0 })
	if i < 0 {
		return true
	}
	for _, p := range members[i] {
		if taken&(1<<p) != 0 {
			continue
		}
		rest := slices.Clone(needed)
		rest[i]--
		if assignable(members, rest, taken|1<<p) {
			return true
		}
	}
	return false
}

func TestRequiredChecks(t *testing.T) {
	check := func(c ...approval.Check) func(s *setting) {
		return func(s *setting) {
			s.Checks = []approval.RequiredCheck{{Name: "scan", AppID: 15368}}
			s.pull().Checks = c
		}
	}
	run := func(conclusion string) approval.Check {
		return approval.Check{Name: "scan", AppID: 15368, Commit: headOf(7), Conclusion: conclusion}
	}
	with := func(change func(c *approval.Check)) approval.Check {
		c := run("success")
		change(&c)
		return c
	}
	runVariations(t, []variation{
		{"succeeded", check(run("success")), approval.Allowed, ""},
		{"failed", check(run("failure")), approval.Blocked, approval.CodeCheckFailed},
		{"skipped", check(run("skipped")), approval.Blocked, approval.CodeCheckFailed},
		{"neutral", check(run("neutral")), approval.Blocked, approval.CodeCheckFailed},
		{"running", check(run("")), approval.Blocked, approval.CodeCheckPending},
		{"never ran", check(), approval.Blocked, approval.CodeCheckMissing},
		{"of another name", check(with(func(c *approval.Check) { c.Name = "Scan" })), approval.Blocked, approval.CodeCheckMissing},
		{"56-of-another-app", check(with(func(c *approval.Check) { c.AppID = 1 })), approval.Blocked, approval.CodeCheckMissing},
		{"on another commit", check(with(func(c *approval.Check) { c.Commit = oldHeadOf(7) })), approval.Unknown, approval.CodeCheckUnknown},
		{"both ways", check(run("success"), run("failure")), approval.Unknown, approval.CodeCheckUnknown},
		{"said twice", check(run("success"), run("success")), approval.Allowed, ""},
		{"a policy without an App", func(s *setting) {
			check(with(func(c *approval.Check) { c.AppID = 0 }))(s)
			s.Checks[0].AppID = 0
		}, approval.Blocked, approval.CodePolicyEmpty},
	})
}

func TestExclusions(t *testing.T) {
	runVariations(t, []variation{
		{"a user", func(s *setting) {
			s.Exclude.Users = []string{"Alice"}
			s.Directory.Users = append(s.Directory.Users, person("alice"))
		}, approval.Blocked, approval.CodeApprovalExcluded},
		{"a user who is not read", func(s *setting) { s.Exclude.Users = []string{"mallory"} }, approval.Unknown, approval.CodeQuorumPeople},
		{"a user who is no more", func(s *setting) {
			s.Exclude.Users = []string{"mallory"}
			s.Directory.NoSuchUsers = []string{"mallory"}
		}, approval.Allowed, ""},
		{"a team", func(s *setting) {
			s.Exclude.Teams = []approval.TeamName{"acme/contractors"}
			s.team("acme/contractors", "bob")
		}, approval.Blocked, approval.CodeApprovalExcluded},
		{"all who pushed", func(s *setting) {
			s.Exclude.Pushers = true
			s.pull().Pushers = []approval.User{person("dave"), person("alice")}
		}, approval.Blocked, approval.CodeApprovalFormerPusher},
		{"all who pushed, none of them an approver", func(s *setting) {
			s.Exclude.Pushers = true
			s.pull().Pushers = []approval.User{person("dave")}
		}, approval.Allowed, ""},
		{"all who pushed, which is not known", func(s *setting) { s.Exclude.Pushers = true }, approval.Unknown, approval.CodePusherUnknown},
		{"asked again", func(s *setting) {
			s.Exclude.Rerequested = true
			s.pull().Requested = []approval.UserID{person("bob").ID}
		}, approval.Blocked, approval.CodeApprovalRerequested},
		{"asked again, and the gate does not mind", func(s *setting) {
			s.pull().Requested = []approval.UserID{person("bob").ID}
		}, approval.Allowed, ""},
		{"somebody else is asked", func(s *setting) {
			s.Exclude.Rerequested = true
			s.pull().Requested = []approval.UserID{person("carol").ID}
		}, approval.Allowed, ""},
		{"asked again, which is not known", func(s *setting) { s.Exclude.Rerequested = true }, approval.Unknown, approval.CodeApprovalRerequested},
		{"late", func(s *setting) {
			s.Exclude.Late = true
			s.pull().Reviews[1].SubmittedAt = s.pull().MergedAt.Add(time.Second)
		}, approval.Blocked, approval.CodeApprovalLate},
		{"at the second of the merge", func(s *setting) {
			s.Exclude.Late = true
			s.pull().Reviews[1].SubmittedAt = s.pull().MergedAt
		}, approval.Unknown, approval.CodeApprovalLate},
		{"late, which is not known", func(s *setting) {
			s.Exclude.Late = true
			s.pull().MergedAt = time.Time{}
		}, approval.Unknown, approval.CodeApprovalLate},
		{"late, and the gate counts it", func(s *setting) {
			s.pull().Reviews[1].SubmittedAt = s.pull().MergedAt.Add(time.Hour)
		}, approval.Allowed, ""},
		{"unwitnessed", func(s *setting) { s.Exclude.Unwitnessed = true }, approval.Blocked, approval.CodeApprovalUnwitnessed},
		{"witnessed", func(s *setting) {
			s.Exclude.Unwitnessed = true
			s.pull().Reviews[0].Witnessed, s.pull().Reviews[1].Witnessed = true, true
		}, approval.Allowed, ""},
	})
}

func TestVetoAndDismissal(t *testing.T) {
	// carol asked for changes, and somebody dismissed that.
	dismissed := func(by string, was approval.ReviewState) func(s *setting) {
		return func(s *setting) {
			r := review(s.pull(), "carol", approval.ReviewDismissed)
			dismiss(&r, by, was)
			s.pull().Reviews = append(s.pull().Reviews, r)
		}
	}
	blocker := approval.ReviewChangesRequested
	runVariations(t, []variation{
		{"an approval", dismissed("dave", approval.ReviewApproved), approval.Allowed, approval.CodeApprovalDismissed},
		{"40-by-the-author", dismissed("dave", blocker), approval.Blocked, approval.CodeVetoDismissed},
		{"40-by-a-contributor", func(s *setting) {
			dismissed("frank", blocker)(s)
			s.pull().Contributors = append(s.pull().Contributors, approval.Contributor{User: new(person("frank")), Email: "f@example.com", Role: "co-author", Commit: headOf(7)})
		}, approval.Blocked, approval.CodeVetoDismissed},
		{"by the reviewer", dismissed("carol", blocker), approval.Allowed, ""},
		{"by one who could approve", dismissed("alice", blocker), approval.Allowed, ""},
		{"by an admin", func(s *setting) {
			dismissed("root", blocker)(s)
			s.grant("admin", "root")
		}, approval.Allowed, ""},
		{"by a writer", func(s *setting) {
			dismissed("frank", blocker)(s)
			s.grant("write", "frank")
		}, approval.Blocked, approval.CodeVetoDismissed},
		{"by somebody whose role is not known", dismissed("frank", blocker), approval.Unknown, approval.CodeDismissalUnknown},
		{"by a bot", dismissed("mergify[bot]", blocker), approval.Blocked, approval.CodeVetoDismissed},
		{"by a deleted account", func(s *setting) {
			dismissed("x", blocker)(s)
			s.pull().Reviews[2].Dismissed.By = nil
		}, approval.Blocked, approval.CodeVetoDismissed},
		{"by whom is not known", func(s *setting) {
			dismissed("x", blocker)(s)
			s.pull().Reviews[2].Dismissed = nil
		}, approval.Unknown, approval.CodeDismissalUnknown},
		{"what it was is not known", dismissed("alice", "BLOCKED"), approval.Unknown, approval.CodeDismissalUnknown},
		{"by those whom the gate names", func(s *setting) {
			dismissed("lead", blocker)(s)
			s.Veto.DismissUsers = []string{"lead"}
			s.Directory.Users = append(s.Directory.Users, person("lead"))
		}, approval.Allowed, ""},
		{"by another than the gate names", func(s *setting) {
			dismissed("alice", blocker)(s)
			s.Veto.DismissUsers = []string{"lead"}
			s.Directory.Users = append(s.Directory.Users, person("lead"))
		}, approval.Blocked, approval.CodeVetoDismissed},
		{"those whom the gate names are not known", func(s *setting) {
			dismissed("alice", blocker)(s)
			s.Veto.DismissUsers = []string{"lead"}
		}, approval.Unknown, approval.CodeDismissalUnknown},
		{"an outsider's, whoever dismissed it", func(s *setting) {
			r := review(s.pull(), "mallory", approval.ReviewDismissed)
			dismiss(&r, "dave", blocker)
			s.pull().Reviews = append(s.pull().Reviews, r)
		}, approval.Allowed, ""},
		{"and the reviewer approved afterwards", func(s *setting) {
			dismissed("dave", blocker)(s)
			approve(s.pull(), "carol")
			s.grant("write", "carol")
		}, approval.Allowed, ""},
		{"any writer vetoes", func(s *setting) {
			s.Veto.Writers = true
			s.pull().Reviews = append(s.pull().Reviews, review(s.pull(), "frank", blocker))
			s.grant("write", "frank")
		}, approval.Blocked, approval.CodeVeto},
		{"a reader does not", func(s *setting) {
			s.Veto.Writers = true
			s.pull().Reviews = append(s.pull().Reviews, review(s.pull(), "frank", blocker))
			s.grant("read", "frank")
		}, approval.Allowed, ""},
		{"a person of unknown role may", func(s *setting) {
			s.Veto.Writers = true
			s.pull().Reviews = append(s.pull().Reviews, review(s.pull(), "frank", blocker))
		}, approval.Unknown, approval.CodeQuorumPeople},
	})
}

func TestBaseOfReviews(t *testing.T) {
	runVariations(t, []variation{
		{"08-approved-for-another-branch", func(s *setting) { s.pull().Reviews[0].Base = "develop" }, approval.Blocked, approval.CodeApprovalOtherBase},
		{"08-which-branch-is-not-known", func(s *setting) { s.pull().Reviews[0].Base = "" }, approval.Unknown, approval.CodeApprovalBaseUnknown},
		{"somebody else's who is not asked", func(s *setting) {
			approve(s.pull(), "mallory")
			s.pull().Reviews[2].Base = ""
		}, approval.Allowed, ""},
	})
}

func TestMethods(t *testing.T) {
	comment := func(n int) func(s *setting) {
		return func(s *setting) { s.pull().Reviews[n].Method = approval.MethodComment }
	}
	vetoThenComment := func(s *setting) {
		r := s.pull().Reviews[0]
		r.ID, r.Method, r.Witnessed, r.SubmittedAt = -7, approval.MethodComment, true, r.SubmittedAt.Add(time.Hour)
		s.pull().Reviews[0].State = approval.ReviewChangesRequested
		s.pull().Reviews = append(s.pull().Reviews, r)
	}
	both := func(s *setting) {
		s.requirement().Methods = []approval.Method{approval.MethodReview, approval.MethodComment}
	}
	runVariations(t, []variation{
		{"a comment where reviews are asked for", comment(0), approval.Blocked, approval.CodeApprovalMethod},
		{"a comment where both are taken", func(s *setting) { both(s); comment(0)(s) }, approval.Allowed, ""},
		{"a review where comments are asked for", func(s *setting) {
			s.requirement().Methods = []approval.Method{approval.MethodComment}
		}, approval.Blocked, approval.CodeApprovalMethod},
		{"42-edited-comment", func(s *setting) {
			both(s)
			comment(0)(s)
			s.pull().Reviews[0].Edited = true
		}, approval.Blocked, approval.CodeApprovalEdited},
		{"a witnessed review in the second of the push", func(s *setting) {
			s.pull().Reviews[0].SubmittedAt, s.pull().Reviews[0].Witnessed = s.pull().HeadPushedAt, true
		}, approval.Allowed, ""},
		{"a comment in the second of the push", func(s *setting) {
			both(s)
			comment(0)(s)
			s.pull().Reviews[0].SubmittedAt, s.pull().Reviews[0].Witnessed = s.pull().HeadPushedAt, true
		}, approval.Blocked, approval.CodeApprovalBeforePush},
		{"a comment that was taken back", func(s *setting) {
			both(s)
			comment(0)(s)
			r := &s.pull().Reviews[0]
			r.ID, r.State, r.Dismissed = -7, approval.ReviewDismissed, &approval.Dismissal{By: r.User, Was: approval.ReviewApproved}
		}, approval.Blocked, approval.CodeQuorumMissing},
		{"31-comment-and-review-of-one-person", func(s *setting) {
			both(s)
			comment(1)(s)
			s.pull().Reviews[1].User = new(person("alice"))
		}, approval.Blocked, approval.CodeQuorumMissing},
		{"a veto, and a comment of the same person that no requirement takes", func(s *setting) {
			vetoThenComment(s)
		}, approval.Blocked, approval.CodeVeto},
		{"a veto, and a comment of the same person that was taken back and that no requirement takes", func(s *setting) {
			vetoThenComment(s)
			r := &s.pull().Reviews[len(s.pull().Reviews)-1]
			r.State, r.Dismissed = approval.ReviewDismissed, &approval.Dismissal{By: r.User, Was: approval.ReviewApproved}
		}, approval.Blocked, approval.CodeVeto},
		{"a veto, and a comment of the same person that is taken", func(s *setting) {
			both(s)
			vetoThenComment(s)
		}, approval.Allowed, ""},
		{"a review, and a comment of the same person that no requirement takes", func(s *setting) {
			vetoThenComment(s)
			s.pull().Reviews[0].State = approval.ReviewApproved
		}, approval.Allowed, ""},
		{"19-comment-of-the-author", func(s *setting) {
			both(s)
			comment(1)(s)
			s.pull().Reviews[1].User = new(person("dave"))
			s.Directory.Teams[0].Members = append(s.Directory.Teams[0].Members, person("dave"))
		}, approval.Blocked, approval.CodeApprovalAuthor},
		{"a method that does not exist", func(s *setting) {
			s.requirement().Methods = []approval.Method{"email"}
		}, approval.Blocked, approval.CodePolicyEmpty},
	})
}

func TestPeopleWhoAreGone(t *testing.T) {
	runVariations(t, []variation{
		{"a deleted team", func(s *setting) {
			s.Directory.Teams[0] = approval.Team{Name: "acme/sre", Gone: true}
		}, approval.Blocked, approval.CodeQuorumUnsatisfiable},
		{"a deleted team with members", func(s *setting) { s.Directory.Teams[0].Gone = true }, approval.Unknown, approval.CodeQuorumPeople},
		{"a deleted user", func(s *setting) {
			s.requirement().Teams = nil
			s.requirement().Users = []string{"yan", "zoe"}
			s.Directory.NoSuchUsers = []string{"yan"}
		}, approval.Blocked, approval.CodeQuorumUnsatisfiable},
	})
	s := approved()
	s.Directory.Teams[0] = approval.Team{Name: "acme/sre", Gone: true}
	d := s.decide()
	require.Contains(t, render(d), "team acme/sre does not exist, or the App may not see it", "the cause is named")
}

func TestNeeds(t *testing.T) {
	require.Equal(t, approval.Needs{}, approved().Needs())
	s := approved()
	s.Checks = []approval.RequiredCheck{{Name: "scan", AppID: 1}}
	s.Exclude = approval.Exclusions{Pushers: true, Rerequested: true}
	s.Config.Requirements = append(s.Config.Requirements,
		approval.Requirement{Approvals: 1, CodeOwners: true, Methods: []approval.Method{approval.MethodComment}})
	want := approval.Needs{CodeOwners: true, Checks: s.Checks, Pushers: true, Requested: true, Roles: true, Comments: true}
	require.Equal(t, want, s.Needs())
	require.Equal(t, want, approval.Needs{}.Merge(want))
	require.Equal(t, want, want.Merge(want), "each check once")

	s = approved()
	s.Veto.Writers = true
	require.True(t, s.Needs().Roles)
	s = approved()
	s.Config.Requirements = []approval.Requirement{{Approvals: 1, MinimumRole: "admin"}}
	require.True(t, s.Needs().Roles)
}

func TestPeopleOfAllRules(t *testing.T) {
	s := approved()
	s.Exclude.Teams, s.Exclude.Users = []approval.TeamName{"acme/contractors", "ACME/sre"}, []string{"intern", "ZOE"}
	s.Veto.DismissTeams, s.Veto.DismissUsers = []approval.TeamName{"acme/leads"}, []string{"lead"}
	teams, users := s.People()
	require.Equal(t, []approval.TeamName{"acme/sre", "acme/contractors", "acme/leads"}, teams)
	require.Equal(t, []string{"zoe", "intern", "lead"}, users)
}
