package gate

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

func TestDenials(t *testing.T) {
	s := newAdmitSetup(t)
	var events []string
	s.gate.onDenied = func(_ context.Context, app, uid, text string) { events = append(events, app+" "+uid+" "+text) }
	s.held(1)
	known := map[string]told{}
	tell := func(n int) {
		t.Helper()
		for range n {
			s.refuses(s.asks(9), refusedCandidate)
			s.gate.tellTogether(t.Context(), known, []denial{<-s.gate.denials.pending})
		}
	}
	denied := func() []history.DeniedPayload {
		var out []history.DeniedPayload
		for _, e := range s.entries() {
			if e.Kind == history.KindDenied {
				d, err := history.Decode[history.DeniedPayload](e)
				require.NoError(t, err)
				out = append(out, d)
			}
		}
		return out
	}
	tell(5)
	require.Len(t, events, 1)
	require.Len(t, denied(), 1)
	require.Equal(t, "sync to "+sha(9).Short(), denied()[0].Asked)
	require.Equal(t, "carol", denied()[0].InitiatedBy)
	s.clock.advance(denialAgain)
	tell(1)
	require.Len(t, events, 2)
	require.Contains(t, events[1], "(and 4 more times)")
	require.Equal(t, 4, denied()[1].Repeated)

	// Whoever is refused chooses what to ask for, so what is told of one Application is
	// bounded, and none of it keeps the gate from recording.
	s.clock.advance(denialAgain)
	s.gate.warnOnly = true
	tell(1)
	require.True(t, denied()[2].Warned)
	require.Contains(t, events[2], "would be refused: ")
	s.gate.warnOnly = false
	s.clock.advance(denialAgain)
	told := len(denied())
	for i := range 3 * denialsOfOne {
		s.refuses(s.asks(100+i), refusedCandidate)
	}
	for len(s.gate.denials.pending) > 0 {
		s.gate.tellTogether(t.Context(), known, []denial{<-s.gate.denials.pending})
	}
	require.Len(t, denied(), told+denialsOfOne)
	require.Equal(t, 2*denialsOfOne, s.gate.denials.lost())
	head, err := s.store.Head(t.Context())
	require.NoError(t, err)
	one := denial{gate: "prod", application: payments, uid: "uid-payments", user: "u", asked: "a", code: "c", text: "t"}
	s.gate.recordDenials(t.Context(), []news{{one, 0}})
	require.Len(t, denied(), told+denialsOfOne+1)
	_, err = s.gate.appendFor(t.Context(), head, "uid-payments", just(s.decisions()[0]))
	require.NoError(t, err)

	// The answer never waits for those who are told.
	for range denialsPending + 10 {
		s.refuses(s.asks(9), refusedCandidate)
	}
	require.Equal(t, 10, s.gate.denials.lost())
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	s.gate.tellDenials(ended)
	require.Empty(t, s.gate.denials.pending, "what is left is told at the end")

	// One that the record does not take keeps no other from it.
	told = len(denied())
	broken := one
	broken.gate = ""
	s.gate.recordDenials(t.Context(), []news{{one, 1}, {broken, 1}, {denial{text: "of nothing"}, 0}, {one, 2}})
	require.Len(t, denied(), told+2)
}

// TestDenialsAreGathered: those that come close together are told together, and nobody
// waits long.
func TestDenialsAreGathered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDenials()
		go func() {
			for i := range 3 {
				d.tell(denial{text: strconv.Itoa(i)})
				time.Sleep(denialGather * 2 / 3)
			}
		}()
		began := time.Now()
		require.Len(t, d.gather(t.Context(), <-d.pending), 2, "the third comes too late")
		require.Equal(t, denialGather, time.Since(began))
		time.Sleep(denialGather)
		for range denialsTogether {
			d.tell(denial{})
		}
		began = time.Now()
		require.Len(t, d.gather(t.Context(), <-d.pending), denialsTogether)
		require.Len(t, d.pending, 1)
		require.Zero(t, time.Since(began), "as many as are recorded together wait for no more")
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		d.tell(denial{})
		require.Len(t, d.gather(ended, <-d.pending), 2)
		require.Empty(t, d.pending)
	})
}
