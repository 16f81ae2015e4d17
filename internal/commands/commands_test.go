package commands_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/commands"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/conversation"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

func TestHoldAndRelease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.comment("bob", "Wait.\n\n/gk hold --for 2h --reason incident 7")
	w.drain(w.processor())
	require.Contains(t, w.replyTo(id), "**Held:** `argocd/shop` is not synced until ")
	require.Equal(t, []string{"eyes", "rocket"}, w.reactions(id))
	acts := w.acts()
	require.Len(t, acts, 1)
	require.Equal(t, history.Person{ID: w.user("bob").ID, Name: "bob", Via: history.ViaComment}, acts[0].Person)
	require.Equal(t, fmt.Sprintf("comment-%d-1", id), acts[0].ID)
	require.Equal(t, w.pull.Number, acts[0].Pull)
	require.Equal(t, "incident 7", acts[0].Reason)
	require.Contains(t, w.woken, "#1")

	require.Contains(t, w.says("carol", "/gk release --reason over"), "**Released.**")
	require.Contains(t, w.says("carol", "/gk release --reason over"), "argocd/shop is not held")
	require.Contains(t, w.says("carol", "/gk hold --gate prod --reason audit"), "**Held:** gate `prod`")
	require.Contains(t, w.says("bob", "/gk release --id "+w.acts()[2].ID+" --reason over"), "**Released.**")
	require.Len(t, w.acts(), 4)
}

// TestWhoMay: the permission of the account by GitHub, and the gate's policy; whatever
// else GitHub or the comment says of the author is nothing.
func TestWhoMay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, test := range []struct{ person, line, says string }{
		{"mallory", "/gk hold --reason x", "mallory may not hold gate prod"},
		{"alice", "/gk hold --reason x", "alice may not hold gate prod"},
		{"eve", "/gk hold --reason x", "eve may not use hold: the role write in the repository is needed, and theirs is read"},
		{"eve", "/gk sync", "the role write"},
		{"eve", "/gk approve", "the role write"},
		{"bob", "/gk break-glass --revision " + strings.Repeat("1", 40) + " --reason x", "bob may not break the glass"},
		{"carol", "/gk adopt --spec " + spec + " --reason x", "carol may not adopt for gate prod"},
	} {
		id := w.comment(test.person, test.line)
		w.drain(w.processor())
		require.Contains(t, w.replyTo(id), test.says, test.line)
		require.Equal(t, []string{"eyes", "-1"}, w.reactions(id))
	}
	require.Empty(t, w.acts())
	require.Contains(t, w.says("eve", "/gk status"), "This is how it stands")
}

// TestLookupFailureDenies: as long as it cannot be found out whether somebody may,
// nothing is done; after a while it is refused.
func TestLookupFailureDenies(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]func(*world){
		"people": func(w *world) { w.peopleBy = errors.New("GitHub is down") },
		"role": func(w *world) {
			_, err := w.gh.Fail(standin.Fault{Match: "GET /repos/acme/env/collaborators/", Status: 500})
			require.NoError(w.t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			broken(w)
			id := w.comment("bob", "/gk hold --reason x")
			require.NoError(t, w.processor().Drain(t.Context()))
			require.Empty(t, w.acts())
			require.Empty(t, w.replyTo(id))
			require.Equal(t, []string{"eyes"}, w.reactions(id))
			w.ahead = 11 * time.Minute
			w.drain(w.processor())
			require.Empty(t, w.acts())
			require.Contains(t, w.replyTo(id), "could not be carried out")
			require.Equal(t, []string{"eyes", "-1"}, w.reactions(id))
		})
	}
}

// TestRedelivered: the same comment or press, delivered again at any time, does nothing.
func TestRedelivered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.comment("bob", "/gk hold --reason x\n/gk status")
	redeliver := func() {
		for _, d := range w.gh.Deliveries(w.app.ID) {
			require.NoError(t, w.gh.Redeliver(w.app.ID, d.ID))
		}
		require.NoError(t, w.gh.WaitDelivered(t.Context()))
	}
	redeliver()
	w.drain(w.processor())
	redeliver()
	w.drain(w.processor())
	require.GreaterOrEqual(t, len(w.asks), 3)
	require.Len(t, w.acts(), 1)
	require.Len(t, w.replies(), 1)
	require.NotEmpty(t, w.replyTo(id))
}

