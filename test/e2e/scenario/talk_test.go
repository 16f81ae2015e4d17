package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// asks writes a comment and waits for the one reply and the reactions.
func (s *story) asks(person string, n int, ok bool, body string, says ...string) int64 {
	s.t.Helper()
	id, err := s.Comment(person, n, body)
	require.NoError(s.t, err)
	s.answered(n, id, ok, says...)
	return id
}

func (s *story) answered(n int, comment int64, ok bool, says ...string) {
	s.t.Helper()
	last := "rocket"
	if !ok {
		last = "-1"
	}
	reply := ""
	err := payments.Await(s.ctx, fmt.Sprintf("the answer to comment %d", comment), func(context.Context) (bool, string, error) {
		replies, err := s.Replies(n, comment)
		if err != nil {
			return false, "", err
		}
		reactions, err := s.Reactions(comment)
		if len(replies) > 0 {
			reply = replies[0]
		}
		return slices.Equal(reactions, []string{"eyes", last}) && len(replies) == 1, fmt.Sprintf("%v %v", reactions, replies), err
	})
	require.NoError(s.t, err)
	s.t.Log(reply)
	for _, text := range says {
		require.Contains(s.t, reply, text)
	}
}

// orders are those on record, as "verb by person".
func (s *story) orders() []string {
	s.t.Helper()
	entries, err := s.Record(s.ctx)
	require.NoError(s.t, err)
	var out []string
	for _, e := range entries {
		if e.Kind != "act" {
			continue
		}
		var act struct {
			Verb   string
			Pull   int
			Person struct{ Name, Via string }
		}
		require.NoError(s.t, json.Unmarshal(e.Payload, &act))
		if act.Person.Via == "comment" {
			out = append(out, fmt.Sprintf("%s by %s on #%d", act.Verb, act.Person.Name, act.Pull))
		}
	}
	return out
}

