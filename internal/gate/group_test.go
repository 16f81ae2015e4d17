package gate

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func group(head int) approval.MergeGroup {
	return approval.MergeGroup{Branch: "main", Ref: "gh-readonly-queue/main/pr-7-" + string(sha(0)), Base: sha(0), Head: sha(head)}
}

// TestReportGroup: each pull request of a merge group is judged by its own reviews, on
// what the group would land.
func TestReportGroup(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	release := gatePolicy("release")
	release.Repositories[0].Branch = "release"
	s.gate = s.newGate(gatePolicy("prod"), release)
	approved, open := s.openPull(7, alice), s.openPull(8)
	docs := s.openPull(9)
	docs.Changes[0].Path = "docs/a.md"
	s.hub.groupOf[sha(1)] = approval.GroupAnswer{Newest: 9, Pulls: []approval.PullAnswer{approved, open, docs}, Ahead: 1}
	s.hub.groupOf[sha(2)] = approval.GroupAnswer{Newest: 9, Untold: "it is a riddle", UntoldAhead: "so is that"}

	again, err := s.gate.reconcile(t.Context(), Key{Repository: repository, Group: group(1)})
	require.NoError(t, err)
	require.Zero(t, again, "an event wakes it when it changes")
	report := s.reports.groups[0]
	require.Equal(t, group(1), report.Group)
	require.Equal(t, 9, report.Pull)
	require.Len(t, report.Gates, 1, "the other gate protects another branch")
	g := report.Gates[0]
	require.Equal(t, "prod", g.Gate)
	require.Equal(t, []int{7}, []int{g.Ahead[0].Number})
	require.Equal(t, approval.Allowed, g.Ahead[0].Report.Quorum.Verdict)
	require.Equal(t, approval.Blocked, g.Pulls[0].Report.Quorum.Verdict)
	require.Equal(t, approval.ClassNone, g.Pulls[1].Report.Class)
	require.Equal(t, "Change 9", g.Pulls[1].Title)

	again, err = s.gate.reconcile(t.Context(), Key{Repository: repository, Group: group(2)})
	require.NoError(t, err)
	require.Equal(t, againGroup, again)
	g = s.reports.groups[1].Gates[0]
	require.Equal(t, "it is a riddle", g.Untold)
	require.Equal(t, "so is that", g.UntoldAhead)

	_, err = s.gate.reconcile(t.Context(), Key{Repository: repository, Group: group(3)})
	require.NoError(t, err, "the queue gave it up")
	other := group(1)
	other.Branch = "dev"
	_, err = s.gate.reconcile(t.Context(), Key{Repository: repository, Group: other})
	require.NoError(t, err)
	require.Len(t, s.reports.groups, 2)

	s.reports.failure = errDown
	_, err = s.gate.reconcile(t.Context(), Key{Repository: repository, Group: group(1)})
	require.ErrorIs(t, err, errDown)
	s.hub.fail(errDown)
	_, err = s.gate.reconcile(t.Context(), Key{Repository: repository, Group: group(1)})
	require.ErrorIs(t, err, errDown)
}

// A group behind something that waits is looked at again: the queue may tell of it late.
func TestGroupBehindWhatWaits(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.hub.groupOf[sha(1)] = approval.GroupAnswer{Newest: 7, Pulls: []approval.PullAnswer{s.openPull(8), s.openPull(7, alice)}, Ahead: 1}
	again, err := s.gate.reconcile(t.Context(), Key{Repository: repository, Group: group(1)})
	require.NoError(t, err)
	require.Equal(t, againGroup, again)
}

func TestGroupIsWoken(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	h := approval.Hint{RepositoryID: repositoryID, Repository: repository, Group: new(group(1))}
	keys := s.gate.concerned(h)
	require.Equal(t, []Key{{Repository: repository, Group: group(1)}}, keys)
	require.Equal(t, "acme/deploy merge group "+sha(1).Short(), keys[0].String())
	require.Equal(t, "group", keys[0].kind())
	h.Repository = "acme/other"
	require.Empty(t, s.gate.concerned(h))
}

// TestRerunOfGroup: "Re-run" on the check run of a group wakes the group alone, and has it
// written although nothing is new.
func TestRerunOfGroup(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	h := approval.Hint{RepositoryID: repositoryID, Repository: repository, Group: new(group(4)), Again: true}
	in := NewIntake(s.gate, nil, func(string, []byte) (approval.Hint, error) { return h, nil }, testLogger(t))
	keys, _, err := in.open(t.Context(), inbox.Delivery{})
	require.NoError(t, err)
	require.Equal(t, []Key{{Repository: repository, Group: group(4)}}, keys)
	require.Equal(t, []int{4}, s.reports.again)
	h.Repository, h.RepositoryID = "acme/other", 5
	keys, _, err = in.open(t.Context(), inbox.Delivery{})
	require.NoError(t, err)
	require.Empty(t, keys)
	require.Len(t, s.reports.again, 1)
}

// TestRerunOfSuite: "Re-run all checks" wakes what was reported on at the head, and the pull
// request that GitHub names, each once.
func TestRerunOfSuite(t *testing.T) {
	t.Parallel()
	pull := func(n int) Key { return Key{Repository: repository, Pull: n} }
	for _, test := range []struct {
		name   string
		pulls  []int
		groups []approval.MergeGroup
		named  int
		keys   []Key
		again  []int
	}{
		{name: "a merge group", groups: []approval.MergeGroup{group(4)}, keys: []Key{{Repository: repository, Group: group(4)}}},
		{name: "of forks, with one head", pulls: []int{7, 8}, keys: []Key{pull(7), pull(8)}},
		{name: "one that GitHub names as well", pulls: []int{7}, named: 7, keys: []Key{pull(7)}},
		{name: "one that was never reported on", named: 7, keys: []Key{pull(7)}, again: []int{7}},
		{name: "nothing that is known"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSetup(t)
			s.reports.atHead = map[approval.SHA]struct {
				pulls  []int
				groups []approval.MergeGroup
			}{sha(4): {test.pulls, test.groups}}
			h := approval.Hint{RepositoryID: repositoryID, Repository: repository, Suite: sha(4), Pull: test.named, Again: true}
			in := NewIntake(s.gate, nil, func(string, []byte) (approval.Hint, error) { return h, nil }, testLogger(t))
			keys, _, err := in.open(t.Context(), inbox.Delivery{})
			require.NoError(t, err)
			// Applications may be woken as well, as by any event of a pull request.
			keys = slices.DeleteFunc(keys, func(k Key) bool { return k.Application != "" })
			require.ElementsMatch(t, test.keys, keys)
			require.Equal(t, test.again, s.reports.again)
			require.Equal(t, []string{"prod"}, s.reports.suites)

			s.reports.failure = errors.New("the disk is gone")
			_, _, err = in.open(t.Context(), inbox.Delivery{})
			require.ErrorIs(t, err, s.reports.failure, "it is tried again")
			s.reports.failure = nil
			h.Repository, h.RepositoryID = "acme/other", 5
			keys, _, err = in.open(t.Context(), inbox.Delivery{})
			require.NoError(t, err)
			require.Empty(t, keys)
		})
	}
}
