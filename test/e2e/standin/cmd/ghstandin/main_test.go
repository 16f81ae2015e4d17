package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

var update = flag.Bool("update", false, "write the transcripts of testdata anew")

// script is one archive of testdata: command lines, run against a fresh stand-in, and what they print.
// In both, URL is the stand-in, HOOK a receiver of webhooks, and DIR a folder with the other files of the
// archive, tokens and keys. The time stands still, so that commits have the same names everywhere.
type script struct {
	t    *testing.T
	s    *standin.Server
	dir  string
	hook string
	now  time.Time
}

func newScript(t *testing.T, archive *txtar.Archive) *script {
	t.Helper()
	sc := &script{t: t, dir: t.TempDir(), now: time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)}
	for _, f := range archive.Files {
		if f.Name != "script" && f.Name != "transcript" {
			require.NoError(t, os.WriteFile(filepath.Join(sc.dir, f.Name), f.Data, 0o600))
		}
	}
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
	t.Cleanup(hook.Close)
	sc.hook = hook.URL
	var err error
	sc.s, err = standin.Start(context.WithoutCancel(t.Context()), standin.Options{Dir: t.TempDir(), Now: func() time.Time { return sc.now }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, sc.s.Close()) })
	keep, err := openSecrets(sc.dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, keep.root.Close()) })
	_, err = mount(sc.s, slog.New(slog.DiscardHandler), keep.save)
	require.NoError(t, err)
	return sc
}

// random are the parts of answers that differ from run to run. The width of a column depends on the digits
// of a port.
var random = []struct {
	form *regexp.Regexp
	text string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "GUID"},
	{regexp.MustCompile(`(sha1|sha256)=[0-9a-f]+`), "$1=SIGNATURE"},
	{regexp.MustCompile(`Iv23li[A-Z0-9]{14}`), "CLIENT"},
	{regexp.MustCompile(`"duration": "[^"]*"`), `"duration": "TIME"`},
	{regexp.MustCompile(`(\S)   +`), "$1  "},
}

// play runs command lines and returns the transcript.
func (sc *script) play(lines string) string {
	var out bytes.Buffer
	for text := range strings.Lines(lines) {
		text = strings.TrimSpace(text)
		if text == "" || strings.HasPrefix(text, "#") {
			fmt.Fprintln(&out, text)
			continue
		}
		fmt.Fprintf(&out, "$ %s\n", text)
		args := words(strings.NewReplacer("URL", sc.s.URL(), "HOOK", sc.hook, "DIR", sc.dir).Replace(text))
		if args[0] == "CHECK" {
			sc.checkRun(args[1], args[2])
			continue
		}
		var stdout, stderr bytes.Buffer
		getenv := func(name string) string { return map[string]string{"GHSTANDIN_URL": sc.s.URL()}[name] }
		code := run(sc.t.Context(), args, getenv, &stdout, &stderr)
		out.Write(stdout.Bytes())
		out.Write(stderr.Bytes())
		if code != 0 {
			fmt.Fprintf(&out, "(exit %d)\n", code)
		}
	}
	plain := strings.NewReplacer(sc.s.URL(), "URL", sc.hook, "HOOK", sc.dir, "DIR").Replace(out.String())
	for _, r := range random {
		plain = r.form.ReplaceAllString(plain, r.text)
	}
	return nameCommits(plain)
}

var commitName = regexp.MustCompile(`\b[0-9a-f]{40}\b|\b[0-9a-f]{10}\b|\brevert-[0-9a-f]{8}\b`)

// nameCommits numbers commits in the order in which they appear: merges are signed with a key that is new
// in every run.
func nameCommits(text string) string {
	names := map[string]string{}
	return commitName.ReplaceAllStringFunc(text, func(sha string) string {
		bare, isRevert := strings.CutPrefix(sha, "revert-")
		key := bare[:8]
		if names[key] == "" {
			names[key] = fmt.Sprintf("COMMIT%d", len(names)+1)
		}
		if isRevert {
			return "revert-" + names[key]
		}
		if len(bare) == 40 {
			return names[key] + "-IN-FULL"
		}
		return names[key]
	})
}

// words splits a command line; single quotes keep words together.
func words(text string) []string {
	var out []string
	for i, part := range strings.Split(text, "'") {
		if i%2 == 1 {
			if n := len(out); n > 0 && !strings.HasSuffix(strings.Split(text, "'")[i-1], " ") {
				out[n-1] += part
			} else {
				out = append(out, part)
			}
			continue
		}
		out = append(out, strings.Fields(part)...)
	}
	return out
}

