package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/setup"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// through makes and installs an App.
func (n *newcomer) through(args ...string) setup.Report {
	n.t.Helper()
	r := n.start(append(args, "-o", "json")...)
	link, origin := r.link(n.t)
	back := n.create(n.enter(link, origin))
	status, _, _ := n.visit(http.MethodGet, back, nil)
	require.Equal(n.t, http.StatusSeeOther, status)
	n.install(r)
	return n.report(r)
}

func (n *newcomer) report(r *running) setup.Report {
	n.t.Helper()
	require.Equal(n.t, 0, r.end(n.t), r.stderr)
	var out setup.Report
	require.NoError(n.t, json.Unmarshal([]byte(r.stdout.String()), &out), r.stdout)
	return out
}

// A webhook that does not arrive is said, with what to do; it is sent again on request.
func TestSetupWebhookDoesNotArrive(t *testing.T) {
	t.Parallel()
	n := newNewcomer(t, standin.Options{})
	out := filepath.Join(t.TempDir(), "app")
	args := []string{"--out", out, "--webhook-url", n.hook.URL + "/webhooks/github"}
	n.status.set(http.StatusBadGateway)
	report := n.through(args...)
	require.Equal(t, setup.WebhookFailed, report.Webhook.State)
	require.Contains(t, report.Webhook.Status, "502")
	require.Contains(t, report.Webhook.Hint, "--redeliver")

	n.status.set(http.StatusUnauthorized)
	report = n.report(n.start(append(args, "--redeliver", "-o", "json")...))
	require.Equal(t, setup.WebhookFailed, report.Webhook.State)
	require.Contains(t, report.Webhook.Hint, "secret")

	n.status.set(http.StatusAccepted)
	report = n.report(n.start(append(args, "--redeliver", "-o", "json")...))
	require.Equal(t, setup.WebhookDelivered, report.Webhook.State, report.Webhook)

	// A profile that the App was not made for is a warning, with the permission.
	report = n.report(n.start(append(args, "--profile", "write", "--with", "deployments", "-o", "json")...))
	require.Equal(t, []string{"the App lacks the permission contents: write (mirrors of the repositories, who pushed what; branches of pull requests that promote images or take a rollback back into Git)",
		"the App lacks the permission deployments: write (Deployments that follow what is synced)"}, report.Warnings)
}

// Without a webhook at first: its address is set later, with the secret that is stored.
func TestSetupWebhookLater(t *testing.T) {
	t.Parallel()
	n := newNewcomer(t, standin.Options{})
	out := filepath.Join(t.TempDir(), "app")
	report := n.through("--out", out)
	require.Equal(t, setup.WebhookNone, report.Webhook.State)
	require.Contains(t, report.Webhook.Hint, "--webhook-url")
	secret, err := os.ReadFile(filepath.Join(out, setup.WebhookSecretFile))
	require.NoError(t, err)

	signed := make(chan bool, 8)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, []byte(strings.TrimSpace(string(secret))))
		mac.Write(body)
		signed <- r.Header.Get("X-Hub-Signature-256") == "sha256="+hex.EncodeToString(mac.Sum(nil))
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(hook.Close)
	report = n.report(n.start("--out", out, "--webhook-url", hook.URL+"/webhooks/github", "-o", "json"))
	require.Equal(t, hook.URL+"/webhooks/github", report.Webhook.URL)
	_, err = n.As("alice").OpenPull("acme/env", standin.PullOptions{Change: standin.Change{Files: map[string]string{"a": "1\n"}, Message: "Change"}})
	require.NoError(t, err)
	require.True(t, <-signed, "with the secret that is stored")
}

// For a person, the App is made in the person's own settings.
func TestSetupForAPerson(t *testing.T) {
	t.Parallel()
	n := newNewcomer(t, standin.Options{})
	r := n.start("--owner", "alice", "--out", filepath.Join(t.TempDir(), "app"))
	link, origin := r.link(t)
	page := n.enter(link, origin)
	require.Contains(t, page, n.URL()+"/settings/apps/new?state=")
	require.Contains(t, page, "<dt>Account</dt>")
}

