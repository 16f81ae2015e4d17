package clients

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/tools"
)

// clientTime is how long a client may take for everything it does.
const clientTime = 2 * time.Minute

// minNode is what Probot 14 asks for ("engines" of its package.json: ^20.18.1 || >=22).
var minNode = []int{20, 18, 1}

// nodePackages is the cache folder with the Node packages, made once for all tests of a process.
var nodePackages = sync.OnceValues(func() (string, error) {
	// Tests that start first may end first; the installation must not end with them.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	if err := nodeIsRecent(ctx); err != nil {
		return "", err
	}
	builder, err := tools.NewBuilder(".", os.Stderr)
	if err != nil {
		return "", err
	}
	return builder.NodeModules(ctx, "node")
})

func nodeIsRecent(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "node", "--version").Output()
	if err != nil {
		return errors.Join(tools.ErrNoNode, err)
	}
	return recentEnough(strings.TrimSpace(string(out)))
}

var errOldNode = errors.New("node is older than 20.18.1, or is 21, which Probot 14 does not run on")

func recentEnough(version string) error {
	found := regexp.MustCompile(`^v(\d+)\.(\d+)\.(\d+)`).FindStringSubmatch(version)
	if found == nil {
		return errOldNode
	}
	var have []int
	for _, text := range found[1:] {
		n, err := strconv.Atoi(text)
		if err != nil {
			return errOldNode
		}
		have = append(have, n)
	}
	if slices.Compare(have, minNode) < 0 || have[0] == 21 {
		return errOldNode
	}
	return nil
}

func TestRecentEnough(t *testing.T) {
	for version, want := range map[string]error{
		"v20.18.1": nil, "v20.20.2": nil, "v22.0.0": nil, "v24.1.0": nil, "v20.18.1-nightly": nil,
		"v20.18.0": errOldNode, "v18.19.0": errOldNode, "v21.7.3": errOldNode, "": errOldNode, "node": errOldNode, "v99999999999999999999.0.0": errOldNode,
	} {
		require.ErrorIs(t, recentEnough(version), want, version)
	}
}

// nodeOrSkip is the cache folder with the Node packages. With an old Node the test is skipped; without
// any too, but not in continuous integration, where it fails.
func nodeOrSkip(t *testing.T) string {
	t.Helper()
	dir, err := nodePackages()
	if mayNotRun(err, os.Getenv("CI")) {
		t.Skip("needs Node 20.18.1 or newer and npm: ", err)
	}
	require.NoError(t, err)
	return dir
}

func mayNotRun(err error, ci string) bool {
	return errors.Is(err, errOldNode) || (errors.Is(err, tools.ErrNoNode) && ci != "true")
}

func TestMayNotRun(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		ci   string
		want bool
	}{
		"all is well":                {nil, "", false},
		"no Node":                    {tools.ErrNoNode, "", true},
		"no Node, in CI":             {tools.ErrNoNode, "true", false},
		"old":                        {errOldNode, "", true},
		"old, in CI":                 {errOldNode, "true", true},
		"the installation went awry": {errors.New("npm ci: exit status 1"), "", false},
	} {
		require.Equal(t, c.want, mayNotRun(c.err, c.ci), name)
	}
}

// node is a script that runs under Node. It talks to the test in lines of JSON: the test sends the
// input and answers to steps, the script sends steps and one result (node/talk.mjs).
type node struct {
	t      *testing.T
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Scanner
	stderr *lockedBuffer
	ended  bool
}

// lockedBuffer collects the standard error of a child, which is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// startNode runs a scenario of a script in a folder of its own.
func startNode(t *testing.T, script string, input map[string]any, env ...string) *node {
	t.Helper()
	packages := nodeOrSkip(t)
	dir := t.TempDir()
	scripts, err := filepath.Glob(filepath.Join("node", "*.mjs"))
	require.NoError(t, err)
	for _, name := range append(scripts, filepath.Join("node", "package.json")) {
		content, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, filepath.Base(name)), content, 0o600))
	}
	require.NoError(t, os.Symlink(filepath.Join(packages, "node_modules"), filepath.Join(dir, "node_modules")))
	ctx, cancel := context.WithTimeout(t.Context(), clientTime)
	t.Cleanup(cancel)
	n := &node{t: t, stderr: &lockedBuffer{}}
	n.cmd = exec.CommandContext(ctx, "node", "--import", "./guard.mjs", script)
	n.cmd.Dir = dir
	n.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "NODE_ENV=production", "TZ=UTC"}, env...)
	n.cmd.Stderr = n.stderr
	n.cmd.WaitDelay = 5 * time.Second
	n.in, err = n.cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := n.cmd.StdoutPipe()
	require.NoError(t, err)
	n.out = bufio.NewScanner(stdout)
	n.out.Buffer(nil, 16<<20)
	require.NoError(t, n.cmd.Start())
	t.Cleanup(func() {
		_ = n.in.Close() // a script that waits for the test gives up
		if !n.ended {
			cancel()
			_ = n.cmd.Wait()
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", script, n.stderr)
		}
	})
	n.reply(input)
	return n
}

