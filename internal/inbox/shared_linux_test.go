package inbox_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
)

func testLog(t testing.TB) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

func judgement(application, body string, minutes int) inbox.Judgement {
	return inbox.Judgement{Application: application, UID: "uid-" + application, At: at(minutes), Body: []byte(body)}
}

func lead(t *testing.T, s *inbox.Shared, name string) inbox.Term {
	t.Helper()
	term, err := s.Lead(t.Context(), name)
	require.NoError(t, err)
	return term
}

func judged(t *testing.T, s *inbox.Shared, application string) (inbox.Judgement, bool) {
	t.Helper()
	j, ok, err := s.Judgement(t.Context(), application)
	require.NoError(t, err)
	return j, ok
}

func TestJudgements(t *testing.T) {
	t.Parallel()
	o := schema(t)
	leader, follower := together(t, o), together(t, o)
	l, err := follower.Leadership(t.Context())
	require.NoError(t, err)
	require.Zero(t, l)
	_, ok := judged(t, follower, "argocd/a")
	require.False(t, ok)

	term := lead(t, leader, "pod-1")
	l, err = follower.Leadership(t.Context())
	require.NoError(t, err)
	require.Equal(t, term, l.Term)
	require.Equal(t, "pod-1", l.Leader)
	require.WithinDuration(t, time.Now(), l.Since, time.Minute)
	require.Zero(t, l.Vouched)

	require.NoError(t, leader.SaveJudgements(t.Context(), term, []inbox.Judgement{judgement("argocd/b", "1", 1), judgement("argocd/a", "2", 1)}))
	require.NoError(t, leader.SaveJudgements(t.Context(), term, []inbox.Judgement{judgement("argocd/b", "3", 2)}))
	want := judgement("argocd/b", "3", 2)
	want.Term = term
	got, ok := judged(t, follower, "argocd/b")
	require.True(t, ok)
	require.Equal(t, want, got)

	// What is vouched for is as young as that, but for what is late.
	require.NoError(t, leader.Vouch(t.Context(), term, at(60), map[string]time.Time{"argocd/a": at(50), "argocd/unknown": at(1)}))
	got, _ = judged(t, follower, "argocd/b")
	require.Equal(t, at(60), got.At)
	got, _ = judged(t, follower, "argocd/a")
	require.Equal(t, at(50), got.At)
	require.NoError(t, leader.Vouch(t.Context(), term, at(61), nil))
	got, _ = judged(t, follower, "argocd/a")
	require.Equal(t, at(61), got.At)
	require.NoError(t, leader.SaveJudgements(t.Context(), term, []inbox.Judgement{judgement("argocd/a", "4", 99)}))
	got, _ = judged(t, follower, "argocd/a")
	require.Equal(t, at(99), got.At, "younger than what is vouched for")

	require.NoError(t, leader.ForgetJudgements(t.Context(), term, []string{"argocd/a", "argocd/unknown"}))
	require.NoError(t, leader.ForgetJudgements(t.Context(), term, nil))
	_, ok = judged(t, follower, "argocd/a")
	require.False(t, ok)
}

// TestDeposed: from the moment at which the next one leads, nothing that a former leader
// thinks is written.
func TestDeposed(t *testing.T) {
	t.Parallel()
	o := schema(t)
	first, second := together(t, o), together(t, o)
	old := lead(t, first, "pod-1")
	require.NoError(t, first.SaveJudgements(t.Context(), old, []inbox.Judgement{judgement("argocd/a", "allowed", 1), judgement("argocd/b", "blocked", 1)}))
	require.NoError(t, first.Vouch(t.Context(), old, at(30), nil))
	term := lead(t, second, "pod-2")
	require.Greater(t, term, old)
	for name, err := range map[string]error{
		"save":   first.SaveJudgements(t.Context(), old, []inbox.Judgement{judgement("argocd/a", "allowed", 2)}),
		"forget": first.ForgetJudgements(t.Context(), old, []string{"argocd/a"}),
		"vouch":  first.Vouch(t.Context(), old, at(40), nil),
		"prune":  func() error { _, err := first.PruneJudgements(t.Context(), old, at(40)); return err }(),
		"never":  first.SaveJudgements(t.Context(), term+1, []inbox.Judgement{judgement("argocd/a", "allowed", 2)}),
	} {
		require.ErrorIs(t, err, inbox.ErrDeposed, name)
	}
	got, ok := judged(t, second, "argocd/a")
	require.True(t, ok, "what was known stays")
	require.Equal(t, at(1), got.At, "and nobody vouches for it any more")
	require.Equal(t, old, got.Term)
	require.NoError(t, second.Vouch(t.Context(), term, at(50), map[string]time.Time{"argocd/b": at(45)}))
	got, _ = judged(t, second, "argocd/a")
	require.Equal(t, at(1), got.At, "the new leader has not judged it")
	got, _ = judged(t, second, "argocd/b")
	require.Equal(t, at(1), got.At)

	require.NoError(t, second.SaveJudgements(t.Context(), term, []inbox.Judgement{judgement("argocd/a", "blocked", 1)}))
	n, err := second.PruneJudgements(t.Context(), term, at(1))
	require.NoError(t, err)
	require.Zero(t, n)
	n, err = second.PruneJudgements(t.Context(), term, at(2))
	require.NoError(t, err)
	require.Equal(t, 1, n)
	_, ok = judged(t, second, "argocd/b")
	require.False(t, ok)
	got, _ = judged(t, second, "argocd/a")
	require.Equal(t, "blocked", string(got.Body))
}

