package standin_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// queued is a world whose main branch has a merge queue that needs the check "gate", and an App that
// hears of it and makes the check.
type queued struct {
	*world
	checker *github.Client
}

func newQueued(t *testing.T, method string, checks ...string) *queued {
	t.Helper()
	w := newWorld(t)
	app := must(w.s.CreateApp(standin.AppOptions{Slug: "checker", Owner: "acme", PrivateKeyPEM: key(t), WebhookURL: w.hooks.url, WebhookSecret: secret,
		Permissions: map[string]string{"checks": "write", "contents": "read", "pull_requests": "read", "merge_queues": "read", "statuses": "write"},
		Events:      []string{"merge_group", "push", "pull_request"}}))(t)
	id := must(w.s.Install(app.ID, "acme", "env"))(t)
	own, ownID := w.app, w.installation
	w.app, w.installation = app, id
	checker := w.client()
	require.NoError(t, w.s.SetWebhook(own.ID, "", ""))
	w.app, w.installation = own, ownID
	require.NoError(t, w.s.EnableMergeQueue("acme/env", "main", method, checks...))
	w.take()
	return &queued{w, checker}
}

// enqueue opens a pull request that adds a file, and puts it into the queue.
func (w *queued) enqueue(file string) standin.OpenedPull {
	w.t.Helper()
	opened := must(w.s.As("alice").OpenPull("acme/env", standin.PullOptions{Title: "Add " + file, Change: standin.Change{Files: map[string]string{file: "x\n"}}}))(w.t)
	require.NoError(w.t, w.s.As("bob").Enqueue("acme/env", opened.Number))
	return opened
}

func (w *queued) check(sha, conclusion string) {
	w.t.Helper()
	_, _, err := w.checker.Checks.CreateCheckRun(w.t.Context(), "acme", "env", github.CreateCheckRunOptions{Name: "gate", HeadSHA: sha, Conclusion: &conclusion})
	require.NoError(w.t, err)
}

func (w *queued) line() []standin.QueueEntry {
	w.t.Helper()
	return must(w.s.MergeQueue("acme/env", "main"))(w.t)
}

// story lists events with what tells one from another.
func story(events []received) string {
	var out []string
	for _, e := range events {
		var p struct {
			Ref, Before, After, Action, Reason string
			Number                             int
			MergeGroup                         struct {
				HeadRef string `json:"head_ref"`
			} `json:"merge_group"`
			Created, Deleted bool
			Sender           struct{ Login string }
		}
		if json.Unmarshal(e.raw, &p) != nil {
			return "?"
		}
		text := e.event
		switch e.event {
		case "push":
			text += " " + map[bool]string{true: "+"}[p.Created] + map[bool]string{true: "-"}[p.Deleted] + strings.TrimPrefix(p.Ref, "refs/heads/")
		case "pull_request":
			text += fmt.Sprintf(" #%d %s", p.Number, p.Action)
		case "merge_group":
			text += " " + p.Action + " " + strings.TrimPrefix(p.MergeGroup.HeadRef, "refs/heads/gh-readonly-queue/main/")
		default:
			continue
		}
		if p.Reason != "" {
			text += " " + p.Reason
		}
		out = append(out, text+" by "+p.Sender.Login)
	}
	return strings.Join(out, "\n")
}

