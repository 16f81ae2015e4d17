package orders_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

func record(t *testing.T) *sqlite.Store {
	t.Helper()
	store, err := sqlite.Create(t.Context(), filepath.Join(t.TempDir(), "record.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

func adopt(uid, digest string) orders.Order {
	return orders.Order{UID: uid, Act: history.ActPayload{
		Verb: history.VerbAdopt, Gate: "prod", Application: "argocd/shop", SpecDigest: digest,
		Person: history.Person{Name: " ada ", Via: history.ViaConsole}, Reason: "first",
	}}
}

func hold(uid string, expires time.Time) orders.Order {
	o := orders.Order{UID: uid, Act: history.ActPayload{
		Verb: history.VerbHold, Gate: "prod", Expires: expires,
		Person: history.Person{Name: "ada", Via: history.ViaConsole}, Reason: "incident 7",
	}}
	if uid != "" {
		o.Act.Application = "argocd/shop"
	}
	return o
}

func TestGive(t *testing.T) {
	t.Parallel()
	store := record(t)
	desk := orders.NewDesk(orders.Options{Record: store})
	given, err := desk.Give(t.Context(), nil, adopt("a", "sha256:1"), adopt("b", "sha256:2"))
	require.NoError(t, err)
	require.Len(t, given, 2)
	require.NotEqual(t, given[0].ID, given[1].ID)
	require.Equal(t, "ada", given[0].Person.Name)

	entries, err := store.Acts(t.Context())
	require.NoError(t, err)
	require.Len(t, entries, 2)
	standing, err := desk.Book().Standing(t.Context())
	require.NoError(t, err)
	for uid, digest := range map[string]string{"a": "sha256:1", "b": "sha256:2"} {
		found, ok := standing.Adopted(uid)
		require.True(t, ok)
		require.Equal(t, digest, found.SpecDigest)
	}
	_, ok := standing.Adopted("c")
	require.False(t, ok)
	named, ok := standing.AdoptedName("argocd/shop")
	require.True(t, ok)
	require.Equal(t, "b", named.UID)
}

func TestGiveRefuses(t *testing.T) {
	t.Parallel()
	store := record(t)
	desk := orders.NewDesk(orders.Options{Record: store})
	with := func(change func(*history.ActPayload)) orders.Order {
		o := adopt("a", "sha256:1")
		change(&o.Act)
		return o
	}
	for name, order := range map[string]orders.Order{
		"no name":     with(func(a *history.ActPayload) { a.Person.Name = "  " }),
		"long name":   with(func(a *history.ActPayload) { a.Person.Name = strings.Repeat("a", orders.MaxPerson+1) }),
		"no reason":   with(func(a *history.ActPayload) { a.Reason = "" }),
		"long reason": with(func(a *history.ActPayload) { a.Reason = strings.Repeat("a", orders.MaxReason+1) }),
		"two lines":   with(func(a *history.ActPayload) { a.Reason = "fine\nadopted by bob" }),
		"invisible":   with(func(a *history.ActPayload) { a.Person.Name = "a\u202eda" }),
		"no text":     with(func(a *history.ActPayload) { a.Reason = "\xff" }),
	} {
		_, err := desk.Give(t.Context(), nil, order)
		require.ErrorIs(t, err, orders.ErrInvalid, name)
	}
	_, err := desk.Give(t.Context(), nil)
	require.ErrorIs(t, err, orders.ErrInvalid)
	_, err = desk.Give(t.Context(), nil, make([]orders.Order, orders.MaxBatch+1)...)
	require.ErrorIs(t, err, orders.ErrInvalid)
	_, err = desk.Give(t.Context(), nil, with(func(a *history.ActPayload) { a.SpecDigest = "" }))
	require.ErrorIs(t, err, history.ErrInvalid)

	no := errors.New("not now")
	_, err = desk.Give(t.Context(), func(orders.Standing) error { return no }, adopt("a", "sha256:1"))
	require.ErrorIs(t, err, no)
	head, err := store.Head(t.Context())
	require.NoError(t, err)
	require.Zero(t, head.Sequence)
}

// TestGiveFailures: whichever way an append fails, the order is recorded once, and the
// caller is told the truth.
func TestGiveFailures(t *testing.T) {
	t.Parallel()
	store := record(t)
	faulty := &historytest.Faulty{Record: store}
	desk := orders.NewDesk(orders.Options{Record: faulty})
	faulty.FailNext(1)
	_, err := desk.Give(t.Context(), nil, adopt("a", "sha256:1"))
	require.ErrorIs(t, err, historytest.ErrInjected)
	entries, err := store.Acts(t.Context())
	require.NoError(t, err)
	require.Empty(t, entries)

	faulty.FailNextPersisted(1)
	given, err := desk.Give(t.Context(), nil, adopt("a", "sha256:1"))
	require.NoError(t, err)
	entries, err = store.Acts(t.Context())
	require.NoError(t, err)
	require.Len(t, entries, 1)
	act, err := history.Decode[history.ActPayload](entries[0])
	require.NoError(t, err)
	require.Equal(t, given[0], act)
}

// TestGiveRaces: of several who release one hold at the same time, each with a desk of
// its own, one does.
func TestGiveRaces(t *testing.T) {
	t.Parallel()
	store := record(t)
	held, err := orders.NewDesk(orders.Options{Record: store}).Give(t.Context(), nil, hold("a", time.Time{}))
	require.NoError(t, err)
	released := errors.New("it is released")
	var won, lost sync.Map
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			desk := orders.NewDesk(orders.Options{Record: store})
			release := hold("a", time.Time{})
			release.Act.Verb, release.Act.Of = history.VerbRelease, held[0].ID
			_, err := desk.Give(context.WithoutCancel(t.Context()), func(s orders.Standing) error {
				if _, done := s.Answer(held[0].ID); done {
					return released
				}
				return nil
			}, release)
			switch {
			case err == nil:
				won.Store(i, true)
			case errors.Is(err, released):
				lost.Store(i, true)
			default:
				t.Errorf("release: %v", err)
			}
		})
	}
	group.Wait()
	count := func(m *sync.Map) (n int) {
		m.Range(func(any, any) bool { n++; return true })
		return n
	}
	require.Equal(t, 1, count(&won))
	require.Equal(t, 7, count(&lost))
}

