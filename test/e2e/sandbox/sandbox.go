package sandbox

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/tools"
)

// Version is a version of Argo CD that the sandbox can run.
type Version string

// The versions of Argo CD, one of each major version. The go.mod files of the tool
// modules decide them.
const (
	V3 Version = "3.2.11"
	V2 Version = "2.14.21"
)

const (
	toolKWOK   = tools.KWOK
	toolRender = tools.Render
)

// gracePeriod is how long Close waits for gatekeeper processes to end by themselves. It is
// the one that the chart gives a pod: on a machine that does much else, one that has just
// synced needs more than a few seconds.
const gracePeriod = time.Minute

// Options says what to start. The zero value is a good choice.
type Options struct {
	// ArgoCD is V3 by default.
	ArgoCD Version
	// ApplicationSet also starts the applicationset-controller, with progressive
	// syncs.
	ApplicationSet bool
	// ApplicationNamespaces, which may have wildcards, may hold Applications beside the
	// namespace argocd.
	ApplicationNamespaces []string
	// AppResync is how often the application-controller compares every Application
	// without being asked: 10 s by default, whole seconds.
	AppResync time.Duration
	// Progress receives one line for each long step with the elapsed time; nil
	// discards them.
	Progress io.Writer
	// Dir is the folder for data and logs, created if it does not exist; a fresh
	// temporary folder by default. A path of more than 60 characters may be too long
	// for the sockets in it.
	Dir string
	// KeepDir keeps the folder at Close.
	KeepDir bool
}

func (o Options) withDefaults() (Options, string, error) {
	if o.ArgoCD == "" {
		o.ArgoCD = V3
	}
	if o.AppResync == 0 {
		o.AppResync = 10 * time.Second
	}
	if o.AppResync < time.Second || o.AppResync%time.Second != 0 {
		return o, "", fmt.Errorf("AppResync is %s: whole seconds are needed", o.AppResync)
	}
	switch o.ArgoCD {
	case V3:
		return o, tools.ArgoCD3, nil
	case V2:
		return o, tools.ArgoCD2, nil
	default:
		return o, "", fmt.Errorf("the sandbox has no Argo CD %q, only %s and %s", o.ArgoCD, V3, V2)
	}
}

// Sandbox is a running cluster with Argo CD. It may be used concurrently.
type Sandbox struct {
	options     Options
	dir         string
	claim       *os.File // holds the lock that says the folder is in use
	builder     *tools.Builder
	tools       map[string]string // tool module to folder
	progress    *tools.Progress
	launcher    *launcher
	authority   *authority
	tls         *tls.Config // of a client that trusts authority
	https       *http.Client
	credentials *credentials
	apiURL      string
	cluster     *cluster
	redis       *memoryRedis
	argo        *ArgoCD
	gatekeeper  gatekeeperBuild

	mu           sync.Mutex
	processes    []*Process
	interceptors []*Interceptor
	closed       bool
	closeOnce    sync.Once
	closeErr     error
}

// Start brings up the whole cluster and returns when everything answers. Programs
// that are not in the cache are built first, which takes minutes. The context
// bounds the start alone: to end the sandbox call Close.
func Start(ctx context.Context, o Options) (*Sandbox, error) {
	o, module, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("start the sandbox: %w", err)
	}
	s := &Sandbox{options: o, progress: tools.NewProgress(o.Progress), gatekeeper: gatekeeperBuild{pkg: "./cmd/gatekeeper"}}
	s.builder, err = tools.NewBuilder(".", o.Progress)
	if err != nil {
		return nil, fmt.Errorf("start the sandbox: %w", err)
	}
	s.tools, err = s.builder.Ensure(ctx, tools.Sandbox(module)...)
	if err != nil {
		return nil, fmt.Errorf("start the sandbox: %w", err)
	}
	s.argo = newArgoCD(s, module)
	if err := s.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("start the sandbox: %w", err), s.close(context.WithoutCancel(ctx)))
	}
	if err := s.bringUp(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start the sandbox: %w", err), s.close(context.WithoutCancel(ctx)))
	}
	s.progress.Line("sandbox ready: Argo CD %s at %s", o.ArgoCD, s.argo.URL())
	return s, nil
}

// prepare makes everything that needs no process.
func (s *Sandbox) prepare() (err error) {
	s.dir, s.claim, err = claimDir(s.options.Dir)
	if err != nil {
		return err
	}
	s.launcher = newLauncher()
	for _, name := range []string{"logs", "home", "tmp", "secrets", "argocd/tls", "argocd/ssh", "argocd/gnupg", "argocd/gpg", "argocd/plugins"} {
		if err := os.MkdirAll(filepath.Join(s.dir, filepath.FromSlash(name)), 0o700); err != nil {
			return fmt.Errorf("create a folder: %w", err)
		}
	}
	if s.authority, err = newAuthority(); err != nil {
		return err
	}
	s.tls = s.authority.clientConfig()
	s.https = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: s.tls}}
	if s.credentials, err = newCredentials(s.secretsDir()); err != nil {
		return err
	}
	s.redis, err = startRedis()
	return err
}