func TestAQueueLandsAGroupWithOnePush(t *testing.T) {
	for _, method := range []string{"merge", "squash", "rebase"} {
		t.Run(method, func(t *testing.T) {
			w := newQueued(t, method, "gate")
			base := w.repo.Head
			one, two := w.enqueue("one"), w.enqueue("two")
			line := w.line()
			require.Len(t, line, 2)
			require.Equal(t, []string{base, line[0].HeadSHA}, []string{line[0].BaseSHA, line[1].BaseSHA}, "groups stand on each other")
			require.Equal(t, "refs/heads/gh-readonly-queue/main/pr-1-"+base, line[0].HeadRef)
			require.Equal(t, "refs/heads/gh-readonly-queue/main/pr-2-"+line[0].HeadSHA, line[1].HeadRef)
			require.Equal(t, line[1].HeadSHA, w.git("rev-parse", line[1].HeadRef))
			require.Equal(t, "README.md\none\nprod/values.yaml\ntwo", w.git("ls-tree", "-r", "--name-only", line[1].HeadSHA))
			const bot = " by github-merge-queue[bot]"
			first, second := "pr-1-"+base, "pr-2-"+line[0].HeadSHA
			events := w.take()
			require.Equal(t, strings.Join([]string{
				"push +change-1 by alice", "pull_request #1 opened by alice", "pull_request #1 enqueued by bob",
				"push +gh-readonly-queue/main/" + first + bot, "merge_group checks_requested " + first + bot,
				"push +change-2 by alice", "pull_request #2 opened by alice", "pull_request #2 enqueued by bob",
				"push +gh-readonly-queue/main/" + second + bot, "merge_group checks_requested " + second + bot,
			}, "\n"), story(events))
			group := events[len(events)-1].payload.(*github.MergeGroupEvent).GetMergeGroup()
			require.Equal(t, strings.Join([]string{line[1].HeadSHA, line[1].HeadRef, line[0].HeadSHA, "refs/heads/main"}, " "),
				strings.Join([]string{group.GetHeadSHA(), group.GetHeadRef(), group.GetBaseSHA(), group.GetBaseRef()}, " "))
			require.Equal(t, w.field(line[1].HeadSHA, "%B"), group.GetHeadCommit().GetMessage())

			w.check(line[1].HeadSHA, "success")
			require.Equal(t, base, must(w.s.Branch("acme/env", "main"))(t), "the first one is not ready")
			w.check(line[0].HeadSHA, "success")
			require.Equal(t, strings.Join([]string{
				"push main" + bot,
				"pull_request #1 dequeued MERGE" + bot, "pull_request #1 closed" + bot, "merge_group destroyed " + first + " merged" + bot, "push -gh-readonly-queue/main/" + first + bot,
				"pull_request #2 dequeued MERGE" + bot, "pull_request #2 closed" + bot, "merge_group destroyed " + second + " merged" + bot, "push -gh-readonly-queue/main/" + second + bot,
			}, "\n"), story(w.take()))
			require.Equal(t, line[1].HeadSHA, w.git("rev-parse", "main"))
			landed := w.activities("&ref=main&activity_type=merge_queue_merge", 10)
			require.Len(t, landed, 1, "one push for both")
			require.Equal(t, base+" "+line[1].HeadSHA+" github-merge-queue[bot]", landed[0].Before+" "+landed[0].After+" "+landed[0].Actor.GetLogin())
			want := map[string]int{"merge": 4, "squash": 2, "rebase": 2}[method]
			require.Len(t, strings.Fields(w.git("rev-list", base+"..main")), want)
			for i, opened := range []standin.OpenedPull{one, two} {
				pull := must(w.s.Pull("acme/env", opened.Number))(t)
				require.True(t, pull.Merged)
				require.Equal(t, line[i].HeadSHA, pull.MergeCommitSHA)
				require.Equal(t, "github-merge-queue[bot]", pull.MergedBy)
				found, _, err := w.client().PullRequests.ListPullRequestsWithCommit(t.Context(), "acme", "env", line[i].HeadSHA, nil)
				require.NoError(t, err)
				require.Len(t, found, 1)
				require.Equal(t, opened.Number, found[0].GetNumber())
			}
			require.Empty(t, w.line())
			require.Empty(t, w.git("for-each-ref", "refs/heads/gh-readonly-queue"))
			if method == "merge" {
				require.Equal(t, line[0].HeadSHA+" "+two.Head, w.field("main", "%P"))
				require.Equal(t, "valid+", w.reason(line[1].HeadSHA))
			}
		})
	}
}

func TestAFailedCheckLeavesTheQueue(t *testing.T) {
	w := newQueued(t, "squash", "gate")
	w.enqueue("one")
	bad := w.enqueue("two")
	w.enqueue("three")
	before := w.line()
	w.take()
	w.check(before[1].HeadSHA, "failure")
	after := w.line()
	require.Len(t, after, 2)
	require.Equal(t, before[0], after[0], "what is ahead stays")
	require.Equal(t, before[0].HeadSHA, after[1].BaseSHA, "what is behind is built again")
	const bot = " by github-merge-queue[bot]"
	second, third, again := "pr-2-"+before[0].HeadSHA, "pr-3-"+before[1].HeadSHA, "pr-3-"+before[0].HeadSHA
	require.Equal(t, strings.Join([]string{
		"pull_request #2 dequeued CI_FAILURE" + bot, "merge_group destroyed " + second + " dequeued" + bot, "push -gh-readonly-queue/main/" + second + bot,
		"merge_group destroyed " + third + " invalidated" + bot, "push -gh-readonly-queue/main/" + third + bot,
		"push +gh-readonly-queue/main/" + again + bot, "merge_group checks_requested " + again + bot,
	}, "\n"), story(w.take()))
	require.False(t, must(w.s.Pull("acme/env", bad.Number))(t).Merged)
	w.check(after[0].HeadSHA, "success")
	require.Equal(t, []int{3}, numbers(w.line()), "the first one lands alone")
	require.Equal(t, w.git("rev-parse", "main"), after[0].HeadSHA)
	// A status is as good as a check run.
	_, _, err := w.checker.Repositories.CreateStatus(t.Context(), "acme", "env", after[1].HeadSHA, &github.RepoStatus{State: new("success"), Context: new("gate")})
	require.NoError(t, err)
	require.Empty(t, w.line())
	require.Equal(t, "README.md\none\nprod/values.yaml\nthree", w.git("ls-tree", "-r", "--name-only", "main"))
}