func TestStanding(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var entries []history.Entry
	head := history.Head{}
	add := func(uid string, act history.ActPayload) {
		t.Helper()
		act.Gate, act.Person, act.Reason = "prod", history.Person{Name: "ada", Via: history.ViaConsole}, "why"
		if uid != "" {
			act.Application = "argocd/" + uid
		}
		sealed, err := history.Seal(head, history.Draft{Time: at.Add(-time.Hour), Application: uid, Payload: act})
		require.NoError(t, err)
		entries, head = append(entries, sealed...), sealed[0].Head()
	}
	candidate := approval.Candidate{UID: "a", SpecDigest: "sha256:1", Revisions: []approval.Revision{{Repository: "acme/env", SHA: "1"}}}
	add("a", history.ActPayload{ID: "1", Verb: history.VerbAdopt, SpecDigest: "sha256:1"})
	add("a", history.ActPayload{ID: "2", Verb: history.VerbAdopt, SpecDigest: "sha256:2"})
	add("", history.ActPayload{ID: "3", Verb: history.VerbHold})
	add("a", history.ActPayload{ID: "4", Verb: history.VerbHold, Expires: at})
	add("a", history.ActPayload{ID: "5", Verb: history.VerbHold, Expires: at.Add(time.Second)})
	add("b", history.ActPayload{ID: "6", Verb: history.VerbHold})
	add("b", history.ActPayload{ID: "7", Verb: history.VerbRelease, Of: "6"})
	add("a", history.ActPayload{ID: "8", Verb: history.VerbBreakGlass, Candidate: &candidate, Expires: at, ReviewBy: at})
	add("a", history.ActPayload{ID: "9", Verb: history.VerbBreakGlass, Candidate: &candidate, Expires: at.Add(1), ReviewBy: at})
	add("a", history.ActPayload{ID: "10", Verb: history.VerbReview, Of: "8"})
	add("a", history.ActPayload{ID: "11", Verb: history.VerbPermit, Permit: history.PermitDelete, Expires: at.Add(1)})
	add("a", history.ActPayload{ID: "12", Verb: history.VerbRollback, Candidate: &candidate, Intent: "i-1", Hold: "5"})

	standing, err := orders.Read(entries)
	require.NoError(t, err)
	adopted, _ := standing.Adopted("a")
	require.Equal(t, "sha256:2", adopted.SpecDigest)
	ids := func(holds []approval.Hold) (ids []string) {
		for _, h := range holds {
			ids = append(ids, h.ID)
		}
		return ids
	}
	require.Equal(t, []string{"3", "5"}, ids(standing.Holds("prod", "a", at)))
	require.Equal(t, []string{"3"}, ids(standing.Holds("prod", "b", at)))
	require.Equal(t, []string{"3"}, ids(standing.Holds("prod", "", at)))
	require.Empty(t, standing.Holds("stage", "a", at))
	require.True(t, standing.Holds("prod", "a", at)[0].WholeGate)
	glass := standing.BrokenGlass("a", at)
	require.Len(t, glass, 1)
	require.Equal(t, "9", glass[0].ID)
	unreviewed := standing.Unreviewed()
	require.Len(t, unreviewed, 1)
	require.Equal(t, "9", unreviewed[0].ID)
	_, ok := standing.Permit("a", history.PermitDelete, at)
	require.True(t, ok)
	_, ok = standing.Permit("a", history.PermitLeave, at)
	require.False(t, ok)
	_, ok = standing.Permit("a", history.PermitDelete, at.Add(1))
	require.False(t, ok)
	back, ok := standing.Rollback("a")
	require.True(t, ok)
	require.Equal(t, "12", back.ID)
	require.Equal(t, head, standing.Head)
}

// TestBook reads each order once, and what it gave away does not change.
func TestBook(t *testing.T) {
	t.Parallel()
	store := record(t)
	counted := &counting{Store: store}
	book := orders.NewBook(counted)
	desk := orders.NewDesk(orders.Options{Record: store})
	var before orders.Standing
	for i := range 5 {
		_, err := desk.Give(t.Context(), nil, adopt("a", fmt.Sprint("sha256:", i)))
		require.NoError(t, err)
		standing, err := book.Standing(t.Context())
		require.NoError(t, err)
		again, err := book.Standing(t.Context())
		require.NoError(t, err)
		require.Equal(t, standing, again)
		adopted, _ := standing.Adopted("a")
		require.Equal(t, fmt.Sprint("sha256:", i), adopted.SpecDigest)
		if i > 0 {
			old, _ := before.Adopted("a")
			require.Equal(t, fmt.Sprint("sha256:", i-1), old.SpecDigest)
		}
		before = standing
	}
	require.Equal(t, 5, counted.entries)
	require.Equal(t, 5, counted.reads)
}

type counting struct {
	*sqlite.Store
	reads, entries int
}

func (c *counting) ActsAfter(ctx context.Context, sequence uint64) ([]history.Entry, error) {
	entries, err := c.Store.ActsAfter(ctx, sequence)
	c.reads, c.entries = c.reads+1, c.entries+len(entries)
	return entries, err
}
