package install

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/tools"
)

// storyLimit ends a story that hangs.
const storyLimit = 15 * time.Minute

// TestInstall does what docs/install.md says: it runs the commands of the page, in order and
// as they are, in an empty folder, against a real API server and a real Argo CD. standIns
// lists what cannot be run here.
func TestInstall(t *testing.T) {
	if os.Getenv("GATEKEEPER_E2E") != "1" {
		t.Skip("needs a whole cluster: set GATEKEEPER_E2E=1 or run make e2e")
	}
	all, values := readPage(t)
	builder, err := tools.NewBuilder(".", os.Stderr)
	require.NoError(t, err)
	built, err := builder.Ensure(t.Context(), tools.Kubectl, tools.Render, tools.ArgoCD3)
	require.NoError(t, err)
	program := filepath.Join(t.TempDir(), "gatekeeper")
	require.NoError(t, builder.Product(t.Context(), "./cmd/gatekeeper", program))

	ctx, cancel := context.WithTimeout(t.Context(), storyLimit)
	t.Cleanup(cancel)
	sb, err := sandbox.Start(ctx, sandbox.Options{Progress: os.Stderr})
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			sb.DumpLogs(os.Stderr)
		}
		require.NoError(t, sb.Close())
	})
	s := begin(ctx, t, sb, builder.Root())
	s.programs(map[string]string{
		"kubectl": filepath.Join(built[tools.Kubectl], "kubectl"), "helm": filepath.Join(built[tools.Render], "helm"),
		"argocd": filepath.Join(built[tools.ArgoCD3], "argocd"), "gatekeeper": program,
	})
	after := map[string]func(*story){}
	for _, h := range hooks() {
		after[h.after] = h.do
	}
	for _, c := range all {
		run := c
		if s, ok := standIns()[c]; ok {
			t.Logf("not run as it is: %s\n  %s", c, s.because)
			run = s.instead
		}
		switch run {
		case "":
		case writeValues:
			s.values(values)
		default:
			s.run(run, strings.HasPrefix(c, inPod))
		}
		if do := after[c]; do != nil {
			do(s)
		}
	}
	s.firstChange()
	// It ends by itself, as a pod has to.
	require.NoError(t, s.process.Stop(ctx))
}

// story is a person at a shell, and the world around.
type story struct {
	t         *testing.T
	ctx       context.Context //nolint:containedctx // the test's own
	world     *payments.World
	cluster   dynamic.Interface
	root      string // of the project
	dir       string // of what stands in for pods and volumes
	work      string // where the commands are run
	home      string
	path      string
	argo      string // where argocd-server is reached with TLS
	admission string // where the API server asks
	running   container
	template  corev1.PodTemplateSpec // from which running was made
	process   *sandbox.Process
	landed    string // what was merged with nobody's approval
	number    int    // of its pull request
	last      string // what the last command printed
}

// begin makes a team with an Application in production, in a cluster without Gatekeeper: what
// the sandbox has for it by default is taken away.
func begin(ctx context.Context, t *testing.T, sb *sandbox.Sandbox, root string) *story {
	t.Helper()
	w, err := payments.Open(ctx, sb, payments.Options{Name: payments.Payments, Services: []string{payments.Ledger}, Unadopted: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	cluster, err := sb.Client(sandbox.Admin)
	require.NoError(t, err)
	s := &story{t: t, ctx: ctx, world: w, cluster: cluster, root: root, dir: t.TempDir(), work: t.TempDir()}
	s.home, err = sb.ArgoCD().Home(ctx, "admin")
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(s.home, ".kube"), 0o700))
	require.NoError(t, os.Symlink(sb.Kubeconfig(sandbox.Admin), filepath.Join(s.home, ".kube", "config")))
	require.NoError(t, os.Symlink(filepath.Join(root, "charts"), filepath.Join(s.work, "charts")))
	port, err := sb.FreePort(ctx)
	require.NoError(t, err)
	s.admission = fmt.Sprintf("127.0.0.1:%d", port)
	s.withdraw()
	s.argo = s.front()
	s.manifests()
	return s
}

// programs are those that the page's commands begin with.
func (s *story) programs(paths map[string]string) {
	s.t.Helper()
	bin := filepath.Join(s.dir, "bin")
	require.NoError(s.t, os.MkdirAll(bin, 0o700))
	for name, path := range paths {
		require.True(s.t, runnable()[name])
		require.NoError(s.t, os.Symlink(path, filepath.Join(bin, name)))
	}
	s.path = bin + ":" + os.Getenv("PATH")
}

// run runs a command of the page and shows what it printed, which is kept as the last.
func (s *story) run(command string, contained bool) {
	s.t.Helper()
	s.last = s.shell(command, contained)
	s.t.Logf("$ %s\n%s", command, s.last)
}

