package mirror

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func TestAddress(t *testing.T) {
	for address, ok := range map[string]bool{
		"https://github.com/acme/config":             true,
		"https://github.com/acme/config.git":         true,
		"https://ghe.example.com:8443/acme/config":   true,
		"http://127.0.0.1:8080/acme/config.git":      true,
		"http://[::1]:8080/acme/config.git":          true,
		"http://localhost/acme/config.git":           true,
		"":                                           false,
		"https://github.com":                         false,
		"https://github.com/":                        false,
		"http://github.com/acme/config":              false,
		"http://127.0.0.1.example.com/acme/config":   false,
		"http://10.0.0.1/acme/config":                false,
		"https://user@github.com/acme/config":        false,
		"https://user:secret@github.com/acme/config": false,
		"https://github.com/acme/config?x=1":         false,
		"https://github.com/acme/config?":            false,
		"https://github.com/acme/config#x":           false,
		"https://github.com/acme/con fig":            false,
		"https://github.com/acme/config\n":           false,
		"ssh://git@github.com/acme/config":           false,
		"git@github.com:acme/config":                 false,
		"git://github.com/acme/config":               false,
		"file:///tmp/config":                         false,
		"/tmp/config":                                false,
		"ext::sh -c touch% /tmp/x":                   false,
		"--upload-pack=x":                            false,
		"HTTPS://github.com/acme/config":             true,
		"https:opaque":                               false,
		"https://user:secret@github.com/%zz":         false,
	} {
		_, err := newRemote(Options{URL: address})
		require.Equal(t, ok, err == nil, "%q: %v", address, err)
		if err != nil {
			require.NotContains(t, err.Error(), "secret")
		}
	}
}

const secret = "ghs_Tok3n/With+Specials=and_40_characters"

// recorder keeps every event.
type recorder struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// forms are all the ways in which the token could be told.
func forms() []string {
	return []string{secret, url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte("x-access-token:" + secret)),
		base64.StdEncoding.EncodeToString([]byte(secret))}
}

func requireNoSecret(t *testing.T, where, text string) {
	t.Helper()
	for _, form := range forms() {
		require.NotContains(t, text, form, "the token is in %s", where)
	}
}

func token(context.Context) (string, error) { return secret, nil }

func TestFetchWithToken(t *testing.T) {
	o := newOrigin(t)
	base := o.commit(tree{"f": "0\n"})
	o.branch("main", base)
	h := o.serve("x-access-token", secret)
	events := &recorder{}
	logger := slog.New(slog.NewTextHandler(events, &slog.HandlerOptions{Level: slog.LevelDebug}))
	m := o.openWith(Options{URL: h.repository(), Token: token, Logger: logger})
	require.NoError(t, m.Fetch(t.Context(), "main"))
	o.requireHead(m, "main", base)

	// While git waits for the server, its arguments can be read by everybody.
	var seen []string
	h.intercept(func(http.ResponseWriter, *http.Request) bool {
		seen = append(seen, commandLines()...)
		return false
	})
	require.NoError(t, m.Fetch(t.Context(), "main"))
	gits := 0
	for _, line := range seen {
		requireNoSecret(t, "a command line", line)
		if strings.Contains(line, h.repository()) {
			gits++
		}
	}
	if _, err := os.Stat("/proc/self/cmdline"); err == nil {
		require.GreaterOrEqual(t, gits, 2, "git fetch and its transport helper were not seen")
	}

	// A server that sends back what it was told.
	h.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		authorization := r.Header.Get("Authorization")
		w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
		for _, line := range []string{"# service=git-upload-pack\n", "", "ERR your token is " + secret + " or " + authorization + "\x1b[2J\n"} {
			if line == "" {
				_, _ = fmt.Fprint(w, "0000")
			} else {
				_, _ = fmt.Fprintf(w, "%04x%s", len(line)+4, line)
			}
		}
		return true
	})
	err := m.Fetch(t.Context(), "main")
	require.ErrorContains(t, err, "your token is [token] or Basic [token]")
	require.NotContains(t, err.Error(), "\x1b")
	requireNoSecret(t, "an error", err.Error())

	h.intercept(nil)
	h.password = "another"
	err = m.Fetch(t.Context(), "main")
	require.ErrorIs(t, err, ErrDenied)
	requireNoSecret(t, "an error", err.Error())
	requireNoSecret(t, "the log", events.String())
	require.Contains(t, events.String(), "mirror.fetched")
	require.Contains(t, events.String(), "mirror.fetch_failed")

	require.NoError(t, filepath.WalkDir(m.git.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		requireNoSecret(t, path, string(content))
		return nil
	}))
}

