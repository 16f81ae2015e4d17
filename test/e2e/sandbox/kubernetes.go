package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// nodeName is the one node of the cluster.
const nodeName = "kwok-node-0"

// controllers are the control loops that Argo CD's fixtures need, by their full
// names. The short aliases of some are deprecated.
func controllers() string {
	return strings.Join([]string{
		"deployment-controller",
		"replicaset-controller",
		"job-controller", // sync hooks
		"garbage-collector-controller",
		"namespace-controller",
		"serviceaccount-controller",
		// Reports type errors of admission policies in their status.
		"validatingadmissionpolicy-status-controller",
	}, ",")
}

// startAPIServer starts etcd and kube-apiserver.
func (s *Sandbox) startAPIServer(ctx context.Context) error {
	etcdPorts, err := s.startComponent(ctx, component{
		name: "etcd", ports: 1,
		command: func(ports []int) Command {
			url := "http://" + loopback(ports[0])
			return Command{Name: "etcd", Path: s.tool("etcd"), Args: []string{
				"--data-dir=" + filepath.Join(s.dir, "etcd"),
				"--listen-client-urls=" + url,
				"--advertise-client-urls=" + url,
				// The only member has no peers: any free port will do.
				"--listen-peer-urls=http://127.0.0.1:0",
				// The data need not survive a crash of the machine, and waiting for the disk
				// is most of what etcd does.
				"--unsafe-no-fsync",
				"--log-level=warn",
			}}
		},
		ready: func(ctx context.Context, ports []int) error {
			return getOK(ctx, http.DefaultClient, "http://"+loopback(ports[0])+"/health", "")
		},
	})
	if err != nil {
		return err
	}
	certFile, keyFile, err := s.authority.issueFiles(s.secretsDir(), "apiserver")
	if err != nil {
		return err
	}
	saPrivate, saPublic, err := writeServiceAccountKeys(s.secretsDir())
	if err != nil {
		return err
	}
	ports, err := s.startComponent(ctx, component{
		name: "kube-apiserver", ports: 1,
		command: func(ports []int) Command {
			return Command{Name: "kube-apiserver", Path: s.tool("kube-apiserver"), Args: []string{
				"--etcd-servers=http://" + loopback(etcdPorts[0]),
				"--bind-address=127.0.0.1",
				fmt.Sprintf("--secure-port=%d", ports[0]),
				"--tls-cert-file=" + certFile,
				"--tls-private-key-file=" + keyFile,
				"--cert-dir=" + s.secretsDir(),
				"--authorization-mode=RBAC",
				"--token-auth-file=" + s.credentials.tokenFile(),
				"--service-account-issuer=https://kubernetes.default.svc",
				"--service-account-key-file=" + saPublic,
				"--service-account-signing-key-file=" + saPrivate,
				"--service-cluster-ip-range=10.96.0.0/16",
				// ServiceAccount would refuse pods until a token controller has run;
				// TaintNodesByCondition would keep pods off the node until a node lifecycle
				// controller, which does not run, removes the taint.
				"--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
				// A loopback address may not become an endpoint of the kubernetes service.
				"--advertise-address=127.0.0.1",
				"--endpoint-reconciler-type=none",
				"--allow-privileged=true",
				"--profiling=false",
			}}
		},
		ready: func(ctx context.Context, ports []int) error {
			return getOK(ctx, s.https, "https://"+loopback(ports[0])+"/readyz", s.credentials.tokens[Admin])
		},
	})
	if err != nil {
		return err
	}
	s.apiURL = "https://" + loopback(ports[0])
	for _, subject := range append(subjects(), subject{identity: Anonymous}) {
		if _, err := s.credentials.writeKubeconfig(string(subject.identity), subject.identity, s.apiURL, s.authority.pem); err != nil {
			return err
		}
	}
	return nil
}

