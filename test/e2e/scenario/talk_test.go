package scenario

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
)

// asks writes a comment and waits for the one reply and the reactions.
func (s *story) asks(person string, n int, ok bool, body string, says ...string) string {
	s.t.Helper()
	id, err := s.Comment(person, n, body)
	require.NoError(s.t, err)
	return s.answered(n, id, ok, says...)
}

func (s *story) answered(n int, comment int64, ok bool, says ...string) string {
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
	return reply
}

// byComments: the whole life of a pull request by comments and reviews alone.
func byComments(t *testing.T, s *story) {
	s.run()
	name := "argocd/" + s.Application("prod", payments.Ledger)
	pr := s.propose(payments.Alice, payments.Ledger, "2000")
	s.asks(payments.Alice, pr.Number, true, "/gk status", "Gate `prod`: config 0 of 2", name)
	s.asks(payments.Bob, pr.Number, true, "Wait.\n\n/gk hold --reason incident 7", "**Held:** `"+name+"`", "`incident 7`")
	s.approve(payments.Bob, pr.Number)
	s.approve(payments.Carol, pr.Number)
	revision := s.merge(pr.Number, "merge")
	s.finds(payments.Ledger, "hold.active", "bob holds "+name)
	s.untouched(payments.Ledger)
	s.asks(payments.Mallory, pr.Number, false, "/gk release --reason mine", "mallory may not hold gate prod")
	s.untouched(payments.Ledger)
	s.asks(payments.Carol, pr.Number, true, "/gk release --reason over", "**Released.**", "incident 7")
	s.runs(payments.Ledger, revision, "2000", 2)
	require.False(t, strings.Contains(strings.Join([]string{}, ""), "@"))
}