// TestEdited: what was changed after it was written is not carried out, whenever that
// happens, and neither is what is gone.
func TestEdited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	edit := func(id int64, body string) {
		time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(1010 * time.Millisecond))) // GitHub's times have seconds
		require.NoError(t, w.gh.As("bob").EditComment(repository, id, body))
		require.NoError(t, w.gh.WaitDelivered(t.Context()))
	}
	id := w.comment("bob", "/gk status")
	edit(id, "/gk hold --reason x")
	w.drain(w.processor())
	require.Contains(t, w.replyTo(id), "the comment was changed after it was written")
	require.Equal(t, []string{"eyes", "-1"}, w.reactions(id))

	plain := w.comment("bob", "Nice.")
	edit(plain, "/gk hold --reason x")
	w.drain(w.processor())
	require.Empty(t, w.reactions(plain))

	gone := w.comment("bob", "/gk hold --reason x")
	require.NoError(t, w.gh.As("bob").EditComment(repository, gone, ""))
	w.drain(w.processor())
	require.Len(t, w.replies(), 1)

	// Between receipt and act.
	between := w.comment("bob", "/gk status\n/gk hold --reason x")
	w.before = func() { w.before = nil; edit(between, "/gk status\n/gk hold --reason y") }
	w.drain(w.processor())
	require.Contains(t, w.replyTo(between), "the comment was changed after it was written")
	require.Empty(t, w.acts())
}

// TestIgnored: what is not a person's, not of here, or not what was told, is neither
// carried out nor answered.
func TestIgnored(t *testing.T) {
	t.Parallel()
	for name, forge := range map[string]func(*world, *approval.Asked){
		"another repository":   func(_ *world, a *approval.Asked) { a.Repository = "acme/other" },
		"another ID":           func(_ *world, a *approval.Asked) { a.RepositoryID++ },
		"another installation": func(_ *world, a *approval.Asked) { a.Installation = 7 },
		"another person":       func(w *world, a *approval.Asked) { a.Person = w.user("carol") },
		"another time":         func(_ *world, a *approval.Asked) { a.At = a.At.Add(time.Second) },
		"another pull":         func(_ *world, a *approval.Asked) { a.Pull = 99 },
		"another comment":      func(_ *world, a *approval.Asked) { a.Comment = 99 },
		"another App":          func(_ *world, a *approval.Asked) { a.Comment, a.Button, a.App, a.CheckRun = 0, "hold", 7, 1 },
		"another check run": func(w *world, a *approval.Asked) {
			a.Comment, a.Button, a.App, a.CheckRun = 0, "hold", w.app.ID, 99
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			id, err := w.gh.As("bob").Comment(repository, w.pull.Number, "Hello\n\n/gk hold --reason x")
			require.NoError(t, err)
			require.NoError(t, w.gh.WaitDelivered(t.Context()))
			requests, err := w.box.Requests(t.Context(), 10)
			require.NoError(t, err)
			require.Len(t, requests, 1)
			require.NoError(t, w.box.Finish(t.Context(), requests[0].ID))
			forged := requests[0].Asked
			forge(w, &forged)
			_, err = w.box.Ask(t.Context(), "forged", forged, time.Now())
			require.NoError(t, err)
			w.drain(w.processor())
			require.Empty(t, w.acts())
			require.Empty(t, w.replies())
			require.Empty(t, w.reactions(id))
		})
	}
}

// TestBots: what our own App or another one writes is never a command.
func TestBots(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.report.Gates[0].Applications[0].State = "x\n/gk hold --reason x"
	w.says("bob", "/gk status")
	_, err := w.hub.Reply(t.Context(), repository, w.pull.Number, "/gk hold --reason x")
	require.NoError(t, err)
	require.NoError(t, w.gh.WaitDelivered(t.Context()))
	require.Len(t, w.asks, 1, "only bob's")
	require.Empty(t, w.acts())
}

