package standin_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

func commitFile(t *testing.T, dir, name, content string) {
	t.Helper()
	write(t, dir, name, content)
	runGit(t, dir, "add", name)
	runGit(t, dir, "commit", "--quiet", "-m", "Change "+name)
}

func TestPushesToProtectedBranches(t *testing.T) {
	w := newWorld(t)
	dir := w.clone(w.bob)
	commitFile(t, dir, "a", "1\n")
	w.protect(standin.Protection{Reviews: &standin.RequiredReviews{Count: 1}, EnforceAdmins: true})
	before := w.git("rev-parse", "main")
	w.take()
	out, err := tryGit(t, dir, "push", "origin", "HEAD:main", "HEAD:free")
	require.Error(t, err)
	require.Contains(t, out, "GH006: Protected branch update failed for refs/heads/main.")
	require.Contains(t, out, "- Changes must be made through a pull request.")
	require.Contains(t, out, "! [remote rejected] HEAD -> main (protected branch hook declined)")
	require.Equal(t, before, w.git("rev-parse", "main"))
	require.Equal(t, runGit(t, dir, "rev-parse", "HEAD"), w.git("rev-parse", "free"), "the other branch moved")
	require.Equal(t, []string{"push"}, names(w.take()))
	out, err = tryGit(t, dir, "push", "--atomic", "origin", "HEAD:main", "HEAD:more")
	require.Error(t, err)
	require.Contains(t, out, "protected branch hook declined")
	_, err = tryGit(t, w.repo.GitDir, "rev-parse", "--verify", "refs/heads/more")
	require.Error(t, err, "all or nothing")

	for name, c := range map[string]struct {
		protection standin.Protection
		args       []string
		text       string
	}{
		"delete":       {standin.Protection{}, []string{":main"}, "Cannot delete this branch"},
		"force":        {standin.Protection{}, []string{"--force", "HEAD:main"}, "Cannot force-push to this branch"},
		"check":        {standin.Protection{AllowForcePushes: true, Checks: &standin.RequiredChecks{Checks: []standin.RequiredCheck{{Context: "ci"}}}}, []string{"HEAD:main"}, `Required status check "ci" is expected.`},
		"signature":    {standin.Protection{AllowForcePushes: true, RequireSignatures: true}, []string{"HEAD:main"}, "Commits must have verified signatures."},
		"locked":       {standin.Protection{LockBranch: true}, []string{"HEAD:main"}, "Cannot change this locked branch"},
		"restrictions": {standin.Protection{Restrictions: &standin.Actors{Users: []string{"alice"}}}, []string{"HEAD:main"}, "You're not authorized to push to this branch."},
	} {
		w.protect(c.protection)
		if name == "force" {
			runGit(t, dir, "commit", "--quiet", "--amend", "--allow-empty", "-m", "other", "--reset-author")
			runGit(t, dir, "checkout", "--quiet", "--orphan", "root")
			runGit(t, dir, "commit", "--quiet", "-m", "root")
		}
		out, err := tryGit(t, dir, append([]string{"push", "origin"}, c.args...)...)
		require.Error(t, err, name)
		require.Contains(t, out, c.text, name)
		require.Equal(t, before, w.git("rev-parse", "main"), name)
		if name == "force" {
			runGit(t, dir, "checkout", "--quiet", "--force", "main")
		}
	}
}

func TestPushesThatRulesAllow(t *testing.T) {
	w := newWorld(t)
	dir := w.clone(w.bob)
	commitFile(t, dir, "a", "1\n")
	head := runGit(t, dir, "rev-parse", "HEAD")
	w.protect(standin.Protection{Checks: &standin.RequiredChecks{Checks: []standin.RequiredCheck{{Context: "ci"}}}})
	runGit(t, dir, "push", "--quiet", "origin", "HEAD:refs/heads/tested")
	status, _, _ := w.send("POST", "/repos/acme/env/statuses/"+head, "token "+w.bob.Token, `{"state":"success","context":"ci"}`)
	require.Equal(t, 201, status)
	runGit(t, dir, "push", "--quiet", "origin", "HEAD:main")
	require.Equal(t, head, w.git("rev-parse", "main"), "a commit that passed may be pushed")
	w.protect(standin.Protection{LinearHistory: true})
	runGit(t, dir, "checkout", "--quiet", "-b", "side", "HEAD~1")
	commitFile(t, dir, "b", "1\n")
	runGit(t, dir, "checkout", "--quiet", "main")
	runGit(t, dir, "merge", "--quiet", "--no-ff", "-m", "merge", "side")
	out, err := tryGit(t, dir, "push", "origin", "main")
	require.Error(t, err)
	require.Contains(t, out, "This branch must not contain merge commits.")
	w.protect(standin.Protection{AllowDeletions: true, AllowForcePushes: true})
	runGit(t, dir, "push", "--quiet", "--force", "origin", "HEAD~1:main")
}

func TestRulesetsOnPushes(t *testing.T) {
	w := newWorld(t)
	must(w.s.SetRuleset("acme", standin.Ruleset{Name: "releases", Include: []string{"refs/heads/release/**"}, Exclude: []string{"refs/heads/release/free"},
		Bypass: []standin.BypassActor{{ActorType: "OrganizationAdmin"}}, Rules: []standin.Rule{{Type: "creation"}, {Type: "update"}, {Type: "deletion"}}}))(t)
	dir := w.clone(w.bob)
	out, err := tryGit(t, dir, "push", "origin", "HEAD:refs/heads/release/1/x")
	require.Error(t, err)
	require.Contains(t, out, "GH013: Repository rule violations found for refs/heads/release/1/x.")
	require.Contains(t, out, "(push declined due to repository rule violations)")
	runGit(t, dir, "push", "--quiet", "origin", "HEAD:refs/heads/release/free")
	must(w.s.As("carol").PushBranch("acme/env", "release/1", standin.Change{Files: map[string]string{"a": "b"}}))(t)
	refused(t, w.s.As("bob").SetBranch("acme/env", "release/1", w.repo.Head), 422, "Cannot update this protected ref.")
	refused(t, w.s.As("bob").SetBranch("acme/env", "release/1", ""), 422, "Cannot delete this branch")
	require.NoError(t, w.s.As("carol").SetBranch("acme/env", "release/1", ""))
}
