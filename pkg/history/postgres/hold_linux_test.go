package postgres_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history/postgres"
	"github.com/argo-gatekeeper/gatekeeper/test/postgrestest"
)

// events are what was logged.
type events chan string

func (e events) Write(line []byte) (int, error) {
	e <- string(line)
	return len(line), nil
}

func (e events) wait(t *testing.T, text string) {
	t.Helper()
	for {
		select {
		case line := <-e:
			t.Log(line)
			if strings.Contains(line, text) {
				return
			}
		case <-time.After(patience):
			require.Fail(t, "not logged: "+text)
		}
	}
}

// TestHold: one process works on a record. It keeps the hold when its connection is lost,
// and ends when another one has taken it meanwhile.
func TestHold(t *testing.T) {
	t.Parallel()
	o := at(t)
	first, second := create(t, o), open(t, o)
	other := create(t, at(t))
	hold, err := first.Hold(t.Context())
	require.NoError(t, err)
	_, err = second.Hold(t.Context())
	require.ErrorIs(t, err, postgres.ErrHeld)
	require.ErrorContains(t, err, "stop the other one first")
	elsewhere, err := other.Hold(t.Context())
	require.NoError(t, err, "another record")
	require.NoError(t, elsewhere.Release(t.Context()))
	deploy(t, second, "i-1")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- hold.Run(ctx, slog.New(slog.NewTextHandler(t.Output(), nil))) }()
	// Through the proxy of its own, so that exactly its connection is cut.
	cancel()
	require.NoError(t, <-ended)
	require.NoError(t, hold.Release(t.Context()))

	p, slow := through(t, o)
	slow.Timeout = 500 * time.Millisecond
	third := open(t, slow)
	hold, err = third.Hold(t.Context())
	require.NoError(t, err)
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	notes := make(events, 100)
	go func() { ended <- hold.Run(ctx, slog.New(slog.NewTextHandler(notes, nil))) }()
	links := p.Links()
	links[len(links)-1].End()
	notes.wait(t, "record_held_again")
	_, err = second.Hold(t.Context())
	require.ErrorIs(t, err, postgres.ErrHeld)

	// The server does not see that the connection has ended.
	links = p.Links()
	p.Arm(postgrestest.Cut{Direction: postgrestest.ToServer, How: postgrestest.Stall})
	notes.wait(t, "still held the record")
	notes.wait(t, "record_held_again")
	for _, l := range links {
		l.End()
	}
	p.Release()

	// While it is cut off, the other one takes over.
	p.Refuse()
	var taken *postgres.Hold
	require.Eventually(t, func() bool {
		taken, err = second.Hold(t.Context())
		return err == nil
	}, patience, time.Millisecond)
	p.Admit()
	require.ErrorIs(t, <-ended, postgres.ErrHeld)
	require.NoError(t, hold.Release(t.Context()))
	require.NoError(t, taken.Release(t.Context()))
}

// TestShare: processes that share the hold keep away who works alone, and the other way
// round.
func TestShare(t *testing.T) {
	t.Parallel()
	o := at(t)
	first, second, third := create(t, o), open(t, o), open(t, o)
	one, err := first.Share(t.Context())
	require.NoError(t, err)
	two, err := second.Share(t.Context())
	require.NoError(t, err, "together")
	_, err = third.Hold(t.Context())
	require.ErrorIs(t, err, postgres.ErrHeld)
	require.ErrorContains(t, err, "let both share it")
	require.NoError(t, one.Release(t.Context()))
	_, err = third.Hold(t.Context())
	require.ErrorIs(t, err, postgres.ErrHeld, "as long as any is left")
	require.NoError(t, two.Release(t.Context()))

	alone, err := third.Hold(t.Context())
	require.NoError(t, err)
	_, err = first.Share(t.Context())
	require.ErrorIs(t, err, postgres.ErrHeld)
	require.ErrorContains(t, err, "without replicas in its configuration")
	require.NoError(t, alone.Release(t.Context()))
}
