package argo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/argoproj/argo-cd/v2/pkg/apis/application"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// The marks by which Argo CD knows whose resource one is (argo-cd common/common.go,
// AnnotationKeyAppInstance and LabelKeyAppInstance). The label's key can be configured;
// this is the default.
const (
	trackingAnnotation = "argocd.argoproj.io/tracking-id"
	trackingLabel      = "app.kubernetes.io/instance"
)

// LiveSpec reads what is seen of an Application's spec. An error wraps
// approval.ErrStale if the Application or its spec is not the given one any more.
func (r *Reader) LiveSpec(ctx context.Context, a approval.Application) (approval.LiveSpec, error) {
	object, err := r.Object(ctx, a.Namespace, a.Name)
	if err != nil {
		return approval.LiveSpec{}, err
	}
	if now := r.parser.Application(object); now.UID != a.UID || now.SpecDigest != a.SpecDigest {
		return approval.LiveSpec{}, fmt.Errorf("read the spec of %s: %w", a.Key(), approval.ErrStale)
	}
	return liveSpec(object), nil
}

func liveSpec(object map[string]any) approval.LiveSpec {
	live := approval.LiveSpec{Fields: Fields(object)}
	metadata := node{fields: object, problems: &problems{}}.object("metadata")
	live.Writer, live.WrittenAt = lastWriter(metadata)
	namespace := metadata.text("namespace")
	live.Parent = parentOf(metadata, namespace)
	for _, owner := range metadata.objects("ownerReferences") {
		if owner.text("kind") == "ApplicationSet" && strings.HasPrefix(owner.text("apiVersion"), application.Group+"/") {
			live.Set = namespace + "/" + owner.text("name")
		}
	}
	return live
}

// lastWriter is the field manager that wrote to the spec last. Kubernetes keeps one
// time for all fields of a manager, those of the status included.
func lastWriter(metadata node) (writer string, at time.Time) {
	for _, entry := range metadata.objects("managedFields") {
		if _, wrote := entry.object("fieldsV1").fields["f:spec"]; !wrote {
			continue
		}
		if when := entry.time("time"); writer == "" || when.After(at) {
			writer, at = entry.text("manager"), when
		}
	}
	return writer, at
}

// parentOf reads the mark of the Application that this one is a resource of: "name", or
// "namespace_name" when that is not in Argo CD's own namespace (argo-cd types.go,
// InstanceName), which is taken to be this one's.
func parentOf(metadata node, namespace string) string {
	mark, _, _ := strings.Cut(metadata.object("annotations").text(trackingAnnotation), ":")
	if mark == "" {
		mark = metadata.object("labels").text(trackingLabel)
	}
	switch parent, name, prefixed := strings.Cut(mark, "_"); {
	case mark == "" || strings.Contains(mark, "/"):
		return ""
	case prefixed:
		return parent + "/" + name
	default:
		return namespace + "/" + mark
	}
}
