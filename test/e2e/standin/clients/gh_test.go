package clients

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/tools"
)

// ghProgram is gh, built once for all tests of a process.
var ghProgram = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	builder, err := tools.NewBuilder(".", os.Stderr)
	if err != nil {
		return "", err
	}
	dirs, err := builder.Ensure(ctx, tools.GH)
	return filepath.Join(dirs[tools.GH], "gh"), err
})

// gh is GitHub's command line with a configuration of its own, in the hands of whoever has the token.
type gh struct {
	t       *testing.T
	program string
	env     []string
	stdin   string
}

// newGH points gh at a stand-in with TLS: it speaks https to every GitHub Enterprise Server.
func newGH(w *world, token string) *gh {
	w.t.Helper()
	if os.Getenv("GATEKEEPER_E2E") != "1" {
		w.t.Skip("builds gh: set GATEKEEPER_E2E=1 or run make e2e")
	}
	program, err := ghProgram()
	require.NoError(w.t, err)
	home := w.t.TempDir()
	env := []string{"HOME=" + home, "GH_CONFIG_DIR=" + filepath.Join(home, "gh"), "GH_PROMPT_DISABLED=1", "GH_NO_UPDATE_NOTIFIER=1",
		"NO_COLOR=1", "SSL_CERT_DIR=" + w.t.TempDir(), "GH_HOST=" + strings.TrimPrefix(w.s.URL(), "https://"), "GH_ENTERPRISE_TOKEN=" + token}
	if ca := w.s.CACertPEM(); ca != nil {
		file := filepath.Join(home, "ca.pem")
		require.NoError(w.t, os.WriteFile(file, ca, 0o600))
		env = append(env, "SSL_CERT_FILE="+file)
	}
	return &gh{t: w.t, program: program, env: env}
}

func (g *gh) with(env ...string) *gh {
	return &gh{t: g.t, program: g.program, env: append(append([]string(nil), g.env...), env...)}
}

// try runs gh api.
func (g *gh) try(args ...string) (stdout, stderr string, err error) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), clientTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, g.program, append([]string{"api"}, args...)...)
	cmd.Dir, cmd.Env, cmd.Stdin = g.t.TempDir(), g.env, strings.NewReader(g.stdin)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	err = cmd.Run()
	return strings.TrimSpace(out.String()), strings.TrimSpace(complaints.String()), err
}

func (g *gh) api(args ...string) string {
	g.t.Helper()
	out, complaints, err := g.try(args...)
	require.NoError(g.t, err, complaints)
	return out
}

// refused requires that gh fails and complains so. It prints the body of the answer as well, which must
// have the details.
func (g *gh) refused(why, details string, args ...string) {
	g.t.Helper()
	out, complaints, err := g.try(args...)
	require.Error(g.t, err, out)
	require.Contains(g.t, complaints, why)
	require.Contains(g.t, out, details)
}

func tlsWorld(t *testing.T) *world {
	t.Helper()
	return newWorld(t, func(o *standin.Options) { o.TLS = true })
}

func TestGHAsAPerson(t *testing.T) {
	t.Parallel()
	w := tlsWorld(t)
	alice, bob := newGH(w, w.alice.Token), newGH(w, w.bob.Token)
	require.Equal(t, "alice", alice.api("user", "--jq", ".login"))
	must(w.s.As("alice").PushBranch("acme/env", "scale", standin.Change{Message: "Scale up", Files: map[string]string{"prod/values.yaml": "replicas: 2\n"}}))(t)
	require.Equal(t, "1 true alice", alice.api("repos/acme/env/pulls", "-f", "title=Scale up", "-f", "head=scale", "-f", "base=main", "-F", "draft=true",
		"--jq", `"\(.number) \(.draft) \(.user.login)"`))
	require.Equal(t, "prod/values.yaml", alice.api("repos/acme/env/pulls/1/files", "--jq", ".[].filename"))
	alice.refused("HTTP 405", "", "--method", "PUT", "repos/acme/env/pulls/1/merge", "-f", "merge_method=squash")

	must(w.s.As("alice").OpenPull("acme/env", standin.PullOptions{Title: "Again", Change: standin.Change{Files: map[string]string{"a": "b\n"}}}))(t)
	alice.refused("gh: Unprocessable Entity (HTTP 422)", "Can not approve your own pull request", "repos/acme/env/pulls/2/reviews", "-f", "event=APPROVE")
	bob.stdin = `{"event":"APPROVE","body":"fine"}`
	require.Equal(t, "APPROVED", bob.api("repos/acme/env/pulls/2/reviews", "--input", "-", "--jq", ".state"))
	sha := bob.api("--method", "PUT", "repos/acme/env/pulls/2/merge", "-f", "merge_method=squash", "--jq", ".sha")
	require.Equal(t, sha, must(w.s.Pull("acme/env", 2))(t).MergeCommitSHA)
	require.Equal(t, "bob", must(w.s.Pull("acme/env", 2))(t).MergedBy)
	require.Equal(t, sha, must(w.s.Branch("acme/env", "main"))(t))

	alice.refused("gh: Not Found (HTTP 404)", "", "repos/acme/absent")
	alice.refused("gh: Validation Failed (HTTP 422)", "A pull request already exists for acme:scale.", "repos/acme/env/pulls", "-f", "title=x", "-f", "head=scale", "-f", "base=main")
	newGH(w, "ghp_wrong").refused("gh: Bad credentials (HTTP 401)", "", "user")
	newGH(w, w.rita.Token).refused("HTTP 403", "Must have write access", "--method", "PUT", "repos/acme/env/pulls/1/merge")
	for _, c := range w.s.Calls() {
		require.Equal(t, "api", c.Kind)
	}
}

