package approval_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

const web = "apps/prod/web.yaml"

// lineOf is a setting whose line is built by the functions given, after the
// baseline.
func lineOf(build ...func(l *approval.Line)) *setting {
	s := approved()
	s.Lines = []approval.Line{deployLine()}
	s.grant("write", "carol")
	for _, b := range build {
		b(s.line())
	}
	return s
}

func directly(n int, changes ...approval.Change) func(l *approval.Line) {
	return func(l *approval.Line) { push(l, n, changes...) }
}

func merged(number int, changes ...approval.Change) func(l *approval.Line) {
	return func(l *approval.Line) {
		pr := pull(number, "dave")
		approve(pr, "alice", "bob")
		land(l, pr, changes...)
	}
}

func unsettled(l *approval.Line) {
	l.Landings[len(l.Landings)-1].Unsettled = "GitHub has not indexed the commit yet"
}

func unproven(l *approval.Line) { l.Landings[len(l.Landings)-1].Proof = approval.Proof{} }

func TestTargetAndWhetherItAdvances(t *testing.T) {
	tests := []struct {
		name     string
		setting  *setting
		verdict  approval.Verdict
		target   approval.SHA
		advances bool
	}{
		{"nothing landed", lineOf(), approval.Allowed, baseline, false},
		{"an empty commit", lineOf(directly(1)), approval.Allowed, directOf(1), false},
		{"only something outside the scope", lineOf(directly(1, change("README.md", "v1", "v2"))), approval.Allowed, directOf(1), false},
		{"an approved change", lineOf(merged(7, change(web, "v1", "v2"))), approval.Allowed, commitOf(7), true},
		{
			"an approved change that an approved one takes back",
			lineOf(merged(7, change(web, "v1", "v2")), merged(8, change(web, "v2", "v1"))),
			approval.Allowed, commitOf(8), false,
		},
		{
			"one of two approved changes taken back",
			lineOf(merged(7, change(web, "v1", "v2"), change("apps/prod/api.yaml", "v1", "v2")), merged(8, change(web, "v2", "v1"))),
			approval.Allowed, commitOf(8), true,
		},
		{
			"an approved change outside the scope after a push that was taken back",
			lineOf(directly(1, change(web, "v1", "v2")), directly(2, change(web, "v2", "v1")), merged(7, change("README.md", "v1", "v2"))),
			approval.Allowed, commitOf(7), false,
		},
		{
			"a push throws an approved change away, together with the push it stood on",
			lineOf(directly(1, change(web, "v1", "hotfix")), merged(7, change(web, "hotfix", "v2")), directly(2, change(web, "v2", "v1"))),
			approval.Allowed, directOf(2), false,
		},
		{
			"the same, and another waits",
			lineOf(directly(1, change(web, "v1", "hotfix")), merged(7, change(web, "hotfix", "v2")), directly(2, change(web, "v2", "v1")),
				directly(3, change(web, "v1", "hotfix"))),
			approval.Blocked, directOf(2), false,
		},
		{
			"an unsettled landing that a push takes back",
			lineOf(merged(7, change(web, "v1", "v2")), unsettled, directly(1, change(web, "v2", "v1"))),
			approval.Unknown, baseline, false,
		},
		{
			"an unsettled landing that an approved one takes back",
			lineOf(merged(7, change(web, "v1", "v2")), unsettled, merged(8, change(web, "v2", "v1"))),
			approval.Unknown, baseline, false,
		},
		{
			"an unproven landing that a push takes back",
			lineOf(merged(7, change(web, "v1", "v2")), unproven, directly(1, change(web, "v2", "v1"))),
			approval.Unknown, baseline, false,
		},
		{
			"an unsettled landing, and approved ones of other files after it",
			lineOf(merged(7, change(web, "v1", "v2")), unsettled, merged(8, change("apps/prod/api.yaml", "v1", "v2"))),
			approval.Unknown, baseline, false,
		},
		{
			"an unsettled landing after an approved one",
			lineOf(merged(7, change(web, "v1", "v2")), merged(8, change(web, "v2", "v3")), unsettled),
			approval.Allowed, commitOf(7), true,
		},
		{
			"an unsettled landing outside the scope is passed",
			lineOf(merged(7, change("README.md", "v1", "v2")), unsettled, merged(8, change(web, "v1", "v2"))),
			approval.Allowed, commitOf(8), true,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := test.setting.decide()
			require.Equal(t, test.verdict, d.Verdict, render(d))
			require.Equal(t, test.target, d.Lines[0].Target, render(d))
			require.Equal(t, test.advances, d.Advances, render(d))
		})
	}
}

