package commands_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/commands"
	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/conversation"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

var errKilled = errors.New("killed here")

// killer ends a process at its n-th step: from then on nothing works any more, as for a
// process that is gone. With after, the step itself has its effect first.
type killer struct {
	at    int
	after bool
	step  int
	name  string
}

// during takes one step.
func during[T any](k *killer, name string, do func() (T, error)) (T, error) {
	var none T
	k.step++
	switch {
	case k.step > k.at:
		return none, errKilled
	case k.step < k.at:
		return do()
	}
	k.name = name
	if k.after {
		_, _ = do() // its answer is lost
	}
	return none, errKilled
}

func only(do func() error) func() (struct{}, error) {
	return func() (struct{}, error) { return struct{}{}, do() }
}

type killedStore struct {
	commands.Store
	k *killer
}

func (s killedStore) Next(ctx context.Context, n int) ([]inbox.Request, error) {
	return during(s.k, "next", func() ([]inbox.Request, error) { return s.Store.Next(ctx, n) })
}

func (s killedStore) Answer(ctx context.Context, id string) error {
	_, err := during(s.k, "answer", only(func() error { return s.Store.Answer(ctx, id) }))
	return err
}

func (s killedStore) SaveProgress(ctx context.Context, id string, b []byte) error {
	_, err := during(s.k, "save", only(func() error { return s.Store.SaveProgress(ctx, id, b) }))
	return err
}

func (s killedStore) Finish(ctx context.Context, id string) error {
	_, err := during(s.k, "finish", only(func() error { return s.Store.Finish(ctx, id) }))
	return err
}

func (s killedStore) SaveComment(ctx context.Context, c approval.WitnessedComment) error {
	_, err := during(s.k, "approve", only(func() error { return s.Store.SaveComment(ctx, c) }))
	return err
}

type killedHub struct {
	commands.Hub
	k *killer
}

func (h killedHub) Comment(ctx context.Context, r approval.RepositoryName, id int64) (conversation.Comment, error) {
	return during(h.k, "comment", func() (conversation.Comment, error) { return h.Hub.Comment(ctx, r, id) })
}

func (h killedHub) Pull(ctx context.Context, r approval.RepositoryName, n int) (conversation.Pull, error) {
	return during(h.k, "pull", func() (conversation.Pull, error) { return h.Hub.Pull(ctx, r, n) })
}

func (h killedHub) Role(ctx context.Context, r approval.RepositoryName, who approval.User) (string, error) {
	return during(h.k, "role", func() (string, error) { return h.Hub.Role(ctx, r, who) })
}

func (h killedHub) React(ctx context.Context, r approval.RepositoryName, c int64, reaction string) error {
	_, err := during(h.k, "react "+reaction, only(func() error { return h.Hub.React(ctx, r, c, reaction) }))
	return err
}

func (h killedHub) Reply(ctx context.Context, r approval.RepositoryName, n int, body string) (int64, error) {
	return during(h.k, "reply", func() (int64, error) { return h.Hub.Reply(ctx, r, n, body) })
}

type killedRecord struct {
	history.Record
	k *killer
}

func (r killedRecord) Append(ctx context.Context, head history.Head, drafts ...history.Draft) (history.Head, error) {
	return during(r.k, "append", func() (history.Head, error) { return r.Record.Append(ctx, head, drafts...) })
}

func (r killedRecord) Head(ctx context.Context) (history.Head, error) {
	return during(r.k, "head", func() (history.Head, error) { return r.Record.Head(ctx) })
}

// TestKilledAnywhere: wherever the process ends, before or after the effect of a step,
// the next one gives each order once and replies once.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after %v", after), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			bob := w.user("bob")
			w.report.Gates[0].Quorum.Children = []approval.Finding{{User: &bob, Verdict: approval.Allowed, Text: "bob approved"}}
			seen := map[string]bool{}
			for n := 1; ; n++ {
				id := w.comment("bob", "/gk hold shop --reason one\n/gk approve\n/gk hold pay --reason two\n/gk release pay --reason three")
				k := &killer{at: n, after: after}
				acts, replies := len(w.acts()), len(w.replies())
				first := w.processor(func(o *commands.Options) {
					o.Store, o.Hub = killedStore{o.Store, k}, killedHub{o.Hub, k}
					o.Desk = w.desk(killedRecord{w.record, k})
				})
				_ = first.Drain(t.Context())
				if k.name == "" {
					require.Greater(t, n, 30)
					break
				}
				seen[k.name] = true
				w.drain(w.processor())

				what := fmt.Sprintf("killed at step %d, %s", n, k.name)
				given := w.acts()[acts:]
				require.Len(t, given, 3, what)
				for i, reason := range []string{"one", "two", "three"} {
					require.Equal(t, reason, given[i].Reason, what)
				}
				require.Len(t, w.replies(), replies+1, what)
				reply := w.replyTo(id)
				for _, says := range []string{"**Held:** `argocd/shop`", "Approved", "**Held:** `argocd/pay`", "**Released.**"} {
					require.Contains(t, reply, says, what)
				}
				require.Equal(t, []string{"eyes", "rocket"}, w.reactions(id), what)
				require.Equal(t, 1, w.counted(id), what)
				// The shop may be held again.
				w.says("bob", "/gk release shop --reason next")
			}
			for _, step := range []string{"next", "answer", "comment", "pull", "role", "react eyes", "save", "head", "append", "approve", "reply", "react rocket", "finish"} {
				require.True(t, seen[step], "never killed at %s", step)
			}
		})
	}
}

func (w *world) counted(comment int64) int {
	n := 0
	for _, a := range w.approvals() {
		if a.Comment == comment {
			n++
		}
	}
	return n
}

// TestTwoAtOnce: two processes that carry out the same thing at the same time give one
// order.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.comment("bob", "/gk hold shop --reason x")
	done := make(chan error, 4)
	for range 4 {
		go func() { done <- w.processor().Drain(context.WithoutCancel(t.Context())) }()
	}
	for range 4 {
		require.NoError(t, <-done)
	}
	w.ahead = time.Minute
	w.drain(w.processor())
	require.Len(t, w.acts(), 1)
}