// commandLines are the arguments of every process of this machine; none where
// there is no /proc.
func commandLines() []string {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	var lines []string
	for _, file := range files {
		// A process may have ended meanwhile.
		if line, err := os.ReadFile(file); err == nil {
			lines = append(lines, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return lines
}

func TestFetchWithoutToken(t *testing.T) {
	o := newOrigin(t)
	o.branch("main", o.commit(tree{"f": "0\n"}))
	h := o.serve("x-access-token", secret)
	m := o.openWith(Options{URL: h.repository()})
	// git may not ask anybody.
	require.ErrorIs(t, m.Fetch(t.Context(), "main"), ErrDenied)

	failure := errors.New("no installation")
	m = o.openWith(Options{URL: h.repository(), Token: func(context.Context) (string, error) { return "", failure }})
	require.ErrorIs(t, m.Fetch(t.Context(), "main"), failure)
	m = o.openWith(Options{URL: h.repository(), Token: func(context.Context) (string, error) { return "", nil }})
	require.ErrorContains(t, m.Fetch(t.Context(), "main"), "it is empty")
}

// TestFetchRenamed: GitHub redirects to a repository's new name.
func TestFetchRenamed(t *testing.T) {
	o := newOrigin(t)
	base := o.commit(tree{"f": "0\n"})
	o.branch("main", base)
	h := o.serve("x-access-token", secret)
	m := o.openWith(Options{URL: h.URL + "/acme/old.git/", Token: token})
	h.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if rest, ok := strings.CutPrefix(r.URL.Path, "/acme/old.git/"); ok {
			http.Redirect(w, r, h.URL+"/acme/older.git/"+rest+"?"+r.URL.RawQuery, http.StatusMovedPermanently)
			return true
		}
		if rest, ok := strings.CutPrefix(r.URL.Path, "/acme/older.git/"); ok {
			http.Redirect(w, r, "/acme/config.git/"+rest+"?"+r.URL.RawQuery, http.StatusTemporaryRedirect)
			return true
		}
		return false
	})
	require.NoError(t, m.Fetch(t.Context(), "main"))
	o.requireHead(m, "main", base)
	before := h.discoveries()
	require.NoError(t, m.Fetch(t.Context(), "main"))
	require.Equal(t, 1, h.discoveries()-before, "the new address is kept")
}

// TestFetchRedirectedElsewhere: the token is for one host, and it goes to no
// other one.
func TestFetchRedirectedElsewhere(t *testing.T) {
	o := newOrigin(t)
	o.branch("main", o.commit(tree{"f": "0\n"}))
	var elsewhere []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		elsewhere = append(elsewhere, r.URL.Path)
	}))
	defer other.Close()
	h := o.serve("x-access-token", secret)
	m := o.openWith(Options{URL: h.repository(), Token: token})
	for name, target := range map[string]string{
		"another host":    other.URL + "/acme/config.git" + discovery + "?" + service,
		"another service": h.URL + "/acme/config.git" + discovery + "?service=git-receive-pack",
		"no repository":   h.URL + "/login?" + service,
		"credentials":     strings.Replace(h.URL, "http://", "http://user:pw@", 1) + "/acme/x.git" + discovery + "?" + service,
		"another scheme":  strings.Replace(h.URL, "http://", "https://", 1) + "/acme/x.git" + discovery + "?" + service,
		"nowhere":         "",
		"itself":          h.repository() + discovery + "?" + service,
		"the whole host":  h.URL + discovery + "?" + service,
	} {
		h.intercept(func(w http.ResponseWriter, r *http.Request) bool {
			if target != "" {
				w.Header().Set("Location", target)
			}
			w.WriteHeader(http.StatusFound)
			return true
		})
		require.Error(t, m.Fetch(t.Context(), "main"), name)
	}
	require.Empty(t, elsewhere)
	h.intercept(nil)
	require.NoError(t, m.Fetch(t.Context(), "main"))
}

