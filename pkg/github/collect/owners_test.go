package collect_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// ownersOf collects for a policy that asks for the code owners.
func (w *world) ownersOf(baseline string) (approval.Answer, error) {
	w.t.Helper()
	w.delivered()
	q := w.query(baseline)
	q.Teams, q.Users = nil, nil
	q.Needs = approval.Needs{CodeOwners: true, Roles: true}
	return w.collector.Collect(w.t.Context(), q)
}

// ownersDecide is the decision of a gate that asks for one approval of the owners.
func (w *world) ownersDecide(baseline string) approval.Decision {
	w.t.Helper()
	a, err := w.ownersOf(baseline)
	require.NoError(w.t, err)
	p := w.policy()
	p.Repositories[0].EnrolledAt = approval.SHA(baseline)
	p.Config.Requirements = []approval.Requirement{{Name: "owners", Approvals: 1, CodeOwners: true}}
	return explain(p, w.facts(a))
}

// seed pushes a file to the protected branch, where the line begins then.
func (w *world) seed(path, content string) string {
	w.t.Helper()
	sha, err := w.gh.As("carol").PushBranch(repoName, "main", change(path, content))
	require.NoError(w.t, err)
	return sha
}

// Who has to approve is said by the commit before the change. A pull request that
// makes its author's friend an owner does not get by with the friend's approval.
func TestOwnersAreThoseOfTheBase(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.listen()
	baseline := w.seed("CODEOWNERS", "* @mallory\nprod/ @acme/sre\n")
	p, err := w.gh.As("alice").OpenPull(repoName, standin.PullOptions{Change: standin.Change{Message: "Mine", Files: map[string]string{
		"CODEOWNERS": "* @mallory\n", "prod/a.yaml": "a: 1\n",
	}}})
	require.NoError(t, err)
	w.review("mallory", p.Number, "APPROVE")
	sha := w.merge(p.Number, "squash")
	a, err := w.ownersOf(baseline)
	require.NoError(t, err)
	require.ElementsMatch(t, []approval.PathOwners{
		{Path: "CODEOWNERS", Users: []string{"mallory"}}, {Path: "prod/a.yaml", Teams: []approval.TeamName{"acme/sre"}},
	}, a.Lines[0].Landings[0].Pull.Owners)
	require.Len(t, a.Directory.Teams, 1, "owners are looked up though the query does not name them")
	d := w.ownersDecide(baseline)
	require.False(t, d.Allowed())
	require.Contains(t, codesOf(d.Findings), approval.CodeQuorumMissing)
	w.review("bob", p.Number, "APPROVE")
	d = w.ownersDecide(baseline)
	require.True(t, d.Allowed(), "%+v", d.Findings)
	require.Equal(t, approval.SHA(sha), d.Lines[0].Target)

	// From now on the new file holds.
	next := w.pull("alice", "prod/b.yaml", "b: 1\n")
	w.review("mallory", next.Number, "APPROVE")
	w.merge(next.Number, "squash")
	require.True(t, w.ownersDecide(sha).Allowed())
}

func TestOwnersOfAllKinds(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		file    string
		approve []string
		allowed bool
	}{
		"team":                      {"prod/ @acme/sre\n", []string{"bob"}, true},
		"user":                      {"prod/ @bob\n", []string{"bob"}, true},
		"user in other case":        {"prod/ @BOB\n", []string{"bob"}, true},
		"another user":              {"prod/ @bob\n", []string{"carol"}, false},
		"one of several":            {"prod/ @mallory @acme/sre\n", []string{"carol"}, true},
		"the last match":            {"prod/ @mallory\n*.yaml @bob\n", []string{"mallory"}, false},
		"an e-mail address":         {"prod/ bob@example.com\n", []string{"bob"}, false},
		"an e-mail address and one": {"prod/ bob@example.com @carol\n", []string{"carol"}, true},
		"a user who is gone":        {"prod/ @zoe\n", []string{"bob"}, false},
		"a team that is gone":       {"prod/ @acme/nobody\n", []string{"bob"}, false},
		"a team of others":          {"prod/ @other/team @bob\n", []string{"bob"}, true},
		"nobody":                    {"prod/\n", []string{"bob", "carol"}, false},
		"no owner for the path":     {"dev/ @bob\n", []string{"bob", "carol"}, false},
		"a reader":                  {"prod/ @reader\n", []string{"reader"}, false},
		"the author":                {"prod/ @alice\n", []string{"bob"}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.listen()
			_, err := w.gh.CreateUser("reader", "Reader", "reader@example.com")
			require.NoError(t, err)
			require.NoError(t, w.gh.SetCollaborator(repoName, "reader", "read"))
			baseline := w.seed(".github/CODEOWNERS", tt.file)
			p := w.pull("alice", "prod/a.yaml", "a: 1\n")
			for _, who := range tt.approve {
				_, err := w.gh.ForceReview(repoName, p.Number, who, "APPROVED", "", "")
				require.NoError(t, err)
			}
			w.merge(p.Number, "squash")
			d := w.ownersDecide(baseline)
			require.Equal(t, tt.allowed, d.Allowed(), "%+v", d.Findings)
		})
	}
}

