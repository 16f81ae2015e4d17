package gate

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// twoOpen has two open pull requests that were reported on: #7 concerns the gate, #8 does
// not.
func twoOpen(t *testing.T, s *setup) (concerned, other Key) {
	t.Helper()
	for _, n := range []int{7, 8} {
		answer := s.openPull(n)
		answer.Basis = "basis"
		if n == 8 {
			answer.Changes[0].Path = "docs/readme.md"
		}
		s.hub.pullOf[n] = answer
		_, ok := s.reported(n)
		require.True(t, ok)
	}
	s.hub.bases = map[int]string{7: "basis", 8: "basis"}
	require.Zero(t, s.gate.Outdated())
	return Key{Repository: repository, Pull: 7}, Key{Repository: repository, Pull: 8}
}

func (s *setup) outdated() (keys []Key) {
	for _, o := range s.gate.open.outdated() {
		keys = append(keys, o.key)
	}
	return keys
}

// TestOutdates: what a hint is news about, and nothing else, is judged again.
func TestOutdates(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hint                   approval.Hint
		concerned, unconcerned bool
	}{
		"somebody left a team":                {approval.Hint{People: true}, true, false},
		"somebody lost access to a repo":      {approval.Hint{RepositoryID: repositoryID, Repository: repository, People: true}, true, false},
		"the App sees more":                   {approval.Hint{Access: true}, true, true},
		"the protected branch was pushed to":  {approval.Hint{Repository: "Acme/Deploy", Branch: "main"}, true, true},
		"it is called otherwise since":        {approval.Hint{RepositoryID: repositoryID, Repository: "acme/renamed", Branch: "main"}, true, true},
		"another branch was":                  {approval.Hint{Repository: repository, Branch: "feature"}, false, false},
		"another repository was":              {approval.Hint{Repository: "acme/other", Branch: "main"}, false, false},
		"another pull request has news":       {approval.Hint{Repository: repository, Pull: 9}, false, false},
		"somebody labelled, which is nothing": {approval.Hint{Repository: repository}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			concerned, other := twoOpen(t, s)
			in := NewIntake(s.gate, nil, func(string, []byte) (approval.Hint, error) { return c.hint, nil }, testLogger(t))
			_, _, err := in.open(t.Context(), inbox.Delivery{})
			require.NoError(t, err)
			var want []Key
			if c.concerned {
				want = append(want, concerned)
			}
			if c.unconcerned {
				want = append(want, other)
			}
			require.Equal(t, want, s.outdated())
			_, pulls, _ := s.hub.counts()
			require.Equal(t, 2, pulls, "nothing was read for it")
		})
	}
}

// TestOutdatedIsJudgedOnce: an approver who left takes the approval along without any event
// of the pull request, however many events say so, and what is closed is left alone.
func TestOutdatedIsJudgedOnce(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	key, _ := twoOpen(t, s)
	ctx := t.Context()
	answer := s.openPull(7, alice)
	s.hub.pullOf[7] = answer
	report, _ := s.reported(7)
	require.Equal(t, approval.Allowed, report.Gates[0].Quorum.Verdict)

	answer.Directory.Teams = []approval.Team{{Name: "acme/sre", Members: []approval.User{bob}}}
	s.hub.pullOf[7] = answer
	for range 3 {
		require.NoError(t, s.gate.outdates(ctx, approval.Hint{People: true}))
	}
	var pace refreshPace
	pause, idle := s.gate.refreshNext(ctx, start, &pace)
	require.Greater(t, pause, time.Duration(0))
	require.False(t, idle)
	require.Zero(t, s.gate.Outdated(), "it is on its way")
	s.work()
	report, _ = s.reports.last(7)
	require.Equal(t, approval.Blocked, report.Gates[0].Quorum.Verdict)
	published := s.reports.count()
	_, idle = s.gate.refreshNext(ctx, start.Add(time.Hour), &pace)
	require.True(t, idle)
	require.Empty(t, s.queued())
	require.Equal(t, published, s.reports.count())

	// News that comes while it is judged, or while it waits for that, makes it be judged
	// once more.
	s.gate.followers = []Follower{&follower{during: func() {
		require.NoError(t, s.gate.outdates(ctx, approval.Hint{People: true}))
	}}}
	_, ok := s.reported(7)
	require.True(t, ok)
	require.Equal(t, []Key{key}, s.outdated())
	s.gate.followers = []Follower{&follower{during: func() {
		require.NoError(t, s.gate.outdates(ctx, approval.Hint{People: true}))
		s.gate.open.wakes(key)
	}}}
	_, _ = s.reported(7)
	s.gate.followers = nil
	require.Empty(t, s.outdated(), "it is in the queue already")
	require.NoError(t, s.gate.outdates(ctx, approval.Hint{People: true}))
	require.Equal(t, []Key{key}, s.outdated())
	s.gate.open.wakes(key)
	require.Empty(t, s.outdated())
	require.NoError(t, s.gate.outdates(ctx, approval.Hint{People: true}))
	require.Equal(t, []Key{key}, s.outdated())

	answer.Open = false
	s.hub.pullOf[7] = answer
	_, ok = s.reported(7)
	require.False(t, ok)
	require.NoError(t, s.gate.outdates(ctx, approval.Hint{People: true}))
	require.Empty(t, s.outdated())
}

