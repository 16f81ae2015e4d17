package inbox_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/internal/postgresdb"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// competeFor names, in its environment, what a process of TestProcesses does.
const competeFor = "GATEKEEPER_TEST_COMPETE_FOR"

// competitor is one process.
type competitor struct {
	Options postgresdb.Options
	Share   int
}

// compete keeps deliveries and news, the same ones as all others, and prints what it was
// told.
func compete(task string) error {
	var c competitor
	if err := json.Unmarshal([]byte(task), &c); err != nil {
		return err
	}
	ctx := context.Background()
	s, err := inbox.OpenPostgres(ctx, c.Options)
	if err != nil {
		return err
	}
	for i := range c.Share {
		fresh, err := s.Put(ctx, delivery(fmt.Sprintf("d-%04d", i), i))
		if err != nil {
			return err
		}
		news, err := s.SaveNews(ctx, inbox.Scope{Repository: approval.RepositoryName(fmt.Sprint("acme/", os.Getpid()))})
		if err != nil {
			return err
		}
		fmt.Println(i, fresh, news)
	}
	return s.Close()
}

// TestProcesses lets several processes keep the same deliveries at once, and kills one of
// them: each is kept once, everything that was confirmed is there, and no two events have
// one number.
func TestProcesses(t *testing.T) {
	t.Parallel()
	o := schema(t)
	s := together(t, o)
	binary, err := os.Executable()
	require.NoError(t, err)
	const processes, share = 4, 60
	type outcome struct {
		lines  []string
		killed bool
		err    error
	}
	outcomes := make(chan outcome, processes)
	for n := range processes {
		task, err := json.Marshal(competitor{o, share})
		require.NoError(t, err)
		process := exec.CommandContext(t.Context(), binary)
		process.Env, process.Stderr = append(os.Environ(), competeFor+"="+string(task)), os.Stderr
		output, err := process.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, process.Start())
		go func() {
			out := outcome{killed: n == 0}
			lines := bufio.NewScanner(output)
			for lines.Scan() {
				out.lines = append(out.lines, lines.Text())
				if out.killed && len(out.lines) == share/3 {
					out.err = process.Process.Kill()
				}
			}
			if err := process.Wait(); !out.killed {
				out.err = err
			}
			outcomes <- out
		}()
	}
	fresh, numbers, confirmed := 0, map[string]bool{}, map[string]bool{}
	for range processes {
		out := <-outcomes
		require.NoError(t, out.err)
		if out.killed {
			require.Less(t, len(out.lines), share)
		} else {
			require.Len(t, out.lines, share)
		}
		for _, line := range out.lines {
			fields := strings.Fields(line)
			confirmed[fields[0]] = true
			if fields[1] == "true" {
				fresh++
			}
			require.False(t, numbers[fields[2]], "two events with the number %s", fields[2])
			numbers[fields[2]] = true
		}
	}
	require.Len(t, confirmed, share)
	kept, err := s.Pending(t.Context(), 1000)
	require.NoError(t, err)
	require.Len(t, kept, share)
	for i, d := range kept {
		require.Equal(t, delivery(fmt.Sprintf("d-%04d", i), i), d)
	}
	require.LessOrEqual(t, fresh, share, "nothing is fresh twice")
	require.GreaterOrEqual(t, fresh, share-1, "but for the one that was killed before it could say so")
}

// TestWithdrawnMeanwhile: a comment that is kept by one process while another one takes it
// back is taken back.
func TestWithdrawnMeanwhile(t *testing.T) {
	t.Parallel()
	o := schema(t)
	one, two := together(t, o), together(t, o)
	for pull := 1; pull <= 60; pull++ {
		var both sync.WaitGroup
		both.Go(func() {
			if err := one.SaveComment(t.Context(), approvedBy(pull)); err != nil {
				t.Error(err)
			}
		})
		both.Go(func() {
			if _, err := two.Withdraw(t.Context(), 42, pull, 7, at(2)); err != nil {
				t.Error(err)
			}
		})
		both.Wait()
		got, err := one.Comments(t.Context(), 42, pull)
		require.NoError(t, err)
		require.Len(t, got, 1)
		require.False(t, got[0].Withdrawn.IsZero(), "pull request %d", pull)
	}
}

// TestTakenUpTwice: a former leader that does not know yet takes up what the present one
// does; what is said twice is so once.
func TestTakenUpTwice(t *testing.T) {
	t.Parallel()
	o := schema(t)
	former, present := together(t, o), together(t, o)
	put(t, former.Store, delivery("a", 1))
	put(t, former.Store, delivery("b", 1))
	for _, s := range []*inbox.Shared{former, present} {
		require.Equal(t, []string{"a", "b"}, pending(t, s.Store))
	}
	require.NoError(t, present.Done(t.Context(), "a"))
	require.NoError(t, former.Done(t.Context(), "a"))
	require.ErrorIs(t, former.Failed(t.Context(), "a", "too late"), inbox.ErrUnknown)
	require.NoError(t, former.Failed(t.Context(), "b", "no"))
	require.NoError(t, present.Done(t.Context(), "b"))
	require.Empty(t, pending(t, former.Store))
}

// TestPendingBefore is what a follower looks at before it goes by a judgement.
func TestPendingBefore(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		s := in.fresh(t)
		waits := func(before time.Time) bool {
			t.Helper()
			waiting, err := s.PendingBefore(t.Context(), before)
			require.NoError(t, err)
			return waiting
		}
		require.False(t, waits(time.Time{}))
		put(t, s, delivery("a", 2))
		require.False(t, waits(at(1)))
		require.False(t, waits(at(2)))
		require.True(t, waits(at(2).Add(1)))
		require.True(t, waits(time.Time{}), "whatever the clocks say")
		require.NoError(t, s.Failed(t.Context(), "a", "once"))
		require.True(t, waits(at(3)))
		require.NoError(t, s.Done(t.Context(), "a"))
		require.False(t, waits(time.Time{}))
		_, err := s.PendingBefore(t.Context(), time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC))
		require.ErrorIs(t, err, inbox.ErrInvalid)
	})
}

// TestLongNames: a branch's name is longer than what PostgreSQL takes into an index.
func TestLongNames(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		s := in.fresh(t)
		letters := make([]byte, 4000) // that are not compressed away
		for i := range letters {
			letters[i] = 'a' + byte((i*i+i/7)%26)
		}
		long := string(letters)
		w := branchPush('0', 'a', alice, 1)
		w.Branch = long + "x"
		require.NoError(t, s.SavePush(t.Context(), w))
		got, found, err := s.BranchPush(t.Context(), w.RepositoryID, w.Branch, w.After)
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, w.Branch, got.Branch)
		_, found, err = s.BranchPush(t.Context(), w.RepositoryID, long+"y", w.After)
		require.NoError(t, err)
		require.False(t, found)

		number, err := s.SaveNews(t.Context(), inbox.Scope{Repository: "acme/env", Branch: long})
		require.NoError(t, err)
		all, err := s.News(t.Context())
		require.NoError(t, err)
		require.Equal(t, number, max(all[inbox.Scope{Repository: "acme/env", Branch: long}], all[inbox.Scope{Repository: "acme/env"}]))
	})
}