// checkRun makes a check run as the first App, which people cannot.
func (sc *script) checkRun(name, pull string) {
	sc.t.Helper()
	pr, err := sc.s.Pull("acme/env", 1)
	require.NoError(sc.t, err)
	require.Equal(sc.t, "acme/env#1", pull)
	app := sc.s.AppStates()[0]
	text, err := os.ReadFile(filepath.Join(sc.dir, "apps", app.Slug+".pem"))
	require.NoError(sc.t, err)
	key, err := jwt.ParseRSAPrivateKeyFromPEM(text)
	require.NoError(sc.t, err)
	signed, err := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{"iss": fmt.Sprint(app.ID), "iat": sc.now.Unix() - 60, "exp": sc.now.Unix() + 300}).SignedString(key)
	require.NoError(sc.t, err)
	var token struct{ Token string }
	sc.post(fmt.Sprintf("app/installations/%d/access_tokens", app.Installations[0].ID), signed, nil, &token)
	sc.post("repos/acme/env/check-runs", token.Token, map[string]any{"name": name, "head_sha": pr.Head, "status": "in_progress",
		"output":  map[string]string{"title": "waiting for 1 more", "summary": "s"},
		"actions": []map[string]string{{"label": "Hold", "identifier": "hold", "description": "Hold it"}}}, &struct{}{})
}

func (sc *script) post(path, token string, in, out any) {
	sc.t.Helper()
	body, err := json.Marshal(in)
	require.NoError(sc.t, err)
	req, err := http.NewRequestWithContext(sc.t.Context(), "POST", sc.s.APIURL()+path, bytes.NewReader(body))
	require.NoError(sc.t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(sc.t, err)
	defer func() { require.NoError(sc.t, resp.Body.Close()) }()
	require.Equal(sc.t, http.StatusCreated, resp.StatusCode)
	require.NoError(sc.t, json.NewDecoder(resp.Body).Decode(out))
}

func TestScripts(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			require.NoError(t, err)
			lines, want, at := "", "", -1
			for i, f := range archive.Files {
				switch f.Name {
				case "script":
					lines = string(f.Data)
				case "transcript":
					want, at = string(f.Data), i
				}
			}
			got := newScript(t, archive).play(lines)
			if *update {
				if at < 0 {
					at = len(archive.Files)
					archive.Files = append(archive.Files, txtar.File{Name: "transcript"})
				}
				archive.Files[at].Data = []byte(got)
				require.NoError(t, os.WriteFile(file, txtar.Format(archive), 0o600))
				return
			}
			require.Equal(t, want, got)
		})
	}
}

// TestEveryVerbIsInAScript keeps a verb from being added without a transcript.
func TestEveryVerbIsInAScript(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	require.NoError(t, err)
	all := ""
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		require.NoError(t, err)
		for _, f := range archive.Files {
			if f.Name == "script" {
				all += "\n" + string(f.Data)
			}
		}
	}
	for _, name := range verbs(t) {
		require.Regexp(t, `(?m)^`+regexp.QuoteMeta(name)+`( |$)`, all, "no script runs this verb")
	}
}

// verbs are all commands that do something, read from the help.
func verbs(t *testing.T) []string {
	t.Helper()
	var out []string
	var walk func(words []string)
	walk = func(words []string) {
		var help, errs bytes.Buffer
		require.Zero(t, run(t.Context(), append(words, "--help"), func(string) string { return "" }, &help, &errs), errs.String())
		_, list, isGroup := strings.Cut(help.String(), "Available Commands:\n")
		if !isGroup {
			out = append(out, strings.Join(words, " "))
			return
		}
		list, _, _ = strings.Cut(list, "\n\n")
		for row := range strings.Lines(list) {
			if name := strings.Fields(row)[0]; name != "help" && name != "completion" {
				walk(append(append([]string{}, words...), name))
			}
		}
	}
	walk(nil)
	return out
}

