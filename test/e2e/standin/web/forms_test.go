package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// TestForms does everything that the page of a pull request offers, and looks at what came of it.
func TestForms(t *testing.T) {
	w := seeded(t)
	pull := "/acme/env/pull/1"
	done := func(got answer, message string) {
		t.Helper()
		require.Equal(t, http.StatusSeeOther, got.Status, alert(t, got.Body))
		page, _, _ := strings.Cut(got.Location, "#")
		shown := w.get(page)
		require.Equal(t, http.StatusOK, shown.Status)
		require.True(t, holds(shown.Body, message), "the page does not say %q", message)
	}
	head := func() string { return w.pull(1).Head }
	last := func() standin.Review {
		all, err := w.gh.Reviews(repo, 1)
		require.NoError(t, err)
		return all[len(all)-1]
	}

	done(w.post(pull, "do", "review", "event", "REQUEST_CHANGES", "body", "Not\r\nyet", "as", "carol", "head", head()), "The review was submitted.")
	require.Equal(t, "CHANGES_REQUESTED", last().State)
	require.Equal(t, "Not\nyet", last().Body, "browsers send CRLF")
	require.Contains(t, w.get(pull).Body, "asks for changes")
	done(w.post(pull, "do", "dismiss", "review", path(last().ID), "message", "Settled", "as", "bob"), "The review was dismissed.")
	require.Equal(t, "DISMISSED", last().State)
	done(w.post(pull, "do", "review", "event", "APPROVE", "body", "", "as", "carol", "head", head()), "The review was submitted.")
	require.Equal(t, "APPROVED", last().State)
	require.Equal(t, head(), last().Commit)

	done(w.post(pull, "do", "comment", "body", "/gatekeeper status", "as", "alice"), "The comment was written.")
	comments, err := w.gh.Comments(repo, 1)
	require.NoError(t, err)
	mine := comments[len(comments)-1]
	require.Equal(t, "alice", mine.Author)
	done(w.post(pull, "do", "edit-comment", "comment", path(mine.ID), "body", "changed", "as", "alice"), "The comment was changed.")
	done(w.post(pull, "do", "delete-comment", "comment", path(mine.ID), "as", "alice"), "The comment was deleted.")
	after, err := w.gh.Comments(repo, 1)
	require.NoError(t, err)
	require.Len(t, after, len(comments)-1)

	done(w.post(pull, "do", "edit", "title", "Raise it to <4000>", "body", "Because.", "base", "main", "as", "alice"), "The pull request was changed.")
	require.Equal(t, "Raise it to <4000>", w.pull(1).Title)
	require.Equal(t, "Because.", w.pull(1).Body)
	done(w.post(pull, "do", "request", "reviewer", "mallory", "as", "alice"), "The review was requested.")
	require.Contains(t, w.pull(1).Reviewers, "mallory")

	w.delivered()
	sent := len(w.gh.Deliveries(w.app.ID))
	done(w.post(pull, "do", "press", "run", path(w.run), "identifier", "hold", "as", "bob"), "The button was pressed")
	done(w.post(pull, "do", "rerun", "run", path(w.run), "as", "bob"), "A new run was asked for")
	w.delivered()
	for i, action := range []string{"requested_action", "rerequested"} {
		d := w.gh.Deliveries(w.app.ID)[sent+i]
		require.Equal(t, "check_run "+action, d.Event+" "+d.Action)
	}

	before := head()
	done(w.post(pull, "do", "update", "head", before, "as", "alice"), "The base branch was merged")
	require.NotEqual(t, before, head())
	done(w.post(pull, "do", "state", "state", "closed", "as", "alice"), "The pull request was closed.")
	require.Equal(t, "closed", w.pull(1).State)
	done(w.post(pull, "do", "state", "state", "open", "as", "alice"), "The pull request was opened again.")
	done(w.post(pull, "do", "merge", "method", "squash", "head", head(), "as", "bob"), "The pull request was merged.")
	require.True(t, w.pull(1).Merged)
	require.Equal(t, "bob", w.pull(1).MergedBy)
	shown := w.get(pull).Body
	for _, text := range []string{"landed as", "closed this", "opened this again", "no longer the head"} {
		require.True(t, holds(shown, text), "the page lacks %q", text)
	}
}

