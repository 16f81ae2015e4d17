package inbox_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/internal/sqlitefile"
)

func open(t testing.TB, path string) *inbox.Store {
	t.Helper()
	store, err := inbox.Open(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	return store
}

func fresh(t testing.TB) *inbox.Store {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "inbox.db"))
}

// at is a time, in minutes after a fixed one.
func at(minutes int) time.Time {
	return time.Date(2026, 8, 3, 9, 0, 0, 17, time.UTC).Add(time.Duration(minutes) * time.Minute)
}

func delivery(guid string, minutes int) inbox.Delivery {
	return inbox.Delivery{GUID: guid, Event: "push", Received: at(minutes), Body: []byte(`{"guid":"` + guid + `"}`)}
}

func put(t *testing.T, store *inbox.Store, d inbox.Delivery) bool {
	t.Helper()
	isNew, err := store.Put(t.Context(), d)
	require.NoError(t, err)
	return isNew
}

func pending(t *testing.T, store *inbox.Store) []string {
	t.Helper()
	deliveries, err := store.Pending(t.Context(), 100)
	require.NoError(t, err)
	guids := []string{}
	for _, d := range deliveries {
		guids = append(guids, d.GUID)
	}
	return guids
}

func TestPending(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		t.Parallel()
		store := in.fresh(t)
		require.Empty(t, pending(t, store))
		require.True(t, put(t, store, delivery("b", 2)))
		require.True(t, put(t, store, delivery("c", 1)))
		require.True(t, put(t, store, delivery("a", 2)))
		require.Equal(t, []string{"c", "a", "b"}, pending(t, store), "oldest first")

		oldest, err := store.Pending(t.Context(), 1)
		require.NoError(t, err)
		require.Equal(t, []inbox.Delivery{delivery("c", 1)}, oldest)
		none, err := store.Pending(t.Context(), -1)
		require.NoError(t, err)
		require.Empty(t, none)

		require.NoError(t, store.Done(t.Context(), "c"))
		require.Equal(t, []string{"a", "b"}, pending(t, store))
	})
}

// TestPendingBesides: what is left out is not counted, neither as one of the limit nor as large.
func TestPendingBesides(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		t.Parallel()
		store := in.fresh(t)
		odd := []string{"a'b", `c"d\\`, "<e>&\u2028", "ü[]", "null"}
		for i, guid := range odd {
			d := delivery(guid, i)
			d.Body = bytes.Repeat([]byte(" "), 3<<20)
			require.True(t, put(t, store, d))
		}
		require.True(t, put(t, store, delivery("last", 9)))
		require.Less(t, len(pending(t, store)), len(odd), "they are large")
		read := func(limit int, besides ...string) (guids []string) {
			t.Helper()
			deliveries, err := store.Pending(t.Context(), limit, besides...)
			require.NoError(t, err)
			for _, d := range deliveries {
				guids = append(guids, d.GUID)
			}
			return guids
		}
		require.Equal(t, []string{"last"}, read(100, odd...))
		require.Equal(t, []string{"last"}, read(1, append(odd, "unknown", "a'b")...))
		require.Equal(t, odd[4:5], read(1, odd[:4]...))
		require.Equal(t, append(odd[3:4:4], "last"), read(100, odd[0], odd[1], odd[2], odd[4]))
		require.Empty(t, read(100, append(odd, "last")...))
	})
}

func TestRedelivery(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		t.Parallel()
		store := in.fresh(t)
		require.True(t, put(t, store, delivery("a", 1)))
		require.False(t, put(t, store, delivery("a", 5)), "still pending")
		waiting, err := store.Pending(t.Context(), 10)
		require.NoError(t, err)
		require.Equal(t, []inbox.Delivery{delivery("a", 1)}, waiting, "neither duplicated nor moved back in the queue")

		require.NoError(t, store.Failed(t.Context(), "a", "not yet"))
		require.False(t, put(t, store, delivery("a", 5)), "failed, and still pending")
		require.Equal(t, []string{"a"}, pending(t, store))

		require.NoError(t, store.Done(t.Context(), "a"))
		require.False(t, put(t, store, delivery("a", 9)), "processed")
		require.Empty(t, pending(t, store))
		require.NoError(t, store.Done(t.Context(), "a"), "to say it twice does no harm")
	})
}

