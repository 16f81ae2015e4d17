package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

var errGarbled = errors.New("garbled")

// parseHint reads a delivery of these tests: the hint itself as JSON.
func parseHint(event string, body []byte) (approval.Hint, error) {
	var h approval.Hint
	if event == "garbled" || json.Unmarshal(body, &h) != nil {
		return h, errGarbled
	}
	return h, nil
}

// mailroom is a setup with an inbox and an intake.
type mailroom struct {
	*setup
	box    *boxed
	intake *Intake
	put    int
}

// boxed is an inbox with a hook before each call, for failures.
type boxed struct {
	*inbox.Store
	mu     sync.Mutex
	before func(call string) error
	calls  map[string]int
}

func (b *boxed) enter(call string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls[call]++
	if b.before == nil {
		return nil
	}
	return b.before(call)
}

func (b *boxed) count(call string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls[call]
}

func (b *boxed) hook(before func(call string) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.before = before
}

func (b *boxed) Pending(ctx context.Context, limit int, besides ...string) ([]inbox.Delivery, error) {
	if err := b.enter("pending"); err != nil {
		return nil, err
	}
	return b.Store.Pending(ctx, limit, besides...)
}

func (b *boxed) Done(ctx context.Context, guid string) error {
	if err := b.enter("done"); err != nil {
		return err
	}
	return b.Store.Done(ctx, guid)
}

func (b *boxed) Failed(ctx context.Context, guid, reason string) error {
	if err := b.enter("failed"); err != nil {
		return err
	}
	return b.Store.Failed(ctx, guid, reason)
}

func (b *boxed) SaveReview(ctx context.Context, w approval.WitnessedReview) error {
	if err := b.enter("review"); err != nil {
		return err
	}
	return b.Store.SaveReview(ctx, w)
}

func newMailroom(t *testing.T) *mailroom {
	t.Helper()
	m := &mailroom{setup: newSetup(t)}
	store, err := inbox.Open(t.Context(), filepath.Join(filepath.Dir(m.path), "inbox.db"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	m.box = &boxed{Store: store, calls: map[string]int{}}
	m.intake = NewIntake(m.gate, m.box, parseHint, testLogger(t))
	return m
}

func (m *mailroom) deliver(event string, h approval.Hint) string {
	m.t.Helper()
	m.put++
	guid := fmt.Sprintf("guid-%04d", m.put)
	body, err := json.Marshal(h)
	require.NoError(m.t, err)
	_, err = m.box.Put(m.t.Context(), inbox.Delivery{
		GUID: guid, Event: event, Received: start.Add(time.Duration(m.put) * time.Second), Body: body,
	})
	require.NoError(m.t, err)
	return guid
}

func (m *mailroom) pending() int {
	m.t.Helper()
	backlog, err := m.box.Backlog(m.t.Context())
	require.NoError(m.t, err)
	return backlog.Pending
}

func (m *mailroom) drain() {
	m.t.Helper()
	m.intake.clear()
	require.NoError(m.t, m.intake.drain(m.t.Context()))
}

var pushed = approval.Hint{RepositoryID: repositoryID, Repository: repository, Branch: "main"}

// close ends what would outlive a bubble.
func (m *mailroom) close() {
	shutDown(m.gate)
	require.NoError(m.t, m.box.Close())
	require.NoError(m.t, m.store.Close())
}
