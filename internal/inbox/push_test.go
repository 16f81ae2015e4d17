package inbox_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/internal/sqlitefile"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

var (
	alice = approval.User{ID: 1, Login: "alice", Type: approval.UserTypePerson}
	bob   = approval.User{ID: 2, Login: "bob", Type: approval.UserTypePerson}
)

func branchPush(before, after rune, by approval.User, minutes int) approval.WitnessedPush {
	return approval.WitnessedPush{RepositoryID: 7, Branch: "topic", Before: sha(before), After: sha(after), Pusher: by, PushedAt: at(minutes)}
}

func TestBranchPush(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		t.Parallel()
		elsewhere := branchPush('a', 'b', bob, 2)
		elsewhere.Branch = "other"
		another := branchPush('a', 'b', bob, 2)
		another.RepositoryID = 8
		for name, tt := range map[string]struct {
			saved []approval.WitnessedPush
			want  *approval.WitnessedPush
		}{
			"never":                              {nil, nil},
			"once":                               {[]approval.WitnessedPush{branchPush('0', 'a', alice, 1)}, new(branchPush('0', 'a', alice, 1))},
			"delivered again":                    {[]approval.WitnessedPush{branchPush('0', 'a', alice, 1), branchPush('0', 'a', alice, 1)}, new(branchPush('0', 'a', alice, 1))},
			"replaced":                           {[]approval.WitnessedPush{branchPush('0', 'a', alice, 1), branchPush('a', 'b', alice, 2)}, nil},
			"replaced, in the wrong order":       {[]approval.WitnessedPush{branchPush('a', 'b', alice, 2), branchPush('0', 'a', alice, 1)}, nil},
			"replaced in the same second":        {[]approval.WitnessedPush{branchPush('0', 'a', alice, 1), branchPush('a', 'b', alice, 1)}, nil},
			"deleted":                            {[]approval.WitnessedPush{branchPush('0', 'a', alice, 1), branchPush('a', '0', alice, 2)}, nil},
			"back again":                         {[]approval.WitnessedPush{branchPush('0', 'a', alice, 1), branchPush('a', 'b', alice, 2), branchPush('b', 'a', bob, 3)}, new(branchPush('b', 'a', bob, 3))},
			"back again, in the wrong order":     {[]approval.WitnessedPush{branchPush('b', 'a', bob, 3), branchPush('a', 'b', alice, 2), branchPush('0', 'a', alice, 1)}, new(branchPush('b', 'a', bob, 3))},
			"by two people in the same second":   {[]approval.WitnessedPush{branchPush('0', 'a', alice, 1), branchPush('0', 'a', bob, 1)}, nil},
			"onto two in the same second":        {[]approval.WitnessedPush{branchPush('0', 'a', alice, 1), branchPush('c', 'a', alice, 1)}, func() *approval.WitnessedPush { w := branchPush('0', 'a', alice, 1); w.Before = ""; return &w }()},
			"another branch, another repository": {[]approval.WitnessedPush{branchPush('0', 'a', alice, 1), elsewhere, another}, new(branchPush('0', 'a', alice, 1))},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				store := in.fresh(t)
				for _, w := range tt.saved {
					require.NoError(t, store.SavePush(t.Context(), w))
				}
				got, found, err := store.BranchPush(t.Context(), 7, "topic", sha('a'))
				require.NoError(t, err)
				require.Equal(t, tt.want != nil, found)
				if found {
					require.Equal(t, *tt.want, got)
				} else {
					require.Zero(t, got)
				}
			})
		}
	})
}

func TestSavePushRefuses(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		t.Parallel()
		store := in.fresh(t)
		for name, spoil := range map[string]func(*approval.WitnessedPush){
			"no commit":       func(w *approval.WitnessedPush) { w.After = "" },
			"no former":       func(w *approval.WitnessedPush) { w.Before = "1" },
			"no repository":   func(w *approval.WitnessedPush) { w.RepositoryID = 0 },
			"no pusher":       func(w *approval.WitnessedPush) { w.Pusher = approval.User{} },
			"no branch":       func(w *approval.WitnessedPush) { w.Branch = "" },
			"too long a name": func(w *approval.WitnessedPush) { w.Branch = strings.Repeat("x", 5000) },
			"no time":         func(w *approval.WitnessedPush) { w.PushedAt = time.Time{} },
			"no commit of an account": func(w *approval.WitnessedPush) {
				w.Accounts = []approval.CommitAccounts{{Commit: sha('b'), Author: alice}, {Commit: "b", Author: alice}}
			},
		} {
			w := branchPush('0', 'a', alice, 1)
			spoil(&w)
			require.ErrorIs(t, store.SavePush(t.Context(), w), inbox.ErrInvalid, name)
		}
		_, found, err := store.BranchPush(t.Context(), 7, "topic", sha('a'))
		require.NoError(t, err)
		require.False(t, found, "all or nothing")
		accounts, err := store.Accounts(t.Context(), 7, []approval.SHA{sha('b')})
		require.NoError(t, err)
		require.Empty(t, accounts, "all or nothing")
	})
}