func TestManyJudgements(t *testing.T) {
	t.Parallel()
	s := together(t, schema(t))
	term := lead(t, s, "pod-1")
	var all []inbox.Judgement
	for i := range 1234 {
		all = append(all, judgement(fmt.Sprintf("argocd/a-%05d", i), fmt.Sprint("body ", i), i))
	}
	for i := range 9 { // more than one page's bytes
		j := judgement(fmt.Sprintf("argocd/large-%d", i), "", i)
		j.Body = make([]byte, inbox.MaxJudgement)
		all = append(all, j)
	}
	require.NoError(t, s.SaveJudgements(t.Context(), term, all))
	var got []inbox.Judgement
	require.NoError(t, s.Judgements(t.Context(), func(j inbox.Judgement) { got = append(got, j) }))
	for i := range all {
		all[i].Term = term
	}
	digest := func(of []inbox.Judgement) string { // A difference of megabytes helps nobody.
		return fmt.Sprintf("%d %x", len(of), sha256.Sum256(fmt.Append(nil, of)))
	}
	require.Equal(t, digest(all), digest(got))
}

func TestJudgementLimits(t *testing.T) {
	t.Parallel()
	s := together(t, schema(t))
	term := lead(t, s, "pod-1")
	for name, edit := range map[string]func(*inbox.Judgement){
		"no application":     func(j *inbox.Judgement) { j.Application = "" },
		"a long application": func(j *inbox.Judgement) { j.Application = string(make([]byte, 600)) },
		"no UID":             func(j *inbox.Judgement) { j.UID = "" },
		"no time":            func(j *inbox.Judgement) { j.At = time.Time{} },
		"no body":            func(j *inbox.Judgement) { j.Body = nil },
		"a large body":       func(j *inbox.Judgement) { j.Body = make([]byte, inbox.MaxJudgement+1) },
	} {
		j := judgement("argocd/a", "1", 1)
		edit(&j)
		require.ErrorIs(t, s.SaveJudgements(t.Context(), term, []inbox.Judgement{judgement("argocd/b", "1", 1), j}), inbox.ErrInvalid, name)
	}
	twice := []inbox.Judgement{judgement("argocd/a", "1", 1), judgement("argocd/a", "2", 1)}
	require.ErrorIs(t, s.SaveJudgements(t.Context(), term, twice), inbox.ErrInvalid)
	require.ErrorIs(t, s.Vouch(t.Context(), term, time.Time{}, nil), inbox.ErrInvalid)
	require.ErrorIs(t, s.Vouch(t.Context(), term, at(1), map[string]time.Time{"argocd/a": {}}), inbox.ErrInvalid)
	_, err := s.Lead(t.Context(), "")
	require.ErrorIs(t, err, inbox.ErrInvalid)
	require.NoError(t, s.Judgements(t.Context(), func(inbox.Judgement) { t.Fail() }))
}

