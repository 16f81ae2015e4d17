package gate

import (
	"context"
	"runtime"
	"strconv"
	"testing"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// failing delivers an event with a body of some size on each of so many pull requests, none
// of which can be reconciled.
func (m *mailroom) failing(pulls, size int) {
	m.t.Helper()
	m.hub.fail(errDown)
	for n := range pulls {
		m.large(reviewed(n+1), size)
	}
	for range pulls/intakeBatch + 1 {
		m.drain()
		m.work()
	}
	require.Equal(m.t, pulls, m.pending(), "all of them failed")
}

// others delivers what has nothing to do with what fails, and requires that it is taken.
func (m *mailroom) others() {
	m.t.Helper()
	before := m.pending()
	m.deliver("ping", approval.Hint{})
	m.deliver("pull_request_review", approval.Hint{Review: &approval.WitnessedReview{RepositoryID: 5, ReviewID: 31, Commit: sha(3), Base: "main"}})
	m.drain()
	require.Equal(m.t, before, m.pending(), "they are done")
	_, found, err := m.box.Review(m.t.Context(), 5, 31)
	require.NoError(m.t, err)
	require.True(m.t, found)
}

// recovered ends the failures: everything is handled.
func (m *mailroom) recovered() {
	m.t.Helper()
	m.hub.fail(nil)
	for key := range m.gate.tickets.byKey {
		m.gate.queue.Add(key)
	}
	m.work()
	m.drain()
	require.Zero(m.t, m.pending())
	require.Empty(m.t, m.intake.taken)
	require.Zero(m.t, m.gate.tickets.late.Load())
}

// TestLargeFailuresStarveNobody: what fails on many pull requests fills what is read of the
// inbox at once, and is not read again.
func TestLargeFailuresStarveNobody(t *testing.T) {
	t.Parallel()
	m := newMailroom(t)
	m.reconciled()
	m.failing(320, 32<<10) // 10 MiB
	m.others()
	m.recovered()
}

// TestManyFailuresStarveNobody: what fails does not count as under way, up to a bound.
func TestManyFailuresStarveNobody(t *testing.T) {
	t.Parallel()
	m := newMailroom(t)
	m.reconciled()
	m.failing(intakeOpen+intakeBatch, 0)
	m.others()
	m.recovered()
}

// TestBodiesAreDropped: a delivery that waits for its keys is known by its name alone, or
// large ones would fill the memory.
func TestBodiesAreDropped(t *testing.T) {
	t.Parallel()
	m := newMailroom(t)
	m.reconciled()
	bodies := &bodied{boxed: m.box}
	m.intake.inbox = bodies
	m.failing(3, 1<<20)
	require.NotEmpty(t, bodies.seen)
	runtime.GC()
	for _, body := range bodies.seen {
		require.Nil(t, body.Value())
	}
	m.recovered()
}

// bodied is an inbox that says which of the bodies that it gave out are still in memory.
type bodied struct {
	*boxed
	seen []weak.Pointer[byte]
}

func (w *bodied) Pending(ctx context.Context, limit int, besides ...string) ([]inbox.Delivery, error) {
	pending, err := w.boxed.Pending(ctx, limit, besides...)
	for _, d := range pending {
		w.seen = append(w.seen, weak.Make(&d.Body[0]))
	}
	return pending, err
}

// TestFailuresAreBounded: what fails takes so much room, and no more.
func TestFailuresAreBounded(t *testing.T) {
	t.Parallel()
	m := newMailroom(t)
	for late, room := range map[int]int{0: intakeOpen, 7: intakeOpen + 7, intakeLate: intakeOpen + intakeLate, intakeLate + 1: intakeOpen + intakeLate} {
		m.gate.tickets.late.Store(int64(late))
		clear(m.intake.taken)
		for i := range room - 1 {
			m.intake.taken[strconv.Itoa(i)] = true
		}
		require.True(t, m.intake.mayTake(), late)
		m.intake.taken["one more"] = true
		require.False(t, m.intake.mayTake(), late)
	}
	require.GreaterOrEqual(t, cap(m.intake.done), intakeOpen+intakeLate+intakeBatch-1, "all that is taken can end at once")
}
