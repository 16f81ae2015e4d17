package gate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestSharing: an Application shares what is read when an event woke it together with
// others, and never when something else did since, or when it is tried again.
func TestSharing(t *testing.T) {
	t.Parallel()
	m := newMailroom(t)
	m.hub.land(1)
	shares := func() (out []bool) {
		t.Helper()
		m.work()
		m.hub.mu.Lock()
		defer m.hub.mu.Unlock()
		out, m.hub.shared = m.hub.shared, nil
		return out
	}
	heard := func() int {
		m.hub.mu.Lock()
		defer m.hub.mu.Unlock()
		return m.hub.heard
	}
	m.gate.WakeAll()
	require.Equal(t, []bool{true}, shares())
	before := heard()
	m.deliver("push", pushed)
	m.drain()
	require.Equal(t, before+1, heard(), "what was read before the event serves nobody")
	require.Equal(t, []bool{true}, shares())
	m.deliver("check_run", approval.Hint{RepositoryID: repositoryID, Repository: repository})
	m.drain()
	require.Equal(t, before+1, heard(), "an echo of what we wrote is no event")

	m.gate.WakeApplication(*m.argo.apps[payments])
	require.Equal(t, []bool{false}, shares(), "Argo CD woke it")
	m.gate.WakeKey(t.Context(), payments)
	require.Equal(t, []bool{false}, shares())
	m.gate.WakePull(t.Context(), repository, 1)
	require.Equal(t, []bool{false}, shares(), "somebody asks for it")
	m.deliver("push", pushed)
	m.drain()
	m.gate.WakeApplication(*m.argo.apps[payments])
	require.Equal(t, []bool{false}, shares(), "Argo CD woke it after the event")

	m.deliver("push", pushed)
	m.drain()
	m.hub.fail(errDown)
	m.gate.next(t.Context())
	m.hub.fail(nil)
	var tries []bool
	require.Eventually(t, func() bool { tries = append(tries, shares()...); return len(tries) == 2 }, time.Minute, time.Millisecond)
	require.Equal(t, []bool{true, false}, tries, "it is tried again")
	_, err := m.gate.Try(t.Context(), payments, approval.Override{})
	require.NoError(t, err)
	require.Equal(t, []bool{false}, shares(), "people ask")
}
