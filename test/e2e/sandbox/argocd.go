package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sync/errgroup"
)

// argoNamespace is where Argo CD and its Applications live.
const argoNamespace = "argocd"

// roleManifests are the parts of Argo CD's own installation that decide what its
// components may do, relative to its manifests folder.
func roleManifests() []string {
	return []string{
		"crds/application-crd.yaml",
		"crds/appproject-crd.yaml",
		"crds/applicationset-crd.yaml",
		"base/config/argocd-cm.yaml",
		"base/server/argocd-server-sa.yaml",
		"base/server/argocd-server-role.yaml",
		"base/server/argocd-server-rolebinding.yaml",
		"base/application-controller-roles/argocd-application-controller-sa.yaml",
		"base/application-controller-roles/argocd-application-controller-role.yaml",
		"base/application-controller-roles/argocd-application-controller-rolebinding.yaml",
		"base/applicationset-controller/argocd-applicationset-controller-sa.yaml",
		"base/applicationset-controller/argocd-applicationset-controller-role.yaml",
		"base/applicationset-controller/argocd-applicationset-controller-rolebinding.yaml",
		"base/repo-server/argocd-repo-server-sa.yaml",
		"cluster-rbac/server/argocd-server-clusterrole.yaml",
		"cluster-rbac/server/argocd-server-clusterrolebinding.yaml",
		"cluster-rbac/application-controller/argocd-application-controller-clusterrole.yaml",
		"cluster-rbac/application-controller/argocd-application-controller-clusterrolebinding.yaml",
	}
}

// argoRBAC are the rights inside Argo CD: gatekeeper may only look at Applications,
// developer may do everything with them.
const argoRBAC = `p, role:gatekeeper, applications, get, */*, allow
p, role:developer, applications, *, */*, allow
p, role:developer, projects, get, *, allow
p, role:developer, repositories, get, *, allow
p, role:developer, clusters, get, *, allow
g, gatekeeper, role:gatekeeper
g, developer, role:developer
`

// installArgoCD applies definitions, roles and settings.
func (s *Sandbox) installArgoCD(ctx context.Context) error {
	namespace := `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"` + argoNamespace + `"}}`
	if err := s.apply(ctx, Admin, ownerSettings, []byte(namespace)); err != nil {
		return err
	}
	for _, name := range roleManifests() {
		content, err := os.ReadFile(filepath.Join(s.tools[s.argo.module], "manifests", filepath.FromSlash(name)))
		if err != nil {
			return fmt.Errorf("read the manifests of Argo CD: %w", err)
		}
		if err := s.apply(ctx, Admin, ownerManifests, content); err != nil {
			return err
		}
	}
	access := accessManifest
	if len(s.options.ApplicationNamespaces) > 0 {
		access += otherNamespacesManifest
	}
	if err := s.apply(ctx, Admin, ownerSettings, []byte(access)); err != nil {
		return err
	}
	settings, err := s.argoSettings()
	if err != nil {
		return err
	}
	if err := s.apply(ctx, Admin, ownerSettings, settings); err != nil {
		return err
	}
	return await(ctx, "the definitions of Argo CD", func(ctx context.Context) error {
		for _, name := range []string{"applications", "appprojects", "applicationsets"} {
			crd, err := s.get(ctx, Admin, "apiextensions.k8s.io/v1", "CustomResourceDefinition", "", name+".argoproj.io")
			if err != nil {
				return err
			}
			if conditionStatus(crd, "Established") != "True" {
				return fmt.Errorf("%s.argoproj.io is not established", name)
			}
		}
		return nil
	})
}