func numbers(line []standin.QueueEntry) []int {
	var out []int
	for _, e := range line {
		out = append(out, e.Number)
	}
	return out
}

func TestWhatMovesAQueue(t *testing.T) {
	w := newQueued(t, "merge")
	refuse := func(err error, want string) {
		t.Helper()
		require.ErrorContains(t, err, want)
	}
	one, two := w.enqueue("one"), w.enqueue("two")
	_, resp, err := w.as(w.bob).PullRequests.Merge(t.Context(), "acme", "env", one.Number, "", nil)
	require.Equal(t, 405, resp.StatusCode)
	refuse(err, "Changes must be made through the merge queue")
	refuse(w.s.As("bob").Enqueue("acme/env", one.Number), "already in the merge queue")
	refuse(w.s.As("mallory").Enqueue("acme/env", one.Number), "403")
	draft := must(w.s.As("alice").OpenPull("acme/env", standin.PullOptions{Title: "Later", Draft: true, Change: standin.Change{Files: map[string]string{"x": "y"}}}))(t)
	refuse(w.s.As("bob").Enqueue("acme/env", draft.Number), "not mergeable")
	refuse(w.s.EnableMergeQueue("acme/env", "nowhere", "merge"), "nowhere")
	refuse(w.s.EnableMergeQueue("acme/env", "main", "merge"), "has one")
	dir := w.clone(w.bob)
	out, err := tryGit(t, dir, "push", "origin", "HEAD:"+w.line()[0].HeadRef)
	require.Error(t, err, "queue branches are read-only")
	require.Contains(t, out, "hidden ref")
	status, message := w.refused("PATCH", "git/"+w.line()[0].HeadRef, `{"force":true,"sha":"`+w.repo.Head+`"}`)
	require.Equal(t, "422 Reference update failed", fmt.Sprint(status, " ", message))

	// A push to the branch builds all groups again.
	base := must(w.s.As("carol").PushBranch("acme/env", "main", standin.Change{Files: map[string]string{"two": "other\n"}}))(t)
	require.Equal(t, []int{1}, numbers(w.line()), "the second one conflicts now")
	require.Equal(t, base, w.line()[0].BaseSHA)
	require.Contains(t, story(w.take()), "pull_request #2 dequeued MERGE_CONFLICT")
	// A push to the pull request, and closing it, take it out.
	must(w.s.As("alice").PushToPull("acme/env", one.Number, standin.Change{Files: map[string]string{"more": "x"}}))(t)
	require.Empty(t, w.line())
	require.NoError(t, w.s.As("bob").Enqueue("acme/env", one.Number))
	require.NoError(t, w.s.As("alice").EditPull("acme/env", one.Number, "", "", "", "closed"))
	require.Empty(t, w.line())
	require.NoError(t, w.s.As("alice").EditPull("acme/env", one.Number, "", "", "", "open"))
	require.NoError(t, w.s.As("bob").Enqueue("acme/env", one.Number))
	three := w.enqueue("three")
	w.take()
	require.NoError(t, w.s.As("bob").Dequeue("acme/env", one.Number))
	require.Contains(t, story(w.take()), "pull_request #1 dequeued MANUAL")
	require.Equal(t, []int{three.Number}, numbers(w.line()))
	require.NoError(t, w.s.As("bob").Enqueue("acme/env", one.Number))
	// Without required checks groups land when the test says so, in the order of the queue.
	require.NoError(t, w.s.FinishGroup("acme/env", "main"))
	require.Equal(t, "Merge pull request #1 from acme/change-1\nMerge pull request #4 from acme/change-4", w.git("log", "--first-parent", "-2", "--format=%s", "main"))
	require.True(t, must(w.s.Pull("acme/env", three.Number))(t).Merged)
	require.False(t, must(w.s.Pull("acme/env", two.Number))(t).Merged)

	four := w.enqueue("four")
	require.NoError(t, w.s.DisableMergeQueue("acme/env", "main"))
	require.Contains(t, story(w.take()), "dequeued QUEUE_CLEARED")
	must(w.s.As("bob").Merge("acme/env", four.Number, "squash"))(t)
}
