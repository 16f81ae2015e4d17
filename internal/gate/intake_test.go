package gate

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func TestDeliveryStaysUntilReconciled(t *testing.T) {
	t.Parallel()
	m := newMailroom(t)
	hint := pushed
	hint.Pull = 7
	m.deliver("pull_request", hint)
	m.drain()
	require.Equal(t, 1, m.pending())
	require.Equal(t, 2, m.gate.queue.Len(), "the Application, and the pull request")

	m.hub.fail(errDown)
	m.gate.next(t.Context())
	m.gate.next(t.Context())
	require.Equal(t, 1, m.pending(), "both failed")
	m.hub.fail(nil)
	m.gate.queue.Add(Key{Application: payments})
	m.gate.next(t.Context())
	require.Equal(t, 1, m.pending(), "one is left")
	m.gate.queue.Add(Key{Repository: repository, Pull: 7})
	m.gate.next(t.Context())
	require.Zero(t, m.pending())
	m.drain()
	require.Empty(t, m.intake.taken)
	require.Empty(t, m.gate.tickets.byKey)
}

// TestDeliverySurvivesCrash: what was taken and not finished is taken again by
// the next process.
func TestDeliverySurvivesCrash(t *testing.T) {
	t.Parallel()
	m := newMailroom(t)
	m.deliver("push", pushed)
	m.drain()
	m.restart()
	m.intake = NewIntake(m.gate, m.box, parseHint, testLogger(t))
	m.drain()
	require.Equal(t, []Key{{Application: payments}}, m.queued())
	m.gate.queue.Add(Key{Application: payments})
	m.work()
	require.Zero(t, m.pending())
}

// TestDeliveryDuringReconcile: facts that were read before a delivery do not
// count for it.
func TestDeliveryDuringReconcile(t *testing.T) {
	t.Parallel()
	m := newMailroom(t)
	m.hub.onAnswer = first(func() {
		m.deliver("push", pushed)
		m.drain()
	})
	m.gate.WakeAll()
	m.gate.next(t.Context())
	require.Equal(t, 1, m.pending())
	require.Equal(t, 1, m.gate.queue.Len())
	m.gate.next(t.Context())
	require.Zero(t, m.pending())
}

// TestReviewDuringReconcile: a review arrives while the landing that it is about
// is seen for the first time, so that nobody knows yet that it matters.
func TestReviewDuringReconcile(t *testing.T) {
	t.Parallel()
	m := newMailroom(t)
	m.reconciled()
	m.hub.land(1)
	m.hub.onAnswer = first(func() {
		m.hub.approve(1, alice)
		m.deliver("pull_request_review", approval.Hint{RepositoryID: repositoryID, Repository: repository, Pull: 1})
		m.drain()
	})
	m.gate.WakeAll()
	m.work()
	require.Len(t, m.argo.stored(), 1)
}

func TestIrrelevantDelivery(t *testing.T) {
	t.Parallel()
	m := newMailroom(t)
	m.reconciled()
	calls, _, _ := m.hub.counts()
	for range 250 {
		m.deliver("push", approval.Hint{RepositoryID: 5, Repository: "acme/other", Branch: "main"})
	}
	m.deliver("push", approval.Hint{RepositoryID: repositoryID, Repository: repository, Branch: "feature"})
	m.deliver("ping", approval.Hint{})
	m.drain()
	require.Zero(t, m.gate.queue.Len())
	require.Zero(t, m.pending())
	after, pulls, _ := m.hub.counts()
	require.Equal(t, calls, after)
	require.Zero(t, pulls)
}

// TestPeople: what was remembered about people is dropped before anybody is
// judged, and only who waits is judged again.
func TestPeople(t *testing.T) {
	t.Parallel()
	m := newMailroom(t)
	shop := application("shop")
	m.argo.apps[shop.Key()] = &shop
	m.deploy(1)
	m.hub.land(2)
	_, err := m.gate.reconcile(t.Context(), Key{Application: shop.Key()})
	require.NoError(t, err)
	m.queued()
	m.deliver("membership", approval.Hint{People: true})
	m.drain()
	_, _, forgets := m.hub.counts()
	require.Equal(t, 1, forgets)
	require.Equal(t, []Key{{Application: shop.Key()}}, m.queued(), "payments was judged before #2 landed")
}