func TestAccounts(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		t.Parallel()
		store := in.fresh(t)
		w := branchPush('0', 'b', alice, 1)
		w.Accounts = []approval.CommitAccounts{{Commit: sha('a'), Author: alice}, {Commit: sha('b'), Author: alice, Committer: alice}}
		require.NoError(t, store.SavePush(t.Context(), w))
		require.NoError(t, store.SaveAccounts(t.Context(), 7, []approval.CommitAccounts{
			{Commit: sha('a'), Author: bob, Committer: bob}, // the address has moved since
			{Commit: sha('c')}, // nobody's
		}))
		require.NoError(t, store.SaveAccounts(t.Context(), 8, []approval.CommitAccounts{{Commit: sha('c'), Author: bob}}))
		for range 2 {
			got, err := store.Accounts(t.Context(), 7, []approval.SHA{sha('b'), sha('c'), sha('a'), sha('d')})
			require.NoError(t, err)
			require.Equal(t, []approval.CommitAccounts{
				{Commit: sha('a'), Author: alice, Committer: bob}, {Commit: sha('b'), Author: alice, Committer: alice},
			}, got, "the first word wins, and nobody is not kept")
			require.NoError(t, store.SaveAccounts(t.Context(), 7, []approval.CommitAccounts{{Commit: sha('b'), Author: bob, Committer: bob}}))
		}
		require.ErrorIs(t, store.SaveAccounts(t.Context(), 0, nil), inbox.ErrInvalid)
	})
}

func TestMergedByPerson(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		t.Parallel()
		store := in.fresh(t)
		byPerson := func(pull int, commit approval.SHA) bool {
			found, err := store.MergedByPerson(t.Context(), 7, pull, commit)
			require.NoError(t, err)
			return found
		}
		require.False(t, byPerson(1, sha('a')))
		require.NoError(t, store.SaveMerge(t.Context(), approval.WitnessedMerge{RepositoryID: 7, Pull: 1, Commit: sha('a'), ByPerson: true}))
		require.NoError(t, store.SaveMerge(t.Context(), approval.WitnessedMerge{RepositoryID: 7, Pull: 2, Commit: sha('b')}))
		require.True(t, byPerson(1, sha('a')))
		require.False(t, byPerson(2, sha('a')), "another pull request")
		require.False(t, byPerson(2, sha('b')), "a queue, perhaps")
	})
}

func TestFacts(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		t.Parallel()
		store := in.fresh(t)
		require.NoError(t, store.SaveFact(t.Context(), 7, "pull", "1", []byte("x")))
		require.NoError(t, store.SaveFact(t.Context(), 7, "pull", "1", []byte("y")))
		for _, tt := range []struct {
			repository int64
			kind, name string
			want       string
		}{{7, "pull", "1", "y"}, {8, "pull", "1", ""}, {7, "push", "1", ""}, {7, "pull", "2", ""}} {
			value, found, err := store.Fact(t.Context(), tt.repository, tt.kind, tt.name)
			require.NoError(t, err)
			require.Equal(t, tt.want, string(value))
			require.Equal(t, tt.want != "", found)
		}
		require.ErrorIs(t, store.SaveFact(t.Context(), 0, "pull", "1", []byte("x")), inbox.ErrInvalid)
		require.ErrorIs(t, store.SaveFact(t.Context(), 7, "", "1", []byte("x")), inbox.ErrInvalid)
		require.ErrorIs(t, store.SaveFact(t.Context(), 7, "pull", "", []byte("x")), inbox.ErrInvalid)
		require.ErrorIs(t, store.SaveFact(t.Context(), 7, "pull", "1", nil), inbox.ErrInvalid)
		require.ErrorIs(t, store.SaveFact(t.Context(), 7, "pull", "1", make([]byte, 256<<10+1)), inbox.ErrInvalid)
	})
}

