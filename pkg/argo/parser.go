package argo

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/argoproj/argo-cd/v2/pkg/apis/application"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/json"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// version is the only version of Argo CD's API.
const version = "v1alpha1"

// Annotations of Argo CD that the facts depend on.
const (
	// generatePathsAnnotation names the paths whose changes matter for rendering.
	// See Parser.annotations.
	generatePathsAnnotation = "argocd.argoproj.io/manifest-generate-paths"
	// skipReconcileAnnotation makes the controller leave the Application alone.
	skipReconcileAnnotation = "argocd.argoproj.io/skip-reconcile"
)

// InfoIntent is the name of the entry in an operation's info that holds the ID of
// the recorded intent.
const InfoIntent = "gatekeeper-intent"

// Applications is the resource of Argo CD's Applications.
func Applications() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: application.Group, Version: version, Resource: application.ApplicationPlural}
}

// Parser turns raw Applications into facts. It is safe for concurrent use.
type Parser struct {
	hosts map[string]bool
}

// NewParser returns a parser that recognises repositories on the given hosts, each
// "host" or "host:port", for example github.com. Without a host no source would
// ever be judged, so that is an error.
func NewParser(gitHosts []string) (*Parser, error) {
	p := &Parser{hosts: make(map[string]bool, len(gitHosts))}
	for _, host := range gitHosts {
		checked, err := checkHost(host)
		if err != nil {
			return nil, fmt.Errorf("git host: %w", err)
		}
		p.hosts[checked] = true
	}
	if len(p.hosts) == 0 {
		return nil, errors.New("git host: none is configured")
	}
	return p, nil
}

// Decode reads the facts from the JSON of an Application, for example from an
// AdmissionReview. It fails only on what is not a JSON object.
func (p *Parser) Decode(data []byte) (approval.Application, error) {
	// Whole numbers have to stay what they are, as in an object from a client: through
	// float64 the digest would be another one for numbers beyond 2^53.
	var object map[string]any
	if err := json.Unmarshal(data, &object); err != nil {
		return approval.Application{}, fmt.Errorf("decode an Application: %w", err)
	}
	if object == nil {
		return approval.Application{}, errors.New("decode an Application: it is null")
	}
	return p.Application(object), nil
}

// Application reads the facts from an Application as a dynamic client returns it.
// The object is not changed. It never fails: what cannot be judged is in
// Unsupported.
func (p *Parser) Application(object map[string]any) approval.Application {
	found := &problems{}
	root := node{fields: object, problems: found}
	a := identity(root)
	p.annotations(root.object("metadata").object("annotations"))
	p.spec(root.object("spec"), &a)
	a.SpecDigest = digest(root)
	readStatus(root, &a)
	a.Unsupported = found.list()
	return a
}

// projectOf is the project with Argo CD's default (util/argo/argo.go,
// NormalizeApplicationSpec).
func projectOf(spec node) string {
	if project := spec.text("project"); project != "" {
		return project
	}
	return "default"
}

// automated says whether the Application syncs itself. enabled is a field of Argo
// CD 3.1 and newer; its absence means on.
func automated(policy node) bool {
	value, ok := policy.fields["automated"]
	if !ok || value == nil {
		return false
	}
	auto := policy.object("automated")
	auto.known("prune", "selfHeal", "allowEmpty", "enabled")
	enabled, isBool := auto.fields["enabled"].(bool)
	return !isBool || enabled
}

// annotations judges the annotations that change what a sync deploys.
//
// manifest-generate-paths: when a commit changes nothing below these paths, Argo CD
// takes manifests that it rendered for another commit for those of this one
// (reposerver/repository/repository.go, UpdateRevisionForPaths). If the paths do not
// cover everything that is read, a sync pinned to one commit deploys the content of
// another. Only "/" is known to cover everything.
//
// skip-reconcile: an operation is left on the object until the annotation is
// removed, so what is approved now would be deployed at any later time.
func (p *Parser) annotations(annotations node) {
	if paths := annotations.text(generatePathsAnnotation); paths != "" && paths != "/" {
		annotations.problems.addf("the annotation %s is %q, so Argo CD may deploy manifests of another revision; remove it or set it to \"/\"",
			generatePathsAnnotation, shorten(paths))
	}
	if skip, err := strconv.ParseBool(annotations.text(skipReconcileAnnotation)); err == nil && skip {
		annotations.problems.addf("the annotation %s makes Argo CD leave the Application alone", skipReconcileAnnotation)
	}
}

// The in-cluster destination by its two names (argo-cd
// pkg/apis/application/v1alpha1/cluster_constants.go and util/db/cluster.go).
const (
	inClusterName   = "in-cluster"
	inClusterServer = "https://kubernetes.default.svc"
)

// readDestination fills in where the Application deploys. A destination that says
// nothing clear has no Server, which the core takes for a match of every selector.
//
// The name in-cluster stands for the cluster that Argo CD runs in. It would mean
// another cluster only where the cluster's own Secret was given another name and
// that of another cluster was called in-cluster.
func readDestination(spec node, a *approval.Application) {
	destination := spec.object("destination")
	destination.known("server", "name", "namespace")
	server := strings.TrimRight(destination.text("server"), "/")
	name := destination.text("name")
	a.DestinationNamespace = destination.text("namespace")
	a.DestinationName = name
	switch {
	case server != "" && name != "":
		spec.problems.addf("spec.destination has both server and name, which Argo CD refuses")
	case server == "" && name == "":
		spec.problems.addf("spec.destination has neither server nor name")
	case name == inClusterName:
		a.Server = inClusterServer
	default:
		a.Server = server
		if server == inClusterServer {
			a.DestinationName = inClusterName
		}
	}
}
