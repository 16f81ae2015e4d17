package inbox_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func TestAsked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inbox.db")
	s, err := inbox.Open(t.Context(), path)
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

	s, err = inbox.Open(t.Context(), path)
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
}

func TestCommentApprovals(t *testing.T) {
	s, err := inbox.Open(t.Context(), filepath.Join(t.TempDir(), "inbox.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	at := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	first := approval.WitnessedComment{
		RepositoryID: 42, Pull: 12, Comment: 31, Person: approval.User{ID: 7, Login: "bob", Type: "User"},
		Commit: "1111111111111111111111111111111111111111", Base: "main", At: at, Body: approval.TextDigest("/gk approve"),
	}
	second, foreign, late := first, first, first
	second.Comment, second.At = 32, at.Add(time.Minute)
	foreign.Comment, foreign.Person.ID = 33, 8
	late.Comment, late.At = 34, at.Add(time.Hour)
	for _, w := range []approval.WitnessedComment{first, second, foreign, late} {
		require.NoError(t, s.SaveComment(t.Context(), w))
	}
	moved := first
	moved.Commit = "2222222222222222222222222222222222222222"
	require.NoError(t, s.SaveComment(t.Context(), moved), "the first word wins")
	for range 2 { // to say it twice takes back no more
		n, err := s.Withdraw(t.Context(), 42, 12, 7, at.Add(2*time.Minute))
		require.NoError(t, err)
		require.Equal(t, 2, n)
	}
	got, err := s.Comments(t.Context(), 42, 12)
	require.NoError(t, err)
	first.Withdrawn, second.Withdrawn = at.Add(2*time.Minute), at.Add(2*time.Minute)
	require.Equal(t, []approval.WitnessedComment{first, foreign, second, late}, got)
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
}

// TestNext: of each pull request the oldest, however many there are of another one; what
// is owed an answer alone keeps nothing waiting.
func TestNext(t *testing.T) {
	s, err := inbox.Open(t.Context(), filepath.Join(t.TempDir(), "inbox.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	at := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	ask := func(id string, repository int64, pull int) {
		at = at.Add(time.Second)
		_, err := s.Ask(t.Context(), id, approval.Asked{RepositoryID: repository, Pull: pull, Person: approval.User{ID: 7}}, at)
		require.NoError(t, err)
	}
	next := func() (ids []string) {
		got, err := s.Next(t.Context(), 4)
		require.NoError(t, err)
		for _, r := range got {
			ids = append(ids, r.ID)
		}
		return ids
	}
	for _, id := range []string{"a1", "a2", "a3", "a4", "a5", "a6"} {
		ask(id, 42, 12)
	}
	ask("b1", 42, 13)
	ask("c1", 43, 12)
	require.Equal(t, []string{"a1", "b1", "c1"}, next())
	require.NoError(t, s.Answer(t.Context(), "a1"))
	require.ErrorIs(t, s.Answer(t.Context(), "x"), inbox.ErrUnknown)
	require.Equal(t, []string{"a2", "b1", "c1", "a1"}, next())
	require.NoError(t, s.Finish(t.Context(), "a1"))
	require.Equal(t, []string{"a2", "b1", "c1"}, next())
}