// TestPrivileges: the role that works with the inbox can, and can nothing else.
func TestPrivileges(t *testing.T) {
	t.Parallel()
	o := schema(t)
	role := "worker_" + o.Schema
	shared.SQL(t, "postgres", "CREATE ROLE "+role+" LOGIN; CREATE TABLE "+o.Schema+".entries (sequence bigint)")
	defer func() {
		shared.SQL(t, "postgres", "DROP TABLE "+o.Schema+".entries; DROP OWNED BY "+role+"; DROP ROLE "+role)
	}()
	owner := o.DSN
	o.DSN = shared.DSN(role, "postgres")
	_, err := inbox.OpenPostgres(t.Context(), o)
	require.ErrorContains(t, err, "ledger migrate")
	require.NoError(t, inbox.MigratePostgres(t.Context(), o, owner))
	s := together(t, o)
	term := lead(t, s, "pod-1")
	require.NoError(t, s.SaveJudgements(t.Context(), term, []inbox.Judgement{judgement("argocd/a", "1", 1)}))
	require.NoError(t, s.Vouch(t.Context(), term, at(1), nil))
	require.NoError(t, s.ForgetJudgements(t.Context(), term, []string{"argocd/a"}))
	require.True(t, put(t, s.Store, delivery("a", 1)))
	require.NoError(t, s.Done(t.Context(), "a"))
	for _, statement := range []string{"SELECT 1 FROM entries", "DELETE FROM leadership", "INSERT INTO leadership DEFAULT VALUES", "UPDATE inbox_db_version SET version_id = 0", "CREATE TABLE mine ()", "DROP TABLE deliveries"} {
		out := shared.SQL(t, "postgres", "SET ROLE "+role+"; SET search_path = "+o.Schema+"; DO $$ BEGIN EXECUTE '"+statement+"'; RAISE EXCEPTION 'it can'; EXCEPTION WHEN insufficient_privilege THEN NULL; END $$; SELECT 'refused'")
		require.Equal(t, "refused", out, statement)
	}
}

func TestPostgresVersions(t *testing.T) {
	t.Parallel()
	o := schema(t)
	defer func() {
		shared.SQL(t, "postgres", "ALTER TABLE "+o.Schema+".facts SET LOGGED; UPDATE "+o.Schema+".inbox_db_version SET is_applied = true")
	}()
	require.NoError(t, inbox.MigratePostgres(t.Context(), o, ""), "again")
	shared.SQL(t, "postgres", "ALTER TABLE "+o.Schema+".facts SET UNLOGGED")
	_, err := inbox.OpenPostgres(t.Context(), o)
	require.ErrorContains(t, err, "the table facts is not logged")
	shared.SQL(t, "postgres", "INSERT INTO "+o.Schema+".inbox_db_version (version_id, is_applied) VALUES (99, true)")
	for name, open := range map[string]func() error{
		"open":    func() error { _, err := inbox.OpenPostgres(t.Context(), o); return err },
		"inspect": func() error { _, err := inbox.InspectPostgres(t.Context(), o); return err },
		"migrate": func() error { return inbox.MigratePostgres(t.Context(), o, "") },
	} {
		require.ErrorIs(t, open(), inbox.ErrNewer, name)
	}
	shared.SQL(t, "postgres", "DELETE FROM "+o.Schema+".inbox_db_version WHERE version_id = 99; UPDATE "+o.Schema+".inbox_db_version SET is_applied = false")
	_, err = inbox.OpenPostgres(t.Context(), o)
	require.ErrorIs(t, err, inbox.ErrOlder)

	elsewhere := o
	elsewhere.Schema = "nothing_here"
	_, err = inbox.OpenPostgres(t.Context(), elsewhere)
	require.ErrorIs(t, err, inbox.ErrMissing)
	elsewhere.DSN = "postgres://u:s3cret@127.0.0.1:1/d?connect_timeout=1"
	_, err = inbox.OpenPostgres(t.Context(), elsewhere)
	require.Error(t, err)
	require.NotContains(t, err.Error(), "s3cret")
}

// TestInspectPostgres: who only looks can change nothing, while others write.
func TestInspectPostgres(t *testing.T) {
	t.Parallel()
	o := schema(t)
	s := together(t, o)
	require.NoError(t, s.SaveReview(t.Context(), review(1, sha('a'))))
	w, err := inbox.InspectPostgres(t.Context(), o)
	require.NoError(t, err)
	defer func() { require.NoError(t, w.Close()) }()
	got, found, err := w.Review(t.Context(), 7, 1)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, sha('a'), got.Commit)
	require.NoError(t, w.SaveFact(t.Context(), 7, "pull", "1", []byte("x")))
	require.NoError(t, w.SaveSoaks(t.Context(), map[string][]byte{"argocd/a": []byte("1")}))
	_, found, err = s.Fact(t.Context(), 7, "pull", "1")
	require.NoError(t, err)
	require.False(t, found)
}

// waitFor waits for a change.
func waitFor(t *testing.T, changes <-chan inbox.Change, want inbox.Change) {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case got := <-changes:
			if got == want {
				return
			}
		case <-deadline:
			require.Fail(t, "nobody tells", "of %q", want)
		}
	}
}

// patience is how long a test waits for what must happen.
const patience = 60 * time.Second

// listen tells of changes until the test ends.
func listen(t *testing.T, s *inbox.Shared) <-chan inbox.Change {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	changes, ended := make(chan inbox.Change, 10_000), make(chan error, 1)
	go func() { ended <- s.Listen(ctx, testLog(t), func(c inbox.Change) { changes <- c }) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	waitFor(t, changes, inbox.ChangeAnything) // It listens from now on.
	return changes
}
