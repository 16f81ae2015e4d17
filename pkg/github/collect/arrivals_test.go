package collect

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// shaOf makes a commit's name from a letter.
func shaOf(c string) approval.SHA { return approval.SHA(strings.Repeat(c, 40)) }

// after is so many seconds after a fixed time.
func after(seconds int) time.Time {
	return time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC).Add(time.Duration(seconds) * time.Second)
}

func someone(id approval.UserID) *approval.User {
	return &approval.User{ID: id, Login: "user", Type: approval.UserTypePerson}
}

func came(head, before string, by approval.UserID, seconds int) arrival {
	return arrival{Head: shaOf(head), Before: shaOf(before), By: someone(by), At: after(seconds)}
}

func witnessedAt(before string, by approval.UserID, seconds int) push {
	p := push{by: someone(by), at: after(seconds), witnessed: true}
	if before != "" {
		p.before = shaOf(before)
	}
	return p
}

// The head is a, which was pushed onto c.
func TestPushFromLogAndWitness(t *testing.T) {
	t.Parallel()
	deleted := came("a", "c", 1, 10)
	deleted.By = nil
	for name, tt := range map[string]struct {
		log       []arrival
		seen      push
		by        approval.UserID // 0: not known
		at        int
		witnessed bool
	}{
		"in the log alone":                      {[]arrival{came("a", "c", 1, 10)}, push{}, 1, 10, false},
		"in both":                               {[]arrival{came("a", "c", 1, 10)}, witnessedAt("c", 1, 11), 1, 11, true},
		"in both, witnessed earlier":            {[]arrival{came("a", "c", 1, 10)}, witnessedAt("c", 1, 9), 1, 10, true},
		"in both, not known onto what":          {[]arrival{came("a", "c", 1, 10)}, witnessedAt("", 1, 11), 1, 11, true},
		"named differently":                     {[]arrival{came("a", "c", 1, 10)}, witnessedAt("c", 2, 11), 2, 11, true},
		"witnessed alone, of no branch":         {nil, witnessedAt("c", 1, 11), 1, 11, true},
		"nothing":                               {nil, push{}, 0, 0, false},
		"the log is behind":                     {[]arrival{came("c", "d", 1, 9)}, witnessedAt("c", 1, 11), 0, 0, false},
		"the log is behind, at an earlier time": {[]arrival{came("c", "a", 1, 5), came("a", "d", 1, 4)}, witnessedAt("c", 1, 11), 0, 0, false},
		"and by another":                        {[]arrival{came("c", "a", 1, 5), came("a", "d", 1, 4)}, witnessedAt("c", 2, 11), 0, 0, false},
		"came back, by another":                 {[]arrival{came("a", "b", 2, 20), came("b", "a", 1, 15), came("a", "c", 1, 10)}, witnessedAt("c", 1, 11), 2, 20, false},
		"came back, by the same":                {[]arrival{came("a", "b", 1, 20), came("b", "a", 1, 15), came("a", "c", 1, 10)}, witnessedAt("c", 1, 11), 1, 20, false},
		"came back from where it came from":     {[]arrival{came("a", "c", 2, 20), came("c", "a", 1, 15), came("a", "c", 1, 10)}, witnessedAt("c", 1, 11), 2, 20, false},
		"came back at once, by another":         {[]arrival{came("a", "b", 2, 11), came("b", "a", 1, 10), came("a", "c", 1, 10)}, witnessedAt("c", 1, 11), 0, 0, false},
		"came back at once, by the same":        {[]arrival{came("a", "b", 1, 11), came("b", "a", 1, 10), came("a", "c", 1, 10)}, witnessedAt("c", 1, 11), 0, 0, false},
		"by an account that was deleted":        {[]arrival{deleted}, witnessedAt("c", 1, 11), 0, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := arrivals{List: tt.log}.push(shaOf("a"), tt.seen)
			if tt.by == 0 {
				require.Zero(t, got)
				return
			}
			require.Equal(t, tt.by, got.by.ID)
			require.Equal(t, after(tt.at), got.at)
			require.Equal(t, tt.witnessed, got.witnessed)
			require.Equal(t, len(tt.log) > 0, got.logged)
		})
	}
}