// bringUp starts the components, each as soon as what it needs is ready:
//
//	etcd ─► kube-apiserver ─┬─► controllers, scheduler, KWOK
//	                        └─► definitions, roles, settings ─┐
//	repo-server ──────────────────────────────────────────────┴─► server, controllers of Argo CD
func (s *Sandbox) bringUp(ctx context.Context) error {
	repoServer := make(chan string, 1)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		address, err := s.startRepoServer(ctx)
		repoServer <- address
		return err
	})
	group.Go(func() error {
		if err := s.startAPIServer(ctx); err != nil {
			return err
		}
		if err := s.connect(); err != nil {
			return err
		}
		group.Go(func() error { return s.startControllers(ctx) })
		if err := s.installArgoCD(ctx); err != nil {
			return err
		}
		s.progress.Line("Argo CD installed")
		return s.startArgoCD(ctx, <-repoServer)
	})
	return group.Wait()
}

// Dir returns the folder of the sandbox's data and logs.
func (s *Sandbox) Dir() string { return s.dir }

func (s *Sandbox) secretsDir() string { return filepath.Join(s.dir, "secrets") }

// tool returns the path of a program that was built.
func (s *Sandbox) tool(name string) string {
	for _, dir := range s.tools {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	// Starting it will fail with this name.
	return name
}

// RESTConfig returns a client configuration that acts as id, without client-side
// rate limits. The caller owns it.
func (s *Sandbox) RESTConfig(id Identity) *rest.Config {
	return s.credentials.restConfig(id, s.apiURL, s.authority.pem)
}

// Kubeconfig returns the path of a kubeconfig that acts as id.
func (s *Sandbox) Kubeconfig(id Identity) string {
	return filepath.Join(s.secretsDir(), string(id)+".kubeconfig")
}

// ArgoCD returns the running Argo CD.
func (s *Sandbox) ArgoCD() *ArgoCD { return s.argo }

// CA returns the certificate authority that signed every serving certificate of
// the sandbox, as PEM.
func (s *Sandbox) CA() []byte { return slices.Clone(s.authority.pem) }

// ServingCert writes a certificate for 127.0.0.1 and localhost, signed by CA, and
// its key, and returns both paths. An admission webhook on loopback needs one.
func (s *Sandbox) ServingCert(name string) (certFile, keyFile string, err error) {
	return s.authority.issueFiles(s.secretsDir(), "serving-"+name)
}

// FreePort returns a port of 127.0.0.1 that nobody uses at the moment.
func (s *Sandbox) FreePort(ctx context.Context) (int, error) {
	ports, err := freePorts(ctx, 1)
	if err != nil {
		return 0, err
	}
	return ports[0], nil
}

// StartProcess starts a program with PATH and a HOME and TMPDIR of its own. Its
// output goes to a log file, and Close ends it; the context does not.
func (s *Sandbox) StartProcess(ctx context.Context, c Command) (*Process, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fmt.Errorf("start %s: %w", c.Name, errClosed)
	}
	home, tmp := filepath.Join(s.dir, "home", c.Name), filepath.Join(s.dir, "tmp", c.Name)
	for _, dir := range []string{home, tmp} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("start %s: %w", c.Name, err)
		}
	}
	env := append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + tmp}, c.Env...)
	process, err := s.launcher.startProcess(ctx, c, home, filepath.Join(s.dir, "logs", c.Name+".log"), env)
	if err != nil {
		return nil, err
	}
	s.processes = append(s.processes, process)
	return process, nil
}

// Processes returns every process that was started, also those that have ended,
// except the failed attempts of a component that found its port taken.
func (s *Sandbox) Processes() []*Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.processes)
}

// forget drops a process that has ended and was replaced by another.
func (s *Sandbox) forget(process *Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.processes = slices.DeleteFunc(s.processes, func(p *Process) bool { return p == process })
}

// DumpLogs writes the end of every process's log; call it when a test fails.
func (s *Sandbox) DumpLogs(w io.Writer) {
	for _, process := range s.Processes() {
		state := "running"
		select {
		case <-process.Done():
			state = fmt.Sprintf("ended: %v", orExitZero(process.Err()))
		default:
		}
		// There is nothing to do about a writer that fails while a test fails.
		_, _ = fmt.Fprintf(w, "==> %s (%s), %s\n%s\n", process.Name(), state, process.LogPath(), lastLines(process.Logs(), 60))
	}
}

// Close stops everything, the newest process first, and removes the folder unless
// KeepDir is set. Later calls return the result of the first.
func (s *Sandbox) Close() error {
	s.closeOnce.Do(func() { s.closeErr = s.close(context.Background()) })
	return s.closeErr
}

func (s *Sandbox) close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	processes, interceptors := slices.Clone(s.processes), slices.Clone(s.interceptors)
	s.mu.Unlock()

	var errs []error
	slices.Reverse(processes)
	ctx, cancel := context.WithTimeout(ctx, gracePeriod)
	defer cancel()
	for _, process := range processes {
		// Our own process must end when it is told to. The others hold nothing that is
		// worth waiting for.
		if s.gatekeeper.owns(process) {
			errs = append(errs, process.Stop(ctx))
		}
	}
	for _, process := range processes {
		process.Kill()
	}
	for _, interceptor := range interceptors {
		errs = append(errs, interceptor.Close())
	}
	if s.redis != nil {
		s.redis.close()
	}
	if s.launcher != nil {
		s.launcher.close()
	}
	if s.dir != "" {
		errs = append(errs, releaseDir(s.dir, s.claim, s.options.KeepDir))
	}
	return errors.Join(errs...)
}