// startControllers starts what turns a Deployment into running pods. Everything
// in it needs the API server alone, so it starts in parallel.
func (s *Sandbox) startControllers(ctx context.Context) error {
	certFile, keyFile, err := s.authority.issueFiles(s.secretsDir(), "controllers")
	if err != nil {
		return err
	}
	serving := func(port int) []string {
		return []string{
			"--bind-address=127.0.0.1",
			fmt.Sprintf("--secure-port=%d", port),
			"--tls-cert-file=" + certFile,
			"--tls-private-key-file=" + keyFile,
			"--authentication-skip-lookup=true",
			"--leader-elect=false",
			"--profiling=false",
		}
	}
	healthy := func(path string) func(context.Context, []int) error {
		return func(ctx context.Context, ports []int) error {
			return getOK(ctx, s.https, "https://"+loopback(ports[0])+path, "")
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		_, err := s.startComponent(ctx, component{
			name: "kube-controller-manager", ports: 1,
			command: func(ports []int) Command {
				return Command{Name: "kube-controller-manager", Path: s.tool("kube-controller-manager"), Args: append([]string{
					"--kubeconfig=" + s.Kubeconfig(controllerManager),
					"--controllers=" + controllers(),
					"--use-service-account-credentials=false",
					"--kube-api-qps=500", "--kube-api-burst=1000",
				}, serving(ports[0])...)}
			},
			ready: healthy("/healthz"),
		})
		return err
	})
	group.Go(func() error {
		_, err := s.startComponent(ctx, component{
			name: "kube-scheduler", ports: 1,
			command: func(ports []int) Command {
				return Command{Name: "kube-scheduler", Path: s.tool("kube-scheduler"), Args: append([]string{
					"--kubeconfig=" + s.Kubeconfig(scheduler),
					"--kube-api-qps=500", "--kube-api-burst=1000",
				}, serving(ports[0])...)}
			},
			ready: healthy("/readyz"),
		})
		return err
	})
	group.Go(func() error { return s.startKWOK(ctx) })
	return group.Wait()
}

// startKWOK starts the simulated node.
func (s *Sandbox) startKWOK(ctx context.Context) error {
	stages := filepath.Join(s.dir, "unpullable.yaml")
	if err := os.WriteFile(stages, []byte(unpullableStage), 0o600); err != nil {
		return fmt.Errorf("write the pod stages: %w", err)
	}
	if err := s.apply(ctx, Admin, ownerSettings, []byte(nodeManifest)); err != nil {
		return fmt.Errorf("create the node: %w", err)
	}
	// KWOK's own stages without its heartbeat: nobody in this cluster looks for it.
	args := []string{
		"--kubeconfig=" + s.Kubeconfig(kwok),
		"--manage-all-nodes=true",
		"--node-lease-duration-seconds=0",
		"--config=" + stages,
	}
	for _, stage := range []string{"node/node-initialize", "pod/pod-ready", "pod/pod-complete", "pod/pod-delete"} {
		args = append(args, "--config="+filepath.Join(s.tools[toolKWOK], "stages", filepath.FromSlash(stage)+".yaml"))
	}
	_, err := s.startComponent(ctx, component{
		name:    "kwok",
		command: func([]int) Command { return Command{Name: "kwok", Path: s.tool("kwok"), Args: args} },
		ready:   func(ctx context.Context, _ []int) error { return s.nodeReady(ctx) },
	})
	return err
}

// errNodeNotReady is the state of the node until KWOK plays its part.
var errNodeNotReady = errors.New("the node is not ready")

func (s *Sandbox) nodeReady(ctx context.Context) error {
	node, err := s.get(ctx, Admin, "v1", "Node", "", nodeName)
	if err != nil {
		return err
	}
	if conditionStatus(node, "Ready") != "True" {
		return errNodeNotReady
	}
	return nil
}

// conditionStatus returns the status of a condition of an object, or "".
func conditionStatus(object *unstructured.Unstructured, kind string) string {
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, item := range conditions {
		if condition, ok := item.(map[string]any); ok && condition["type"] == kind {
			status, _ := condition["status"].(string)
			return status
		}
	}
	return ""
}

// getOK returns nil when a GET of url answers 200.
func getOK(ctx context.Context, client *http.Client, url, token string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("probe %s: %w", url, err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("probe %s: %w", url, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	if err != nil {
		return fmt.Errorf("probe %s: %w", url, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("probe %s: %s: %s", url, response.Status, strings.TrimSpace(string(body)))
	}
	return nil
}