func TestParked(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		t.Parallel()
		store := in.fresh(t)
		put(t, store, delivery("poison", 1))
		put(t, store, delivery("good", 2))
		for attempt := range inbox.MaxAttempts {
			require.Equal(t, []string{"poison", "good"}, pending(t, store), "attempt %d", attempt)
			require.NoError(t, store.Failed(t.Context(), "poison", fmt.Sprintf("attempt %d", attempt+1)))
		}
		require.Equal(t, []string{"good"}, pending(t, store))
		parked, err := store.Parked(t.Context(), 10)
		require.NoError(t, err)
		require.Equal(t, []inbox.Parked{{GUID: "poison", Event: "push", Received: at(1), Attempts: 5, Reason: "attempt 5"}}, parked)
		require.ErrorIs(t, store.Failed(t.Context(), "poison", "again"), inbox.ErrUnknown, "not pending")

		// A redelivery brings it back, with what it says now.
		again := delivery("poison", 9)
		again.Body = []byte(`{"mended":true}`)
		require.True(t, put(t, store, again))
		waiting, err := store.Pending(t.Context(), 1)
		require.NoError(t, err)
		again.Received = at(1)
		require.Equal(t, []inbox.Delivery{again}, waiting)
		require.NoError(t, store.Failed(t.Context(), "poison", "once"))
		require.Equal(t, []string{"poison", "good"}, pending(t, store), "attempts count anew")
		parked, err = store.Parked(t.Context(), 10)
		require.NoError(t, err)
		require.Empty(t, parked)
	})
}

func TestLongReason(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		t.Parallel()
		store := in.fresh(t)
		put(t, store, delivery("a", 1))
		for range inbox.MaxAttempts {
			require.NoError(t, store.Failed(t.Context(), "a", strings.Repeat("ü", 1000)+"\xff"))
		}
		parked, err := store.Parked(t.Context(), 1)
		require.NoError(t, err)
		require.Contains(t, parked[0].Reason, "üüü")
		require.Less(t, len(parked[0].Reason), 300)
		require.True(t, utf8.ValidString(parked[0].Reason))
	})
}

func TestUnknownDelivery(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		t.Parallel()
		store := in.fresh(t)
		require.ErrorIs(t, store.Done(t.Context(), "a"), inbox.ErrUnknown)
		require.ErrorIs(t, store.Failed(t.Context(), "a", "why"), inbox.ErrUnknown)
	})
}

func TestPrune(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		t.Parallel()
		store := in.fresh(t)
		for i, guid := range []string{"old done", "old pending", "old parked", "new done"} {
			put(t, store, delivery(guid, i*10))
		}
		require.NoError(t, store.Done(t.Context(), "old done"))
		require.NoError(t, store.Done(t.Context(), "new done"))
		for range inbox.MaxAttempts {
			require.NoError(t, store.Failed(t.Context(), "old parked", "why"))
		}
		forgotten, err := store.Prune(t.Context(), at(30))
		require.NoError(t, err)
		require.Equal(t, 2, forgotten)
		require.Equal(t, []string{"old pending"}, pending(t, store))
		require.False(t, put(t, store, delivery("new done", 31)), "still known")
		require.True(t, put(t, store, delivery("old done", 31)), "forgotten")
		_, err = store.Prune(t.Context(), time.Time{})
		require.ErrorIs(t, err, inbox.ErrInvalid)
	})
}