func TestMergeMethods(t *testing.T) {
	for method, parents := range map[string]int{"merge": 2, "squash": 1, "rebase": 1} {
		t.Run(method, func(t *testing.T) {
			w := open(t)
			pr, err := w.gh.As("alice").OpenPull(repo, standin.PullOptions{Title: "x", Change: standin.Change{Files: map[string]string{"x": "1\n"}}})
			require.NoError(t, err)
			got := w.post("/acme/env/pull/1", "do", "merge", "method", method, "head", pr.Head, "as", "bob")
			require.Equal(t, http.StatusSeeOther, got.Status)
			c, _, err := w.gh.CommitDiff(repo, "main")
			require.NoError(t, err)
			require.Len(t, c.Parents, parents)
		})
	}
}

// alert is the refusal that a page shows.
func alert(t *testing.T, body string) string {
	t.Helper()
	var found []string
	for n := range parse(t, body).Descendants() {
		if attr(n, "role") == "alert" {
			found = append(found, render(n))
		}
	}
	return strings.Join(found, "\n")
}

// TestRefusals has GitHub refuse each form: the page says why, keeps what was typed, and nothing changed.
func TestRefusals(t *testing.T) {
	w := seeded(t)
	old := "0123456789012345678901234567890123456789"
	head := w.pull(1).Head
	const typed = "typed <with> care"
	run := path(w.run)
	for _, c := range []struct {
		name   string
		form   []string
		status int
		says   string
	}{
		{"own approval", []string{"do", "review", "event", "APPROVE", "body", typed, "as", "alice", "head", head}, 422, "Can not approve your own pull request"},
		{"nobody chosen", []string{"do", "review", "event", "APPROVE", "body", typed, "as", "", "head", head}, 401, "Choose who does this"},
		{"unknown person", []string{"do", "comment", "body", typed, "as", "zoe"}, 422, "zoe"},
		{"moved head", []string{"do", "review", "event", "APPROVE", "body", typed, "as", "bob", "head", old}, 409, "Look again"},
		{"merge of a moved head", []string{"do", "merge", "method", "merge", "as", "bob", "head", old}, 409, "Look again"},
		{"merge without the right", []string{"do", "merge", "method", "merge", "as", "mallory", "head", head}, 403, "mallory"},
		{"unknown method", []string{"do", "merge", "method", "octopus", "as", "bob", "head", head}, 422, "merge_method is invalid"},
		{"empty comment", []string{"do", "comment", "body", "", "as", "bob"}, 422, "blank"},
		{"long comment", []string{"do", "comment", "body", strings.Repeat("x", 65537), "as", "bob"}, 422, "too long"},
		{"event nobody knows", []string{"do", "review", "event", "LOVE", "body", typed, "as", "bob", "head", head}, 422, "event is invalid"},
		{"changes without a word", []string{"do", "review", "event", "REQUEST_CHANGES", "body", "", "as", "bob", "head", head}, 422, "blank"},
		{"empty title", []string{"do", "edit", "title", "", "body", typed, "base", "main", "as", "alice"}, 422, "title"},
		{"base that is none", []string{"do", "edit", "title", "x", "body", typed, "base", "nowhere", "as", "alice"}, 422, "base"},
		{"review of the author", []string{"do", "request", "reviewer", "alice", "as", "bob"}, 422, "author"},
		{"dismissal without a word", []string{"do", "dismiss", "review", "2600001", "message", "", "as", "bob"}, 422, "message"},
		{"dismissal without the right", []string{"do", "dismiss", "review", "2600001", "message", typed, "as", "mallory"}, 403, "mallory"},
		{"somebody else's comment", []string{"do", "edit-comment", "comment", "3800001", "body", typed, "as", "zoe"}, 422, "zoe"},
		{"comment emptied", []string{"do", "edit-comment", "comment", "3800001", "body", "", "as", "mallory"}, 422, "delete it instead"},
		{"button nobody made", []string{"do", "press", "run", run, "identifier", "none", "as", "bob"}, 422, "no action"},
		{"button without the right", []string{"do", "press", "run", run, "identifier", "hold", "as", "mallory"}, 403, "mallory"},
		{"update without the right", []string{"do", "update", "head", head, "as", "mallory"}, 403, "mallory"},
		{"close without the right", []string{"do", "state", "state", "closed", "as", "mallory"}, 403, "mallory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := w.post("/acme/env/pull/1", c.form...)
			require.Equal(t, c.status, got.Status, alert(t, got.Body))
			if c.says != "mallory" { // who lacks a right is told so in GitHub's words
				require.Contains(t, alert(t, got.Body), c.says)
			}
			require.Contains(t, alert(t, got.Body), `id="refused"`)
			require.Contains(t, alert(t, got.Body), "Refused.")
			for i := 0; i < len(c.form); i += 2 {
				if c.form[i+1] == typed {
					require.True(t, holds(got.Body, "typed &lt;with&gt; care"), "what was typed is lost")
				}
				if c.form[i] == "as" && c.form[i+1] != "" && c.form[i+1] != "zoe" {
					require.True(t, holds(got.Body, "<option selected>"+c.form[i+1]), "who acted is forgotten")
				}
			}
			harmless(t, got.Body)
			accessible(t, got.Body)
		})
	}
	require.Equal(t, head, w.pull(1).Head)
	require.Equal(t, "open", w.pull(1).State)
	require.Equal(t, http.StatusNotFound, w.post("/acme/env/pull/1", "do", "dance", "as", "bob").Status)
	require.Equal(t, http.StatusNotFound, w.post("/acme/env/pull/99", "do", "comment", "body", "x", "as", "bob").Status)
}