// TestLate: nobody wants today what they wanted the day before yesterday.
func TestLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.comment("bob", "/gk hold --reason x")
	requests, err := w.box.Requests(t.Context(), 1)
	require.NoError(t, err)
	require.NoError(t, w.box.Finish(t.Context(), requests[0].ID))
	w.ahead = commands.Latest + time.Minute
	_, err = w.box.Ask(t.Context(), "comment-late", requests[0].Asked, time.Now().Add(w.ahead))
	require.NoError(t, err)
	w.drain(w.processor())
	require.Empty(t, w.acts())
	require.Contains(t, strings.Join(w.replies(), ""), "more than a day old")
	require.Equal(t, []string{"eyes", "-1"}, w.reactions(id))
}

func TestTargets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for line, says := range map[string]string{
		"/gk hold shop --reason x":             "**Held:** `argocd/shop`",
		"/gk hold argocd/pay --reason x":       "**Held:** `argocd/pay`",
		"/gk hold argocd/shpo --reason x":      "did you mean argocd/shop?",
		"/gk hold shpo --reason x":             "did you mean shop?",
		"/gk hold other/shop --reason x":       "no gate of this repository protects",
		"/gk hold --gate prdo --reason x":      "did you mean prod?",
		"/gk hold shop --gate prod --reason x": "both an Application and a gate",
		"/gk release --id nothing --reason x":  "no hold nothing of a gate of this repository",
		"/gk hodl":                             "did you mean hold?",
	} {
		require.Contains(t, w.says("bob", line), says, line)
	}
	w.report.Gates[0].Affected = append(w.report.Gates[0].Affected, "argocd/pay")
	require.Contains(t, w.says("bob", "/gk hold --reason x"), "name one of argocd/shop, argocd/pay")
	w.report.Gates[0].Class = approval.ClassNone
	require.Contains(t, w.says("bob", "/gk hold --reason x"), "concerns no protected Application")
}

func (w *world) approvals() []approval.WitnessedComment {
	w.t.Helper()
	requests, err := w.gh.Repository(repository)
	require.NoError(w.t, err)
	got, err := w.box.Comments(w.t.Context(), requests.ID, w.pull.Number)
	require.NoError(w.t, err)
	return got
}

func TestApprove(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bob := w.user("bob")
	w.report.Gates[0].Quorum.Children = []approval.Finding{{User: &bob, Verdict: approval.Allowed, Text: "bob approved"}}
	id := w.comment("bob", "/gk approve")
	w.drain(w.processor())
	require.Contains(t, w.replyTo(id), "Approved `"+w.pull.Head[:7]+"`")
	got := w.approvals()
	require.Len(t, got, 1)
	require.Equal(t, []any{id, bob, approval.SHA(w.pull.Head), "main"}, []any{got[0].Comment, got[0].Person, got[0].Commit, got[0].Base})
	require.Contains(t, w.says("bob", "/gk cancel"), "Taken back")
	require.False(t, w.approvals()[0].Withdrawn.IsZero())
	require.Contains(t, w.says("carol", "/gk cancel"), "carol has approved nothing here by a comment")

	w.report.Gates[0].Quorum.Children[0] = approval.Finding{User: &bob, Verdict: approval.Blocked, Text: "not counted: bob is the author of the pull request"}
	require.Contains(t, w.says("bob", "/gk approve"), "does not count.\n\n- Gate `prod`: not counted: bob is the author")
}

// TestApprovedAndNotRead: what was noted is not answered as if it were not, whatever fails
// afterwards.
func TestApprovedAndNotRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.comment("bob", "/gk approve")
	w.before = func() {
		if len(w.approvals()) > 0 {
			w.lookBy = errors.New("GitHub is down")
		}
	}
	require.NoError(t, w.processor().Drain(t.Context()))
	w.ahead = 11 * time.Minute
	w.drain(w.processor())
	require.Len(t, w.approvals(), 1)
	require.Contains(t, w.replyTo(id), "The approval of `"+w.pull.Head[:7]+"` was noted. Whether it counts could not be read")
	require.NotContains(t, w.replyTo(id), "Not done")
	require.Equal(t, []string{"eyes", "-1"}, w.reactions(id))
}

