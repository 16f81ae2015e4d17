package approval_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// updated is approved, but alice approved the head before the present one, which
// frank made of it by an update-merge. Bob approved the present one.
func updated() *setting {
	s := approved()
	pr := s.pull()
	pr.Pusher = new(person("frank"))
	pr.Kept = []approval.KeptHead{{Commit: oldHeadOf(7), PushedAt: pushed.Add(-time.Hour), Pusher: person("dave")}}
	r := &pr.Reviews[0]
	r.Commit, r.Witnessed, r.SubmittedAt = oldHeadOf(7), true, pushed.Add(-time.Minute)
	return s
}

func TestKeptHead(t *testing.T) {
	older := approval.KeptHead{Commit: sha("01d1"), PushedAt: pushed.Add(-2 * time.Hour), Pusher: person("dave")}
	tests := []struct {
		name    string
		change  func(s *setting)
		verdict approval.Verdict
		code    approval.Code
		text    string
	}{
		{"witnessed", func(*setting) {}, approval.Allowed, approval.CodeApprovalCounted, "alice approved 01d0007, of which the head is a clean update"},
		{"of the older of two", func(s *setting) {
			s.pull().Kept = append(s.pull().Kept, older)
			s.pull().Reviews[0].Commit = older.Commit
		}, approval.Allowed, approval.CodeApprovalCounted, "alice approved 01d1000, of which the head is a clean update"},
		{"given after the update", func(s *setting) {
			s.pull().Reviews[0].SubmittedAt = pushed.Add(time.Minute)
		}, approval.Allowed, approval.CodeApprovalCounted, ""},
		{"given after the merge", func(s *setting) {
			s.pull().Reviews[0].SubmittedAt = s.pull().MergedAt.Add(time.Minute)
		}, approval.Allowed, approval.CodeApprovalCounted, ""},
		{"arrived within one second", func(s *setting) {
			s.pull().Kept[0].PushedAt = pushed.Add(-90 * time.Second)
			s.pull().HeadPushedAt = pushed.Add(-90 * time.Second)
		},
			approval.Allowed, approval.CodeApprovalCounted, ""},
		{"not kept", func(s *setting) { s.pull().Kept = nil }, approval.Blocked, approval.CodeApprovalStale,
			"not counted: alice approved 01d0007, but the head is ead0007"},
		{"of another head", func(s *setting) { s.pull().Reviews[0].Commit = sha("e71") }, approval.Blocked, approval.CodeApprovalStale, ""},
		{"not witnessed", func(s *setting) { s.pull().Reviews[0].Witnessed = false }, approval.Blocked, approval.CodeApprovalUnwitnessed,
			"not counted: Gatekeeper did not see when alice approved 01d0007, of which the head is a clean update"},
		{"older than the kept head", func(s *setting) { s.pull().Reviews[0].SubmittedAt = pushed.Add(-61 * time.Minute) },
			approval.Blocked, approval.CodeApprovalBeforePush, "not counted: alice approved before, or in the second in which, 01d0007 was pushed"},
		{"in the second of its push", func(s *setting) { s.pull().Reviews[0].SubmittedAt = pushed.Add(-time.Hour) },
			approval.Blocked, approval.CodeApprovalBeforePush, ""},
		{"older than the older head", func(s *setting) {
			s.pull().Kept = append(s.pull().Kept, older)
			s.pull().Reviews[0].Commit, s.pull().Reviews[0].SubmittedAt = older.Commit, older.PushedAt
		}, approval.Blocked, approval.CodeApprovalBeforePush, ""},
		{"for another branch", func(s *setting) { s.pull().Reviews[0].Base = "dev" }, approval.Blocked, approval.CodeApprovalOtherBase, ""},
		{"for an unknown branch", func(s *setting) { s.pull().Reviews[0].Base = "" }, approval.Unknown, approval.CodeApprovalBaseUnknown, ""},
		{"by who pushed the kept head", func(s *setting) { s.pull().Kept[0].Pusher = person("alice") }, approval.Blocked, approval.CodeApprovalPusher,
			"not counted: alice pushed 01d0007, of which the head is a clean update"},
		{"by who pushed an older kept head", func(s *setting) {
			older := older
			older.Pusher = person("alice")
			s.pull().Kept = append(s.pull().Kept, older)
		}, approval.Blocked, approval.CodeApprovalPusher, "not counted: alice pushed 01d1000, of which the head is a clean update"},
		{"by who pressed the button", func(s *setting) { s.pull().Pusher = new(person("alice")) }, approval.Blocked, approval.CodeApprovalPusher,
			"not counted: alice pushed the head ead0007"},
		{"of the head by who pushed the kept one", func(s *setting) { s.pull().Kept[0].Pusher = person("bob") }, approval.Blocked, approval.CodeApprovalPusher,
			"not counted: bob pushed 01d0007, of which the head is a clean update"},
		{"by a co-author of the update", func(s *setting) {
			s.pull().Contributors = append(s.pull().Contributors, approval.Contributor{
				User: new(person("alice")), Email: "alice@example.com", Role: "co-author", Commit: s.pull().Head,
			})
		}, approval.Blocked, approval.CodeApprovalContributor, ""},
		{"edited", func(s *setting) { s.pull().Reviews[0].Edited = true }, approval.Blocked, approval.CodeApprovalEdited, ""},
		{"dismissed", func(s *setting) { dismiss(&s.pull().Reviews[0], "boss", approval.ReviewApproved) }, approval.Blocked, approval.CodeApprovalDismissed, ""},
		{"asked for again", func(s *setting) {
			s.Exclude.Rerequested, s.pull().Requested = true, []approval.UserID{person("alice").ID}
		}, approval.Blocked, approval.CodeApprovalRerequested, ""},
		{"too late for the gate", func(s *setting) {
			s.Exclude.Late, s.pull().Reviews[0].SubmittedAt = true, s.pull().MergedAt.Add(time.Minute)
		}, approval.Blocked, approval.CodeApprovalLate, ""},
		{"by nobody who is asked for", func(s *setting) { s.Directory.Teams[0].Members = s.Directory.Teams[0].Members[1:] },
			approval.Blocked, approval.CodeApprovalOutsider, ""},
		{"withdrawn on the head", func(s *setting) {
			s.pull().Reviews = append(s.pull().Reviews, review(s.pull(), "alice", approval.ReviewChangesRequested))
		}, approval.Blocked, approval.CodeVeto, ""},
		{"push time of the head unknown", func(s *setting) { s.pull().HeadPushedAt = time.Time{} }, approval.Unknown, approval.CodeApprovalUnwitnessed, ""},
		{"pusher of the head unknown", func(s *setting) { s.pull().Pusher = nil }, approval.Unknown, approval.CodePusherUnknown, ""},
		{"request for changes dismissed by who pushed the kept head", func(s *setting) {
			s.pull().Kept[0].Pusher = person("carol")
			s.grant("admin", "carol")
			r := review(s.pull(), "zoe", approval.ReviewChangesRequested)
			s.grant("write", "zoe")
			dismiss(&r, "carol", approval.ReviewChangesRequested)
			s.pull().Reviews = append(s.pull().Reviews, r)
		}, approval.Blocked, approval.CodeVetoDismissed, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := updated()
			test.change(s)
			d := s.decide()
			requireSound(t, s, d)
			require.Equal(t, test.verdict, d.Verdict, render(d))
			require.Equal(t, test.verdict == approval.Allowed, d.Allowed())
			require.Contains(t, codes(d.Findings), test.code, render(d))
			require.Contains(t, render(d), test.text)
		})
	}
}