func TestWitness(t *testing.T) {
	t.Parallel()
	m := newMailroom(t)
	m.deliver("pull_request_review", approval.Hint{
		RepositoryID: 5, Repository: "acme/other", Pull: 3,
		Review: &approval.WitnessedReview{RepositoryID: 5, ReviewID: 31, Commit: sha(3), Base: "main"},
		Head:   &approval.WitnessedHead{RepositoryID: 5, Pull: 3, Head: sha(3), Pusher: dave, PushedAt: start},
		Merge:  &approval.WitnessedMerge{RepositoryID: 5, Pull: 3, Commit: sha(4)},
		Push: &approval.WitnessedPush{
			RepositoryID: 5, Branch: "topic", Before: sha(2), After: sha(3), Pusher: dave, PushedAt: start,
			Accounts: []approval.CommitAccounts{{Commit: sha(3), Author: dave}},
		},
	})
	m.drain()
	pushed, found, err := m.box.BranchPush(t.Context(), 5, "topic", sha(3))
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, dave, pushed.Pusher)
	accounts, err := m.box.Accounts(t.Context(), 5, []approval.SHA{sha(3)})
	require.NoError(t, err)
	require.Equal(t, []approval.CommitAccounts{{Commit: sha(3), Author: dave}}, accounts)
	w, found, err := m.box.Review(t.Context(), 5, 31)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, sha(3), w.Commit)
	_, found, err = m.box.HeadPush(t.Context(), 5, 3, sha(3))
	require.NoError(t, err)
	require.True(t, found)
	require.Zero(t, m.pending())
}

// TestGarbledDelivery: what cannot be read is tried five times, with pauses, and
// then parked. Others go on meanwhile.
func TestGarbledDelivery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMailroom(t)
		ctx, stop := context.WithCancel(t.Context())
		m.deliver("garbled", approval.Hint{})
		m.deliver("push", approval.Hint{})
		ended := make(chan error)
		go func() { ended <- m.intake.Run(ctx) }()
		synctest.Wait()
		require.Equal(t, 1, m.pending(), "the other one is done")
		require.Equal(t, 1, m.box.count("failed"), "not tried again at once")
		time.Sleep(5 * intakeIdle)
		synctest.Wait()
		require.Zero(t, m.pending())
		parked, err := m.box.Parked(ctx, 10)
		require.NoError(t, err)
		require.Len(t, parked, 1)
		require.Contains(t, parked[0].Reason, errGarbled.Error())
		stop()
		require.NoError(t, <-ended)
		m.close()
	})
}

// TestInboxCannotBeWritten: a full disk is not hammered, and nothing is lost.
func TestInboxCannotBeWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMailroom(t)
		ctx, stop := context.WithCancel(t.Context())
		m.box.hook(func(call string) error {
			if call == "pending" {
				return nil
			}
			return errDown
		})
		m.deliver("garbled", approval.Hint{})
		m.deliver("ping", approval.Hint{})
		m.deliver("pull_request_review", approval.Hint{Review: &approval.WitnessedReview{RepositoryID: 5, ReviewID: 31, Commit: sha(3), Base: "main"}})
		ended := make(chan error)
		go func() { ended <- m.intake.Run(ctx) }()
		time.Sleep(10*intakeIdle + time.Second)
		synctest.Wait()
		require.Equal(t, 3, m.pending())
		require.LessOrEqual(t, m.box.count("done"), 11)
		require.LessOrEqual(t, m.box.count("review"), 11)
		m.box.hook(nil)
		time.Sleep(intakeIdle)
		synctest.Wait()
		require.Equal(t, 1, m.pending(), "the garbled one has tries left")
		_, found, err := m.box.Review(ctx, 5, 31)
		require.NoError(t, err)
		require.True(t, found)
		stop()
		require.NoError(t, <-ended)
		m.close()
	})
}

// TestManyDeliveries: more than may be under way at once. Those that wait for one
// key finish between the look at what is under way and the next read of the
// inbox; the intake neither blocks nor loses any.
func TestManyDeliveries(t *testing.T) {
	t.Parallel()
	m := newMailroom(t)
	const waiting, after = intakeOpen - 1, 2 * intakeOpen
	for range waiting {
		m.deliver("push", pushed)
	}
	m.drain()
	require.Len(t, m.intake.taken, waiting)
	for range after {
		m.deliver("ping", approval.Hint{})
	}
	m.box.hook(func(call string) error {
		if call == "pending" {
			m.box.before = nil
			m.box.mu.Unlock()
			m.work()
			m.box.mu.Lock()
		}
		return nil
	})
	drained := make(chan error)
	go func() { drained <- m.intake.drain(t.Context()) }()
	select {
	case err := <-drained:
		require.NoError(t, err)
	case <-time.After(time.Minute):
		require.Fail(t, "the intake is stuck")
	}
	for range after/intakeBatch + 1 {
		m.drain()
	}
	require.Zero(t, m.pending())
	require.Empty(t, m.intake.taken)
}