// TestFetchThroughTLS checks the authority that is configured, and no other one.
func TestFetchThroughTLS(t *testing.T) {
	o := newOrigin(t)
	base := o.commit(tree{"f": "0\n"})
	o.branch("main", base)
	plain := o.serve("", "")
	secure := httptest.NewTLSServer(plain.Config.Handler)
	defer secure.Close()
	m := o.openWith(Options{URL: secure.URL + "/acme/config.git"})
	require.ErrorContains(t, m.Fetch(t.Context(), "main"), "certificate")

	authority := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(authority, certificate(secure), 0o600))
	m = o.openWith(Options{URL: secure.URL + "/acme/config.git", CAFile: authority})
	require.NoError(t, m.Fetch(t.Context(), "main"))
	o.requireHead(m, "main", base)

	plain.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if rest, ok := strings.CutPrefix(r.URL.Path, "/acme/old.git/"); ok {
			http.Redirect(w, r, "/acme/config.git/"+rest+"?"+r.URL.RawQuery, http.StatusMovedPermanently)
			return true
		}
		return false
	})
	m = o.openWith(Options{URL: secure.URL + "/acme/old.git", CAFile: authority})
	require.NoError(t, m.Fetch(t.Context(), "main"))
	empty := filepath.Join(t.TempDir(), "empty.pem")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	m = o.openWith(Options{URL: secure.URL + "/acme/old.git", CAFile: empty})
	require.Error(t, m.Fetch(t.Context(), "main"))
}

// TestFetchThroughProxy: everything goes to the proxy, and its password nowhere
// else.
func TestFetchThroughProxy(t *testing.T) {
	o := newOrigin(t)
	base := o.commit(tree{"f": "0\n"})
	o.branch("main", base)
	h := o.serve("", "")
	address := &url.URL{Scheme: "http", Host: h.Listener.Addr().String(), User: url.UserPassword("gk", secret)}
	seen := 0
	h.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		user, password, _ := (&http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}).BasicAuth()
		if r.URL.Host != "127.0.0.1:1" || user != "gk" || password != secret {
			w.Header().Set("Proxy-Authenticate", `Basic realm="proxy"`)
			w.WriteHeader(http.StatusProxyAuthRequired)
			return true
		}
		seen++
		return false
	})
	// Nothing listens there: only the proxy can answer.
	m := o.openWith(Options{URL: "http://127.0.0.1:1/acme/config.git", Proxy: address})
	require.NoError(t, m.Fetch(t.Context(), "main"))
	require.Positive(t, seen)
	o.requireHead(m, "main", base)
	h.Close()
	err := m.Fetch(t.Context(), "main")
	require.Error(t, err)
	requireNoSecret(t, "an error", err.Error())
	require.Equal(t, "[password]", m.remote.scrub(secret))
}

