package setup

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	core "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/web"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/tools"
)

// TestSetupInBrowser makes two Apps with the real program in a real browser: one whose
// credentials go to files, one whose credentials go to a Secret of a real API server.
func TestSetupInBrowser(t *testing.T) {
	if os.Getenv("GATEKEEPER_E2E") != "1" {
		t.Skip("needs a whole cluster and a browser: set GATEKEEPER_E2E=1 or run make e2e")
	}
	chromium := findBrowser(t)
	builder, err := tools.NewBuilder(".", t.Output())
	require.NoError(t, err)
	program := filepath.Join(t.TempDir(), "gatekeeper")
	require.NoError(t, builder.Product(t.Context(), "./cmd/gatekeeper", program))
	w := &world{gatekeeper: program, chromium: chromium}
	t.Run("files", func(t *testing.T) { testFiles(t, w) })
	t.Run("Secret", func(t *testing.T) { testSecret(t, w) })
}

type world struct{ gatekeeper, chromium string }

// place is a GitHub with a certificate of its own authority, and somewhere for webhooks.
type place struct {
	t    *testing.T
	gh   *standin.Server
	ca   string // file
	hook string // address
}

func newPlace(t *testing.T) *place {
	t.Helper()
	gh, err := standin.Start(context.WithoutCancel(t.Context()), standin.Options{Dir: t.TempDir(), TLS: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, gh.Close()) })
	require.NoError(t, web.Mount(gh, slog.New(slog.NewTextHandler(t.Output(), nil))))
	_, err = gh.CreateUser("alice", "Alice")
	require.NoError(t, err)
	_, err = gh.CreateOrganization("acme", "alice")
	require.NoError(t, err)
	_, err = gh.CreateRepository("acme", "env-overrides", standin.RepositoryOptions{Author: "alice"})
	require.NoError(t, err)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(hook.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, gh.CACertPEM(), 0o600))
	return &place{t: t, gh: gh, ca: ca, hook: hook.URL + "/webhooks/github"}
}

// command is a gatekeeper that runs.
type command struct {
	t              *testing.T
	stdout, stderr printed
	done           chan error
}

// printed is what was printed so far.
type printed struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

func (w *world) setup(p *place, args ...string) *command {
	p.t.Helper()
	args = append([]string{"setup", "--owner", "acme", "--github-url", p.gh.URL(), "--ca-file", p.ca}, args...)
	c := &command{t: p.t, done: make(chan error, 1)}
	cmd := exec.CommandContext(p.t.Context(), w.gatekeeper, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.Env = p.t.TempDir(), &c.stdout, &c.stderr, []string{}
	require.NoError(p.t, cmd.Start())
	go func() { c.done <- cmd.Wait() }()
	p.t.Cleanup(func() { _ = cmd.Process.Kill() })
	return c
}

var linkPattern = regexp.MustCompile(`http://127\.0\.0\.1:\d+/\?token=\S+`)

func (c *command) link() string {
	c.t.Helper()
	var found string
	require.Eventually(c.t, func() bool {
		found = linkPattern.FindString(c.stderr.String())
		return found != ""
	}, patience, 20*time.Millisecond, "no link: %s", &c.stderr)
	return found
}

// end waits until the command ended well, and is what it printed.
func (c *command) end() string {
	c.t.Helper()
	select {
	case err := <-c.done:
		require.NoError(c.t, err, c.stderr.String())
	case <-time.After(patience):
		require.Fail(c.t, "it does not end", c.stderr.String())
	}
	return c.stdout.String()
}

// click goes through the pages: our button, GitHub's, our link, GitHub's.
func click(p *place, b *tab, c *command, pictures bool) {
	p.t.Helper()
	picture := func(b *tab, name string) {
		b.accessible()
		if pictures {
			b.looks(name)
		}
	}
	b.do(chromedp.Navigate(c.link()), chromedp.WaitVisible(chromedp.CSS("form button.go")))
	require.NotContains(p.t, eval[string](b, "location.href"), "token")
	picture(b, "create")
	b.press("form button.go")
	b.do(chromedp.WaitVisible(chromedp.Search(`//h1[contains(., "Register an App")]`)))
	require.True(p.t, strings.HasPrefix(eval[string](b, "location.href"), p.gh.URL()+"/organizations/acme/settings/apps/new?state="))
	b.press("button.yes")
	b.do(chromedp.WaitVisible(chromedp.CSS("a.go")))
	require.Regexp(p.t, `^http://127\.0\.0\.1:\d+/$`, eval[string](b, "location.href"), "the code is not in the address")
	picture(b, "install")

	github := b.opened(p.gh.URL()+"/apps/gatekeeper-acme/installations/new", func() { b.press("a.go") })
	const form = "form:has(input[name=account][value=acme]) "
	github.do(chromedp.Click(chromedp.CSS(form+`input[name=which][value=selected]`)), chromedp.Click(chromedp.CSS(form+`input[name=repo][value="acme/env-overrides"]`)),
		chromedp.Click(chromedp.CSS(form+"button")))

	b.front()
	b.do(chromedp.WaitVisible(chromedp.Search(`//h1[contains(., "The App is ready")]`)))
	picture(b, "ready")
}

func testFiles(t *testing.T, w *world) {
	p := newPlace(t)
	out := filepath.Join(t.TempDir(), "github-app")
	c := w.setup(p, "--out", out, "--webhook-url", p.hook, "--profile", "write", "--with", "deployments")
	b := openBrowser(t, w.chromium)
	click(p, b, c, true)
	text := c.end()
	t.Log("\n" + c.stderr.String() + text)
	require.Contains(t, text, "✓ webhooks arrive at "+p.hook)
	require.Contains(t, text, "gatekeeper doctor --config "+filepath.Join(out, "gatekeeper.yaml"))

	app := p.gh.Apps()[0]
	require.Equal(t, map[string]string{"metadata": "read", "contents": "write", "pull_requests": "write", "checks": "write", "issues": "read",
		"members": "read", "deployments": "write"}, app.Permissions)
	require.Equal(t, []string{"acme/env-overrides"}, p.gh.Installations()[0].Repositories)
	id, err := os.ReadFile(filepath.Join(out, "app-id"))
	require.NoError(t, err)
	require.Equal(t, strconv.FormatInt(app.ID, 10), strings.TrimSpace(string(id)))

	// The doctor asks GitHub with the key, over the same authority, git and clock included.
	require.NoError(t, os.WriteFile(filepath.Join(out, "argocd-token"), []byte("t"), 0o600))
	states := doctor(t, w, filepath.Join(out, "gatekeeper.yaml"))
	for code, state := range map[string]string{"github.app": "ok", "github.permissions": "ok", "github.events": "ok", "github.clock": "ok", "github.repositories": "ok"} {
		require.Equal(t, state, states[code], code)
	}

	// The same command finds what is there.
	again := w.setup(p, "--out", out, "--webhook-url", p.hook, "--profile", "write", "--with", "deployments", "-o", "json")
	var report struct {
		Made    bool
		App     struct{ ID int64 }
		Webhook struct{ State string }
	}
	require.NoError(t, json.Unmarshal([]byte(again.end()), &report))
	require.False(t, report.Made)
	require.Equal(t, app.ID, report.App.ID)
	require.Equal(t, "delivered", report.Webhook.State)
	require.Len(t, p.gh.Apps(), 1)
}

// doctor is what gatekeeper doctor finds, by code.
func doctor(t *testing.T, w *world, config string) map[string]string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), w.gatekeeper, "doctor", "--config", config, "--promotes", "--fail-on", "none", "-o", "json").Output()
	require.NoError(t, err)
	var report struct {
		Results []struct{ Code, State, Summary string }
	}
	require.NoError(t, json.Unmarshal(out, &report), string(out))
	states := map[string]string{}
	for _, r := range report.Results {
		states[r.Code] = r.State
	}
	return states
}