func TestGHPaginates(t *testing.T) {
	t.Parallel()
	w := tlsWorld(t)
	alice := newGH(w, w.alice.Token)
	opened := w.openPull("replicas: 2\n")
	var want []string
	for i := range 230 {
		want = append(want, fmt.Sprint("comment ", i))
		must(w.s.As("bob").Comment("acme/env", opened.Number, want[i]))(t)
	}
	comments := fmt.Sprintf("repos/acme/env/issues/%d/comments", opened.Number)
	require.Equal(t, want, strings.Split(alice.api("--paginate", comments, "--jq", ".[].body"), "\n"))
	require.Equal(t, 3, w.s.CountCalls("api", "GET /re"), "gh asks for pages of 100")
	var pages [][]struct{ Body string }
	require.NoError(t, json.Unmarshal([]byte(alice.api("--paginate", "--slurp", comments+"?per_page=50")), &pages))
	require.Len(t, pages, 5)
	require.Len(t, pages[4], 30)
	require.Len(t, strings.Split(alice.api(comments, "--jq", ".[].body"), "\n"), 30)
}

func TestGHAsAnInstallation(t *testing.T) {
	t.Parallel()
	w := tlsWorld(t)
	bot := newGH(w, w.token(nil))
	require.Equal(t, "acme/env", bot.api("installation/repositories", "--jq", ".repositories[].full_name"))
	opened := w.openPull("replicas: 2\n")
	// gh makes objects and lists of field names.
	id := bot.api("repos/acme/env/check-runs", "-f", "name=gate", "-f", "head_sha="+opened.Head, "-f", "conclusion=action_required",
		"-f", "output[title]=Waiting", "-f", "output[summary]=for approval",
		"-f", "actions[][label]=Hold", "-f", "actions[][identifier]=hold", "-f", "actions[][description]=Keep it",
		"-f", "actions[][label]=Skip", "-f", "actions[][identifier]=skip", "-f", "actions[][description]=Let it through", "--jq", ".id")
	runs := must(w.s.CheckRuns("acme/env", opened.Head))(t)
	require.Len(t, runs, 1)
	require.Equal(t, fmt.Sprint(runs[0].ID), id)
	require.Equal(t, []string{"hold", "skip"}, runs[0].Actions)
	require.Equal(t, "Waiting", runs[0].Title)
	require.Equal(t, "1", bot.api(fmt.Sprintf("repos/acme/env/commits/%s/check-runs", opened.Head), "--jq", ".total_count"))
	bot.refused("Resource not accessible by integration (HTTP 403)", "", "user")
}

func TestGHReadsHeaders(t *testing.T) {
	t.Parallel()
	w := tlsWorld(t)
	alice := newGH(w, w.alice.Token)
	head := alice.api("--include", "--silent", "repos/acme/env")
	require.Contains(t, head, "HTTP/2.0 200 OK")
	_, rest, found := strings.Cut(head, "Etag: ")
	require.True(t, found, head)
	tag, _, _ := strings.Cut(rest, "\r\n")
	tag, _, _ = strings.Cut(tag, "\n")
	alice.refused("HTTP 304", "", "repos/acme/env", "-H", "If-None-Match: "+tag)
	must(w.s.Fail(standin.SecondaryLimit("/repos/acme/env$", 403, time.Minute)))(t)
	alice.refused("You have exceeded a secondary rate limit", "", "repos/acme/env")
	w.s.ClearFaults()
	opened := w.openPull("replicas: 2\n")
	require.NoError(t, w.s.RenameRepository("acme/env", "environments"))
	require.Equal(t, "acme/environments", alice.api("repos/acme/env", "--jq", ".full_name"))
	require.Equal(t, "after", alice.api(fmt.Sprintf("repos/acme/env/issues/%d/comments", opened.Number), "-f", "body=after", "--jq", ".body"))
	require.Len(t, must(w.s.Comments("acme/environments", opened.Number))(t), 1)
}

func TestGHNeedsTheAuthority(t *testing.T) {
	t.Parallel()
	w := tlsWorld(t)
	newGH(w, w.alice.Token).with("SSL_CERT_FILE=/dev/null").refused("certificate signed by unknown authority", "", "user")
	require.Empty(t, w.s.Calls())
}

// TestGHByHostName gives gh host names without a port, which is all that --hostname takes, and a socket
// that leads to the stand-in whatever the name is.
func TestGHByHostName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := newGH(w, w.alice.Token).with("GH_HOST=", "GH_TOKEN="+w.bob.Token)
	socket := filepath.Join(t.TempDir(), "s")
	forward(t, socket, strings.TrimPrefix(w.s.URL(), "http://"))
	config := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(config, "config.yml"), []byte("http_unix_socket: "+socket+"\n"), 0o600))
	g = g.with("GH_CONFIG_DIR=" + config)
	require.Equal(t, "alice", g.api("--hostname", "github.example.com", "user", "--jq", ".login"), "an Enterprise Server, below /api/v3/")
	require.Equal(t, "bob", g.api("--hostname", "github.localhost", "user", "--jq", ".login"), "GitHub's own name for tests, below /")
	require.Equal(t, 2, w.s.CountCalls("api", "GET /user"))
}

// forward copies connections of a socket to an address, until the test ends.
func forward(t *testing.T, socket, address string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	require.NoError(t, err)
	var group sync.WaitGroup
	t.Cleanup(func() {
		_ = listener.Close()
		group.Wait()
	})
	group.Go(func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return // closed
			}
			group.Go(func() {
				defer func() { _ = from.Close() }()
				to, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", address)
				if err != nil {
					t.Errorf("forward: %v", err)
					return
				}
				defer func() { _ = to.Close() }()
				group.Go(func() { _, _ = io.Copy(to, from) }) // ends with the connection
				_, _ = io.Copy(from, to)
			})
		}
	})
}