// What a line ships that no source uses is nothing to sync.
func TestLineThatNoSourceUsesAdvancesNothing(t *testing.T) {
	s := approved()
	s.Repositories = append(s.Repositories, approval.ProtectedRepository{Name: "acme/charts", Branch: "main"})
	unused := s.Lines[0]
	unused.Repository = "acme/charts"
	unused.Landings[0].Pull.Repository = "acme/charts"
	s.Lines = []approval.Line{deployLine(), unused}
	d := s.decide()
	require.True(t, d.Allowed(), render(d))
	require.False(t, d.Advances, render(d))

	unused.Landings[0].Pull.Reviews = nil
	require.True(t, s.decide().Allowed(), "what waits there holds nothing back here")
}

// A source that others refer to is rendered through what they read of it.
func TestSourceThatIsOnlyReferredTo(t *testing.T) {
	s := approved()
	values := approval.Source{Kind: approval.SourceGit, RepoURL: "https://github.com/acme/deploy", Repository: "acme/deploy", TargetRevision: "main"}
	s.Application.Sources, s.Application.MultiSource = append(s.Application.Sources, values), true
	require.Equal(t, approval.Unknown, s.decide().Verdict)
	s.Application.Sources[1].Ref = "values"
	require.True(t, s.decide().Allowed(), render(s.decide()))
}

// Several pushes may claim a pull request that was only marked as merged: each
// blocks, but they contradict nothing.
func TestPushesThatClaimOnePullRequest(t *testing.T) {
	claim := func(l *approval.Line) {
		landing := &l.Landings[len(l.Landings)-1]
		landing.Pull, landing.Proof.Result = pull(9, "dave"), approval.Mismatch
		approve(landing.Pull, "alice", "bob")
	}
	s := lineOf(directly(1, change(web, "v1", "v2")), claim, directly(2, change(web, "v2", "v3")), claim)
	require.Equal(t, approval.Blocked, s.decide().Verdict, render(s.decide()))

	merged(7, change(web, "v3", "v1"))(s.line())
	d := s.decide()
	require.Equal(t, commitOf(7), d.Lines[0].Target, render(d))
	require.True(t, d.Allowed())
}

// A finding on a landing says what to do about this one, seen with all others.
func TestFindingsOnPushes(t *testing.T) {
	t.Run("the half that was taken back is not to be brought back", func(t *testing.T) {
		d := lineOf(
			directly(1, change(web, "v1", "hotfix"), change("apps/prod/new.yaml", "-", "v1")), directly(2, change(web, "hotfix", "v1")),
		).decide()
		require.Equal(t, "open a pull request that restores what was there before d000001, and have it approved", d.Findings[0].Remedy)
		require.Equal(t, "clear d000001 first", d.Findings[1].Remedy)
	})
	t.Run("a push on top of a push that adds to it", func(t *testing.T) {
		d := lineOf(
			directly(1, change(web, "v1", "hotfix")), directly(2, change(web, "hotfix", "v2"), change("apps/prod/new.yaml", "-", "v1")),
		).decide()
		require.Equal(t, "open a pull request that restores what was there before d000002, and have it approved", d.Findings[1].Remedy)
	})
	t.Run("an approval on top of a push does not read as if it counted", func(t *testing.T) {
		s := lineOf(directly(1, change(web, "v1", "hotfix")), merged(7, change(web, "hotfix", "v2")))
		f := s.decide().Findings[1]
		require.Equal(t, `#7 "Change 7" (c000007) is approved by alice, bob, but it changes apps/prod/web.yaml on top of d000001, which is not approved`, f.Text)
		require.Equal(t, approval.CodeLandingUntrusted, f.Code)
		require.Equal(t, approval.Blocked, f.Verdict)
		require.Equal(t, "clear d000001 first", f.Remedy)
		require.Equal(t, approval.Allowed, s.decide().Lines[0].Landings[1].Verdict, "the landing itself is approved")

		// Once both are taken back, it holds nothing up.
		merged(8, change(web, "v2", "v1"))(s.line())
		require.Equal(t, approval.Allowed, s.decide().Findings[1].Verdict)
	})
	t.Run("a push that restores is not said to be restored later", func(t *testing.T) {
		d := lineOf(directly(1, change(web, "v1", "v2")), directly(2, change(web, "v2", "v1"))).decide()
		require.Equal(t, "d000002 was not approved, but everything in scope that it touched holds trusted content at d000002", d.Findings[1].Text)
	})
	t.Run("a pull request that was only marked as merged", func(t *testing.T) {
		s := lineOf(merged(7, change(web, "v1", "v2")))
		s.landing().Kind = approval.KindDirect
		require.Contains(t, s.decide().Findings[0].Text, "only marked as merged")
	})
}

