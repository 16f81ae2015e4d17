package collect_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// onGitHub is an attack that needs GitHub's behaviour: what it collects must
// block with the code, and an honest approval afterwards must let it through.
type onGitHub struct {
	name   string
	attack func(w *world) (number int)
	code   approval.Code
	// unheard: no webhook ever comes.
	unheard bool
	// lost: nobody can approve it any more.
	lost bool
}

// TestAttackOnGitHub plays attacks on the stand-in, from what people do to the
// decision. The numbers are those of docs/security.md.
func TestAttackOnGitHub(t *testing.T) {
	t.Parallel()
	for _, a := range onGitHubAttacks() {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if !a.unheard {
				w.listen()
			}
			number := a.attack(w)
			head, err := w.gh.Branch(repoName, "main")
			require.NoError(t, err)
			d := w.judged()
			require.NotEqual(t, approval.SHA(head), d.Lines[0].Target, "%+v", d)
			require.Contains(t, codesOf(d.Findings), a.code)
			if a.lost {
				return
			}
			w.settle()
			w.review("carol", number, "APPROVE")
			w.allowed(head)
		})
	}
}

func onGitHubAttacks() []onGitHub {
	approvedPull := (*world).approvedPull
	land := func(w *world, p standin.OpenedPull) int {
		w.merge(p.Number, "squash")
		return p.Number
	}
	return []onGitHub{
		{name: "01-push-after-approval", attack: func(w *world) int {
			p := approvedPull(w)
			w.push("alice", p.Number, "prod/a.yaml", "a: 666\n")
			return land(w, p)
		}, code: approval.CodeApprovalStale},
		{name: "02-review-of-an-old-head-sent-after-the-push", attack: func(w *world) int {
			p := w.pull("alice", "prod/a.yaml", "a: 1\n")
			w.settle()
			w.push("alice", p.Number, "prod/a.yaml", "a: 666\n")
			w.settle()
			_, err := w.gh.As("bob").Review(repoName, p.Number, "APPROVE", "", p.Head) // the page was open all the time
			require.NoError(w.t, err)
			return land(w, p)
		}, code: approval.CodeApprovalStale},
		{name: "03-force-push-back-to-the-bad-head", attack: func(w *world) int {
			p := approvedPull(w)
			w.push("alice", p.Number, "prod/a.yaml", "a: 2\n")
			w.settle()
			require.NoError(w.t, w.gh.As("alice").SetBranch(repoName, p.Branch, p.Head))
			return land(w, p)
		}, code: approval.CodeApprovalBeforePush},
		{name: "03-force-push-back-that-nobody-heard-of", attack: func(w *world) int {
			p := approvedPull(w)
			w.push("alice", p.Number, "prod/a.yaml", "a: 2\n")
			w.settle()
			require.NoError(w.t, w.gh.As("alice").SetBranch(repoName, p.Branch, p.Head))
			return land(w, p)
		}, code: approval.CodeApprovalBeforePush, unheard: true},
		{name: "04-commit-known-from-another-branch", attack: func(w *world) int {
			scratch := w.seedBranch("scratch", "prod/a.yaml", "a: 666\n")
			w.settle()
			p := approvedPull(w)
			require.NoError(w.t, w.gh.As("alice").SetBranch(repoName, p.Branch, scratch))
			id, err := w.gh.Reviews(repoName, p.Number)
			require.NoError(w.t, err)
			require.NoError(w.t, w.gh.ReanchorReview(id[0].ID, scratch))
			return land(w, p)
		}, code: approval.CodeApprovalBeforePush, unheard: true},
		{name: "05-backdated-commits", attack: func(w *world) int {
			p := approvedPull(w)
			tree := w.git("rev-parse", w.seedBranch("scratch", "prod/a.yaml", "a: 666\n")+"^{tree}")
			sha := w.git("commit-tree", tree, "-p", w.repo.Head, "-m", "Long ago") // in 2001, says git
			require.NoError(w.t, w.gh.As("alice").SetBranch(repoName, p.Branch, sha))
			id, err := w.gh.Reviews(repoName, p.Number)
			require.NoError(w.t, err)
			require.NoError(w.t, w.gh.ReanchorReview(id[0].ID, sha))
			return land(w, p)
		}, code: approval.CodeApprovalBeforePush, unheard: true},
		{name: "06-review-moved-to-the-new-head", attack: func(w *world) int {
			w.gh.ReanchorReviews(true)
			p := approvedPull(w)
			_, err := w.gh.As("mallory").ForcePushPull(repoName, p.Number, standin.Change{Files: map[string]string{"prod/a.yaml": "a: 1\n"}, Message: "Reworded"})
			require.NoError(w.t, err)
			return land(w, p)
		}, code: approval.CodeApprovalStale},
		{name: "08-retargeted-after-the-approval", attack: func(w *world) int {
			w.branch("dev")
			p, err := w.gh.As("alice").OpenPull(repoName, standin.PullOptions{Base: "dev", Change: change("prod/a.yaml", "a: 1\n")})
			require.NoError(w.t, err)
			w.settle()
			w.review("bob", p.Number, "APPROVE")
			w.settle()
			w.retarget(p.Number, "main")
			return land(w, p)
		}, code: approval.CodeApprovalOtherBase},
		{name: "08-retargeted-and-nobody-heard-of-it", attack: func(w *world) int {
			w.branch("dev")
			p, err := w.gh.As("alice").OpenPull(repoName, standin.PullOptions{Base: "dev", Change: change("prod/a.yaml", "a: 1\n")})
			require.NoError(w.t, err)
			w.settle()
			w.review("bob", p.Number, "APPROVE")
			w.settle()
			w.retarget(p.Number, "main")
			return land(w, p)
		}, code: approval.CodeApprovalBaseUnknown, unheard: true},
		{name: "10-update-merge-hides-edits", attack: func(w *world) int {
			p := approvedPull(w)
			w.seed("docs/a.md", "a\n")
			evil := w.seedBranch("scratch", "prod/a.yaml", "a: 666\n")
			w.setHead("mallory", p, w.mergeTree(p.Head, w.tip("main"), w.tip("main"), evil))
			return land(w, p)
		}, code: approval.CodeApprovalStale},
		{name: "10-update-from-another-branch", attack: func(w *world) int {
			p := approvedPull(w)
			w.setHead("mallory", p, w.mergeTree(p.Head, w.seedBranch("scratch", "prod/evil.yaml", "x\n")))
			return land(w, p)
		}, code: approval.CodeApprovalStale},
		{name: "11-hand-made-merge", attack: func(w *world) int {
			p := approvedPull(w)
			_, err := w.gh.As("mallory").MergeByHand(repoName, p.Number, standin.Change{Files: map[string]string{"prod/evil.yaml": "x\n"}})
			require.NoError(w.t, err)
			return p.Number
		}, code: approval.CodeLandingMismatch, lost: true},
		{name: "12-approval-of-the-same-commit-in-another-pull-request", attack: func(w *world) int {
			p := approvedPull(w)
			w.branch("dev")
			twin, err := w.gh.As("alice").OpenPull(repoName, standin.PullOptions{Base: "dev", Branch: p.Branch, Title: "Twin"})
			require.NoError(w.t, err)
			require.NoError(w.t, w.gh.As("alice").EditPull(repoName, p.Number, "", "", "", "closed"))
			w.retarget(twin.Number, "main")
			return land(w, standin.OpenedPull{Number: twin.Number})
		}, code: approval.CodeQuorumMissing},
		{name: "19-author-approves", attack: func(w *world) int {
			require.NoError(w.t, w.gh.AddTeamMember("acme", "sre", "alice"))
			p := w.pull("alice", "prod/a.yaml", "a: 1\n")
			w.settle()
			_, err := w.gh.ForceReview(repoName, p.Number, "alice", "APPROVED", "", "")
			require.NoError(w.t, err)
			return land(w, p)
		}, code: approval.CodeApprovalAuthor},
		{name: "19-comments-of-the-author-and-of-others", attack: func(w *world) int {
			p, err := w.gh.As("alice").OpenPull(repoName, standin.PullOptions{
				Title: ":+1: approved", Body: "👍 /approve\n\nApproved-by: bob", Change: change("prod/a.yaml", "a: 1\n"),
			})
			require.NoError(w.t, err)
			for _, body := range []string{"👍", ":+1:", "/approve", "/gatekeeper approve", "/gk approve", "/lgtm", "LGTM"} {
				for _, who := range []string{"alice", "bob", "carol"} {
					_, err := w.gh.As(who).Comment(repoName, p.Number, body)
					require.NoError(w.t, err)
				}
				_, err := w.gh.As("bob").Review(repoName, p.Number, "COMMENT", body)
				require.NoError(w.t, err)
			}
			return land(w, p)
		}, code: approval.CodeQuorumMissing},
		{name: "20-reviewer-pushes-then-approves", attack: func(w *world) int {
			p := w.pull("alice", "prod/a.yaml", "a: 1\n")
			w.push("bob", p.Number, "prod/a.yaml", "a: 2\n")
			w.settle()
			w.review("bob", p.Number, "APPROVE")
			return land(w, p)
		}, code: approval.CodeApprovalPusher},
		{name: "20-reviewer-pushes-what-another-committed", attack: func(w *world) int {
			p := w.pull("alice", "prod/a.yaml", "a: 1\n")
			c := change("prod/a.yaml", "a: 2\n")
			c.Author = &standin.Identity{Name: "Alice", Email: "alice@example.com"}
			c.Committer = c.Author
			_, err := w.gh.As("bob").PushToPull(repoName, p.Number, c)
			require.NoError(w.t, err)
			w.settle()
			w.review("bob", p.Number, "APPROVE")
			return land(w, p)
		}, code: approval.CodeApprovalPusher},
		{name: "20-reviewer-pushes-an-old-head-back-and-the-webhook-is-lost", attack: func(w *world) int {
			p := w.pull("alice", "prod/a.yaml", "a: 1\n")
			w.settle()
			first := w.push("alice", p.Number, "prod/a.yaml", "a: 2\n")
			w.settle()
			w.push("alice", p.Number, "prod/a.yaml", "a: 3\n")
			w.lose(func() {
				w.settle()
				require.NoError(w.t, w.gh.As("bob").SetBranch(repoName, p.Branch, first))
			})
			w.settle()
			w.review("bob", p.Number, "APPROVE")
			return land(w, p)
		}, code: approval.CodeApprovalPusher},
		{name: "21-commit-behind-a-second-parent", attack: func(w *world) int {
			p := w.pull("alice", "prod/a.yaml", "a: 1\n")
			side, err := w.gh.As("bob").OpenPull(repoName, standin.PullOptions{Base: p.Branch, Title: "Side", Change: change("prod/side.yaml", "s: 1\n")})
			require.NoError(w.t, err)
			_, err = w.gh.As("alice").Merge(repoName, side.Number, "merge")
			require.NoError(w.t, err)
			w.settle()
			w.review("bob", p.Number, "APPROVE")
			return land(w, p)
		}, code: approval.CodeApprovalContributor},
		{name: "22-unmapped-e-mail", attack: func(w *world) int {
			p := w.pull("alice", "prod/a.yaml", "a: 1\n")
			c := change("prod/a.yaml", "a: 2\n")
			c.Author = &standin.Identity{Name: "Bob", Email: "bob@home.example"}
			_, err := w.gh.As("alice").PushToPull(repoName, p.Number, c)
			require.NoError(w.t, err)
			w.settle()
			w.review("bob", p.Number, "APPROVE")
			return land(w, p)
		}, code: approval.CodeContributorUnknown, lost: true},
		{name: "24-co-author-approves", attack: func(w *world) int {
			p := w.pull("alice", "prod/a.yaml", "a: 1\n")
			c := change("prod/a.yaml", "a: 2\n")
			c.Message += fmt.Sprintf("\n\nCo-authored-by: Bob <%d+bob@users.noreply.github.com>", w.userID("bob"))
			_, err := w.gh.As("alice").PushToPull(repoName, p.Number, c)
			require.NoError(w.t, err)
			w.settle()
			w.review("bob", p.Number, "APPROVE")
			return land(w, p)
		}, code: approval.CodeApprovalContributor},
		{name: "33-invited-to-the-team", attack: func(w *world) int {
			require.NoError(w.t, w.gh.InviteTeamMember("acme", "sre", "mallory"))
			p := w.pull("alice", "prod/a.yaml", "a: 1\n")
			w.settle()
			w.review("mallory", p.Number, "APPROVE")
			return land(w, p)
		}, code: approval.CodeApprovalOutsider},
		{name: "34-approver-left-the-team", attack: func(w *world) int {
			p := approvedPull(w)
			land(w, p)
			require.NoError(w.t, w.gh.RemoveTeamMember("acme", "sre", "bob"))
			return p.Number
		}, code: approval.CodeApprovalOutsider},
		{name: "37-changes-requested-after-the-approval", attack: func(w *world) int {
			p := approvedPull(w)
			w.review("bob", p.Number, "REQUEST_CHANGES")
			return land(w, p)
		}, code: approval.CodeVeto, lost: true},
		{name: "39-dismissal-revives-an-older-approval", attack: func(w *world) int {
			p := approvedPull(w)
			id := w.review("bob", p.Number, "APPROVE")
			require.NoError(w.t, w.gh.As("carol").Dismiss(repoName, p.Number, id, "no"))
			return land(w, p)
		}, code: approval.CodeApprovalDismissed},
		{name: "40-author-dismisses-the-blocker", attack: func(w *world) int {
			p := w.pull("alice", "prod/a.yaml", "a: 1\n")
			w.settle()
			id := w.review("bob", p.Number, "REQUEST_CHANGES")
			w.settle()
			w.review("carol", p.Number, "APPROVE")
			require.NoError(w.t, w.gh.As("alice").Dismiss(repoName, p.Number, id, "no need"))
			return land(w, p)
		}, code: approval.CodeVetoDismissed, lost: true},
		{name: "47-dismissed-review-whose-text-approves", attack: func(w *world) int {
			p := w.pull("alice", "prod/a.yaml", "a: 1\n")
			w.settle()
			id, err := w.gh.As("bob").Review(repoName, p.Number, "APPROVE", "/approve 👍")
			require.NoError(w.t, err)
			require.NoError(w.t, w.gh.As("carol").Dismiss(repoName, p.Number, id, "no"))
			return land(w, p)
		}, code: approval.CodeApprovalDismissed},
		{name: "57-label-says-approved", attack: func(w *world) int {
			p := w.pull("alice", "prod/a.yaml", "a: 1\n")
			require.NoError(w.t, w.gh.As("alice").Label(repoName, p.Number, "approved"))
			require.NoError(w.t, w.gh.As("alice").Label(repoName, p.Number, "lgtm"))
			return land(w, p)
		}, code: approval.CodeQuorumMissing},
		{name: "60-direct-push", attack: func(w *world) int {
			w.seed("prod/a.yaml", "a: 666\n")
			return 0
		}, code: approval.CodeLandingDirect, lost: true},
		{name: "60-marked-merged-by-a-push-of-its-head", attack: func(w *world) int {
			p := approvedPull(w)
			require.NoError(w.t, w.gh.As("alice").SetBranch(repoName, "main", p.Head))
			return p.Number
		}, code: approval.CodeLandingDirect, lost: true},
		{name: "61-several-pull-requests-newest-approved", attack: func(w *world) int {
			first := w.pull("alice", "prod/first.yaml", "a: 1\n")
			w.merge(first.Number, "squash")
			p := w.pull("alice", "prod/a.yaml", "a: 1\n")
			w.settle()
			w.review("bob", p.Number, "APPROVE")
			land(w, p)
			return first.Number
		}, code: approval.CodeQuorumMissing},
	}
}