// argoSettings renders Argo CD's ConfigMaps and Secret. argocd-server would create
// passwords and keys itself, but slowly, and nobody would know the password.
func (s *Sandbox) argoSettings() ([]byte, error) {
	// The password is random and lives as long as the sandbox: an expensive hash
	// would only make logging in slow.
	hash, err := bcrypt.GenerateFromPassword([]byte(s.argo.adminPassword), bcrypt.MinCost)
	if err != nil {
		return nil, fmt.Errorf("hash the admin password: %w", err)
	}
	cert, key, err := s.authority.issue()
	if err != nil {
		return nil, err
	}
	object := func(kind, name, field string, data map[string]string) map[string]any {
		return map[string]any{
			"apiVersion": "v1", "kind": kind, field: data,
			"metadata": map[string]any{
				"name": name, "namespace": argoNamespace,
				"labels": map[string]string{"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "argocd"},
			},
		}
	}
	list := []map[string]any{
		object("ConfigMap", "argocd-cm", "data", map[string]string{
			"accounts.gatekeeper":    "apiKey",
			"accounts.developer":     "apiKey",
			"timeout.reconciliation": s.options.AppResync.String(),
		}),
		object("ConfigMap", "argocd-rbac-cm", "data", map[string]string{
			"policy.csv": argoRBAC, "policy.default": "",
		}),
		object("Secret", "argocd-secret", "stringData", map[string]string{
			"admin.password":      string(hash),
			"admin.passwordMtime": time.Now().UTC().Format(time.RFC3339),
			"server.secretkey":    randomHex(),
			"tls.crt":             string(cert),
			"tls.key":             string(key),
		}),
	}
	var out []byte
	for _, item := range list {
		document, err := json.Marshal(item)
		if err != nil {
			return nil, fmt.Errorf("encode the settings of Argo CD: %w", err)
		}
		out = append(append(out, document...), "\n---\n"...)
	}
	return out, nil
}

// argoCommand prepares a component of Argo CD. All of them are one program, which
// plays the part that ARGOCD_BINARY_NAME says.
func (s *Sandbox) argoCommand(id Identity, args, env []string) Command {
	path := strings.Join([]string{s.tools[s.argo.module], s.tools[toolRender], os.Getenv("PATH")}, ":")
	return Command{
		Name: string(id),
		Path: s.tool("argocd"),
		Args: args,
		Env: append([]string{
			"ARGOCD_BINARY_NAME=" + string(id),
			// argocd itself answers git's question for a password.
			"PATH=" + path,
			"KUBECONFIG=" + s.Kubeconfig(id),
			// The in-cluster destination means the cluster of KUBECONFIG.
			"ARGOCD_FAKE_IN_CLUSTER=true",
			"ARGOCD_TLS_DATA_PATH=" + filepath.Join(s.dir, "argocd", "tls"),
			"ARGOCD_SSH_DATA_PATH=" + filepath.Join(s.dir, "argocd", "ssh"),
			"ARGOCD_GPG_ENABLED=false",
			"ARGOCD_SYNC_WAVE_DELAY=0",
			"GIT_CONFIG_NOSYSTEM=1",
		}, env...),
	}
}

// startRepoServer starts Argo CD's repo-server, which needs Redis alone.
func (s *Sandbox) startRepoServer(ctx context.Context) (string, error) {
	if _, err := exec.LookPath("git"); err != nil {
		return "", fmt.Errorf("find git for the repo-server: %w", err)
	}
	inArgo := func(name string) string { return filepath.Join(s.dir, "argocd", name) }
	ports, err := s.startComponent(ctx, component{
		name: string(ArgoRepoServer), ports: 2,
		command: func(ports []int) Command {
			return s.argoCommand(ArgoRepoServer, []string{
				"--address", "127.0.0.1", "--port", strconv.Itoa(ports[0]),
				"--metrics-address", "127.0.0.1", "--metrics-port", strconv.Itoa(ports[1]),
				"--redis", s.redis.addr(),
				"--disable-tls",
				// A push is seen by the next refresh instead of after three minutes.
				"--revision-cache-expiration", "1s",
			}, []string{
				"ARGOCD_GNUPGHOME=" + inArgo("gnupg"),
				"ARGOCD_GPG_DATA_PATH=" + inArgo("gpg"),
				"ARGOCD_PLUGINSOCKFILEPATH=" + inArgo("plugins"),
				"ARGOCD_ASK_PASS_SOCK=" + inArgo("ask-pass.sock"),
			})
		},
		ready: func(ctx context.Context, ports []int) error {
			return getOK(ctx, http.DefaultClient, "http://"+loopback(ports[1])+"/healthz", "")
		},
	})
	if err != nil {
		return "", err
	}
	return loopback(ports[0]), nil
}

// startArgoCD starts the components that need the API server and the repo-server.
func (s *Sandbox) startArgoCD(ctx context.Context, repoServer string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.startArgoServer(ctx, repoServer) })
	group.Go(func() error { return s.startArgoController(ctx, repoServer) })
	if s.options.ApplicationSet {
		group.Go(func() error { return s.startApplicationSetController(ctx, repoServer) })
	}
	return group.Wait()
}