// TestApproveIsOfWhatWasSeen: an approval is of the head that was there when the comment
// was written, or of none.
func TestApproveIsOfWhatWasSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	refused := func(says string) {
		t.Helper()
		id := w.comment("bob", "/gk approve")
		w.drain(w.processor())
		require.Contains(t, w.replyTo(id), says)
		require.Equal(t, []string{"eyes", "-1"}, w.reactions(id))
		require.Empty(t, w.approvals())
	}
	w.pushed = time.Now().Add(time.Minute)
	refused("was pushed after the comment was written")
	w.pushed = time.Now().Truncate(time.Second).Add(time.Second) // later, or the same second
	refused("or in the same second")
	w.pushed = time.Time{}
	refused("it is not known when the head")
	w.pushed = time.Now().Add(-time.Hour)
	w.before = func() { // a push between receipt and act
		w.before = nil
		_, err := w.gh.As("alice").PushToPull(repository, w.pull.Number, standin.Change{Files: map[string]string{"prod/values.yaml": "replicas: 99\n"}, Message: "Sneak"})
		require.NoError(t, err)
	}
	refused("got another head or base meanwhile")
	w.policies[0].Config.Requirements[0].Methods = nil
	refused("no gate that this pull request concerns takes an approval by comment")
}

func TestBreakGlass(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.report.Merged = true
	sha, err := w.gh.As("alice").Merge(repository, w.pull.Number, "merge")
	require.NoError(t, err)
	require.Contains(t, w.says("carol", "/gk break-glass --revision "+sha[:8]+" --reason customers cannot pay"), "**Glass broken:** `argocd/shop` may be synced to `"+sha[:7]+"`")
	acts := w.acts()
	require.Len(t, acts, 1)
	require.Equal(t, approval.SHA(sha), acts[0].Candidate.Revisions[0].SHA)
	require.Contains(t, w.says("carol", "/gk break-glass --revision 1234567 --reason x"), "give full commit SHAs")
	w.judged = &approval.Decision{Verdict: approval.Blocked, Findings: []approval.Finding{{Code: approval.CodeBreakGlassVoid, Text: "break-glass this order of carol is void"}}}
	require.Contains(t, w.says("carol", "/gk break-glass --revision "+sha+" --reason x"), "is void")
	require.Len(t, w.acts(), 1)
}

func TestRollback(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, digit := range []string{"3", "2"} {
		w.past = append(w.past, history.Deployment{Intent: history.IntentPayload{ID: "intent-" + digit, Gate: "prod", Candidate: approval.Candidate{
			UID: "uid-shop", SpecDigest: spec, Revisions: []approval.Revision{{Repository: repository, SHA: approval.SHA(strings.Repeat(digit, 40))}},
		}}})
	}
	require.Contains(t, w.says("bob", "/gk rollback --reason logins fail"), "goes back to `2222222`")
	acts := w.acts()
	require.Len(t, acts, 2)
	require.Equal(t, []history.Verb{history.VerbHold, history.VerbRollback}, []history.Verb{acts[0].Verb, acts[1].Verb})
	require.Equal(t, acts[1].Hold, acts[0].ID)
	require.Contains(t, w.says("bob", "/gk rollback --reason again"), "bob holds argocd/shop")
	require.Contains(t, w.says("carol", "/gk release --id "+acts[0].ID+" --reason over"), "**Released.**")
}

func TestAdopt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.Contains(t, w.says("bob", "/gk adopt"), "/gk adopt argocd/shop --spec "+spec+" --reason TEXT")
	require.Contains(t, w.says("bob", "/gk adopt --spec "+spec), "the reason is missing")
	require.Contains(t, w.says("bob", "/gk adopt --spec "+strings.Repeat("f", 64)+" --reason x"), "is not the one with the digest")
	require.Contains(t, w.says("bob", "/gk adopt --spec "+spec[:63]+" --reason x"), "all its 64 digits", "another spec may begin like it")
	require.Empty(t, w.acts())
	require.Contains(t, w.says("bob", "/gk adopt --spec sha256:"+spec+" --reason looked at it"), "**Adopted:**")
	require.Len(t, w.acts(), 1)
	w.policies[0].Adopters = approval.Named{}
	require.Contains(t, w.says("bob", "/gk adopt --spec "+spec+" --reason x"), "nobody adopts for gate prod by a comment")
}

func TestRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.Contains(t, w.says("alice", "/gk request @bob @acme/sre"), "Asked for a review: `bob`, `acme/sre`.")
	p, err := w.gh.Pull(repository, w.pull.Number)
	require.NoError(t, err)
	_ = p
	require.Contains(t, w.says("alice", "/gk request @alice"), "GitHub does not take this request")
	require.Contains(t, w.says("alice", "/gk request @other/sre"), "is no team of acme")
}