// reply answers the script's last step.
func (n *node) reply(v any) {
	n.t.Helper()
	line, err := json.Marshal(v)
	require.NoError(n.t, err)
	_, err = n.in.Write(append(line, '\n'))
	require.NoError(n.t, err, "%s", n.stderr)
}

type nodeMessage struct {
	Step   string          `json:"step"`
	Data   json.RawMessage `json:"data"`
	Result json.RawMessage `json:"result"`
	Error  string          `json:"error"`
}

func (n *node) next() nodeMessage {
	n.t.Helper()
	require.True(n.t, n.out.Scan(), "the script ended early: %v\n%s", n.out.Err(), n.stderr)
	var m nodeMessage
	require.NoError(n.t, json.Unmarshal(n.out.Bytes(), &m), "%s", n.out.Bytes())
	require.Empty(n.t, m.Error, "%s", n.stderr)
	return m
}

// step waits for the script to reach a step and reads what it says there. The script waits for reply.
func (n *node) step(name string, into any) {
	n.t.Helper()
	m := n.next()
	require.Equal(n.t, name, m.Step, "%s", m.Result)
	if into != nil {
		require.NoError(n.t, json.Unmarshal(m.Data, into))
	}
}

// result waits for the script's end.
func (n *node) result(into any) {
	n.t.Helper()
	m := n.next()
	require.Empty(n.t, m.Step)
	if into != nil {
		require.NoError(n.t, json.Unmarshal(m.Result, into), "%s", m.Result)
	}
	require.NoError(n.t, n.in.Close())
	n.ended = true
	require.NoError(n.t, n.cmd.Wait(), "%s", n.stderr)
}

// octokit runs a scenario of octokit.mjs against the world.
func (w *world) octokit(scenario string, more map[string]any) *node {
	w.t.Helper()
	input := map[string]any{"scenario": scenario, "baseUrl": strings.TrimSuffix(w.s.APIURL(), "/"), "appId": w.app.ID,
		"privateKey": string(w.app.PrivateKeyPEM), "installation": w.installation, "owner": "acme", "repo": "env",
		"tokens": map[string]string{"alice": w.alice.Token, "bob": w.bob.Token, "rita": w.rita.Token}}
	maps.Copy(input, more)
	return startNode(w.t, "octokit.mjs", input)
}

// TestLockFileNamesNoHost keeps the address of anybody's registry out of the lock file: the packages
// are told apart by their hashes, wherever they come from.
func TestLockFileNamesNoHost(t *testing.T) {
	content, err := os.ReadFile(filepath.Join("node", "package-lock.json"))
	require.NoError(t, err)
	var lock struct {
		Packages map[string]struct {
			Version, Resolved, Integrity string
			Dependencies                 map[string]string
		}
	}
	require.NoError(t, json.Unmarshal(content, &lock))
	require.Greater(t, len(lock.Packages), 50)
	require.NotContains(t, string(content), `"resolved"`)
	for name, p := range lock.Packages {
		if name != "" {
			require.Regexp(t, `^sha512-`, p.Integrity, name)
			require.Regexp(t, `^\d+\.\d+\.\d+`, p.Version, name)
		}
	}
	require.NotEmpty(t, lock.Packages[""].Dependencies)
	for name, version := range lock.Packages[""].Dependencies {
		require.Regexp(t, `^\d+\.\d+\.\d+$`, version, "%s is not pinned", name)
	}
	npmrc, err := os.ReadFile(filepath.Join("node", ".npmrc"))
	require.NoError(t, err)
	require.Contains(t, string(npmrc), "omit-lockfile-registry-resolved=true")
	require.NotContains(t, string(npmrc), "registry=")
}

// TestGuardKeepsNodeOnLoopback shows that a client that forgets its base URL does not reach anybody.
func TestGuardKeepsNodeOnLoopback(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var got map[string]string
	w.octokit("leave", nil).result(&got)
	require.Len(t, got, 3)
	for how, message := range got {
		require.Contains(t, message, "only loopback", how)
	}
}