// shell runs a command as a person's shell does, and fails the test when it fails. In the
// container there is another filesystem, and nobody's kubeconfig.
func (s *story) shell(command string, contained bool) string {
	s.t.Helper()
	env := []string{"PATH=" + s.path, "HOME=" + s.home}
	if contained {
		command = s.running.within(command)
		env = append([]string{"PATH=" + s.path, "HOME=" + s.dir}, s.running.env...)
	}
	cmd := exec.CommandContext(s.ctx, "bash", "-e", "-u", "-o", "pipefail", "-c", command)
	cmd.Dir, cmd.Env, cmd.WaitDelay = s.work, env, 10*time.Second
	out, err := cmd.CombinedOutput()
	require.NoError(s.t, err, "%s\n%s", command, out)
	return string(out)
}

// values writes the page's values with what is this team's own: the numbers that GitHub gave,
// and where GitHub is.
func (s *story) values(text string) {
	s.t.Helper()
	apps := s.world.GitHub.Apps()
	require.Len(s.t, apps, 1)
	for _, r := range []struct{ from, to string }{
		{"appID: 12345\n", fmt.Sprintf("appID: %d\n    url: %s\n    apiURL: %s\n    indexGrace: 1s\n", apps[0].ID, s.world.GitHub.URL(), s.world.GitHub.APIURL())},
		{"8f14e45fceea167a5a36dedd4bea2543b1b2c3d4", `"` + s.world.Enrolled + `"`},
	} {
		require.Equal(s.t, 1, strings.Count(text, r.from), r.from)
		text = strings.Replace(text, r.from, r.to, 1)
	}
	require.Contains(s.t, text, "project: "+s.world.Project("prod"))
	require.NoError(s.t, os.WriteFile(filepath.Join(s.work, "values.yaml"), []byte(text), 0o600))
}

// argoIsThere: the page's Argo CD is the sandbox's.
func (s *story) argoIsThere() {
	require.Contains(s.t, s.last, "successfully rolled out")
}

// accountIsKnown waits until argocd-server has seen its changed settings, as a person does
// who types.
func (s *story) accountIsKnown() {
	s.t.Helper()
	require.NoError(s.t, payments.Await(s.ctx, "argocd-server to know the account", func(ctx context.Context) (bool, string, error) {
		out, err := s.world.Sandbox.ArgoCD().CLI(ctx, "account", "get", "--account", "gatekeeper", "-o", "json")
		if err != nil {
			return false, err.Error(), nil //nolint:nilerr // that is how it says that it does not know it
		}
		return strings.Contains(string(out), `"apiKey"`), string(out), nil
	}))
}

// tokenIsGood: what was written is a token that reads Applications and cannot sync them, and
// the certificate that argocd-server shows.
func (s *story) tokenIsGood() {
	s.t.Helper()
	token, err := os.ReadFile(filepath.Join(s.work, "argocd-token"))
	require.NoError(s.t, err)
	s.world.Sandbox.ArgoCD().UseToken("installed", strings.TrimSpace(string(token)))
	key := s.world.Key("prod", payments.Ledger)
	require.NoError(s.t, payments.Await(s.ctx, "the token to read", func(ctx context.Context) (bool, string, error) {
		out, err := s.world.Sandbox.ArgoCD().CLIAs(ctx, "installed", "app", "list", "-o", "name")
		if err != nil {
			return false, err.Error(), nil //nolint:nilerr // argocd-server sees the token a moment later
		}
		return strings.Contains(string(out), key), string(out), nil
	}))
	_, err = s.world.Sandbox.ArgoCD().CLIAs(s.ctx, "installed", "app", "sync", key, "--async")
	require.ErrorContains(s.t, err, "permission denied")
}

// appIsMade: the files are as "gatekeeper setup --out ." writes them.
func (s *story) appIsMade() {
	s.t.Helper()
	for _, name := range []string{"private-key.pem", "webhook-secret"} {
		text, err := os.ReadFile(filepath.Join(filepath.Dir(s.world.Config), name))
		require.NoError(s.t, err)
		require.NoError(s.t, os.WriteFile(filepath.Join(s.work, name), text, 0o600))
	}
}

// podStarts: the volume is made, the Job begins the record, and the pod runs.
func (s *story) podStarts() {
	s.t.Helper()
	s.provide("gatekeeper-data")
	s.initialize()
	s.serve()
}

// warned: something is merged that nobody approved, and a person syncs it. Nothing refuses it
// yet.
func (s *story) warned() {
	s.t.Helper()
	require.Contains(s.t, s.last, s.world.Application("prod", payments.Ledger))
	s.awaitEnforcement(false)
	pull, err := s.world.Propose(payments.Alice, payments.Ledger, "2000")
	require.NoError(s.t, err)
	s.number = pull.Number
	s.landed, err = s.world.Merge(payments.Alice, pull.Number, "squash")
	require.NoError(s.t, err)
	// In warn mode the API server waits for no answer that is late, and then there is no Event:
	// the person syncs again.
	require.NoError(s.t, payments.Await(s.ctx, "the Event", func(ctx context.Context) (bool, string, error) {
		syncErr := s.world.SyncByHand(ctx, "prod", payments.Ledger, s.landed)
		texts, err := s.world.Events(ctx, payments.Ledger, "GatekeeperDenied")
		return strings.Contains(strings.Join(texts, "; "), s.landed[:7]), fmt.Sprint(texts, syncErr), err
	}))
	_, err = s.world.AwaitLive(s.ctx, "prod", payments.Ledger, s.landed, "2000")
	require.NoError(s.t, err)
}

