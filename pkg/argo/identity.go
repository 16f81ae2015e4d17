package argo

import (
	"github.com/argoproj/argo-cd/v2/pkg/apis/application"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// unread is in the facts of Identity, so that nobody decides on them.
const unread = "only which Application it is was read"

// Identity reads which Application it is and where it deploys, for those who do not judge
// what: UID, Namespace, Name, ResourceVersion, Deleting, Project, the destination and
// Automated, as in Application. To read the sources, the digest of the spec and the status
// takes several times as long. The object is not changed.
func (p *Parser) Identity(object map[string]any) approval.Application {
	a := identity(node{fields: object, problems: &problems{}})
	a.Unsupported = []string{unread}
	return a
}

func identity(root node) approval.Application {
	if root.text("apiVersion") != application.Group+"/"+version || root.text("kind") != application.ApplicationKind {
		root.problems.addf("this is not an Application of %s/%s", application.Group, version)
	}
	metadata, spec := root.object("metadata"), root.object("spec")
	a := approval.Application{
		UID:             metadata.text("uid"),
		Namespace:       metadata.text("namespace"),
		Name:            metadata.text("name"),
		ResourceVersion: metadata.text("resourceVersion"),
		Deleting:        metadata.fields["deletionTimestamp"] != nil,
		Project:         projectOf(spec),
		Automated:       automated(spec.object("syncPolicy")),
	}
	if a.UID == "" || a.Name == "" || a.Namespace == "" {
		root.problems.addf("metadata has no uid, name or namespace")
	}
	readDestination(spec, &a)
	return a
}
