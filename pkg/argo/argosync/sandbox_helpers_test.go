package argosync_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/cgi"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/argosync"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

// rig is a real Argo CD with what this package is made of. Gatekeeper's own client has
// its production rights and no more.
type rig struct {
	sandbox *sandbox.Sandbox
	git     *gitServer
	parser  *argo.Parser
	client  dynamic.Interface
	admin   dynamic.Interface
	reader  *argo.Reader
	syncer  *argosync.Syncer
}

func newRig(t *testing.T, version sandbox.Version) *rig {
	t.Helper()
	if os.Getenv("GATEKEEPER_E2E") != "1" {
		t.Skip("set GATEKEEPER_E2E=1 to run against a real Argo CD")
	}
	s, err := sandbox.Start(t.Context(), sandbox.Options{ArgoCD: version, Progress: t.Output()})
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			s.DumpLogs(t.Output())
		}
		require.NoError(t, s.Close())
	})
	r := &rig{sandbox: s, git: newGitServer(t)}
	r.parser, err = argo.NewParser([]string{r.git.host})
	require.NoError(t, err)
	r.client, err = s.Client(sandbox.Gatekeeper)
	require.NoError(t, err)
	r.admin, err = s.Client(sandbox.Admin)
	require.NoError(t, err)
	r.reader = argo.NewReader(r.client, r.parser)
	r.syncer = argosync.New(r.client, r.parser, argosync.Options{Logger: testLogger(t)})
	return r
}

// create makes an Application on manual sync that deploys into a namespace of its name.
// The spec is JSON and is merged into one that has the rest.
func (r *rig) create(t *testing.T, name, spec string) approval.Application {
	t.Helper()
	var object, change map[string]any
	require.NoError(t, json.Unmarshal(fmt.Appendf(nil, `{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": %[1]q, "namespace": "argocd"},
		"spec": {"project": "default", "destination": {"server": "https://kubernetes.default.svc", "namespace": %[1]q},
			"syncPolicy": {"syncOptions": ["CreateNamespace=true"]}}}`, name), &object))
	require.NoError(t, json.Unmarshal([]byte(spec), &change))
	merge(object, map[string]any{"spec": change})
	manifest, err := json.Marshal(object)
	require.NoError(t, err)
	require.NoError(t, r.sandbox.Apply(t.Context(), sandbox.Admin, manifest))
	return r.get(t, name)
}

func (r *rig) get(t *testing.T, name string) approval.Application {
	t.Helper()
	facts, err := r.reader.Get(t.Context(), "argocd", name)
	require.NoError(t, err)
	require.Empty(t, facts.Unsupported)
	return facts
}

// sync releases the Application at the commits. The controller writes to the status
// every few seconds, so it may take more than one try, as in production.
func (r *rig) sync(t *testing.T, syncer *argosync.Syncer, name, intent string, shas ...approval.SHA) approval.Application {
	t.Helper()
	eventually(t, "a sync of "+name, func() bool {
		err := syncer.Sync(t.Context(), release(t, r.get(t, name), intent, shas...))
		if err != nil {
			require.ErrorIs(t, err, approval.ErrStale)
		}
		return err == nil
	})
	return r.finished(t, name, intent)
}

// finished waits for the end of the operation with the intent.
func (r *rig) finished(t *testing.T, name, intent string) approval.Application {
	t.Helper()
	var facts approval.Application
	eventually(t, "the end of "+intent, func() bool {
		facts = r.get(t, name)
		require.NotNil(t, facts.Operation)
		require.Equal(t, intent, facts.Operation.Intent)
		return facts.Operation.Finished()
	})
	return facts
}