// TestPushThatChangesNothing: what git shows not to matter costs no call, and what does is
// judged again.
func TestPushThatChangesNothing(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	key, _ := twoOpen(t, s)
	ctx := t.Context()
	var pace refreshPace
	require.NoError(t, s.gate.outdates(ctx, approval.Hint{Repository: repository, Branch: "main"}))
	require.Len(t, s.outdated(), 2)
	_, idle := s.gate.refreshNext(ctx, start, &pace)
	require.False(t, idle)
	require.Empty(t, s.outdated())
	require.Empty(t, s.queued())
	require.Equal(t, 1, s.hub.compared)

	for _, change := range []func(){
		func() { s.hub.bases[7] = "another" },
		func() { delete(s.hub.bases, 7) },
	} {
		change()
		require.NoError(t, s.gate.outdates(ctx, approval.Hint{Repository: repository, Branch: "main"}))
		_, _ = s.gate.refreshNext(ctx, start, &pace)
		require.Equal(t, []Key{key}, s.outdated())
		_, _ = s.gate.refreshNext(ctx, start.Add(time.Hour), &pace)
		pace = refreshPace{}
		require.Equal(t, []Key{key}, s.queued())
		_, _ = s.reported(7)
		require.Empty(t, s.outdated())
	}
	// When the mirror cannot be read, GitHub is.
	s.hub.bases[7] = "basis"
	require.NoError(t, s.gate.outdates(ctx, approval.Hint{Repository: repository, Branch: "main"}))
	s.hub.fail(errDown)
	_, _ = s.gate.refreshNext(ctx, start, &pace)
	require.Len(t, s.outdated(), 2)
	// People changed as well: git does not tell.
	s.hub.fail(nil)
	require.NoError(t, s.gate.outdates(ctx, approval.Hint{Repository: repository, Branch: "main", People: true}))
	compared := s.hub.compared
	_, _ = s.gate.refreshNext(ctx, start, &pace) // #8 alone
	require.Equal(t, compared+1, s.hub.compared)
	require.Equal(t, []Key{key}, s.outdated())
}

// TestOutdatedAfterARestart: another process knows what was not judged again, and by which
// policies the others were.
func TestOutdatedAfterARestart(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newSetup(t)
	box, err := inbox.Open(ctx, filepath.Join(t.TempDir(), "inbox.db"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = box.Close() })
	s.judgements = box
	s.gate = s.newGate()
	concerned, other := twoOpen(t, s)
	again := func(policies ...approval.Policy) []Key {
		t.Helper()
		shutDown(s.gate)
		s.gate = s.newGate(policies...)
		for _, k := range []Key{concerned, other} {
			s.gate.Opened(ctx, k.Repository, "main", k.Pull, true)
		}
		return s.outdated()
	}
	require.Empty(t, again())
	require.NoError(t, s.gate.outdates(ctx, approval.Hint{People: true}))
	require.Equal(t, []Key{concerned}, again())
	_, _ = s.reported(7)
	require.Empty(t, again())

	stricter := gatePolicy("prod")
	stricter.Config.Requirements[0].Approvals = 2
	require.Equal(t, []Key{other, concerned}, again(stricter), "who knows what concerns it now; the one that was judged longer ago first")
	_, _ = s.reported(7)
	require.Equal(t, []Key{other}, again(stricter))
	require.Equal(t, []Key{concerned}, again(), "and back")
	_, _ = s.reported(7)

	s.gate.Opened(ctx, repository, "main", 7, false)
	s.gate.Opened(ctx, repository, "main", 9, false)
	require.Equal(t, []Key{concerned, {Repository: repository, Pull: 9}}, s.outdated(), "nothing was said of their heads")
	s.gate.Opened(ctx, repository, "feature", 10, false)
	s.gate.Opened(ctx, repository, "main", 0, false)
	require.Equal(t, 2, s.gate.Outdated())

	// What cannot be kept is not passed over: the delivery is tried again.
	require.NoError(t, box.Close())
	require.Error(t, s.gate.outdates(ctx, approval.Hint{People: true}))
	in := NewIntake(s.gate, nil, func(string, []byte) (approval.Hint, error) { return approval.Hint{People: true}, nil }, testLogger(t))
	_, _, err = in.open(ctx, inbox.Delivery{})
	require.Error(t, err)
	_, ok := s.reported(7)
	require.True(t, ok, "it is reported on all the same")
}

