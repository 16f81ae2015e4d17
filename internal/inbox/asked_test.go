package inbox_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func TestAsked(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		path := in.place(t)
		s, err := path(t.Context())
		require.NoError(t, err)
		at := time.Date(2026, 11, 21, 10, 0, 0, 7, time.UTC)
		asked := approval.Asked{RepositoryID: 42, Repository: "acme/env", Pull: 12, Person: approval.User{ID: 7, Login: "alice", Type: "User"}, Comment: 31, At: at}
		fresh, err := s.Ask(t.Context(), "comment/31", asked, at)
		require.NoError(t, err)
		require.True(t, fresh)
		other := asked
		other.Pull = 13
		fresh, err = s.Ask(t.Context(), "comment/31", other, at.Add(time.Hour))
		require.NoError(t, err)
		require.False(t, fresh, "delivered again")
		_, err = s.Ask(t.Context(), "press/guid", other, at.Add(time.Second))
		require.NoError(t, err)
		require.NoError(t, s.SaveProgress(t.Context(), "comment/31", []byte("half")))
		require.ErrorIs(t, s.SaveProgress(t.Context(), "comment/32", []byte("half")), inbox.ErrUnknown)
		require.NoError(t, s.Close())

		s, err = path(t.Context())
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		got, err := s.Requests(t.Context(), 10)
		require.NoError(t, err)
		require.Equal(t, []inbox.Request{
			{ID: "comment/31", Received: at, Asked: asked, Progress: []byte("half")},
			{ID: "press/guid", Received: at.Add(time.Second), Asked: other},
		}, got)
		require.NoError(t, s.Finish(t.Context(), "comment/31"))
		fresh, err = s.Ask(t.Context(), "comment/31", asked, at.Add(time.Hour))
		require.NoError(t, err)
		require.False(t, fresh, "finished, and delivered again")
		got, err = s.Requests(t.Context(), 10)
		require.NoError(t, err)
		require.Len(t, got, 1)

		n, err := s.PruneAsked(t.Context(), at.Add(time.Minute))
		require.NoError(t, err)
		require.Equal(t, 1, n, "what is not finished stays")
		_, err = s.Ask(t.Context(), "x", approval.Asked{}, at)
		require.ErrorIs(t, err, inbox.ErrInvalid)
	})
}

func TestCommentApprovals(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		s, err := in.place(t)(t.Context())
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		at := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
		first := approval.WitnessedComment{
			RepositoryID: 42, Pull: 12, Comment: 31, Person: approval.User{ID: 7, Login: "bob", Type: "User"},
			Commit: "1111111111111111111111111111111111111111", Base: "main", At: at, Body: approval.TextDigest("/gk approve"),
		}
		foreign, late := first, first
		foreign.Comment, foreign.Person.ID, foreign.At = 33, 8, at.Add(time.Second)
		late.Comment, late.Person.ID, late.At = 34, 9, at.Add(time.Hour)
		for _, w := range []approval.WitnessedComment{first, foreign, late} {
			require.NoError(t, s.SaveComment(t.Context(), w))
		}
		moved := first
		moved.Commit = "2222222222222222222222222222222222222222"
		require.NoError(t, s.SaveComment(t.Context(), moved), "the first word wins")
		for range 2 { // to say it twice takes back no more
			n, err := s.Withdraw(t.Context(), 42, 12, 7, at.Add(2*time.Minute))
			require.NoError(t, err)
			require.Equal(t, 1, n)
		}
		n, err := s.Withdraw(t.Context(), 42, 12, 9, at.Add(2*time.Minute))
		require.NoError(t, err)
		require.Zero(t, n, "what was written later stays")
		got, err := s.Comments(t.Context(), 42, 12)
		require.NoError(t, err)
		first.Withdrawn = at.Add(2 * time.Minute)
		require.Equal(t, []approval.WitnessedComment{first, foreign, late}, got)
		got, err = s.Comments(t.Context(), 42, 13)
		require.NoError(t, err)
		require.Empty(t, got)
		for name, edit := range map[string]func(*approval.WitnessedComment){
			"no head": func(w *approval.WitnessedComment) { w.Commit = "" },
			"no base": func(w *approval.WitnessedComment) { w.Base = "" },
			"no text": func(w *approval.WitnessedComment) { w.Body = "" },
			"nobody":  func(w *approval.WitnessedComment) { w.Person.ID = 0 },
		} {
			w := first
			edit(&w)
			require.ErrorIs(t, s.SaveComment(t.Context(), w), inbox.ErrInvalid, name)
		}
	})
}