// Everybody named as able to approve is: not who is known to lack the right.
func TestNamedPeopleCanApprove(t *testing.T) {
	s := approved()
	s.pull().Reviews = s.pull().Reviews[:1]
	remedy := func() string { return s.decide().Findings[0].Remedy }
	require.Equal(t, "3 people can still approve #7: bob, carol, zoe", remedy())

	s.Directory.Roles[1].Role = "read"
	require.Equal(t, "2 people can still approve #7: carol, zoe", remedy())

	s.pull().Contributors[0].User = new(person("carol"))
	require.Equal(t, "1 person can still approve #7: zoe", remedy())

	s.grant("triage", "zoe")
	d := s.decide()
	require.Equal(t, approval.CodeQuorumUnsatisfiable, d.Findings[0].Code, render(d))
}

// Who an account of the policy is does not matter when others suffice; it does
// when that login objects.
func TestDoubtfulAccountThatIsNotNeeded(t *testing.T) {
	s := approved()
	s.Directory.Users = append(s.Directory.Users, approval.User{ID: 666, Login: "ZOE", Type: approval.UserTypePerson})
	require.True(t, s.decide().Allowed(), "alice and bob are of the team, whoever zoe is")

	s.pull().Reviews = append(s.pull().Reviews, review(s.pull(), "zoe", approval.ReviewChangesRequested))
	require.Equal(t, approval.Unknown, s.decide().Verdict)
}

// The same review twice, as when a page of a list moves, is one.
func TestReviewListedTwiceIsOne(t *testing.T) {
	s := approved()
	s.pull().Reviews = append(s.pull().Reviews, review(s.pull(), "carol", approval.ReviewApproved))
	s.pull().Reviews[2].User = nil
	want := s.decide()
	s.pull().Reviews = append(s.pull().Reviews, s.pull().Reviews...)
	require.Equal(t, want, s.decide())

	// Reviews without an ID are not known to be the same.
	s.pull().Reviews = append(s.pull().Reviews[:2], s.pull().Reviews[3:5]...)
	want.Findings[0].Children[0].Children = want.Findings[0].Children[0].Children[1:]
	for i := range s.pull().Reviews {
		s.pull().Reviews[i].ID = 0
	}
	require.Equal(t, want, s.decide())
}

// A decision is kept, and the facts may be used again for the next.
func TestDecisionSharesNothingWithTheFacts(t *testing.T) {
	s := approved()
	s.pull().Reviews = append(s.pull().Reviews, review(s.pull(), "carol", approval.ReviewDismissed))
	s.pull().Reviews = append(s.pull().Reviews, review(s.pull(), "zoe", approval.ReviewChangesRequested))
	d := s.decide()
	want := render(d)
	users := func() (logins []string) {
		var walk func(findings []approval.Finding)
		walk = func(findings []approval.Finding) {
			for _, f := range findings {
				if f.User != nil {
					logins = append(logins, f.User.Login)
				}
				walk(f.Children)
			}
		}
		walk(d.Findings)
		return logins
	}
	before := users()
	require.Contains(t, before, "zoe")
	for i := range s.pull().Reviews {
		s.pull().Reviews[i].User.Login = "mallory"
	}
	require.Equal(t, want, render(d))
	require.Equal(t, before, users())
}