// What only saves calls is bounded by age and by number; what GitHub does not keep
// stays.
func TestTrim(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		t.Parallel()
		store := in.fresh(t)
		fill := func() {
			require.NoError(t, store.SaveReview(t.Context(), review(1, sha('a'))))
			require.NoError(t, store.SaveHead(t.Context(), push('a', 1, 1)))
			for _, c := range "abc" {
				w := branchPush('0', c, alice, int(c))
				w.Accounts = []approval.CommitAccounts{{Commit: sha(c), Author: alice}}
				require.NoError(t, store.SavePush(t.Context(), w))
				require.NoError(t, store.SaveFact(t.Context(), 7, "pull", string(c), []byte("x")))
			}
		}
		left := func() (pushes, accounts, facts int) {
			for _, c := range "abc" {
				if _, found, err := store.Fact(t.Context(), 7, "pull", string(c)); err == nil && found {
					facts++
				}
			}
			if _, found, err := store.BranchPush(t.Context(), 7, "topic", sha('c')); err == nil && found {
				pushes++
			}
			got, err := store.Accounts(t.Context(), 7, []approval.SHA{sha('a'), sha('b'), sha('c')})
			require.NoError(t, err)
			return pushes, len(got), facts
		}
		check := func(want [3]int, msg string) {
			t.Helper()
			pushes, accounts, facts := left()
			require.Equal(t, want, [3]int{pushes, accounts, facts}, msg)
		}
		trim := func(before time.Time, rows, want int) {
			t.Helper()
			n, err := store.Trim(t.Context(), before, rows)
			require.NoError(t, err)
			require.Equal(t, want, n)
		}
		fill()
		trim(time.Now().Add(-inbox.KeepFor), inbox.KeepRows, 0)
		check([3]int{1, 3, 3}, "young and few")
		trim(time.Now().Add(-time.Hour), 2, 3)
		check([3]int{1, 2, 2}, "the newest stay")
		trim(time.Now().Add(time.Hour), inbox.KeepRows, 6)
		check([3]int{0, 0, 0}, "old")
		fill()
		trim(time.Now().Add(-time.Hour), 0, 9)
		check([3]int{0, 0, 0}, "none may stay")
		_, found, err := store.Review(t.Context(), 7, 1)
		require.NoError(t, err)
		require.True(t, found)
		_, found, err = store.HeadPush(t.Context(), 7, 42, sha('a'))
		require.NoError(t, err)
		require.True(t, found)
		_, err = store.Trim(t.Context(), time.Time{}, 1)
		require.ErrorIs(t, err, inbox.ErrInvalid)
		_, err = store.Trim(t.Context(), time.Now(), -1)
		require.ErrorIs(t, err, inbox.ErrInvalid)
	})
}

// An inbox of a version that kept no pushes is opened with all that it has.
func TestInboxWithoutPushes(t *testing.T) {
	t.Parallel()
	older := fstest.MapFS{}
	files, err := fs.Glob(os.DirFS("migrations"), "*.sql")
	require.NoError(t, err)
	for _, name := range files {
		if name < "00007" {
			data, err := os.ReadFile(filepath.Join("migrations", name))
			require.NoError(t, err)
			older[name] = &fstest.MapFile{Data: data}
		}
	}
	require.Len(t, older, 6)
	path := filepath.Join(t.TempDir(), "inbox.db")
	file, err := sqlitefile.Ensure(t.Context(), path, sqlitefile.Schema{ApplicationID: 0x474b494e, Migrations: older})
	require.NoError(t, err)
	for _, statement := range []string{
		`INSERT INTO reviews (repository, review, sha, base) VALUES (7, 1, '` + string(sha('a')) + `', 'main')`,
		`INSERT INTO merges (repository, sha, pull) VALUES (7, '` + string(sha('b')) + `', 42)`,
		`INSERT INTO heads (repository, pull, sha, pushed, pusher, pusher_login, pusher_type, before) VALUES (7, 42, '` + string(sha('a')) + `', 5, 1, 'alice', 'User', '')`,
	} {
		_, err := file.Write().ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	require.NoError(t, file.Close())

	_, err = inbox.Inspect(t.Context(), path)
	require.Error(t, err, "it has not been migrated")
	store := open(t, path)
	w, found, err := store.Review(t.Context(), 7, 1)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, sha('a'), w.Commit)
	_, found, err = store.HeadPush(t.Context(), 7, 42, sha('a'))
	require.NoError(t, err)
	require.True(t, found)
	pull, found, err := store.MergedPull(t.Context(), 7, sha('b'))
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, 42, pull)
	byPerson, err := store.MergedByPerson(t.Context(), 7, 42, sha('b'))
	require.NoError(t, err)
	require.False(t, byPerson, "that was not kept then")
	require.NoError(t, store.SavePush(t.Context(), branchPush('0', 'a', alice, 1)))
	require.NoError(t, store.Close())

	reader, err := inbox.Inspect(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, reader.Close()) })
	_, found, err = reader.BranchPush(t.Context(), 7, "topic", sha('a'))
	require.NoError(t, err)
	require.True(t, found)
	require.NoError(t, reader.SaveFact(t.Context(), 7, "pull", "1", []byte("x")))
	require.NoError(t, reader.SaveAccounts(t.Context(), 7, []approval.CommitAccounts{{Commit: sha('a'), Author: alice}}))
	_, found, err = reader.Fact(t.Context(), 7, "pull", "1")
	require.NoError(t, err)
	require.False(t, found, "it keeps nothing")
	accounts, err := reader.Accounts(t.Context(), 7, []approval.SHA{sha('a')})
	require.NoError(t, err)
	require.Empty(t, accounts)
	byPerson, err = reader.MergedByPerson(t.Context(), 7, 42, sha('b'))
	require.NoError(t, err)
	require.False(t, byPerson)
}
