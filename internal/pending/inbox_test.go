package pending_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/pending"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

const env = approval.RepositoryName("acme/env")

func user(id int, login string) approval.User {
	return approval.User{ID: approval.UserID(id), Login: login, Type: approval.UserTypePerson}
}

// report lacks an approval of alice or bob for one requirement, and has the other.
func report(number int, head approval.SHA, merged bool) approval.PullReport {
	return approval.PullReport{
		Repository: env, Number: number, Head: head, Merged: merged,
		Asked: approval.RequestedReviewers{Users: []approval.User{user(2, "bob")}},
		Gates: []approval.GateReport{
			{Gate: "prod", Class: approval.ClassConfig, Quorum: approval.Finding{Text: "waiting for 1 more"}, Affected: []string{"argocd/shop"}, Requirements: []approval.RequirementReport{
				{Name: "sre", Met: 1, Needed: 2, Able: []approval.User{user(1, "Alice"), user(2, "bob")}}, {Name: "sec", Met: 1, Needed: 1},
			}},
			{Gate: "stage", Class: approval.ClassNone, Requirements: []approval.RequirementReport{{Needed: 1}}},
		},
	}
}

// github is what there is to read.
type github struct {
	open   []approval.OpenPull
	landed []pending.Pull
	fails  error

	mu     sync.Mutex
	looked []int
}

func (g *github) inbox() *pending.Inbox {
	return pending.New(pending.Options{
		Policies: func() []approval.Policy {
			return []approval.Policy{
				{Gate: "prod", Repositories: []approval.ProtectedRepository{{Name: env, Branch: "main"}}},
				{Gate: "stage", Repositories: []approval.ProtectedRepository{{Name: env, Branch: "main"}}},
			}
		},
		Open: func(_ context.Context, r approval.RepositoryName, branch string) ([]approval.OpenPull, error) {
			if r != env || branch != "main" {
				return nil, fmt.Errorf("%s %s was asked for", r, branch)
			}
			return g.open, g.fails
		},
		Landed: func() []pending.Pull { return g.landed },
		Look: func(_ context.Context, _ approval.RepositoryName, number int) (approval.PullReport, error) {
			if g.fails != nil {
				return approval.PullReport{}, g.fails
			}
			g.mu.Lock()
			defer g.mu.Unlock()
			g.looked = append(g.looked, number)
			return report(number, "new", number < 3), nil
		},
	})
}

func numbers(a pending.Answer) []int {
	var out []int
	for _, i := range a.Items {
		out = append(out, i.Number)
	}
	return out
}

func TestPending(t *testing.T) {
	t.Parallel()
	g := &github{open: []approval.OpenPull{{Number: 3, Head: "new"}}, landed: []pending.Pull{{Repository: env, Number: 1}}}
	in := g.inbox()
	var got pending.Answer
	require.NoError(t, in.Verbs().Call(t.Context(), pending.Verb, pending.Request{}, &got))
	require.Empty(t, got.Unread)
	require.Equal(t, []int{1, 3}, numbers(got))
	require.Equal(t, pending.Item{
		Repository: env, Number: 1, Head: "new", Gate: "prod", Class: approval.ClassConfig, Landed: true, Requirement: "sre", Met: 1, Needed: 2,
		Able: []string{"Alice", "bob"}, Asked: []string{"bob"}, Why: "waiting for 1 more", Applications: []string{"argocd/shop"},
	}, got.Items[0])

	// What is known is not read again, and what changed is.
	require.ElementsMatch(t, []int{1, 3}, g.looked)
	met := report(3, "new", false)
	met.Gates[0].Requirements[0].Met = 2
	in.Follow(met)
	got, err := in.Pending(t.Context(), pending.Request{})
	require.NoError(t, err)
	require.Equal(t, []int{1}, numbers(got))
	require.Len(t, g.looked, 2)
	g.open[0].Head = "newer"
	got, err = in.Pending(t.Context(), pending.Request{})
	require.NoError(t, err)
	require.Equal(t, []int{1, 3}, numbers(got))
	require.Len(t, g.looked, 3)

	// What is closed or shipped is gone.
	g.open, g.landed = nil, nil
	got, err = in.Pending(t.Context(), pending.Request{})
	require.NoError(t, err)
	require.Empty(t, got.Items)
	require.NotNil(t, got.Items)
	require.False(t, in.Awaits(t.Context(), env, 1))
}

func TestPendingFor(t *testing.T) {
	t.Parallel()
	g := &github{landed: []pending.Pull{{Repository: env, Number: 1}}}
	in := g.inbox()
	for who, want := range map[string]int{"@alice": 1, "BOB": 1, "carol": 0, "": 1} {
		got, err := in.Pending(t.Context(), pending.Request{For: who})
		require.NoError(t, err)
		require.Len(t, got.Items, want, who)
	}
	anyone := report(1, "new", true)
	anyone.Gates[0].Requirements[0].Able, anyone.Gates[0].Requirements[0].Everybody = nil, true
	in.Follow(anyone)
	got, err := in.Pending(t.Context(), pending.Request{For: "carol"})
	require.NoError(t, err)
	require.Len(t, got.Items, 1, "anyone with the role")
}

// TestPendingUnread: what cannot be read is named.
func TestPendingUnread(t *testing.T) {
	t.Parallel()
	g := &github{landed: []pending.Pull{{Repository: env, Number: 1}}, fails: errors.New("GitHub is down")}
	got, err := g.inbox().Pending(t.Context(), pending.Request{})
	require.NoError(t, err)
	require.Equal(t, []string{"acme/env#1: GitHub is down", "the open pull requests of acme/env: GitHub is down"}, got.Unread)

	g = &github{}
	for n := range 300 {
		g.open = append(g.open, approval.OpenPull{Number: n + 1, Head: "new"})
	}
	got, err = g.inbox().Pending(t.Context(), pending.Request{})
	require.NoError(t, err)
	require.Len(t, got.Items, 200)
	require.Equal(t, []string{"100 more pull requests: at most 200 are looked at, so ask again in a while"}, got.Unread)
}
