package tools

import "strings"

// Names of the tool modules, which are also their folders.
const (
	Kubernetes = "kubernetes"
	Kubectl    = "kubectl"
	ArgoCD2    = "argocd2"
	ArgoCD3    = "argocd3"
	Render     = "render"
	KWOK       = "kwok"
	Lint       = "lint"
	GH         = "gh"
	Workflows  = "workflows"
	Runner     = "runner"
)

// Module is one nested module and what is taken from it.
type Module struct {
	// Name is the folder under test/e2e/tools.
	Name string
	// Binaries are built in this order.
	Binaries []Binary
	// Files are copied beside the binaries.
	Files []Files
}

// Binary is one program of a tool module.
type Binary struct {
	// Name is the file name in the cache folder.
	Name string
	// Package is the main package; go.mod names it in a tool directive.
	Package string
	// Stamp sets version variables with the linker. Kubernetes and Argo CD report
	// placeholder versions otherwise, and Argo CD hands the API server's version to
	// helm, which refuses the placeholder.
	Stamp Stamp
}

// Stamp sets string variables to the version that go.mod selects for a module.
type Stamp struct {
	// Module is the path whose selected version is used; empty stamps nothing.
	Module string
	// Variables maps a variable to a pattern in which {version} stands for v1.34.4,
	// {number} for 1.34.4, {major} for 1 and {minor} for 34.
	Variables map[string]string
}

// Files copies a folder of a module, without its sub-folders unless Recursive.
type Files struct {
	// Module is the path of the module that has the folder.
	Module string
	// From is a slash-separated path in the module; To is one in the cache folder.
	From, To string
	// Recursive copies sub-folders as well.
	Recursive bool
}

// Table lists every tool module, in the order in which they are built: what the
// sandbox needs first comes first.
func Table() []Module {
	return []Module{
		{
			Name: Kubernetes,
			Binaries: []Binary{
				{Name: "etcd", Package: "go.etcd.io/etcd/server/v3"},
				{Name: "kube-apiserver", Package: "k8s.io/kubernetes/cmd/kube-apiserver", Stamp: kubernetesVersion()},
				{Name: "kube-controller-manager", Package: "k8s.io/kubernetes/cmd/kube-controller-manager", Stamp: kubernetesVersion()},
				{Name: "kube-scheduler", Package: "k8s.io/kubernetes/cmd/kube-scheduler", Stamp: kubernetesVersion()},
			},
		},
		argocd(ArgoCD3, "github.com/argoproj/argo-cd/v3"),
		{
			Name:     KWOK,
			Binaries: []Binary{{Name: "kwok", Package: "sigs.k8s.io/kwok/cmd/kwok"}},
			Files: []Files{
				{Module: "sigs.k8s.io/kwok", From: "kustomize/stage/node/fast", To: "stages/node"},
				{Module: "sigs.k8s.io/kwok", From: "kustomize/stage/pod/fast", To: "stages/pod"},
			},
		},
		{
			Name: Render,
			Binaries: []Binary{
				{Name: "helm", Package: "helm.sh/helm/v3/cmd/helm", Stamp: Stamp{
					Module:    "helm.sh/helm/v3",
					Variables: map[string]string{"helm.sh/helm/v3/internal/version.version": "{version}"},
				}},
				{Name: "kustomize", Package: "sigs.k8s.io/kustomize/kustomize/v5", Stamp: Stamp{
					Module:    "sigs.k8s.io/kustomize/kustomize/v5",
					Variables: map[string]string{"sigs.k8s.io/kustomize/api/provenance.version": "{version}"},
				}},
			},
		},
		argocd(ArgoCD2, "github.com/argoproj/argo-cd/v2"),
		{
			Name: GH,
			Binaries: []Binary{{
				Name: "gh", Package: "github.com/cli/cli/v2/cmd/gh", Stamp: Stamp{
					Module:    "github.com/cli/cli/v2",
					Variables: map[string]string{"github.com/cli/cli/v2/internal/build.Version": "{number}"},
				},
			}},
		},
		{
			Name: Kubectl,
			Binaries: []Binary{
				{Name: "kubectl", Package: "k8s.io/kubernetes/cmd/kubectl", Stamp: kubernetesVersion()},
			},
		},
		{
			Name: Lint,
			Binaries: []Binary{{
				Name: "golangci-lint", Package: "github.com/golangci/golangci-lint/v2/cmd/golangci-lint", Stamp: Stamp{
					Module:    "github.com/golangci/golangci-lint/v2",
					Variables: map[string]string{"main.version": "{number}"},
				},
			}},
		},
		{
			Name: Workflows,
			Binaries: []Binary{{
				Name: "actionlint", Package: "github.com/rhysd/actionlint/cmd/actionlint", Stamp: Stamp{
					Module:    "github.com/rhysd/actionlint",
					Variables: map[string]string{"github.com/rhysd/actionlint.version": "{number}"},
				},
			}},
		},
		{
			Name:     Runner,
			Binaries: []Binary{{Name: "gotestsum", Package: "gotest.tools/gotestsum"}},
		},
	}
}

// Sandbox lists the modules that a sandbox with the given Argo CD module needs.
func Sandbox(argocd string) []string {
	return []string{Kubernetes, argocd, KWOK, Render}
}

func kubernetesVersion() Stamp {
	const pkg = "k8s.io/component-base/version."
	return Stamp{
		Module: "k8s.io/kubernetes",
		Variables: map[string]string{
			pkg + "gitVersion": "{version}",
			pkg + "gitMajor":   "{major}",
			pkg + "gitMinor":   "{minor}",
		},
	}
}

func argocd(name, module string) Module {
	return Module{
		Name: name,
		Binaries: []Binary{{Name: "argocd", Package: module + "/cmd", Stamp: Stamp{
			Module:    module,
			Variables: map[string]string{module + "/common.version": "{number}"},
		}}},
		Files: []Files{
			{Module: module, From: "manifests/crds", To: "manifests/crds"},
			{Module: module, From: "manifests/base", To: "manifests/base", Recursive: true},
			{Module: module, From: "manifests/cluster-rbac", To: "manifests/cluster-rbac", Recursive: true},
		},
	}
}

// linkerFlags returns the -ldflags value for a stamp resolved to a version.
func (s Stamp) linkerFlags(version string) string {
	number := strings.TrimPrefix(version, "v")
	major, rest, _ := strings.Cut(number, ".")
	minor, _, _ := strings.Cut(rest, ".")
	expand := strings.NewReplacer("{version}", version, "{number}", number, "{major}", major, "{minor}", minor)
	flags := []string{"-s", "-w"}
	for _, name := range sortedKeys(s.Variables) {
		flags = append(flags, "-X", name+"="+expand.Replace(s.Variables[name]))
	}
	return strings.Join(flags, " ")
}