// What cannot be stored where it was to be is kept elsewhere, since GitHub shows it once.
func TestSetupKeepsWhatCannotBeStored(t *testing.T) {
	t.Chdir(t.TempDir())
	n := newNewcomer(t, standin.Options{})
	out := filepath.Join(t.TempDir(), "app")
	r := n.start("--out", out)
	link, origin := r.link(t)
	back := n.create(n.enter(link, origin))
	theirs := filepath.Join(out, setup.PrivateKeyFile)
	require.NoError(t, os.WriteFile(theirs, []byte("somebody else's"), 0o600))
	status, _, _ := n.visit(http.MethodGet, back, nil)
	require.Equal(t, http.StatusSeeOther, status)
	require.Equal(t, exitFailed, r.end(t))
	kept, err := os.ReadFile(theirs)
	require.NoError(t, err)
	require.Equal(t, "somebody else's", string(kept), "nothing is replaced")
	elsewhere, err := filepath.Glob("github-app-*")
	require.NoError(t, err)
	require.Len(t, elsewhere, 1)
	require.Contains(t, r.stderr.String(), elsewhere[0])

	again := n.start("--out", elsewhere[0])
	n.install(again)
	require.Equal(t, 0, again.end(t), again.stderr)
}

// An App of somebody else, half an App, a folder of others and a name that is nobody are
// refused before anybody clicks.
func TestSetupRefuses(t *testing.T) {
	t.Parallel()
	n := newNewcomer(t, standin.Options{})
	_, err := n.CreateOrganization("evil", "alice")
	require.NoError(t, err)
	theirs, err := n.CreateApp(standin.AppOptions{Slug: "theirs", Owner: "evil", PrivateKeyPEM: townKey()})
	require.NoError(t, err)
	folder := func(files map[string]string) string {
		dir := t.TempDir()
		require.NoError(t, os.Chmod(dir, 0o700))
		for name, text := range files {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
		return dir
	}
	open := t.TempDir()
	require.NoError(t, os.Chmod(open, 0o777))
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"half an App":      {[]string{"--out", folder(map[string]string{"private-key.pem": "k"})}, "lacks webhook-secret"},
		"no number":        {[]string{"--out", folder(map[string]string{"private-key.pem": "k", "webhook-secret": "s", "app-id": "x"})}, "not the number of an App"},
		"no key":           {[]string{"--out", folder(map[string]string{"private-key.pem": "k", "webhook-secret": "s", "app-id": "1"})}, "private key"},
		"another owner's":  {[]string{"--out", folder(map[string]string{"private-key.pem": string(theirs.PrivateKeyPEM), "webhook-secret": "s", "app-id": strconv.FormatInt(theirs.ID, 10)})}, "belongs to evil, not to acme"},
		"others may write": {[]string{"--out", open}, "others may write"},
		"nobody":           {[]string{"--out", folder(nil), "--owner", "nobody"}, "--owner-kind"},
		"a file":           {[]string{"--out", filepath.Join(folder(map[string]string{"x": "y"}), "x")}, "x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := n.start(c.args...)
			require.Equal(t, exitFailed, r.end(t))
			require.Contains(t, r.stderr.String(), c.says)
			require.NotContains(t, r.stderr.String(), "token=")
		})
	}
}

func TestSetupUsage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, args := range map[string][]string{
		"no owner":             {"--out", dir},
		"no place":             {"--owner", "acme"},
		"two places":           {"--owner", "acme", "--out", dir, "--secret", "a/b"},
		"not an owner":         {"--owner", "acme/env", "--out", dir},
		"not a kind":           {"--owner", "acme", "--out", dir, "--owner-kind", "team"},
		"not a profile":        {"--owner", "acme", "--out", dir, "--profile", "admin"},
		"no such permission":   {"--owner", "acme", "--out", dir, "--with", "secrets"},
		"not a Secret":         {"--owner", "acme", "--secret", "gatekeeper-github"},
		"replace files":        {"--owner", "acme", "--out", dir, "--replace"},
		"plain webhook":        {"--owner", "acme", "--out", dir, "--webhook-url", "http://gatekeeper.example.com/webhooks/github"},
		"webhook with a query": {"--owner", "acme", "--out", dir, "--webhook-url", "https://gatekeeper.example.com/?a=b"},
		"open page":            {"--owner", "acme", "--out", dir, "--listen", "0.0.0.0:0"},
		"GitHub with a path":   {"--owner", "acme", "--out", dir, "--github-url", "https://github.example.com/api/v3"},
		"long name":            {"--owner", "acme", "--out", dir, "--name", strings.Repeat("x", 35)},
		"no time":              {"--owner", "acme", "--out", dir, "--timeout", "0s"},
		"no such output":       {"--owner", "acme", "--out", dir, "-o", "yaml"},
		"more":                 {"--owner", "acme", "--out", dir, "extra"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := call(t, t.Context(), append([]string{"setup"}, args...)...)
			require.Equal(t, exitUsage, code, stderr)
			require.Empty(t, stdout)
			require.NotEmpty(t, stderr)
		})
	}
	// Plain http to another machine would show the key.
	code, _, stderr := call(t, t.Context(), "setup", "--owner", "acme", "--out", dir, "--github-url", "http://github.example.com")
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "https")
}
