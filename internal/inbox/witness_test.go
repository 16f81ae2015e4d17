package inbox_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func sha(c rune) approval.SHA { return approval.SHA(strings.Repeat(string(c), 40)) }

func review(id int64, commit approval.SHA) approval.WitnessedReview {
	return approval.WitnessedReview{RepositoryID: 7, ReviewID: id, Commit: commit, Base: "main"}
}

func push(head rune, pusher approval.UserID, minutes int) approval.WitnessedHead {
	return approval.WitnessedHead{
		RepositoryID: 7, Pull: 42, Head: sha(head), PushedAt: at(minutes),
		Pusher: approval.User{ID: pusher, Login: "user-" + string(rune('a'+pusher)), Type: approval.UserTypePerson},
	}
}

// onto is a push of a that took the place of another head.
func onto(before rune, minutes int) approval.WitnessedHead {
	w := push('a', 1, minutes)
	w.Before = sha(before)
	return w
}

func TestReviewFirstWordWins(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		t.Parallel()
		store := in.fresh(t)
		require.NoError(t, store.SaveReview(t.Context(), review(1, sha('a'))))
		require.NoError(t, store.SaveReview(t.Context(), review(1, sha('b'))), "GitHub has moved it")
		require.NoError(t, store.SaveReview(t.Context(), review(2, sha('b'))))
		other := review(1, sha('c'))
		other.RepositoryID = 8
		require.NoError(t, store.SaveReview(t.Context(), other))

		for _, test := range []struct {
			repository, review int64
			want               approval.SHA
		}{{7, 1, sha('a')}, {7, 2, sha('b')}, {8, 1, sha('c')}, {8, 2, ""}, {7, 3, ""}} {
			w, found, err := store.Review(t.Context(), test.repository, test.review)
			require.NoError(t, err)
			require.Equal(t, test.want, w.Commit)
			require.Equal(t, test.want != "", w.Base == "main")
			require.Equal(t, test.want != "", found)
		}
	})
}

func TestHeadNewestArrivalWins(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		t.Parallel()
		for _, test := range []struct {
			name  string
			saved []approval.WitnessedHead
			want  *approval.WitnessedHead
		}{
			{"never seen", []approval.WitnessedHead{push('b', 1, 1)}, nil},
			{"once", []approval.WitnessedHead{push('a', 1, 1)}, new(push('a', 1, 1))},
			{"delivered again", []approval.WitnessedHead{push('a', 1, 1), push('a', 1, 1)}, new(push('a', 1, 1))},
			{"pushed again later, by another", []approval.WitnessedHead{push('a', 1, 1), push('b', 1, 2), push('a', 2, 3)}, new(push('a', 2, 3))},
			{"delivered in the wrong order", []approval.WitnessedHead{push('a', 2, 3), push('a', 1, 1)}, new(push('a', 2, 3))},
			{"another head since", []approval.WitnessedHead{push('a', 1, 1), push('b', 2, 2)}, nil},
			{"another head since, delivered in the wrong order", []approval.WitnessedHead{push('b', 2, 2), push('a', 1, 1)}, nil},
			{"another head in the same second", []approval.WitnessedHead{push('a', 1, 1), push('b', 1, 1)}, nil},
			{"another head of two people since", []approval.WitnessedHead{push('a', 1, 1), push('b', 1, 2), push('b', 2, 2)}, nil},
			{"another head since, and pushed again", []approval.WitnessedHead{push('a', 1, 1), push('b', 1, 2), push('a', 1, 3), push('b', 1, 2)}, new(push('a', 1, 3))},
			{"two people at the same second", []approval.WitnessedHead{push('a', 1, 1), push('a', 2, 1)}, nil},
			{"and delivered again", []approval.WitnessedHead{push('a', 1, 1), push('a', 2, 1), push('a', 1, 1)}, nil},
			{"and pushed once more", []approval.WitnessedHead{push('a', 1, 1), push('a', 2, 1), push('a', 1, 2)}, new(push('a', 1, 2))},
			{"onto a head", []approval.WitnessedHead{onto('b', 1)}, new(onto('b', 1))},
			{"onto a head, delivered again", []approval.WitnessedHead{onto('b', 1), onto('b', 1)}, new(onto('b', 1))},
			{"onto one head, then onto another", []approval.WitnessedHead{onto('b', 1), onto('c', 2)}, new(onto('c', 2))},
			{"onto one head, then opened again", []approval.WitnessedHead{onto('b', 1), push('a', 1, 2)}, new(push('a', 1, 2))},
			{"onto two heads at one moment", []approval.WitnessedHead{onto('b', 1), onto('c', 1)}, new(push('a', 1, 1))},
			{"onto two heads at one moment, delivered again", []approval.WitnessedHead{onto('b', 1), onto('c', 1), onto('b', 1)}, new(push('a', 1, 1))},
			{"onto one head by two people", []approval.WitnessedHead{onto('b', 1), func() approval.WitnessedHead {
				w := onto('b', 1)
				w.Pusher.ID = 2
				return w
			}()}, nil},
			{"two people, and an older one after", []approval.WitnessedHead{push('a', 1, 2), push('a', 2, 2), push('a', 1, 1)}, nil},
		} {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				store := in.fresh(t)
				for _, w := range test.saved {
					require.NoError(t, store.SaveHead(t.Context(), w))
				}
				got, found, err := store.HeadPush(t.Context(), 7, 42, sha('a'))
				require.NoError(t, err)
				require.Equal(t, test.want != nil, found)
				if test.want == nil {
					require.Zero(t, got)
					return
				}
				require.Equal(t, *test.want, got)
				for _, elsewhere := range []struct {
					repository int64
					pull       int
				}{{8, 42}, {7, 43}} {
					_, found, err := store.HeadPush(t.Context(), elsewhere.repository, elsewhere.pull, sha('a'))
					require.NoError(t, err)
					require.False(t, found)
				}
			})
		}
	})
}