func (w *world) seedBranch(branch, path, content string) string {
	w.t.Helper()
	sha, err := w.gh.As("alice").PushBranch(repoName, branch, change(path, content))
	require.NoError(w.t, err)
	return sha
}

// git runs in the repository at GitHub, as alice in the year 2001.
func (w *world) git(args ...string) string {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), "git", append([]string{"-C", w.repo.GitDir}, args...)...)
	const long = "2001-01-01T00:00:00Z"
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=Alice", "GIT_AUTHOR_EMAIL=alice@example.com", "GIT_AUTHOR_DATE="+long,
		"GIT_COMMITTER_NAME=Alice", "GIT_COMMITTER_EMAIL=alice@example.com", "GIT_COMMITTER_DATE="+long)
	out, err := cmd.CombinedOutput()
	require.NoError(w.t, err, string(out))
	return strings.TrimSpace(string(out))
}

// What GitHub refuses or cuts gives no smaller answer: attacks 54, 58 and 66 on the
// facts that only some policies ask for.
func TestNeedsOrAnError(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.listen()
	app, scan := w.scanner("scanner")
	w.seed("CODEOWNERS", "* @acme/sre @bob\n")
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.settle()
	id := w.review("bob", p.Number, "REQUEST_CHANGES")
	require.NoError(t, w.gh.As("carol").Dismiss(repoName, p.Number, id, "no"))
	w.review("mallory", p.Number, "APPROVE")
	w.report(scan, "scan", p.Head, "success")
	w.merge(p.Number, "squash")
	w.delivered()
	q := w.query(w.repo.Head)
	q.Needs = approval.Needs{CodeOwners: true, Pushers: true, Requested: true, Roles: true, Checks: []approval.RequiredCheck{{Name: "scan", AppID: app.ID}}}
	full, err := w.collector.Collect(t.Context(), q)
	require.NoError(t, err)
	for _, want := range []string{
		"GET /repos/acme/env/issues/1/timeline", "GET /repos/acme/env/pulls/1/requested_reviewers",
		"GET /repos/acme/env/commits/" + p.Head + "/check-runs", "GET /repos/acme/env/collaborators/mallory/permission",
		"GET /repos/acme/env/collaborators/carol/permission",
	} {
		path := strings.TrimPrefix(want, "GET ")
		require.Eventually(t, func() bool {
			return slices.ContainsFunc(w.gh.Calls(), func(c standin.Call) bool { return c.Method == "GET" && c.Path == path })
		}, time.Minute, time.Millisecond, want)
		for _, fault := range []standin.Fault{
			standin.ServerError500("^" + want + "$"),
			standin.SecondaryLimit("^"+want+"$", http.StatusForbidden, time.Minute),
			{Match: "^" + want + "$", Disconnect: true},
			{Match: "^" + want + "$", Status: http.StatusOK, Body: `[{"id":`},
		} {
			w.restart()
			_, err := w.gh.Fail(fault)
			require.NoError(t, err)
			_, err = w.collector.Collect(t.Context(), q)
			w.gh.ClearFaults()
			require.Error(t, err, want)
		}
	}
	w.restart()
	again, err := w.collector.Collect(t.Context(), q)
	require.NoError(t, err)
	require.Equal(t, full, again)
}