func TestConflictIsRefused(t *testing.T) {
	w := open(t)
	pr, err := w.gh.As("alice").OpenPull(repo, standin.PullOptions{Title: "x", Change: standin.Change{Files: map[string]string{file: "limit: 2\n"}}})
	require.NoError(t, err)
	_, err = w.gh.As("bob").PushBranch(repo, "main", standin.Change{Files: map[string]string{file: "limit: 3\n"}})
	require.NoError(t, err)
	require.Contains(t, w.get("/acme/env/pull/1").Body, "Conflicts with")
	for _, form := range [][]string{{"do", "merge", "method", "merge"}, {"do", "update"}} {
		got := w.post("/acme/env/pull/1", append(form, "head", pr.Head, "as", "bob")...)
		require.GreaterOrEqual(t, got.Status, 400)
		require.Contains(t, alert(t, got.Body), "Refused.")
	}
	require.False(t, w.pull(1).Merged)
}

// TestEdit proposes a change in the browser and pushes to it.
func TestEdit(t *testing.T) {
	w := open(t)
	_, blob, err := w.gh.File(repo, "main", file)
	require.NoError(t, err)
	edit := "/acme/env/edit/main/" + file
	got := w.post(edit, "blob", blob, "path", file, "content", "limit: 5000\r\nnew: true", "message", "Raise", "target", "propose",
		"branch", "raise/it", "title", "Raise the limit", "body", "Please", "draft", "1", "as", "alice")
	require.Equal(t, "/acme/env/pull/1?done=open", got.Location, alert(t, got.Body))
	pr := w.pull(1)
	require.Equal(t, []any{"alice", "raise/it", "main", "Raise the limit", "Please", true}, []any{pr.Author, pr.Branch, pr.Base, pr.Title, pr.Body, pr.Draft})
	text, blob, err := w.gh.File(repo, "raise/it", file)
	require.NoError(t, err)
	require.Equal(t, "limit: 5000\nnew: true\n", string(text))

	onPull := "/acme/env/edit/raise/it/" + file + "?pull=1"
	require.Contains(t, w.get(onPull).Body, "The commit goes to the branch of")
	got = w.post(onPull, "blob", blob, "path", file, "content", "limit: 6000\n", "message", "", "as", "alice")
	require.Equal(t, "/acme/env/pull/1?done=push", got.Location)
	require.Len(t, w.pull(1).Commits, 2)

	got = w.post(onPull, "blob", blob, "path", file, "content", "limit: 7000\n", "message", "mine", "as", "alice")
	require.Equal(t, http.StatusConflict, got.Status, "somebody pushed meanwhile")
	require.Contains(t, got.Body, "limit: 7000", "what was typed is lost")
	require.Contains(t, alert(t, got.Body), "meanwhile")

	got = w.post("/acme/env/new/main/", "blob", "", "path", "a/b.txt", "content", "x", "message", "", "target", "commit", "as", "bob")
	require.Equal(t, "/acme/env/tree/main?done=push", got.Location)
	_, blob, err = w.gh.File(repo, "main", "a/b.txt")
	require.NoError(t, err)
	got = w.post("/acme/env/edit/main/a/b.txt", "blob", blob, "path", "a/b.txt", "delete", "1", "target", "commit", "as", "bob")
	require.Equal(t, http.StatusSeeOther, got.Status)
	_, _, err = w.gh.File(repo, "main", "a/b.txt")
	require.ErrorIs(t, err, standin.ErrNotFound)
	require.Equal(t, http.StatusFound, w.get("/acme/env/blob/main/a/b.txt").Status, "it can still be looked at")
}