// TestServe runs a stand-in as the command does, uses it, and ends it.
func TestServe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "github")
	for range 2 { // the second run replaces the secrets of the first
		url, stop := startServe(t, "serve", "--listen", "127.0.0.1:0", "--dir", dir, "--seed", filepath.Join("..", "..", "examples", "two-teams.yaml"))
		for _, name := range []string{"tokens/alice", "tokens/bob", "apps/gatekeeper.pem", "url"} {
			info, err := os.Stat(filepath.Join(dir, name))
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o600), info.Mode(), name)
		}
		saved, err := os.ReadFile(filepath.Join(dir, "url"))
		require.NoError(t, err)
		require.Equal(t, url+"\n", string(saved))

		token, err := os.ReadFile(filepath.Join(dir, "tokens", "alice"))
		require.NoError(t, err)
		req, err := http.NewRequestWithContext(t.Context(), "GET", url+"/user", nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode)

		page, err := http.NewRequestWithContext(t.Context(), "GET", url+"/acme/env/pull/1", nil)
		require.NoError(t, err)
		page.Header.Set("Accept", "text/html")
		resp, err = http.DefaultClient.Do(page)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.Contains(t, resp.Header.Get("Content-Type"), "text/html", "the web pages are there")

		var out, errs bytes.Buffer
		env := map[string]string{"GHSTANDIN_URL": url, "GHSTANDIN_AS": "bob"}
		require.Zero(t, run(t.Context(), []string{"pr", "merge", "acme/env#1"}, func(n string) string { return env[n] }, &out, &errs), errs.String())
		stop()
		left, err := filepath.Glob(filepath.Join(dir, "*"))
		require.NoError(t, err)
		require.Equal(t, []string{filepath.Join(dir, "apps"), filepath.Join(dir, "tokens")}, left)
	}
}

// startServe waits until the command has printed everything; stop ends it and waits.
func startServe(t *testing.T, args ...string) (url string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	read, write := io.Pipe()
	code, errs := make(chan int, 1), &bytes.Buffer{}
	go func() {
		code <- run(ctx, args, os.Getenv, write, errs)
		_ = write.Close()
	}()
	all := ""
	lines := bufio.NewScanner(read)
	for lines.Scan() {
		all += lines.Text() + "\n"
		if _, address, ok := strings.Cut(lines.Text(), "export GHSTANDIN_URL="); ok {
			url = address
		}
		if strings.Contains(lines.Text(), "Ctrl-C") {
			break
		}
	}
	go func() { _, _ = io.Copy(io.Discard, read) }() // a pipe blocks whoever writes to it, even nothing
	require.NotEmpty(t, url, "%s%s", all, errs)
	require.NotContains(t, all, "ghp_", "tokens are not printed")
	return url, func() {
		cancel()
		require.Zero(t, <-code, errs)
	}
}

func TestSecretsStayInTheFolder(t *testing.T) {
	dir := t.TempDir()
	keep, err := openSecrets(filepath.Join(dir, "in"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, keep.root.Close()) })
	for _, name := range []string{"../out", "tokens/../../out", "/out", "apps/../x.pem"} {
		_, err := keep.save(name, []byte("secret"))
		require.Error(t, err, name)
	}
	require.NoFileExists(t, filepath.Join(dir, "out"))
	other := filepath.Join(dir, "other")
	require.NoError(t, os.WriteFile(other, []byte("theirs"), 0o600))
	require.NoError(t, os.Symlink(other, filepath.Join(dir, "in", "tokens", "bob")))
	_, err = keep.save("tokens/bob", []byte("secret"))
	require.NoError(t, err)
	text, err := os.ReadFile(other)
	require.NoError(t, err)
	require.Equal(t, "theirs", string(text), "a link is replaced, not followed")
}

func TestOutputCannotControlATerminal(t *testing.T) {
	require.Equal(t, "a[31mb", clean("a\x1b[31mb\u202e\r"))
}

// TestNoSecretsKept is about a stand-in that a Go program runs, without a folder for secrets.
func TestNoSecretsKept(t *testing.T) {
	s, err := standin.Start(context.WithoutCancel(t.Context()), standin.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	_, err = mount(s, slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	var out, errs bytes.Buffer
	require.Equal(t, exitUsage, run(t.Context(), []string{"user", "add", "bob", "--url", s.URL()}, func(string) string { return "" }, &out, &errs))
	require.Contains(t, errs.String(), "this stand-in keeps no secrets: name a file with --token-file")
	require.Empty(t, s.UserStates(), "nobody is made whose token would be lost")
	file := filepath.Join(t.TempDir(), "bob.token")
	require.Zero(t, run(t.Context(), []string{"user", "add", "bob", "--url", s.URL(), "--token-file", file}, func(string) string { return "" }, &out, &errs))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(text), "ghp_")
}