// TestHeadAnyOrder: deliveries come in any order and more than once, and what is
// known in the end is the same.
func TestHeadAnyOrder(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		t.Parallel()
		pushes := []approval.WitnessedHead{push('a', 1, 1), push('a', 2, 2), push('a', 3, 2), push('a', 1, 3), push('a', 1, 3)}
		for seed := range uint64(20) {
			store := in.fresh(t)
			random := rand.New(rand.NewPCG(seed, 3))
			for _, i := range random.Perm(len(pushes)) {
				require.NoError(t, store.SaveHead(t.Context(), pushes[i]))
			}
			got, found, err := store.HeadPush(t.Context(), 7, 42, sha('a'))
			require.NoError(t, err)
			require.True(t, found)
			require.Equal(t, push('a', 1, 3), got)
		}
	})
}

func TestMerge(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		t.Parallel()
		store := in.fresh(t)
		merge := approval.WitnessedMerge{RepositoryID: 7, Pull: 42, Commit: sha('a')}
		require.NoError(t, store.SaveMerge(t.Context(), merge))
		pull, found, err := store.MergedPull(t.Context(), 7, sha('a'))
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, 42, pull)

		merge.Pull = 43
		require.NoError(t, store.SaveMerge(t.Context(), merge))
		pull, _, err = store.MergedPull(t.Context(), 7, sha('a'))
		require.NoError(t, err)
		require.Equal(t, 43, pull)

		for _, elsewhere := range []approval.WitnessedMerge{{RepositoryID: 8, Commit: sha('a')}, {RepositoryID: 7, Commit: sha('b')}} {
			_, found, err := store.MergedPull(t.Context(), elsewhere.RepositoryID, elsewhere.Commit)
			require.NoError(t, err)
			require.False(t, found)
		}
	})
}

func TestWitnessIncomplete(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		t.Parallel()
		store := in.fresh(t)
		edited := func(edit func(w *approval.WitnessedHead)) error {
			w := push('a', 1, 1)
			edit(&w)
			return store.SaveHead(t.Context(), w)
		}
		for name, err := range map[string]error{
			"review without a base":     store.SaveReview(t.Context(), approval.WitnessedReview{RepositoryID: 7, ReviewID: 1, Commit: sha('a')}),
			"review without commit":     store.SaveReview(t.Context(), review(1, "")),
			"review of a short commit":  store.SaveReview(t.Context(), review(1, "abcdef0")),
			"review without ID":         store.SaveReview(t.Context(), review(0, sha('a'))),
			"review without repository": store.SaveReview(t.Context(), approval.WitnessedReview{ReviewID: 1, Commit: sha('a')}),
			"head without commit":       edited(func(w *approval.WitnessedHead) { w.Head = "" }),
			"head onto no commit":       edited(func(w *approval.WitnessedHead) { w.Before = "x" }),
			"head without repository":   edited(func(w *approval.WitnessedHead) { w.RepositoryID = 0 }),
			"head without pull":         edited(func(w *approval.WitnessedHead) { w.Pull = 0 }),
			"head without pusher":       edited(func(w *approval.WitnessedHead) { w.Pusher = approval.User{} }),
			"head without time":         edited(func(w *approval.WitnessedHead) { w.PushedAt = time.Time{} }),
			"merge without commit":      store.SaveMerge(t.Context(), approval.WitnessedMerge{RepositoryID: 7, Pull: 1}),
			"merge without pull":        store.SaveMerge(t.Context(), approval.WitnessedMerge{RepositoryID: 7, Commit: sha('a')}),
			"merge without repository":  store.SaveMerge(t.Context(), approval.WitnessedMerge{Pull: 1, Commit: sha('a')}),
		} {
			require.ErrorIs(t, err, inbox.ErrInvalid, name)
		}
		_, found, err := store.HeadPush(t.Context(), 7, 42, sha('a'))
		require.NoError(t, err)
		require.False(t, found)
	})
}

// TestFormerHead: a head was replaced by b at minute 4. What came after that does
// not matter, what came in between does.
func TestFormerHead(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		t.Parallel()
		for name, test := range map[string]struct {
			saved []approval.WitnessedHead
			found bool
		}{
			"replaced":                            {[]approval.WitnessedHead{push('a', 1, 1), push('b', 1, 4)}, true},
			"replaced, and replaced again":        {[]approval.WitnessedHead{push('a', 1, 1), push('b', 1, 4), push('c', 1, 5)}, true},
			"replaced within the second":          {[]approval.WitnessedHead{push('a', 1, 4), push('b', 1, 4)}, true},
			"another in between":                  {[]approval.WitnessedHead{push('a', 1, 1), push('c', 1, 2), push('b', 1, 4)}, false},
			"another in the second of the first":  {[]approval.WitnessedHead{push('a', 1, 1), push('c', 1, 1), push('b', 1, 4)}, false},
			"another in the second of the second": {[]approval.WitnessedHead{push('a', 1, 1), push('c', 1, 4), push('b', 1, 4)}, false},
			"another before":                      {[]approval.WitnessedHead{push('c', 1, 0), push('a', 1, 1), push('b', 1, 4)}, true},
			"never seen":                          {[]approval.WitnessedHead{push('b', 1, 4)}, false},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				store := in.fresh(t)
				for _, w := range test.saved {
					require.NoError(t, store.SaveHead(t.Context(), w))
				}
				_, found, err := store.FormerHead(t.Context(), 7, 42, sha('a'), sha('b'), at(4))
				require.NoError(t, err)
				require.Equal(t, test.found, found)
			})
		}
	})
}
