package doctor_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic/fake"

	"github.com/argo-gatekeeper/gatekeeper/internal/doctor"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/installation"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/access"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// healthy is a cluster in which all is well.
const healthy = `
{apiVersion: v1, kind: ConfigMap, metadata: {name: argocd-cm, namespace: argocd}, data: {admin.enabled: "false"}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: argocd-rbac-cm, namespace: argocd}, data: {policy.csv: "p, acme:dev, applications, get, */*, allow"}}
---
{apiVersion: argoproj.io/v1alpha1, kind: AppProject, metadata: {name: prod, namespace: argocd}, spec: {sourceRepos: ["*"],
  destinations: [{server: "https://kubernetes.default.svc", namespace: payments}]}}
---
{apiVersion: argoproj.io/v1alpha1, kind: AppProject, metadata: {name: default, namespace: argocd}, spec: {}}
---
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: payments, namespace: argocd, uid: u1}
spec:
  project: prod
  source: {repoURL: "https://github.com/acme/env", path: prod, targetRevision: main}
  destination: {server: "https://kubernetes.default.svc", namespace: payments}
status:
  resources: [{group: apps, kind: Deployment, namespace: payments, name: api}]
  summary: {images: ["registry.example.com/api:1.2.3@sha256:aaaa"]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: cluster-admin}, rules: [{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: cluster-admin}, roleRef: {kind: ClusterRole, name: cluster-admin},
  subjects: [{kind: Group, name: "system:masters"}, {kind: ServiceAccount, name: argocd-application-controller, namespace: argocd}, {kind: ServiceAccount, name: generic-garbage-collector, namespace: kube-system}]}
`

// world is an installation, of which tests break parts. The cluster is a list of
// objects, GitHub is the stand-in.
type world struct {
	*standin.Server
	t       *testing.T
	objects []map[string]any
	argo    argoAPI
	hub     standin.App
	install int64
	sources doctor.Sources
}

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	var out map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(text), &out))
	return out
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, argo: argoAPI{version: "v3.2.11", can: map[string]bool{"get applications": true}, allowed: true}}
	for text := range strings.SplitSeq(healthy, "---\n") {
		w.objects = append(w.objects, parse(t, text))
	}
	w.sources = doctor.Sources{
		Deployments: true,
		Policies: []approval.Policy{{
			Gate: "prod", Applications: []approval.Selector{{Project: "prod"}},
			Repositories: []approval.ProtectedRepository{{Name: "acme/env", Branch: "main"}},
			Config:       approval.Quorum{Requirements: []approval.Requirement{{Name: "sre", Approvals: 1, Teams: []approval.TeamName{"acme/sre"}}}},
		}},
		ArgoAPI:  &w.argo,
		Enforced: true,
		Objects: func(context.Context) ([]doctor.Object, error) {
			return []doctor.Object{{Kind: "ValidatingWebhookConfiguration", Name: "gatekeeper"}}, nil
		},
		Closure: func(context.Context, approval.Application) (approval.Closure, error) { return approval.Closure{}, nil },
		Rights:  func(context.Context, []doctor.Right) ([]doctor.Right, error) { return nil, nil },
		Record:  func(context.Context) (uint64, error) { return 7, nil },
		Directory: func() (doctor.Directory, error) {
			return doctor.Directory{Path: "/data", Writable: true, Free: 5 << 30, Size: 10 << 30}, nil
		},
		Skew:                map[string]func(context.Context) (time.Duration, error){"GitHub": clock(0), "Kubernetes": clock(time.Second)},
		GatekeeperNamespace: "gatekeeper",
	}
	return w
}

func clock(ahead time.Duration) func(context.Context) (time.Duration, error) {
	return func(context.Context) (time.Duration, error) { return ahead, nil }
}

// withGitHub begins a GitHub on which all is well.
func (w *world) withGitHub() {
	w.t.Helper()
	var err error
	w.Server, err = standin.Start(context.WithoutCancel(w.t.Context()), standin.Options{Dir: w.t.TempDir()})
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, w.Close()) })
	for _, person := range []string{"alice", "bob"} {
		_, err = w.CreateUser(person, person)
		require.NoError(w.t, err)
	}
	_, err = w.CreateOrganization("acme", "alice")
	require.NoError(w.t, err)
	_, err = w.CreateTeam("acme", "sre", "bob")
	require.NoError(w.t, err)
	_, err = w.CreateRepository("acme", "env", standin.RepositoryOptions{Author: "alice", Files: map[string]string{"a": "b"}})
	require.NoError(w.t, err)
	require.NoError(w.t, w.SetProtection("acme/env", "main", standin.Protection{Reviews: &standin.RequiredReviews{Count: 1}, EnforceAdmins: true}))
	w.register(permissions(), events())
}