// Kept heads that cannot be what they are said to be block, even if no approval
// is of one of them.
func TestKeptHeadsThatContradict(t *testing.T) {
	head := func(f func(k *approval.KeptHead)) func(*setting) {
		return func(s *setting) { f(&s.pull().Kept[0]) }
	}
	tests := map[string]func(s *setting){
		"the head itself":             head(func(k *approval.KeptHead) { k.Commit = headOf(7) }),
		"no commit":                   head(func(k *approval.KeptHead) { k.Commit = "" }),
		"commit that is cut":          head(func(k *approval.KeptHead) { k.Commit = "01d0007" }),
		"commit of zeros":             head(func(k *approval.KeptHead) { k.Commit = sha("0") }),
		"commit in upper case":        head(func(k *approval.KeptHead) { k.Commit = approval.SHA(strings.Repeat("A", 40)) }),
		"no time":                     head(func(k *approval.KeptHead) { k.PushedAt = time.Time{} }),
		"younger than the head":       head(func(k *approval.KeptHead) { k.PushedAt = pushed.Add(time.Second) }),
		"no pusher":                   head(func(k *approval.KeptHead) { k.Pusher = approval.User{} }),
		"pusher without an ID":        head(func(k *approval.KeptHead) { k.Pusher.ID = 0 }),
		"pusher with a negative ID":   head(func(k *approval.KeptHead) { k.Pusher.ID = -1 }),
		"nothing known":               head(func(k *approval.KeptHead) { *k = approval.KeptHead{} }),
		"push time of head not known": func(s *setting) { s.pull().HeadPushedAt = time.Time{} },
		"twice":                       func(s *setting) { s.pull().Kept = append(s.pull().Kept, s.pull().Kept[0]) },
		"twice, by others": func(s *setting) {
			again := s.pull().Kept[0]
			again.Pusher, again.PushedAt = person("erin"), again.PushedAt.Add(-time.Minute)
			s.pull().Kept = append(s.pull().Kept, again)
		},
		"oldest first": func(s *setting) {
			s.pull().Kept = append(s.pull().Kept, approval.KeptHead{Commit: sha("01d1"), PushedAt: pushed.Add(-time.Minute), Pusher: person("dave")})
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			for _, s := range []*setting{updated(), approved()} {
				s.pull().Kept = updated().pull().Kept
				require.True(t, s.decide().Allowed())
				change(s)
				d := s.decide()
				requireSound(t, s, d)
				require.Equal(t, approval.Unknown, d.Verdict, render(d))
				require.Contains(t, codes(d.Findings), approval.CodeKeptHeads, render(d))
			}
		})
	}
}