func (s *Sandbox) startArgoServer(ctx context.Context, repoServer string) error {
	ports, err := s.startComponent(ctx, component{
		name: string(ArgoServer), ports: 2,
		command: func(ports []int) Command {
			return s.argoCommand(ArgoServer, []string{
				"--namespace", argoNamespace,
				"--address", "127.0.0.1", "--port", strconv.Itoa(ports[0]),
				"--metrics-address", "127.0.0.1", "--metrics-port", strconv.Itoa(ports[1]),
				"--application-namespaces=" + strings.Join(s.options.ApplicationNamespaces, ","),
				"--insecure",
				"--repo-server", repoServer, "--repo-server-plaintext",
				"--redis", s.redis.addr(),
				// No single sign-on; the address is never called.
				"--dex-server", "http://127.0.0.1:1",
			}, nil)
		},
		ready: func(ctx context.Context, ports []int) error {
			return getOK(ctx, http.DefaultClient, "http://"+loopback(ports[0])+"/healthz?full=true", "")
		},
	})
	if err != nil {
		return err
	}
	s.argo.addr = loopback(ports[0])
	// The server creates the default project, without which no Application works, and
	// knows the admin's password once it has read its settings.
	return await(ctx, "the default project", func(ctx context.Context) error {
		if _, err := s.get(ctx, Admin, "argoproj.io/v1alpha1", "AppProject", argoNamespace, "default"); err != nil {
			return err
		}
		_, err := s.argo.adminToken(ctx)
		return err
	})
}

func (s *Sandbox) startArgoController(ctx context.Context, repoServer string) error {
	_, err := s.startComponent(ctx, component{
		name: string(ArgoController), ports: 1,
		command: func(ports []int) Command {
			return s.argoCommand(ArgoController, []string{
				"--namespace", argoNamespace,
				"--metrics-port", strconv.Itoa(ports[0]),
				"--repo-server", repoServer, "--repo-server-plaintext",
				"--redis", s.redis.addr(),
				"--app-resync", strconv.Itoa(int(s.options.AppResync.Seconds())),
				"--app-resync-jitter", "0",
				"--application-namespaces=" + strings.Join(s.options.ApplicationNamespaces, ","),
			}, []string{"HOSTNAME=argocd-application-controller-0"})
		},
		ready: func(ctx context.Context, ports []int) error {
			return getOK(ctx, http.DefaultClient, "http://"+loopback(ports[0])+"/healthz", "")
		},
	})
	return err
}

func (s *Sandbox) startApplicationSetController(ctx context.Context, repoServer string) error {
	_, err := s.startComponent(ctx, component{
		name: string(ArgoApplicationSet), ports: 3,
		command: func(ports []int) Command {
			return s.argoCommand(ArgoApplicationSet, []string{
				"--namespace", argoNamespace,
				"--metrics-addr", loopback(ports[0]),
				"--probe-addr", loopback(ports[1]),
				"--webhook-addr", loopback(ports[2]),
				"--argocd-repo-server", repoServer, "--repo-server-plaintext",
				"--enable-progressive-syncs",
			}, nil)
		},
		// It opens its probe port but answers nothing there.
		ready: func(ctx context.Context, ports []int) error {
			return getOK(ctx, http.DefaultClient, "http://"+loopback(ports[0])+"/metrics", "")
		},
	})
	return err
}
