package gate

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// large delivers a hint in a body of some size.
func (m *mailroom) large(h approval.Hint, size int) {
	m.t.Helper()
	m.put++
	body, err := json.Marshal(h)
	require.NoError(m.t, err)
	_, err = m.box.Put(m.t.Context(), inbox.Delivery{
		GUID: fmt.Sprintf("guid-%04d", m.put), Event: "pull_request", Received: start.Add(time.Duration(m.put) * time.Second),
		Body: append(body, strings.Repeat(" ", size)...),
	})
	require.NoError(m.t, err)
}

// TestReportThatFails: a pull request on which nothing can be written keeps no other event
// waiting, however much happens on it, and is told when it can be.
func TestReportThatFails(t *testing.T) {
	t.Parallel()
	m := newMailroom(t)
	m.reconciled()
	m.openPull(7)
	m.reports.failure = errDown
	key := Key{Repository: repository, Pull: 7}
	for i := range 12 {
		h := reviewed(7)
		h.Again = i == 3 // nothing but this delivery says so
		m.large(h, 1<<20)
		m.drain()
		m.gate.queue.Add(key)
		m.work()
	}
	require.Equal(t, ticketsKept+1, m.pending(), "the newest, and the newest that asks for more")

	m.deliver("push", pushed)
	m.drain()
	require.Contains(t, m.queued(), Key{Application: payments})
	m.gate.queue.Add(Key{Application: payments})
	m.work()
	require.Equal(t, ticketsKept+1, m.pending())

	m.reports.failure = nil
	m.gate.queue.Add(key)
	m.work()
	require.Zero(t, m.pending())
	_, told := m.reports.last(7)
	require.True(t, told)
	m.drain()
	require.Empty(t, m.intake.taken)
}

func TestSuperseded(t *testing.T) {
	t.Parallel()
	key := Key{Repository: repository, Pull: 7}
	of := func(names string) (all []*ticket) {
		for _, n := range names {
			all = append(all, &ticket{guid: string(n), again: unicode.IsUpper(n)})
		}
		return all
	}
	named := func(all []*ticket) (names string) {
		for _, t := range all {
			names += t.guid
		}
		return names
	}
	// Those in capitals ask for more.
	for name, c := range map[string]struct{ back, meanwhile, stay, spare string }{
		"none":                         {"", "a", "a", ""},
		"one":                          {"a", "", "a", ""},
		"few":                          {"abcd", "e", "abcde", ""},
		"many":                         {"abcdefg", "", "cdefg", "ba"},
		"those that came meanwhile":    {"ab", "cdefg", "cdefg", "ba"},
		"one that asks for more":       {"aBcdefgh", "", "Bdefgh", "ca"},
		"two that ask for more":        {"aBcDefg", "hi", "Defghi", "cBa"},
		"a new one that asks for more": {"aBcdef", "G", "cdefG", "Ba"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var ts tickets
			ts.giveBack(key, of(c.meanwhile))
			require.Equal(t, c.spare, named(ts.giveBack(key, of(c.back))))
			require.Equal(t, c.stay, named(ts.take(key)))
		})
	}
}