func TestLastArrivalByTheTimeline(t *testing.T) {
	t.Parallel()
	forced := func(head string, by approval.UserID, seconds int) move {
		m := move{at: after(seconds), head: shaOf(head)}
		if by > 0 {
			m.by = someone(by)
		}
		return m
	}
	reopened := func(seconds int) move { return move{at: after(seconds), by: someone(1)} }
	for name, tt := range map[string]struct {
		moves  []move
		behind bool
		by     approval.UserID // 0: not known
		at     int
		quiet  bool // until 30
	}{
		"nothing":                          {nil, false, 1, 10, true},
		"a timeline that is behind":        {nil, true, 0, 0, false},
		"a force-push before":              {[]move{forced("a", 2, 9)}, false, 1, 10, true},
		"itself":                           {[]move{forced("a", 1, 10)}, false, 1, 10, true},
		"by another, in the same second":   {[]move{forced("a", 2, 10)}, false, 2, 10, false},
		"back again":                       {[]move{forced("b", 1, 15), forced("a", 2, 20)}, false, 2, 20, false},
		"back again, in another order":     {[]move{forced("a", 2, 20), forced("b", 1, 15)}, false, 2, 20, false},
		"replaced, and back in an odd way": {[]move{forced("b", 1, 15)}, false, 0, 0, false},
		"back by a deleted account":        {[]move{forced("a", 0, 20)}, false, 0, 0, false},
		"opened again before":              {[]move{reopened(9)}, false, 1, 10, true},
		"opened again":                     {[]move{reopened(20)}, false, 0, 0, false},
		"opened again, and pushed":         {[]move{reopened(20), forced("a", 2, 25)}, false, 0, 0, false},
		"moved on later":                   {[]move{forced("a", 2, 40)}, false, 2, 40, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := past{whole: !tt.behind, moves: tt.moves}
			seen := witnessedAt("c", 1, 10)
			got, ok := b.lastArrival(seen, pull{head: shaOf("a")})
			require.Equal(t, tt.by > 0, ok)
			if ok {
				require.Equal(t, tt.by, got.by.ID)
				require.Equal(t, after(tt.at), got.at)
			} else {
				require.Zero(t, got)
			}
			require.Equal(t, tt.quiet, b.quiet(seen, after(30)))
		})
	}
}

// Only what came to the branch of the pull request, and before the merge, counts.
func TestArrivalsInActivities(t *testing.T) {
	t.Parallel()
	entry := func(kind, ref, head string, seconds int) activity {
		e := activity{Type: kind, Ref: "refs/heads/" + ref, After: string(shaOf(head)), Before: string(shaOf("0")), Timestamp: after(seconds)}
		e.Actor = &struct {
			ID    int64  `json:"id"`
			Login string `json:"login"`
			Type  string `json:"type"`
		}{1, "alice", "User"}
		return e
	}
	p := pull{headRef: "topic", head: shaOf("a"), merged: true, mergedAt: after(20)}
	nobody := entry("push", "topic", "e", 5)
	nobody.Actor = nil
	entries := []activity{
		entry("branch_creation", "topic", "a", 30), entry("branch_deletion", "topic", "0", 25), entry("push", "topic", "f", 21),
		entry("push", "topic", "a", 20), entry("push", "other", "a", 19), entry("pr_merge", "topic", "b", 15),
		entry("something_new", "topic", "c", 14), nobody,
	}
	heads := func(p pull) (out []approval.SHA) {
		for _, a := range arrivalsIn(entries, p) {
			out = append(out, a.Head)
		}
		return out
	}
	require.Equal(t, []approval.SHA{shaOf("a"), shaOf("b"), shaOf("e")}, heads(p))
	require.Nil(t, arrivalsIn(entries, p)[2].By)
	p.merged = false
	require.Equal(t, []approval.SHA{shaOf("a"), shaOf("f"), shaOf("a"), shaOf("b"), shaOf("e")}, heads(p))
}
