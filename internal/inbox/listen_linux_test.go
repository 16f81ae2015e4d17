package inbox_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/test/postgrestest"
)

func ask(id string) (string, approval.Asked, time.Time) {
	return id, approval.Asked{RepositoryID: 42, Repository: "acme/env", Pull: 12, Person: approval.User{ID: 7, Login: "alice", Type: "User"}, Comment: 31, At: at(1)}, at(1)
}

// TestListen: whoever writes, all who listen are told, and only of the same schema.
func TestListen(t *testing.T) {
	t.Parallel()
	o := schema(t)
	writer, elsewhere := together(t, o), together(t, schema(t))
	one, two := listen(t, together(t, o)), listen(t, together(t, o))
	told := func(want inbox.Change) {
		t.Helper()
		waitFor(t, one, want)
		waitFor(t, two, want)
	}
	quiet := func(do func()) {
		t.Helper()
		do()
		// What would be told comes before this, since it was committed before.
		id, asked, received := ask("comment/" + time.Now().String())
		_, err := writer.Ask(t.Context(), id, asked, received)
		require.NoError(t, err)
		for {
			select {
			case got := <-one:
				if got == inbox.ChangeAsked {
					waitFor(t, two, inbox.ChangeAsked)
					return
				}
				require.Equal(t, inbox.ChangeAnything, got)
			case <-time.After(patience):
				require.Fail(t, "nobody tells of what was asked")
			}
		}
	}
	require.True(t, put(t, writer.Store, delivery("a", 1)))
	told(inbox.ChangeDelivery)
	quiet(func() {
		require.False(t, put(t, writer.Store, delivery("a", 2)), "it waits already")
		require.True(t, put(t, elsewhere.Store, delivery("b", 1)))
		require.NoError(t, writer.Done(t.Context(), "a"))
	})
	put(t, writer.Store, delivery("c", 1))
	told(inbox.ChangeDelivery)
	quiet(func() {
		for range inbox.MaxAttempts {
			require.NoError(t, writer.Failed(t.Context(), "c", "no"))
		}
	})
	require.True(t, put(t, writer.Store, delivery("c", 1)), "it was parked")
	told(inbox.ChangeDelivery)
	term := lead(t, writer, "pod-1")
	require.NoError(t, writer.SaveJudgements(t.Context(), term, []inbox.Judgement{judgement("argocd/a", "1", 1)}))
	told(inbox.ChangeJudgement)
	require.NoError(t, writer.ForgetJudgements(t.Context(), term, []string{"argocd/a"}))
	told(inbox.ChangeJudgement)
}

// TestListenThroughFailures: the server is killed and comes back, and connections are cut,
// are refused, or end without a word. Whoever listens is told of anything then, and of what
// comes later as before.
func TestListenThroughFailures(t *testing.T) {
	t.Parallel()
	cluster := postgrestest.Start(t)
	cluster.SQL(t, "postgres", "CREATE SCHEMA inbox")
	o := schemaOn(cluster, "inbox")
	require.NoError(t, inbox.MigratePostgres(t.Context(), o, ""))
	p := cluster.NewProxy(t)
	writer := together(t, o)
	through := o
	through.DSN = proxied(p)
	changes := listen(t, together(t, through))
	number := 0
	works := func() {
		t.Helper()
		require.Eventually(t, func() bool { // Connections that broke are found one by one.
			number++
			fresh, err := writer.Put(t.Context(), delivery(fmt.Sprint("d-", number), number))
			if err != nil || !fresh {
				return false
			}
			for {
				select {
				case got := <-changes:
					if got == inbox.ChangeDelivery {
						return true
					}
				case <-time.After(time.Second):
					return false // It does not listen again yet.
				}
			}
		}, patience, time.Millisecond)
	}
	works()

	for _, l := range p.Links() {
		l.End()
	}
	waitFor(t, changes, inbox.ChangeAnything)
	works()

	cluster.Kill(t)
	waitFor(t, changes, inbox.ChangeAnything)
	waitFor(t, changes, inbox.ChangeAnything) // While the server is down it is told now and then.
	require.NoError(t, cluster.Run(t.Context()))
	waitFor(t, changes, inbox.ChangeAnything)
	works()

	p.Refuse()
	waitFor(t, changes, inbox.ChangeAnything)
	waitFor(t, changes, inbox.ChangeAnything)
	p.Admit()
	works()

	// The network stops without a word.
	p.Arm(postgrestest.Cut{Direction: postgrestest.ToClient, How: postgrestest.Stall})
	waitFor(t, changes, inbox.ChangeAnything)
	p.Release()
	works()
}