// eventIsShown: the page's command shows it. Those who were missing approve it now.
func (s *story) eventIsShown() {
	s.t.Helper()
	require.Contains(s.t, s.last, s.world.Application("prod", payments.Ledger))
	for _, person := range []string{payments.Bob, payments.Carol} {
		_, err := s.world.Approve(person, s.number)
		require.NoError(s.t, err)
	}
	require.NoError(s.t, s.world.GitHub.WaitDelivered(s.ctx))
}

// podIsReplaced: another pod runs, from what the upgrade changed.
func (s *story) podIsReplaced() {
	s.t.Helper()
	require.NotEqual(s.t, s.template.Annotations, s.deployment().Spec.Template.Annotations, "no other pod would be started")
	require.NoError(s.t, s.process.Stop(s.ctx))
	s.serve()
	s.awaitEnforcement(true)
	require.NoError(s.t, payments.Await(s.ctx, "the Job to be gone: a record is begun once", func(ctx context.Context) (bool, string, error) {
		jobs, err := s.cluster.Resource(resource("batch", "v1", "jobs")).Namespace(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, "", fmt.Errorf("list the jobs: %w", err)
		}
		return len(jobs.Items) == 0, fmt.Sprint(len(jobs.Items)), nil
	}))
}

// examined: the doctor sees everything, and what it finds is of the cluster that was there
// before: nobody has restricted the project default or switched the built-in administrator
// off, and developers may write AppProjects.
func (s *story) examined() {
	s.t.Helper()
	text := s.shell(strings.TrimPrefix(examines, inPod)+" -o json --timeout 3m", true)
	var report struct {
		Results []struct{ Code, Severity, State string }
	}
	require.NoError(s.t, json.NewDecoder(strings.NewReader(text)).Decode(&report), text)
	found := map[string]bool{}
	for _, r := range report.Results {
		if strings.HasSuffix(r.Code, ".clock") {
			continue // a machine that stands still in the middle of it looks like a clock that is late
		}
		require.NotEqual(s.t, "unknown", r.State, r.Code)
		if r.State != "ok" && r.Severity == "critical" {
			found[r.Code] = true
		}
	}
	require.Equal(s.t, map[string]bool{
		"argocd.projects": true, "argocd.projects-overlap": true, "argocd.rbac-live": true, "kubernetes.argocd": true,
	}, found)
}

// firstChange: a pull request with one approval too few is refused by the API server, and is
// synced by Gatekeeper when the last one is there.
func (s *story) firstChange() {
	s.t.Helper()
	pull, err := s.world.Propose(payments.Alice, payments.Ledger, "5000")
	require.NoError(s.t, err)
	_, err = s.world.Approve(payments.Bob, pull.Number)
	require.NoError(s.t, err)
	sha, err := s.world.Merge(payments.Alice, pull.Number, "squash")
	require.NoError(s.t, err)
	require.NoError(s.t, payments.Await(s.ctx, "the refusal to say who is missing", func(ctx context.Context) (bool, string, error) {
		err := s.world.SyncByHand(ctx, "prod", payments.Ledger, sha)
		if err == nil {
			return false, "", fmt.Errorf("it was not refused")
		}
		return strings.Contains(err.Error(), "1 more of acme/sre"), err.Error(), nil
	}))
	live, err := s.world.Live(s.ctx, "prod", payments.Ledger)
	require.NoError(s.t, err)
	require.NotContains(s.t, live.Revisions, sha)
	require.Equal(s.t, "2000", live.Limit)
	_, err = s.world.Approve(payments.Carol, pull.Number)
	require.NoError(s.t, err)
	live, err = s.world.AwaitLive(s.ctx, "prod", payments.Ledger, sha, "5000")
	require.NoError(s.t, err)
	require.Contains(s.t, live.InitiatedBy, "gatekeeper")
}

// moduleFile is a file of the module of Argo CD that the sandbox runs.
func (s *story) moduleFile(name string) string {
	s.t.Helper()
	cmd := exec.CommandContext(s.ctx, "go", "mod", "download", "-json", "github.com/argoproj/argo-cd/v3")
	cmd.Dir = filepath.Join(s.root, "test", "e2e", "tools", tools.ArgoCD3)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	require.NoError(s.t, err)
	var module struct{ Version, Dir string }
	require.NoError(s.t, json.Unmarshal(out, &module))
	require.Equal(s.t, "v"+string(sandbox.V3), module.Version)
	return filepath.Join(module.Dir, filepath.FromSlash(name))
}