// Nothing of what is said of a kept head can be left out, but for who is who in
// words.
func TestBlankValuesOfAKeptHead(t *testing.T) {
	const pull = "Facts.Lines[].Landings[].Pull."
	found := map[string]bool{}
	s := updated()
	s.Closure = s.closure()
	eachBlank(s, func(path string) {
		if strings.HasPrefix(path, pull+"Kept") || path == pull+"Reviews[].Witnessed" {
			found[strings.TrimPrefix(path, pull)] = approval.Decide(s.Policy, s.Facts).Allowed()
		}
	})
	require.Equal(t, map[string]bool{
		"Kept": false, "Kept[]": false, "Kept[].Commit": false, "Kept[].PushedAt": false, "Kept[].Pusher": false, "Kept[].Pusher.ID": false,
		"Kept[].Pusher.Login": true, "Kept[].Pusher.Type": true, // the ID is the identity, and whoever pushed may not approve, whatever the account is
		"Reviews[].Witnessed": false,
	}, found)
	require.Equal(t, 3, reflect.TypeFor[approval.KeptHead]().NumField(), "a new field is to be blanked above")
}

// requireFreshApprovals repeats by hand what each counted approval must be: of
// the head and not older than it, or of a kept head, witnessed and younger.
func requireFreshApprovals(t *testing.T, pr *approval.PullRequest, approvers []approval.User) {
	t.Helper()
	for _, u := range approvers {
		require.True(t, slices.ContainsFunc(pr.Reviews, func(r approval.Review) bool {
			if r.User == nil || r.User.ID != u.ID || r.State != approval.ReviewApproved || r.Base != pr.Base {
				return false
			}
			if r.Commit == pr.Head {
				return !r.SubmittedAt.Before(pr.HeadPushedAt)
			}
			return r.Witnessed && slices.ContainsFunc(pr.Kept, func(k approval.KeptHead) bool {
				return k.Commit == r.Commit && r.SubmittedAt.After(k.PushedAt) && !k.PushedAt.IsZero()
			})
		}), "%s counts without a fresh approval", u.Login)
		require.False(t, slices.ContainsFunc(pr.Kept, func(k approval.KeptHead) bool { return k.Pusher.ID == u.ID || k.Pusher.ID <= 0 }))
	}
	if len(approvers) > 0 {
		require.False(t, slices.ContainsFunc(pr.Kept, func(k approval.KeptHead) bool {
			return k.Commit == pr.Head || len(k.Commit) != 40 || k.PushedAt.IsZero() || k.PushedAt.After(pr.HeadPushedAt)
		}))
	}
}
