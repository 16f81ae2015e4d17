package config

import (
	"regexp"

	"go.yaml.in/yaml/v4"
)

// objectName is what Kubernetes takes as a name (RFC 1123 subdomain), namespaceName as that
// of a namespace (RFC 1123 label).
var (
	objectName    = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)
	namespaceName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
)

// replicas checks what several processes need to share the work.
func (c *checker) replicas(f *File, root *yaml.Node) {
	r, n := f.Replicas, at(root, "replicas")
	if r == nil {
		return
	}
	if f.Record.Postgres == nil {
		c.add(n, "replicas needs record.postgres: a record in a SQLite file belongs to the one process that has it open, and another one refuses to start")
	}
	if !objectName.MatchString(r.Lease) {
		c.add(at(n, "lease"), "replicas.lease must be the name of a Lease in Kubernetes, for example gatekeeper")
	}
	if !namespaceName.MatchString(r.Namespace) {
		c.add(at(n, "namespace"), "replicas.namespace must be the namespace of the Lease, which is Gatekeeper's own, for example gatekeeper")
	}
}