func TestDeliveryLimits(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		t.Parallel()
		store := in.fresh(t)
		for name, edit := range map[string]func(d *inbox.Delivery){
			"no GUID":        func(d *inbox.Delivery) { d.GUID = "" },
			"long GUID":      func(d *inbox.Delivery) { d.GUID = strings.Repeat("a", 257) },
			"binary GUID":    func(d *inbox.Delivery) { d.GUID = "\xff" },
			"no event":       func(d *inbox.Delivery) { d.Event = "" },
			"long event":     func(d *inbox.Delivery) { d.Event = strings.Repeat("a", 257) },
			"no time":        func(d *inbox.Delivery) { d.Received = time.Time{} },
			"time too late":  func(d *inbox.Delivery) { d.Received = d.Received.AddDate(300, 0, 0) },
			"no body":        func(d *inbox.Delivery) { d.Body = nil },
			"body too large": func(d *inbox.Delivery) { d.Body = make([]byte, inbox.MaxBody+1) },
		} {
			d := delivery("a", 1)
			edit(&d)
			_, err := store.Put(t.Context(), d)
			require.ErrorIs(t, err, inbox.ErrInvalid, name)
		}
		require.Empty(t, pending(t, store))
	})
}

// TestLargeDeliveries: a page of large deliveries is cut short and never empty.
func TestLargeDeliveries(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		t.Parallel()
		store := in.fresh(t)
		large := delivery("a", 0)
		large.Body = make([]byte, 5<<20)
		for i, guid := range []string{"a", "b", "c"} {
			large.GUID, large.Received = guid, at(i)
			put(t, store, large)
		}
		require.Equal(t, []string{"a", "b"}, pending(t, store))
		require.NoError(t, store.Done(t.Context(), "a"))
		require.NoError(t, store.Done(t.Context(), "b"))
		require.Equal(t, []string{"c"}, pending(t, store))
	})
}

// TestConcurrentPut: of several deliveries of one GUID, one is fresh.
func TestConcurrentPut(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		t.Parallel()
		store := in.fresh(t)
		const workers = 8
		isNew, errs := make([]bool, workers), make([]error, workers)
		var group sync.WaitGroup
		for i := range workers {
			group.Go(func() { isNew[i], errs[i] = store.Put(t.Context(), delivery("a", i)) })
		}
		group.Wait()
		require.NoError(t, errors.Join(errs...))
		count := 0
		for _, was := range isNew {
			if was {
				count++
			}
		}
		require.Equal(t, 1, count)
		require.Equal(t, []string{"a"}, pending(t, store))
	})
}

// TestCrash stands for the loss of the process: what Put has returned for is in
// the files at that moment.
func TestCrash(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox.db")
	store := open(t, path)
	put(t, store, delivery("done", 1))
	require.NoError(t, store.Done(t.Context(), "done"))
	put(t, store, delivery("waiting", 2))
	require.NoError(t, store.SaveReview(t.Context(), review(1, sha('a'))))

	twin := filepath.Join(t.TempDir(), "inbox.db")
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(path + suffix)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(twin+suffix, content, 0o600))
	}
	after := open(t, twin)
	require.Equal(t, []string{"waiting"}, pending(t, after))
	require.False(t, put(t, after, delivery("done", 3)))
	w, found, err := after.Review(t.Context(), 7, 1)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, sha('a'), w.Commit)
}

func TestOpen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox.db")
	store := open(t, path)
	put(t, store, delivery("a", 1))
	_, err := inbox.Open(t.Context(), path)
	require.ErrorIs(t, err, sqlitefile.ErrLocked)
	require.NoError(t, store.Close())
	_, err = store.Put(t.Context(), delivery("b", 1))
	require.Error(t, err)

	require.Equal(t, []string{"a"}, pending(t, open(t, path)), "opened again")

	foreign := filepath.Join(t.TempDir(), "inbox.db")
	require.NoError(t, os.WriteFile(foreign, []byte("precious"), 0o600))
	_, err = inbox.Open(t.Context(), foreign)
	require.ErrorIs(t, err, sqlitefile.ErrForeign)
}
