package measures

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history/dora"
)

// manual is a clock by which each look at it is so much work.
type manual struct {
	at     time.Time
	work   time.Duration
	rested []time.Duration
	fails  error
}

func (m *manual) pace() *pace {
	return &pace{
		now: func() time.Time {
			m.at = m.at.Add(m.work)
			return m.at
		},
		sleep: func(_ context.Context, d time.Duration) error {
			m.rested = append(m.rested, d)
			m.at = m.at.Add(d)
			return m.fails
		},
	}
}

// TestPace: work rests after each stretch, and what was waited for meanwhile is no work.
func TestPace(t *testing.T) {
	t.Parallel()
	clock := &manual{at: time.Now(), work: stretch / 3}
	p := clock.pace()
	for range 16 {
		require.NoError(t, p.breathe(t.Context()))
	}
	require.Len(t, clock.rested, 5)
	clock.at = clock.at.Add(time.Hour)
	p.resume()
	require.NoError(t, p.breathe(t.Context()))
	require.Len(t, clock.rested, 5)

	var none *pace
	require.NoError(t, none.breathe(t.Context()))
	none.resume()

	ctx, stop := context.WithCancel(t.Context())
	stop()
	require.ErrorIs(t, sleep(ctx, time.Hour), context.Canceled)
	require.NoError(t, sleep(t.Context(), time.Microsecond))
}

type many []dora.Application

func (m many) Applications(context.Context) ([]dora.Application, error) { return m, nil }

// TestCollectorRests: computing for many Applications is never much at a time, and ends
// with the context.
func TestCollectorRests(t *testing.T) {
	t.Parallel()
	const n = 300
	var apps many
	var names []string
	for i := range n {
		apps = append(apps, dora.Application{Name: fmt.Sprintf("argocd/app-%03d", i), Gate: "prod"})
		names = append(names, apps[i].Name)
	}
	clock := &manual{at: time.Now(), work: stretch / 3}
	c := NewCollector(Options{
		Source: apps, Policy: dora.DefaultPolicy(), Protected: func() []string { return names }, Most: n, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	c.pace = clock.pace
	require.NoError(t, c.Refresh(t.Context()))
	// Each is assessed, put in order, and measured over three windows.
	require.Greater(t, len(clock.rested), n*5/4)
	for _, d := range clock.rested {
		require.Equal(t, rest, d)
	}
	clock.fails = errors.New("it ends")
	require.ErrorIs(t, c.Refresh(t.Context()), clock.fails)
}