// TestNotMoreThanOpen bounds what is under way.
func TestNotMoreThanOpen(t *testing.T) {
	t.Parallel()
	m := newMailroom(t)
	for range intakeOpen + 3*intakeBatch {
		m.deliver("push", pushed)
	}
	m.drain()
	require.Len(t, m.intake.taken, intakeOpen)
	m.work()
	require.Equal(t, 3*intakeBatch, m.pending())
	m.drain()
	m.work()
	require.Zero(t, m.pending())
}

func TestConcerned(t *testing.T) {
	t.Parallel()
	pull := func(n int) approval.Hint { return approval.Hint{Repository: repository, Pull: n} }
	const app, pr, both = "app", "pull", "both"
	line := func(target, head int, pulls ...int) approval.Decision {
		l := approval.LineDecision{Repository: repository, Target: sha(target), Head: sha(head)}
		for _, n := range pulls {
			l.Landings = append(l.Landings, approval.LandingDecision{Commit: sha(n), Pull: n})
		}
		return approval.Decision{Verdict: approval.Allowed, Lines: []approval.LineDecision{l}}
	}
	blocked := line(0, 1, 1)
	blocked.Verdict = approval.Blocked
	unknown := approval.Decision{Verdict: approval.Unknown}
	tests := map[string]struct {
		hint    approval.Hint
		known   *approval.Decision
		working bool
		want    string
		all     bool // every protected Application besides
	}{
		"nothing":                             {known: &blocked},
		"other repository":                    {hint: approval.Hint{Repository: "acme/other", Branch: "main", Pull: 1}, known: &blocked},
		"other branch":                        {hint: approval.Hint{Repository: repository, Branch: "feature"}, known: &blocked},
		"protected branch":                    {hint: pushed, known: new(line(1, 1)), want: app},
		"protected branch, spelled otherwise": {hint: approval.Hint{Repository: "Acme/Deploy", Branch: "main"}, known: new(line(1, 1)), want: app},
		"push after a rename":                 {hint: approval.Hint{RepositoryID: repositoryID, Repository: "acme/renamed", Branch: "main"}, known: new(line(1, 1)), want: app},
		"pull request after a rename":         {hint: approval.Hint{RepositoryID: repositoryID, Repository: "acme/renamed", Pull: 2}, known: &blocked, want: pr},
		"number of another repository":        {hint: approval.Hint{RepositoryID: repositoryID + 1, Repository: "acme/renamed", Branch: "main"}, known: &blocked},
		"pull request that landed":            {hint: pull(1), known: &blocked, want: app},
		"pull request that has not":           {hint: pull(2), known: &blocked, want: pr},
		"pull request, unknown verdict":       {hint: pull(2), known: &unknown, want: both},
		"pull request, nothing known":         {hint: pull(2), want: both},
		"pull request, while at work":         {hint: pull(2), known: &blocked, working: true, want: both},
		"push, while at work":                 {hint: approval.Hint{Repository: repository, Branch: "feature"}, known: &blocked, working: true},
		"access, nothing waits":               {hint: approval.Hint{Access: true}, known: new(line(2, 2, 1, 2)), want: app, all: true},
		"people, blocked":                     {hint: approval.Hint{People: true}, known: &blocked, want: app},
		"people, unknown":                     {hint: approval.Hint{People: true}, known: &unknown, want: app},
		"people, nothing known":               {hint: approval.Hint{People: true}, want: app},
		"people, while at work":               {hint: approval.Hint{People: true}, known: new(line(1, 1)), working: true, want: app},
		"people, newer landing waits":         {hint: approval.Hint{People: true}, known: new(line(1, 2, 1, 2)), want: app},
		"people, nothing waits":               {hint: approval.Hint{People: true}, known: new(line(2, 2, 1, 2))},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			unprotected := application("sandbox")
			unprotected.Project = "sandbox"
			s.argo.apps[unprotected.Key()] = &unprotected
			elsewhere := application("elsewhere")
			elsewhere.Sources[0].Repository = "acme/unrelated"
			s.argo.apps[elsewhere.Key()] = &elsewhere
			s.gate.memory.set(elsewhere.Key(), remembered{decision: line(1, 1)})
			if test.known != nil {
				s.gate.memory.set(payments, remembered{decision: *test.known})
			}
			if test.working {
				s.gate.memory.begin(payments, s.clock.now())
			}
			var want []Key
			if test.want == app || test.want == both {
				want = append(want, Key{Application: payments})
			}
			if test.all {
				want = append(want, Key{Application: elsewhere.Key()})
			}
			if test.want == pr || test.want == both {
				want = append(want, Key{Repository: repository, Pull: test.hint.Pull})
			}
			s.gate.names.learn(repositoryID, repository)
			s.gate.names.learn(0, "acme/unrelated")
			require.ElementsMatch(t, want, s.gate.concerned(test.hint))
		})
	}
}