// TestNewestCommentApproval: however often somebody approves, in whatever order that is
// heard of, the newest comment alone is kept.
func TestNewestCommentApproval(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		s, err := in.place(t)(t.Context())
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		at := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
		w := approval.WitnessedComment{
			RepositoryID: 42, Pull: 12, Comment: 1000, Person: approval.User{ID: 7, Login: "bob", Type: "User"},
			Commit: "1111111111111111111111111111111111111111", Base: "main", At: at, Body: approval.TextDigest("/gk approve"),
		}
		kept := func() []approval.WitnessedComment {
			got, err := s.Comments(t.Context(), 42, 12)
			require.NoError(t, err)
			return got
		}
		for range 201 {
			w.Comment, w.At = w.Comment+1, w.At.Add(time.Minute)
			require.NoError(t, s.SaveComment(t.Context(), w))
		}
		require.Equal(t, []approval.WitnessedComment{w}, kept())

		older := w
		older.Comment, older.At = 5000, at
		require.NoError(t, s.SaveComment(t.Context(), older))
		require.Equal(t, []approval.WitnessedComment{w}, kept(), "heard of late")
		tied := w
		tied.Comment--
		require.NoError(t, s.SaveComment(t.Context(), tied))
		require.Equal(t, []approval.WitnessedComment{w}, kept(), "in the same second, and before")
		tied.Comment += 2
		tied.Base = "dev"
		require.NoError(t, s.SaveComment(t.Context(), tied))
		require.Equal(t, []approval.WitnessedComment{tied}, kept(), "in the same second, and after")

		_, err = s.Withdraw(t.Context(), 42, 12, 7, tied.At)
		require.NoError(t, err)
		again := tied
		again.Comment, again.At = 6000, tied.At.Add(time.Minute)
		require.NoError(t, s.SaveComment(t.Context(), again))
		require.Equal(t, []approval.WitnessedComment{again}, kept(), "anew")
	})
}

// TestWithdrawnBeforeHeardOf: GitHub delivers in no order, so that a comment may be taken
// back before it is heard of.
func TestWithdrawnBeforeHeardOf(t *testing.T) {
	everywhere(t, func(t *testing.T, in kind) {
		s, err := in.place(t)(t.Context())
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		at := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
		for _, back := range []time.Time{at.Add(time.Minute), at} { // the newest counts
			n, err := s.Withdraw(t.Context(), 42, 12, 7, back)
			require.NoError(t, err)
			require.Zero(t, n)
		}
		w := approval.WitnessedComment{
			RepositoryID: 42, Pull: 12, Comment: 31, Person: approval.User{ID: 7, Login: "bob", Type: "User"},
			Commit: "1111111111111111111111111111111111111111", Base: "main", At: at, Body: approval.TextDigest("/gk approve"),
		}
		for i, test := range []struct {
			name string
			edit func(*approval.WitnessedComment)
			back bool
		}{
			{"before", func(*approval.WitnessedComment) {}, true},
			{"in the same second", func(w *approval.WitnessedComment) { w.At = at.Add(time.Minute) }, true},
			{"after", func(w *approval.WitnessedComment) { w.At = at.Add(2 * time.Minute) }, false},
			{"by somebody else", func(w *approval.WitnessedComment) { w.Person.ID = 8 }, false},
			{"on another one", func(w *approval.WitnessedComment) { w.Pull = 13 }, false},
			{"in another repository", func(w *approval.WitnessedComment) { w.RepositoryID = 43 }, false},
		} {
			w := w
			w.Comment += int64(i)
			test.edit(&w)
			require.NoError(t, s.SaveComment(t.Context(), w))
			if test.back {
				w.Withdrawn = at.Add(time.Minute)
			}
			got, err := s.Comments(t.Context(), w.RepositoryID, w.Pull)
			require.NoError(t, err)
			require.Contains(t, got, w, test.name)
		}
	})
}

// approvedBy is a comment by the person 7 that was written at minute 1.
func approvedBy(pull int) approval.WitnessedComment {
	return approval.WitnessedComment{
		RepositoryID: 42, Pull: pull, Comment: 1000 + int64(pull), Person: approval.User{ID: 7, Login: "bob", Type: "User"},
		Commit: sha('1'), Base: "main", At: at(1), Body: approval.TextDigest("/gk approve"),
	}
}