// Where GitHub looks first counts, and what cannot be read is an error: with a
// part of the rules somebody else would be the owner.
func TestOwnersFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	baseline := w.seed("docs/CODEOWNERS", "* @mallory\n")
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.merge(p.Number, "squash")
	owners := func() []approval.PathOwners {
		t.Helper()
		a, err := w.ownersOf(baseline)
		require.NoError(t, err)
		last := a.Lines[0].Landings[len(a.Lines[0].Landings)-1]
		return last.Pull.Owners
	}
	require.Equal(t, []approval.PathOwners{{Path: "prod/a.yaml", Users: []string{"mallory"}}}, owners())
	for path, who := range map[string]string{"CODEOWNERS": "carol", ".github/CODEOWNERS": "bob"} {
		baseline = w.seed(path, "* @"+who+"\n")
		if path == "CODEOWNERS" {
			continue
		}
		w.merge(w.pull("alice", "prod/b.yaml", "b: 1\n").Number, "squash")
		require.Equal(t, []approval.PathOwners{{Path: "prod/b.yaml", Users: []string{who}}}, owners())
	}
	for name, file := range map[string]string{
		"not a line of the file":   "* @bob\n[unclosed @carol\n",
		"a line that is too long":  "* @bob\nprod/ " + strings.Repeat("@carol ", 20_000) + "\nprod/ @acme/sre\n",
		"a file that is too large": "* @bob\n" + strings.Repeat("# padding\n", 330_000),
	} {
		baseline = w.seed(".github/CODEOWNERS", file)
		w.merge(w.pull("alice", "prod/"+strings.ReplaceAll(name, " ", "-"), "x\n").Number, "squash")
		_, err := w.ownersOf(baseline)
		require.ErrorContains(t, err, "read the code owners", name)
	}
}

// A path whose owner is named by an e-mail address has an owner, whom nobody can
// be told to be: those who stand in for paths without an owner may not.
func TestOwnersByAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.listen()
	baseline := w.seed("CODEOWNERS", "prod/ mallory@example.com\n")
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.review("bob", p.Number, "APPROVE")
	w.merge(p.Number, "squash")
	w.resetCalls()
	a, err := w.ownersOf(baseline)
	require.NoError(t, err)
	require.Equal(t, []approval.PathOwners{{Path: "prod/a.yaml", Users: []string{"mallory@example.com"}}}, a.Lines[0].Landings[0].Pull.Owners)
	require.Equal(t, []string{"mallory@example.com"}, a.Directory.NoSuchUsers)
	for _, c := range w.apiCalls() {
		require.NotContains(t, c, "/users/", "no login is an address")
	}
	q := w.query(baseline)
	q.Needs = approval.Needs{CodeOwners: true, Roles: true}
	a, err = w.collector.Collect(t.Context(), q)
	require.NoError(t, err)
	policy := w.policy()
	policy.Repositories[0].EnrolledAt = approval.SHA(baseline)
	policy.Config.Requirements[0].CodeOwners = true
	require.False(t, explain(policy, w.facts(a)).Allowed(), "bob stands in where nobody owns")
}
