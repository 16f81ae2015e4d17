package inbox_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/test/postgrestest"
)

// cutCase is what a test does through a connection that is cut, and how it is told
// afterwards that it was done.
type cutCase struct {
	name string
	// prepare runs on a connection of its own, do through the one that is cut.
	prepare, do func(s *inbox.Shared, n int) error
	done        func(s *inbox.Shared, n int) (bool, error)
}

func cutCases(t *testing.T, term *inbox.Term) []cutCase {
	pending := func(s *inbox.Shared, n int) (bool, error) {
		all, err := s.Pending(t.Context(), 10_000)
		return slices.ContainsFunc(all, func(d inbox.Delivery) bool { return d.GUID == fmt.Sprint("d-", n) }), err
	}
	put := func(s *inbox.Shared, n int) error {
		_, err := s.Put(t.Context(), delivery(fmt.Sprint("d-", n), n))
		return err
	}
	comment := func(n int) (c struct{ pull int }) { c.pull = n + 1; return c }
	return []cutCase{
		{"put", nil, put, pending},
		{"done", put, func(s *inbox.Shared, n int) error { return s.Done(t.Context(), fmt.Sprint("d-", n)) },
			func(s *inbox.Shared, n int) (bool, error) {
				waits, err := pending(s, n)
				return !waits, err
			}},
		{"withdraw", nil,
			func(s *inbox.Shared, n int) error {
				_, err := s.Withdraw(t.Context(), 42, comment(n).pull, 7, at(1))
				return err
			},
			func(s *inbox.Shared, n int) (bool, error) {
				w := approvedBy(comment(n).pull)
				if err := s.SaveComment(t.Context(), w); err != nil {
					return false, err
				}
				got, err := s.Comments(t.Context(), 42, w.Pull)
				return err == nil && !got[0].Withdrawn.IsZero(), err
			}},
		{"judgement", nil,
			func(s *inbox.Shared, n int) error {
				return s.SaveJudgements(t.Context(), *term, []inbox.Judgement{judgement(fmt.Sprint("argocd/a-", n), "1", n)})
			},
			func(s *inbox.Shared, n int) (bool, error) {
				_, ok, err := s.Judgement(t.Context(), fmt.Sprint("argocd/a-", n))
				return ok, err
			}},
	}
}

// TestCutConnections ends the connection of a write before and after every message and
// inside each, either way. Afterwards it is done or it is not, nothing of it is done, and to
// do it again works.
func TestCutConnections(t *testing.T) {
	t.Parallel()
	o := schema(t)
	direct := together(t, o)
	var term inbox.Term
	for _, c := range cutCases(t, &term) {
		term = lead(t, direct, c.name)
		p := shared.NewProxy(t)
		through := o
		through.DSN, through.Connections, through.Timeout = proxied(p), 1, patience
		n := 0
		// run does it with a cut and says what the connection passed on.
		run := func(cut postgrestest.Cut) (passed [2][]byte, failed error) {
			if c.prepare != nil {
				require.NoError(t, c.prepare(direct, n))
				require.NoError(t, c.prepare(direct, n+1))
			}
			s, err := inbox.OpenPostgres(t.Context(), through)
			require.NoError(t, err)
			require.NoError(t, c.do(s, n)) // All statements are known to the server now.
			n++
			p.Arm(cut)
			failed = c.do(s, n)
			if failed == nil {
				passed = p.Passed()
			}
			require.NoError(t, errors.Join(s.Close()))
			p.Settle(t)
			return passed, failed
		}
		passed, failed := run(postgrestest.Cut{After: 1 << 30})
		require.NoError(t, failed)
		seen := map[bool]int{}
		for _, d := range []postgrestest.Direction{postgrestest.ToServer, postgrestest.ToClient} {
			begin := 0
			for _, end := range postgrestest.Messages(t, passed[d]) {
				for _, after := range []int{begin, (begin + end) / 2, end - 1} {
					_, failed := run(postgrestest.Cut{Direction: d, After: after})
					name := fmt.Sprintf("%s: %d bytes of direction %d", c.name, after, d)
					done, err := c.done(direct, n)
					require.NoError(t, err, name)
					if failed == nil { // A connection that is found broken is replaced before anything was sent.
						require.True(t, done, name)
					}
					seen[done]++
					require.NoError(t, c.do(direct, n), name)
					if c.name != "withdraw" {
						done, err = c.done(direct, n)
						require.NoError(t, err, name)
						require.True(t, done, name)
					}
					n++
				}
				begin = end
			}
		}
		t.Logf("%s: done %d, not done %d", c.name, seen[true], seen[false])
		require.Positive(t, seen[true], c.name)
		require.Positive(t, seen[false], c.name)
	}
}

// TestStalledServer: a server that does not move makes every call fail in time.
func TestStalledServer(t *testing.T) {
	t.Parallel()
	o := schema(t)
	p := shared.NewProxy(t)
	o.DSN, o.Timeout = proxied(p), 300*time.Millisecond
	s := together(t, o)
	term := lead(t, s, "pod-1")
	began := time.Now()
	for name, do := range map[string]func() error{
		"put":        func() error { _, err := s.Put(t.Context(), delivery("a", 1)); return err },
		"pending":    func() error { _, err := s.Pending(t.Context(), 1); return err },
		"before":     func() error { _, err := s.PendingBefore(t.Context(), at(1)); return err },
		"judgement":  func() error { _, _, err := s.Judgement(t.Context(), "argocd/a"); return err },
		"judgements": func() error { return s.Judgements(t.Context(), func(inbox.Judgement) {}) },
		"save": func() error {
			return s.SaveJudgements(t.Context(), term, []inbox.Judgement{judgement("argocd/a", "1", 1)})
		},
		"soaks": func() error { return s.SaveSoaks(t.Context(), map[string][]byte{"argocd/a": []byte("1")}) },
	} {
		require.Eventually(t, func() bool { _, err := s.Leadership(t.Context()); return err == nil }, patience, time.Millisecond)
		p.Arm(postgrestest.Cut{How: postgrestest.Stall})
		require.Error(t, do(), name)
	}
	require.Less(t, time.Since(began), patience)
	p.Release()
	require.Eventually(t, func() bool {
		_, err := s.Put(t.Context(), delivery("b", 1))
		return err == nil
	}, patience, time.Millisecond)
}