// TestRefreshPace: one every two seconds or three, and 600 an hour; those without any check
// do not wait for the hour.
func TestRefreshPace(t *testing.T) {
	t.Parallel()
	var pace refreshPace
	now := start
	for range refreshMost {
		now = now.Add(pace.wait(now, doubtNews))
		pace.took(now)
		wait := pace.wait(now, doubtUnsaid)
		require.GreaterOrEqual(t, wait, refreshEvery)
		require.Less(t, wait, refreshEvery*3/2)
	}
	require.Less(t, now.Sub(start), refreshMost*3*time.Second)
	require.LessOrEqual(t, pace.wait(now, doubtUnsaid), 3*time.Second)
	require.Equal(t, start.Add(time.Hour), now.Add(pace.wait(now, doubtNews)))
}

// TestRefreshRuns: the running gate brings all up to date, spread, and the news of one
// moment are one.
func TestRefreshRuns(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	for n := 11; n <= 15; n++ {
		s.openPull(n)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		s.gate = New(Options{
			Rules: Rules{Policies: []approval.Policy{gatePolicy("prod")}}, Applications: s.argo, Collector: s.hub, Closures: s.hub, Record: s.record,
			Reporter: s.reports, Logger: testLogger(t), Metrics: NewMetrics(), Now: s.clock.now, Workers: 2, Resync: 100 * time.Hour,
		})
		ended := make(chan error, 1)
		go func() { ended <- s.gate.Run(ctx) }()
		synctest.Wait()
		for n := 11; n <= 15; n++ {
			s.gate.Opened(ctx, repository, "main", n, false)
		}
		time.Sleep(refreshSettle + time.Second)
		synctest.Wait()
		require.Equal(t, 1, s.reports.count())
		time.Sleep(20 * time.Second)
		synctest.Wait()
		require.Equal(t, 5, s.reports.count())
		for range 10 {
			require.NoError(t, s.gate.outdates(ctx, approval.Hint{People: true}))
		}
		time.Sleep(refreshSettle + 20*time.Second)
		synctest.Wait()
		require.Equal(t, 10, s.reports.count())
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, 10, s.reports.count())
		stop()
		require.NoError(t, <-ended)
	})
}

// TestOpenPullsAreBounded: beyond a number they are left to their own events.
func TestOpenPullsAreBounded(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	for n := range maxOpenPulls + 5 {
		s.gate.Opened(t.Context(), repository, "main", n+1, false)
	}
	require.Equal(t, maxOpenPulls, s.gate.Outdated())
	s.gate.open.judged(t.Context(), Key{Repository: repository, Pull: maxOpenPulls + 9}, "main", inbox.Judged{})
	require.Equal(t, maxOpenPulls, s.gate.Outdated())
}

// broken is a store that fails.
type broken struct{ Judgements }

func (broken) News(context.Context) (map[inbox.Scope]uint64, error) {
	return nil, errors.New("disk full")
}

func (broken) Judged(context.Context, approval.RepositoryName, int) (inbox.Judged, bool, error) {
	return inbox.Judged{}, false, errors.New("disk full")
}

// TestJudgementsUnknown: without the store everything that is open is judged.
func TestJudgementsUnknown(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.judgements = broken{}
	s.gate = s.newGate()
	s.gate.Opened(t.Context(), repository, "main", 7, true)
	require.Equal(t, 1, s.gate.Outdated())
}