func TestEditIsRefused(t *testing.T) {
	w := open(t)
	_, blob, err := w.gh.File(repo, "main", file)
	require.NoError(t, err)
	main, err := w.gh.Branch(repo, "main")
	require.NoError(t, err)
	for name, c := range map[string]struct {
		change []string
		status int
		says   string
	}{
		"nobody":             {[]string{"as", ""}, 401, "Choose who"},
		"no right":           {[]string{"as", "mallory"}, 403, ""},
		"nothing changed":    {[]string{"content", "limit: 1000\n"}, 422, "Nothing was changed"},
		"no name":            {[]string{"path", " "}, 422, "file name"},
		"a path to .git":     {[]string{"path", ".git/config"}, 422, "cannot be committed"},
		"a path that climbs": {[]string{"path", "a/../../b"}, 422, "cannot be committed"},
		"a path with a line": {[]string{"path", "a\nM 100644 inline b"}, 422, "cannot be committed"},
		"a branch of lines":  {[]string{"branch", "x\nfrom refs/heads/main"}, 422, "cannot be the name"},
		"a branch that is":   {[]string{"branch", "main"}, 422, "exists"},
		"another file":       {[]string{"path", "README.md"}, 409, "another file"},
	} {
		t.Run(name, func(t *testing.T) {
			form := map[string]string{"blob": blob, "path": file, "content": "typed <b>\n", "message": "m", "target": "propose", "branch": "", "as": "alice"}
			form[c.change[0]] = c.change[1]
			var pairs []string
			for k, v := range form {
				pairs = append(pairs, k, v)
			}
			got := w.post("/acme/env/edit/main/"+file, pairs...)
			require.Equal(t, c.status, got.Status, alert(t, got.Body))
			require.Contains(t, alert(t, got.Body), c.says)
			if c.change[0] != "content" {
				require.True(t, holds(got.Body, "typed &lt;b&gt;"), "what was typed is lost")
			}
			harmless(t, got.Body)
		})
	}
	now, err := w.gh.Branch(repo, "main")
	require.NoError(t, err)
	require.Equal(t, main, now)
	pulls, err := w.gh.Pulls(repo)
	require.NoError(t, err)
	require.Empty(t, pulls)
	require.Equal(t, 422, w.get("/acme/env/edit/main/logo.png").Status)
	require.Equal(t, 422, w.get("/acme/env/edit/"+main+"/"+file).Status)
}

func TestOpenPullFromBranch(t *testing.T) {
	w := open(t)
	_, err := w.gh.As("alice").PushBranch(repo, "topic/a", standin.Change{Message: "Make it 2", Files: map[string]string{file: "limit: 2\n"}})
	require.NoError(t, err)
	got := w.get("/acme/env/compare?base=main&head=topic%2Fa")
	require.Equal(t, "/acme/env/compare/main...topic/a", got.Location)
	require.Contains(t, w.get(got.Location).Body, `value="Make it 2"`)
	refused := w.post(got.Location, "title", "typed", "body", "long text", "as", "")
	require.Equal(t, 422, refused.Status)
	require.Contains(t, refused.Body, "long text")
	require.Equal(t, "/acme/env/pull/1?done=open", w.post(got.Location, "title", "It", "body", "long text", "as", "alice").Location)
	require.Equal(t, "long text", w.pull(1).Body)
	require.Equal(t, 404, w.post("/acme/env/compare/main...nothing", "title", "x", "as", "alice").Status)
}

func TestWhoOneIs(t *testing.T) {
	w := seeded(t)
	got := w.post("/me", "as", "bob", "back", "/acme/env/pull/1")
	require.Equal(t, "/acme/env/pull/1", got.Location)
	cookie := got.Header.Get("Set-Cookie")
	require.Contains(t, cookie, "HttpOnly")
	require.Contains(t, cookie, "SameSite=Lax")
	page := w.get("/acme/env/pull/1", func(r *http.Request) { r.Header.Set("Cookie", cookie) })
	require.GreaterOrEqual(t, strings.Count(page.Body, "<option selected>bob</option>"), 8, "each form proposes him")
	strange := w.get("/", func(r *http.Request) { r.Header.Set("Cookie", "as=zoe") })
	require.NotContains(t, strange.Body, "<option selected>")
	for _, back := range []string{"//evil.example", "https://evil.example", "/\\evil.example", ""} {
		require.Equal(t, "/", w.post("/me", "as", "bob", "back", back).Location, back)
	}
	require.Equal(t, 404, w.post("/me", "as", "zoe").Status)
}