// TestHostileEnvironment: nothing of the surroundings reaches git.
func TestHostileEnvironment(t *testing.T) {
	s := newScene(t, 1)
	at := s.mustLand("merge", s.main, s.head)
	home := t.TempDir()
	trap := filepath.Join(home, "trap")
	require.NoError(t, os.WriteFile(filepath.Join(home, ".gitconfig"), []byte("[core]\n\tfsmonitor = touch "+trap+
		"\n\thooksPath = "+home+"\n[credential]\n\thelper = !touch "+trap+"\n[merge]\n\trenames = false\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(home, "reference-transaction"), []byte("#!/bin/sh\ntouch "+trap+"\n"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(home, ".netrc"), []byte("machine 127.0.0.1 login x password y\n"), 0o600))
	s.branch("main", at)
	s.pull(1, s.head)
	h := s.serve("x-access-token", secret)
	for key, value := range map[string]string{
		"HOME": home, "XDG_CONFIG_HOME": home, "GIT_DIR": "/nonexistent", "GIT_WORK_TREE": home, "GIT_INDEX_FILE": trap,
		"GIT_OBJECT_DIRECTORY": home, "GIT_ALTERNATE_OBJECT_DIRECTORIES": home, "GIT_CONFIG_GLOBAL": filepath.Join(home, ".gitconfig"),
		"GIT_CONFIG_PARAMETERS": "'core.fsmonitor'='touch " + trap + "'", "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.hooksPath",
		"GIT_CONFIG_VALUE_0": home, "GIT_TRACE": trap, "GIT_TRACE_CURL": trap, "GIT_ASKPASS": "/bin/false", "GIT_SSL_NO_VERIFY": "1",
		"GIT_EXTERNAL_DIFF": "touch " + trap, "GIT_PROXY_COMMAND": "touch " + trap, "http_proxy": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1",
		"GIT_NAMESPACE": "x", "GIT_QUARANTINE_PATH": home, "GIT_REPLACE_REF_BASE": "refs/gatekeeper/heads/", "GIT_GRAFT_FILE": trap, "LC_ALL": "de_DE.UTF-8",
	} {
		t.Setenv(key, value)
	}
	m := s.openWith(Options{URL: h.repository(), Token: token, Dir: filepath.Join(home, "mirror.git")})
	require.NoError(t, m.Fetch(t.Context(), "main", 1))
	require.Equal(t, approval.Proven, s.proof(m, at, s.head).Proof.Result)
	require.NoFileExists(t, trap)
	for _, variable := range m.git.environment("https", nil) {
		require.NotContains(t, variable, home+"/.", "the home directory is passed on")
	}
}

// TestHostileAttributes: attributes in the fetched content can name merge
// drivers and filters. In a bare repository git reads none of them, so they
// neither run anything nor change what a merge gives.
func TestHostileAttributes(t *testing.T) {
	for _, attributes := range []string{"* merge=union\n", "* -merge\n", "* merge=binary\n", "* merge=evil filter=evil diff=evil\n",
		"[attr]evil merge=union\n* evil\n", "* conflict-marker-size=1\n", "* -text eol=crlf working-tree-encoding=UTF-16\n"} {
		o := newOrigin(t)
		base := o.commit(tree{".gitattributes": attributes, "f": "0\n", "g": lines("0", "0")})
		main := o.commit(tree{".gitattributes": attributes, "f": "main\n", "g": lines("main", "0")}, base)
		head := o.commit(tree{".gitattributes": attributes, "f": "head\n", "g": lines("0", "head")}, base)
		m := o.mirror(main, head)
		// As if the branch were the repository's current one.
		_, err := m.git.run(t.Context(), "", "update-ref", "HEAD", string(main))
		require.NoError(t, err)
		r, err := m.merge(t.Context(), main, head)
		require.NoError(t, err)
		require.Equal(t, mergeResult{outcome: mergeConflict, conflicts: []string{"f"}}, r, attributes)

		quiet := o.commit(tree{".gitattributes": attributes, "f": "0\n", "g": lines("0", "head")}, base)
		want := o.commit(tree{".gitattributes": attributes, "f": "main\n", "g": lines("main", "head")}, main)
		m = o.mirror(want, quiet)
		require.Equal(t, approval.Proven, o.proof(m, want, quiet).Proof.Result, attributes)
	}
}

// TestHostileSubmodules: both sides move a submodule, and git looks for it.
func TestHostileSubmodules(t *testing.T) {
	o := newOrigin(t)
	at := func(n string) tree {
		return tree{".gitmodules": "[submodule \"objects\"]\n\tpath = objects\n\turl = ../x\n", "objects": "sub:" + strings.Repeat(n, 40)}
	}
	base := o.commit(at("1"))
	main := o.commit(at("2"), base)
	head := o.commit(at("3"), base)
	m := o.mirror(main, head)
	r, err := m.merge(t.Context(), main, head)
	require.NoError(t, err)
	require.Equal(t, mergeResult{outcome: mergeConflict, conflicts: []string{"objects"}}, r)
}