func testSecret(t *testing.T, w *world) {
	s, err := sandbox.Start(t.Context(), sandbox.Options{Progress: t.Output()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	client, err := core.NewForConfig(s.RESTConfig(sandbox.Admin))
	require.NoError(t, err)
	_, err = client.Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "app"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	p := newPlace(t)
	admin := []string{"--kubeconfig", s.Kubeconfig(sandbox.Admin), "--webhook-url", p.hook}

	c := w.setup(p, append(admin, "--secret", "app/gatekeeper-github")...)
	b := openBrowser(t, w.chromium)
	click(p, b, c, false)
	text := c.end()
	require.Contains(t, text, "helm install gatekeeper charts/gatekeeper -n app ")
	app := p.gh.Apps()[0]
	require.Contains(t, text, fmt.Sprintf("--set config.github.appID=%d", app.ID))
	stored, err := client.Secrets("app").Get(t.Context(), "gatekeeper-github", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, strconv.FormatInt(app.ID, 10), strings.TrimSpace(string(stored.Data["app-id"])))
	block, _ := pem.Decode(stored.Data["private-key.pem"])
	require.NotNil(t, block)
	require.NotEmpty(t, stored.Data["webhook-secret"])

	// What is there is used and left as it is.
	again := w.setup(p, append(admin, "--secret", "app/gatekeeper-github", "-o", "json")...)
	require.Contains(t, again.end(), `"made": false`)
	same, err := client.Secrets("app").Get(t.Context(), "gatekeeper-github", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, stored.ResourceVersion, same.ResourceVersion)

	// What is something else's is refused, before anybody is asked to click.
	_, err = client.Secrets("app").Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "other"}, StringData: map[string]string{"password": "x"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	refused := w.setup(p, append(admin, "--secret", "app/other")...)
	require.Error(t, <-refused.done)
	require.Contains(t, refused.stderr.String(), "--replace")
	require.NotContains(t, refused.stderr.String(), "token=")
	missing := w.setup(p, append(admin, "--secret", "nowhere/gatekeeper-github")...)
	require.Error(t, <-missing.done)
	require.Contains(t, missing.stderr.String(), `namespaces "nowhere" not found`)
	rights := w.setup(p, "--kubeconfig", s.Kubeconfig(sandbox.Gatekeeper), "--secret", "app/gatekeeper-github")
	require.Error(t, <-rights.done)
	require.Contains(t, rights.stderr.String(), "allow get on secrets gatekeeper-github in namespace app")
}