// patch changes an Application as somebody else would.
func (r *rig) patch(t *testing.T, name, patch string) {
	t.Helper()
	_, err := r.admin.Resource(argo.Applications()).Namespace("argocd").
		Patch(t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	require.NoError(t, err)
}

// raw is the Application as it is stored.
func (r *rig) raw(t *testing.T, name string) *unstructured.Unstructured {
	t.Helper()
	object, err := r.client.Resource(argo.Applications()).Namespace("argocd").Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	return object
}

// config is the data of a live ConfigMap; nil if there is none.
func (r *rig) config(t *testing.T, namespace, name string) map[string]string {
	t.Helper()
	object, err := r.admin.Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).
		Namespace(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	require.NoError(t, err)
	data, _, err := unstructured.NestedStringMap(object.Object, "data")
	require.NoError(t, err)
	return data
}

// repairDeployment gives the Deployment web an image that can be pulled, once it is there.
// Its controllers write to it at the same time, so a conflict is no failure.
func (r *rig) repairDeployment(t *testing.T, namespace string) {
	t.Helper()
	deployments := r.admin.Resource(schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}).Namespace(namespace)
	eventually(t, "the repair of the Deployment", func() bool {
		_, err := deployments.Patch(t.Context(), "web", types.JSONPatchType,
			[]byte(`[{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "registry.example/web:1.0"}]`), metav1.PatchOptions{})
		if !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
			require.NoError(t, err)
		}
		return err == nil
	})
}

// eventually waits for something that several processes have a part in.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			require.FailNow(t, "waited in vain for "+what)
		case <-tick.C:
		}
	}
}

// gitServer serves bare repositories over HTTP, under the names that they have on
// GitHub.
type gitServer struct {
	t    *testing.T
	root string
	url  string
	host string
}

func newGitServer(t *testing.T) *gitServer {
	t.Helper()
	execPath, err := exec.CommandContext(t.Context(), "git", "--exec-path").Output()
	require.NoError(t, err)
	g := &gitServer{t: t, root: t.TempDir()}
	server := httptest.NewServer(&cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(execPath)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + g.root, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1", "HOME=" + g.root},
	})
	t.Cleanup(server.Close)
	g.url = server.URL
	parsed, err := url.Parse(server.URL)
	require.NoError(t, err)
	g.host = parsed.Host
	return g
}

// commit writes files to the branch main of a repository, which is created if need be,
// and returns the commit. A file without content is removed.
func (g *gitServer) commit(repository string, files map[string]string) approval.SHA {
	g.t.Helper()
	bare, work := filepath.Join(g.root, repository), filepath.Join(g.root, "work", repository)
	if _, err := os.Stat(bare); err != nil {
		g.run(g.root, "init", "--quiet", "--bare", "--initial-branch=main", bare)
		g.run(g.root, "clone", "--quiet", bare, work)
	}
	for name, content := range files {
		path := filepath.Join(work, filepath.FromSlash(name))
		if content == "" {
			require.NoError(g.t, os.Remove(path))
			continue
		}
		require.NoError(g.t, os.MkdirAll(filepath.Dir(path), 0o750))
		require.NoError(g.t, os.WriteFile(path, []byte(content), 0o600))
	}
	g.run(work, "add", "--all")
	g.run(work, "commit", "--quiet", "--message", "change")
	g.run(work, "push", "--quiet", "origin", "HEAD:main")
	sha, err := approval.ParseSHA(strings.TrimSpace(g.run(work, "rev-parse", "HEAD")))
	require.NoError(g.t, err)
	return sha
}

func (g *gitServer) run(dir string, args ...string) string {
	g.t.Helper()
	cmd := exec.CommandContext(g.t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=Dev", "GIT_AUTHOR_EMAIL=dev@example.com", "GIT_COMMITTER_NAME=Dev", "GIT_COMMITTER_EMAIL=dev@example.com")
	out, err := cmd.CombinedOutput()
	require.NoError(g.t, err, "git %s: %s", strings.Join(args, " "), out)
	return string(out)
}

func text(t *testing.T, object *unstructured.Unstructured, path ...string) string {
	t.Helper()
	value, _, err := unstructured.NestedString(object.Object, path...)
	require.NoError(t, err)
	return value
}