// byComments: the whole life of a pull request by comments and reviews alone.
func byComments(t *testing.T, s *story) {
	require.NoError(t, s.TakeComments())
	process := s.run()
	name := "argocd/" + s.Application("prod", payments.Ledger)
	pr := s.propose(payments.Alice, payments.Ledger, "2000")
	s.check(pr.Head, "config 0 of 2")

	// What can be asked for, and how it stands.
	s.asks(payments.Bob, pr.Number, true, "/gk help", "| `/gk approve` |", "2 approvals of `acme/sre`, by review or by comment")
	s.asks(payments.Alice, pr.Number, true, "/gk status", "Gate `prod`: config 0 of 2", name)
	s.asks(payments.Bob, pr.Number, false, "/gk hodl --reason x", "did you mean hold?")
	s.asks(payments.Alice, pr.Number, true, "/gk request @carol", "Asked for a review: `carol`")
	s.asks(payments.Mallory, pr.Number, true, "/gk diff", "This is what changes.")
	require.Empty(t, s.orders())

	// Approvals: one by comment, taken back and given again, one by review.
	s.nextSecond()
	s.asks(payments.Alice, pr.Number, false, "/gk approve", "alice is the author")
	s.asks(payments.Bob, pr.Number, true, "Looks good to me.\n\n/gk approve\n\n> quoted\n> /gk hold --reason quoted\n", "Approved `"+pr.Head[:7]+"`")
	s.check(pr.Head, "config 1 of 2")
	s.asks(payments.Bob, pr.Number, true, "/gk cancel", "Taken back", "Not asked for a review any more: `carol`")
	s.check(pr.Head, "config 0 of 2")
	s.nextSecond()
	s.asks(payments.Bob, pr.Number, true, "/gk approve", "Approved")
	s.check(pr.Head, "config 1 of 2")
	// A push voids it, and it is given again for what is there then.
	pr, err := s.Push(payments.Alice, pr, payments.Ledger, "2500")
	require.NoError(t, err)
	s.check(pr.Head, "config 0 of 2")
	s.nextSecond()
	approval := s.asks(payments.Bob, pr.Number, true, "/gk approve", "Approved `"+pr.Head[:7]+"`")
	s.check(pr.Head, "config 1 of 2")

	// Hold, and what outsiders, edited comments and redeliveries can do: nothing.
	held := s.asks(payments.Bob, pr.Number, true, "Wait.\n\n/gk hold --reason incident 7", "**Held:** `"+name+"`", "`incident 7`")
	s.approve(payments.Carol, pr.Number)
	s.check(pr.Head, "config approved")
	revision := s.merge(pr.Number, "merge")
	s.finds(payments.Ledger, "hold.active", "bob holds "+name)
	s.asks(payments.Carol, pr.Number, true, "/gk why", "bob holds", "bob approved")
	s.asks(payments.Mallory, pr.Number, false, "/gk release --reason mine", "mallory may not hold gate prod")
	s.asks(payments.Mallory, pr.Number, false, "/gk break-glass --revision "+revision+" --reason mine", "has no break-glass")
	late, err := s.Comment(payments.Carol, pr.Number, "Nothing yet.")
	require.NoError(t, err)
	s.nextSecond()
	require.NoError(t, s.GitHub.As(payments.Carol).EditComment(payments.Repository, late, "/gk release --reason edited"))
	for _, d := range s.GitHub.Deliveries(s.AppID()) {
		if d.Event == "issue_comment" {
			require.NoError(t, s.GitHub.Redeliver(s.AppID(), d.ID))
		}
	}
	require.NoError(t, s.Quiet(s.ctx))
	reactions, err := s.Reactions(late)
	require.NoError(t, err)
	require.Empty(t, reactions)
	s.answered(pr.Number, held, true)
	require.Equal(t, []string{fmt.Sprintf("hold by bob on #%d", pr.Number)}, s.orders())
	s.untouched(payments.Ledger)

	// What is asked while nobody listens is answered once, later.
	process.Kill()
	<-process.Done()
	asked, err := s.Comment(payments.Carol, pr.Number, "/gatekeeper release --reason over")
	require.NoError(t, err)
	require.NoError(t, s.GitHub.WaitDelivered(s.ctx))
	s.run()
	for _, d := range s.GitHub.Deliveries(s.AppID()) {
		if d.Event == "issue_comment" {
			require.NoError(t, s.GitHub.Redeliver(s.AppID(), d.ID))
		}
	}
	s.answered(pr.Number, asked, true, "**Released.**", "incident 7")
	live := s.runs(payments.Ledger, revision, "2500", 2)
	require.Contains(t, live.InitiatedBy, "bob")
	require.Contains(t, live.InitiatedBy, "carol")
	s.says(pr.Number, "synced")

	// Afterwards: back to what was before is not on record, and is refused with the reason.
	s.asks(payments.Carol, pr.Number, false, "/gk rollback --reason too high", "there is nothing to go back to")
	require.Equal(t, []string{fmt.Sprintf("hold by bob on #%d", pr.Number), fmt.Sprintf("release by carol on #%d", pr.Number)}, s.orders())

	// An approval is worth what its comment is: the next one, edited, counts no more.
	require.NoError(t, s.GitHub.As(payments.Bob).EditComment(payments.Repository, approval, "I did not look."))
	next := s.propose(payments.Alice, payments.Ledger, "3000")
	s.check(next.Head, "config 0 of 2")
	s.nextSecond()
	id := s.asks(payments.Bob, next.Number, true, "/gk approve", "Approved")
	s.check(next.Head, "config 1 of 2")
	s.nextSecond()
	require.NoError(t, s.GitHub.As(payments.Bob).EditComment(payments.Repository, id, "/gk approve\n\nOr so."))
	s.check(next.Head, "config 0 of 2")

	// The buttons of the check run do the same, for those who may.
	s.press(payments.Mallory, next, "hold", "mallory may not hold gate prod")
	s.press(payments.Bob, next, "hold", "**Held:** gate `prod`")
	s.press(payments.Carol, next, "release", "**Released.**")
	s.press(payments.Alice, next, "recheck", "read again")
	require.Len(t, s.orders(), 4)
	s.silent(pr, next)
}

// press presses a button of the gate's newest check run, and waits for the reply.
func (s *story) press(person string, p payments.Pull, button, says string) {
	s.t.Helper()
	before, err := s.AllReplies(p.Number)
	require.NoError(s.t, err)
	err = payments.Await(s.ctx, "the button "+button, func(context.Context) (bool, string, error) {
		runs, err := s.GitHub.CheckRuns(payments.Repository, p.Head)
		saw := ""
		for _, r := range slices.Backward(runs) {
			if r.AppID == s.AppID() {
				saw = fmt.Sprint(r.Actions)
				if slices.Contains(r.Actions, button) {
					return true, "", s.GitHub.As(person).ClickAction(payments.Repository, r.ID, button)
				}
				break
			}
		}
		return false, saw, err
	})
	require.NoError(s.t, err)
	err = payments.Await(s.ctx, "the reply to the button "+button, func(context.Context) (bool, string, error) {
		now, err := s.AllReplies(p.Number)
		if len(now) <= len(before) {
			return false, "none", err
		}
		last := now[len(now)-1]
		return len(now) == len(before)+1 && strings.Contains(last, says) && strings.Contains(last, "`"+person+"` pressed"), last, err
	})
	require.NoError(s.t, err)
}

// silent requires that nobody is notified by what Gatekeeper wrote.
func (s *story) silent(pulls ...standin.OpenedPull) {
	s.t.Helper()
	for _, p := range pulls {
		replies, err := s.AllReplies(p.Number)
		require.NoError(s.t, err)
		require.NotEmpty(s.t, replies)
		for _, r := range replies {
			for i, part := range strings.Split(r, "`") {
				if i%2 == 0 {
					require.NotContains(s.t, part, "@")
				}
			}
		}
	}
}