// TestButtons: a press does what the verb does, for the gate of the check run, if the one
// who pressed may.
func TestButtons(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	run := w.checkRun("gatekeeper/prod", fmt.Sprintf("gatekeeper/pull/%d", w.pull.Number))
	press := func(person string, run int64) string {
		t.Helper()
		before := len(w.replies())
		require.NoError(t, w.gh.As(person).ClickAction(repository, run, "hold"))
		require.NoError(t, w.gh.WaitDelivered(t.Context()))
		w.drain(w.processor())
		all := w.replies()
		if len(all) == before {
			return ""
		}
		require.Len(t, all, before+1)
		return all[before]
	}
	require.Contains(t, press("mallory", run), "mallory may not hold gate prod")
	require.Empty(t, w.acts())
	require.Contains(t, press("bob", run), "**Held:** gate `prod`")
	require.Len(t, w.acts(), 1)
	require.Equal(t, "prod", w.acts()[0].Gate)

	require.Empty(t, press("bob", w.checkRun("gatekeeper/prod", "gatekeeper/pull/99")), "of another pull request")
	require.Empty(t, press("bob", w.checkRun("other", fmt.Sprintf("gatekeeper/pull/%d", w.pull.Number))), "of no gate")
	require.Contains(t, press("bob", w.checkRun("gatekeeper/stage", fmt.Sprintf("gatekeeper/pull/%d", w.pull.Number))), "no gate \"stage\" protects")
	require.Len(t, w.acts(), 1)
}

// TestQuoteIsHarmless: what a reply quotes can neither notify anybody nor break out of
// where it stands.
func TestQuoteIsHarmless(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reply := w.says("bob", "/gk hold shop --reason ``` @acme/sre | ![x](https://evil) #1")
	require.Contains(t, reply, "> `bob`: ````/gk hold shop --reason ``` @acme/sre")
	// Outside of code there is no mention.
	for line := range strings.Lines(reply) {
		outside := ""
		for i, part := range strings.Split(line, "````") {
			if i%2 == 0 {
				outside += part
			}
		}
		require.NotContains(t, outside, "@acme", line)
		require.NotContains(t, outside, "evil", line)
	}
	require.True(t, strings.HasPrefix(w.replies()[0], conversation.ReplyTo("comment-")[:20]))
}

// TestFork: a pull request from a fork is one of the base repository. Orders and replies
// are about that, and nothing of the fork is rendered.
func TestFork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.gh.As("eve").Fork(repository)
	require.NoError(t, err)
	w.pull, err = w.gh.As("eve").OpenPull(repository, standin.PullOptions{
		HeadRepo: "eve/env", Branch: "mine", Title: "Mine", Change: standin.Change{Files: map[string]string{"prod/values.yaml": "replicas: 3\n"}, Message: "Mine"},
	})
	require.NoError(t, err)
	require.Contains(t, w.says("bob", "/gk hold --reason x"), "**Held:** `argocd/shop`")
	require.Contains(t, w.says("eve", "/gk hold --reason x"), "eve may not use hold")
	rendered := func(o *commands.Options) { o.Differ = w }
	id := w.comment("bob", "/gk diff")
	w.drain(w.processor(rendered))
	require.Contains(t, w.replyTo(id), "from a fork")
	forks, err := w.gh.Pulls("eve/env")
	require.NoError(t, err)
	require.Empty(t, forks)
	require.Len(t, w.acts(), 1)
}

// TestFlood: somebody who writes one command after the other is not answered for ever, and
// keeps nobody else from being answered.
func TestFlood(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.processor()
	var ids []int64
	for range 32 {
		ids = append(ids, w.comment("eve", "/gk status"))
	}
	bob := w.comment("bob", "/gk status")
	w.drain(p)
	require.NotEmpty(t, w.replyTo(ids[29]))
	require.Empty(t, w.replyTo(ids[30]))
	require.Empty(t, w.reactions(ids[31]))
	require.NotEmpty(t, w.replyTo(bob))
	w.ahead = 11 * time.Minute
	again := w.comment("eve", "/gk status")
	w.drain(p)
	require.NotEmpty(t, w.replyTo(again))
}
