package gate

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func (f *follower) owe(pull int, owes bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.owes == nil {
		f.owes = map[int]bool{}
	}
	f.owes[pull] = owes
}

// TestFollowersAreToldAgain: what those who follow have not done when the process ends, they
// are told again by the next one; what they have done, they are not.
func TestFollowersAreToldAgain(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	kept, f, other := &ious{}, &follower{}, &follower{}
	s.gate.debts.store, s.gate.followers = kept, []Follower{f, other}
	s.openPull(7)
	key := Key{Repository: repository, Pull: 7}
	f.owe(7, true)
	s.gate.queue.Add(key)
	s.work()
	require.Equal(t, map[int]bool{7: true}, kept.open)

	s.restart()
	s.gate.debts.store, s.gate.followers = kept, []Follower{f, other}
	s.gate.wakeOwed(t.Context())
	s.work()
	require.Equal(t, 2, f.count(), "it is told again")
	require.NotEmpty(t, kept.open, "and is still not done")
	other.owe(7, true)
	f.owe(7, false)
	s.gate.Followed(t.Context(), repository, 7)
	require.NotEmpty(t, kept.open, "the other is not")
	other.owe(7, false)
	s.gate.Followed(t.Context(), repository, 7)
	require.Empty(t, kept.open)

	// What is to be told besides is not paid by them.
	f.owe(7, true)
	s.gate.queue.Add(key)
	s.work()
	s.gate.tell(t.Context(), key)
	f.owe(7, false)
	s.gate.Followed(t.Context(), repository, 7)
	require.NotEmpty(t, kept.open)
	s.work()
	require.Empty(t, kept.open)
	s.gate.Followed(t.Context(), repository, 8)
}

// TestFollowersHearOfClosing: who follows hears when nothing will land, and nothing is owed
// of it any more.
func TestFollowersHearOfClosing(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*setup, approval.PullAnswer){
		"closed":              func(s *setup, a approval.PullAnswer) { a.Open = false; s.hub.pullOf[7] = a },
		"into another branch": func(s *setup, a approval.PullAnswer) { a.Pull.Base = "feature"; s.hub.pullOf[7] = a },
		"deleted":             func(s *setup, _ approval.PullAnswer) { delete(s.hub.pullOf, 7) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			kept, f := &ious{}, &follower{}
			s.gate.debts.store, s.gate.followers = kept, []Follower{f}
			answer := s.openPull(7)
			f.owe(7, true)
			key := Key{Repository: repository, Pull: 7}
			s.gate.queue.Add(key)
			s.work()
			require.Empty(t, f.closed)
			require.NotEmpty(t, kept.open)
			end(s, answer)
			s.gate.queue.Add(key)
			s.work()
			require.Equal(t, []int{7}, f.closed)
			require.Empty(t, kept.open)
			require.Equal(t, 1, f.count())
		})
	}
	s := newSetup(t)
	f := &follower{}
	s.gate.followers = []Follower{f}
	s.hub.land(1)
	_, ok := s.reported(1)
	require.True(t, ok)
	require.Empty(t, f.closed, "it is merged")
}

// TestManyDebtsAreSpread: what cannot be paid for long is not read all at once after a
// restart.
func TestManyDebtsAreSpread(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	kept := &ious{open: map[int]bool{}}
	for n := range 3 * owedAtOnce {
		kept.open[n+1] = true
	}
	s.gate.debts.store = kept
	s.gate.wakeOwed(t.Context())
	require.LessOrEqual(t, s.gate.queue.Len(), owedAtOnce+1)
	require.GreaterOrEqual(t, s.gate.queue.Len(), owedAtOnce)
}