func permissions() map[string]string {
	out := map[string]string{}
	for _, n := range access.Permissions() {
		out[n.Name] = n.Level
	}
	return out
}

func events() []string {
	var out []string
	for _, e := range access.Events() {
		out = append(out, e.Name)
	}
	return out
}

// register makes an App, installs it and uses it.
func (w *world) register(permissions map[string]string, events []string) {
	w.t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(w.t, err)
	w.hub, err = w.CreateApp(standin.AppOptions{Slug: "gatekeeper-" + time.Now().Format("150405.000000000")[7:], Owner: "acme", Permissions: permissions, Events: events,
		PrivateKeyPEM: pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})})
	require.NoError(w.t, err)
	w.install, err = w.Install(w.hub.ID, "acme", "env")
	require.NoError(w.t, err)
	app, err := github.NewApp(github.Options{BaseURL: w.APIURL(), AppID: w.hub.ID, PrivateKeyPEM: w.hub.PrivateKeyPEM, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(w.t, err)
	w.sources.Hub = access.New(app)
}

// add puts objects into the cluster.
func (w *world) add(text string) {
	w.t.Helper()
	w.objects = append(w.objects, parse(w.t, text))
}

// set changes a field of an object.
func (w *world) set(kind, name string, value any, path ...string) {
	w.t.Helper()
	for _, o := range w.objects {
		u := unstructured.Unstructured{Object: o}
		if u.GetKind() == kind && u.GetName() == name {
			require.NoError(w.t, unstructured.SetNestedField(o, value, path...))
			return
		}
	}
	require.Fail(w.t, "no such object", name)
}

// look runs all checks.
func (w *world) look(options ...func(*doctor.Options)) doctor.Report {
	w.t.Helper()
	if w.sources.Cluster == nil {
		w.sources.Cluster = installation.New(w.client(), w.parser())
	}
	o := doctor.Options{Timeout: 10 * time.Second}
	for _, option := range options {
		option(&o)
	}
	return doctor.Run(w.t.Context(), w.sources, o)
}

func (w *world) parser() *argo.Parser {
	w.t.Helper()
	parser, err := argo.NewParser([]string{"github.com"})
	require.NoError(w.t, err)
	return parser
}

func (w *world) client() *fake.FakeDynamicClient {
	lists := map[schema.GroupVersionResource]string{}
	for _, r := range []struct{ group, version, resource, kind string }{
		{"argoproj.io", "v1alpha1", "applications", "Application"}, {"argoproj.io", "v1alpha1", "appprojects", "AppProject"},
		{"argoproj.io", "v1alpha1", "applicationsets", "ApplicationSet"}, {"", "v1", "configmaps", "ConfigMap"},
		{"rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole"}, {"rbac.authorization.k8s.io", "v1", "roles", "Role"},
		{"rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding"}, {"rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding"},
	} {
		lists[schema.GroupVersionResource{Group: r.group, Version: r.version, Resource: r.resource}] = r.kind + "List"
	}
	objects := make([]runtime.Object, len(w.objects))
	for i, o := range w.objects {
		objects[i] = &unstructured.Unstructured{Object: o}
	}
	return fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), lists, objects...)
}

// of are the results of one check.
func of(r doctor.Report, code string) []doctor.Result {
	var out []doctor.Result
	for _, x := range r.Results {
		if x.Code == code {
			out = append(out, x)
		}
	}
	return out
}

// argoAPI is an argocd-server by its answers; the real one is asked in the
// end-to-end test.
type argoAPI struct {
	version string
	can     map[string]bool // "action resource"
	allowed bool
	err     error
}

func (a *argoAPI) Version(context.Context) (string, error) { return a.version, a.err }

func (a *argoAPI) Can(_ context.Context, resource, action, _ string) (bool, error) {
	return a.can[action+" "+resource], a.err
}

func (a *argoAPI) SyncAllowed(context.Context, approval.Application) (bool, string, error) {
	return a.allowed, "blocked by the project's sync windows", a.err
}
