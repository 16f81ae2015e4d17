package install

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

const namespace = "gatekeeper"

func resource(group, version, name string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: group, Version: version, Resource: name}
}

// read reads one object of the namespace.
func (s *story) read(ctx context.Context, r schema.GroupVersionResource, name string, into any) error {
	object, err := s.cluster.Resource(r).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read %s %s: %w", r.Resource, name, err)
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, into); err != nil {
		return fmt.Errorf("decode %s %s: %w", r.Resource, name, err)
	}
	return nil
}

// container is a container of a pod, as the kubelet would start it, in a folder that is its
// root: what is mounted is in it, with the content that the API server has.
type container struct {
	root string
	args []string
	env  []string
}

// container makes the only container of a pod.
func (s *story) container(name string, pod corev1.PodSpec) container {
	s.t.Helper()
	require.Len(s.t, pod.Containers, 1)
	c := container{root: filepath.Join(s.dir, name)}
	require.NoError(s.t, os.RemoveAll(c.root))
	only := pod.Containers[0]
	require.Empty(s.t, only.Command, "the image's own program runs")
	for _, e := range only.Env {
		require.Nil(s.t, e.ValueFrom, e.Name)
		c.env = append(c.env, e.Name+"="+c.within(e.Value))
	}
	volumes := map[string]corev1.Volume{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = v
	}
	for _, m := range only.VolumeMounts {
		require.Empty(s.t, m.SubPath)
		at := filepath.Join(c.root, m.MountPath)
		require.NoError(s.t, os.MkdirAll(filepath.Dir(at), 0o700))
		switch v := volumes[m.Name]; {
		case v.PersistentVolumeClaim != nil:
			// One folder for each claim: what is in it outlives the pod.
			claim := filepath.Join(s.dir, "volume-"+v.PersistentVolumeClaim.ClaimName)
			require.NoError(s.t, os.MkdirAll(claim, 0o700))
			require.NoError(s.t, os.Symlink(claim, at))
		case v.ConfigMap != nil:
			var m corev1.ConfigMap
			require.NoError(s.t, s.read(s.ctx, resource("", "v1", "configmaps"), v.ConfigMap.Name, &m))
			files := map[string]string{}
			for key, text := range m.Data {
				files[key] = s.placed(c.root, text)
			}
			s.writeFiles(at, files)
		case v.Secret != nil:
			s.writeFiles(at, s.secret(v.Secret.SecretName))
		case v.EmptyDir != nil:
			require.NoError(s.t, os.MkdirAll(at, 0o700))
		default:
			require.Fail(s.t, "this is a kind of volume that nothing here makes", m.Name)
		}
	}
	for _, a := range only.Args {
		c.args = append(c.args, c.within(a))
	}
	return c
}

// within is a text with the container's paths as they are on this machine.
func (c container) within(text string) string {
	return inside(c.root, text)
}

func inside(root, text string) string {
	for _, path := range []string{"/etc/gatekeeper/", "/var/lib/gatekeeper"} {
		text = strings.ReplaceAll(text, path, root+path)
	}
	return text
}

// secret is the content of a Secret.
func (s *story) secret(name string) map[string]string {
	s.t.Helper()
	object, err := s.cluster.Resource(resource("", "v1", "secrets")).Namespace(namespace).Get(s.ctx, name, metav1.GetOptions{})
	require.NoError(s.t, err)
	files := map[string]string{}
	data, _ := object.Object["data"].(map[string]any)
	for key, value := range data {
		text, err := base64.StdEncoding.DecodeString(fmt.Sprint(value))
		require.NoError(s.t, err)
		files[key] = string(text)
	}
	require.NotEmpty(s.t, files, name)
	return files
}

func (s *story) writeFiles(dir string, files map[string]string) {
	s.t.Helper()
	require.NoError(s.t, os.MkdirAll(dir, 0o700))
	for name, text := range files {
		require.NoError(s.t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
}

// placed is the configuration as it is for a process on this machine: the paths are in the
// container's folder, the pod's ports are free ports of loopback, a Service is the address
// behind it, and the service account is the one of a kubeconfig. Everything else stays.
func (s *story) placed(root, text string) string {
	s.t.Helper()
	for _, r := range []struct{ from, to string }{
		{"listen: :8080\n", "listen: " + s.world.Address + "\n"},
		{"listen: :8443\n", "listen: " + s.admission + "\n"},
		{"  service:\n    name: gatekeeper-admission\n    namespace: gatekeeper\n", "  url: https://" + s.admission + "\n"},
		{"server: argocd-server.argocd.svc:443\n", "server: " + s.argo + "\n"},
	} {
		require.Equal(s.t, 1, strings.Count(text, r.from), "%q in\n%s", r.from, text)
		text = strings.Replace(text, r.from, r.to, 1)
	}
	return inside(root, text) + "\nkubernetes:\n  kubeconfig: " + s.world.Sandbox.Kubeconfig(sandbox.Gatekeeper) + "\n"
}

// deployment is the one that is installed.
func (s *story) deployment() appsv1.Deployment {
	s.t.Helper()
	var d appsv1.Deployment
	require.NoError(s.t, s.read(s.ctx, resource("apps", "v1", "deployments"), "gatekeeper", &d))
	require.EqualValues(s.t, 1, *d.Spec.Replicas)
	require.Equal(s.t, string(sandbox.Gatekeeper), d.Spec.Template.Spec.ServiceAccountName, "whose rights it has")
	return d
}

// serve starts the container of the Deployment and waits until it is ready by its own probe.
func (s *story) serve() {
	s.t.Helper()
	d := s.deployment()
	s.running = s.container("pod", d.Spec.Template.Spec)
	s.template = d.Spec.Template
	only := d.Spec.Template.Spec.Containers[0]
	require.Equal(s.t, "http", only.ReadinessProbe.HTTPGet.Port.StrVal)
	require.Equal(s.t, "/readyz", only.ReadinessProbe.HTTPGet.Path)
	process, err := s.world.Sandbox.StartGatekeeper(s.ctx, "gatekeeper-pod", s.running.args...)
	require.NoError(s.t, err)
	s.process = process
	require.NoError(s.t, payments.Await(s.ctx, "the pod to be ready", func(ctx context.Context) (bool, string, error) {
		select {
		case <-process.Done():
			return false, "", fmt.Errorf("it ended: %w\n%s", process.Err(), process.Logs())
		default:
		}
		status, err := s.world.Ready(ctx)
		if err != nil {
			return false, err.Error(), nil //nolint:nilerr // it does not listen yet
		}
		return status == http.StatusOK, fmt.Sprint(status), nil
	}))
}

// initialize runs the Job, which is there once: nothing but the installation has it.
func (s *story) initialize() {
	s.t.Helper()
	var j batchv1.Job
	require.NoError(s.t, s.read(s.ctx, resource("batch", "v1", "jobs"), "gatekeeper-ledger-init", &j))
	c := s.container("job", j.Spec.Template.Spec)
	out, err := s.world.Gatekeeper(s.ctx, c.args...)
	require.NoError(s.t, err)
	require.Contains(s.t, out, "record")
}
