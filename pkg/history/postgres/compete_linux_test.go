package postgres_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/postgres"
)

// competeFor names, in its environment, what a process of TestCompetingProcesses does.
const competeFor = "GATEKEEPER_TEST_COMPETE_FOR"

// competitor is one process.
type competitor struct {
	Options postgres.Options
	Name    string
	Share   int
}

// failing makes a draft outside a test.
type failing struct{}

func (failing) Errorf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (failing) FailNow()                          { panic("failed") }
func (failing) Helper()                           {}

// compete appends its share, trying again when others were quicker, and prints each head
// that was confirmed.
func compete(task string) error {
	var c competitor
	if err := json.Unmarshal([]byte(task), &c); err != nil {
		return err
	}
	ctx := context.Background()
	store, err := postgres.Open(ctx, c.Options)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for written := 0; written < c.Share; {
		head, err := store.Head(ctx)
		if err != nil {
			return err
		}
		draft := historytest.Decision(failing{}, fmt.Sprintf("%s-%d", c.Name, written), "prod", approval.Blocked)
		after, err := store.Append(ctx, head, draft)
		switch {
		case err == nil:
			written++
			fmt.Println(after.Sequence, after.Digest)
		case !errors.Is(err, history.ErrConflict):
			return err
		}
	}
	return store.Close()
}

// TestCompetingProcesses lets several processes append at once, and kills one of them:
// no gap, nothing twice, and everything that was confirmed is there.
func TestCompetingProcesses(t *testing.T) {
	t.Parallel()
	o := at(t)
	store := create(t, o)
	binary, err := os.Executable()
	require.NoError(t, err)
	const processes, share = 4, 25
	type outcome struct {
		name  string
		heads []history.Head
		err   error
	}
	outcomes := make(chan outcome, processes)
	for i := range processes {
		name := fmt.Sprintf("p%d", i)
		task, err := json.Marshal(competitor{o, name, share})
		require.NoError(t, err)
		command := exec.CommandContext(t.Context(), binary)
		command.Env = append(os.Environ(), competeFor+"="+string(task))
		output, err := command.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, command.Start())
		go func() {
			result := outcome{name: name}
			for lines := bufio.NewScanner(output); lines.Scan(); {
				var head history.Head
				if _, err := fmt.Sscan(lines.Text(), &head.Sequence, &head.Digest); err == nil {
					result.heads = append(result.heads, head)
				}
				if i == 0 && len(result.heads) == share/3 {
					_ = command.Process.Kill()
				}
			}
			result.err = command.Wait()
			outcomes <- result
		}()
	}
	confirmed := map[string]history.Head{}
	var killed int
	for range processes {
		result := <-outcomes
		if result.name == "p0" {
			require.Error(t, result.err)
			killed = len(result.heads)
			require.Less(t, killed, share)
		} else {
			require.NoError(t, result.err)
			require.Len(t, result.heads, share)
		}
		for i, head := range result.heads {
			confirmed[fmt.Sprintf("%s-%d", result.name, i)] = head
		}
	}
	// A process that opens the record waits for what the killed one may have begun.
	report := requireIntact(t, open(t, o))
	found := map[string]int{}
	var mine int
	for next := uint64(1); ; {
		page, err := store.Entries(t.Context(), next, 100)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			require.Equal(t, next, e.Sequence)
			next++
			found[e.Application]++
			if strings.HasPrefix(e.Application, "p0-") {
				mine++
			}
			if head, ok := confirmed[e.Application]; ok {
				require.Equal(t, head, e.Head(), e.Application)
			}
		}
	}
	for name, count := range found {
		require.Equal(t, 1, count, name)
	}
	for name := range confirmed {
		require.Equal(t, 1, found[name], name)
	}
	require.Contains(t, []int{killed, killed + 1}, mine, "at most the one that was not confirmed")
	require.Equal(t, uint64((processes-1)*share+mine), report.Head.Sequence)
}
