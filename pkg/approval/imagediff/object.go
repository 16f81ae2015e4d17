package imagediff

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// object is what names a Kubernetes object.
type object struct{ group, kind, namespace, name string }

const (
	argoGroup      = "argoproj.io"
	kustomizeGroup = "kustomize.config.k8s.io"
)

// objectOf is false for what has not both apiVersion and kind.
func objectOf(n *yaml.Node) (object, bool) {
	apiVersion, ok := textOf(child(n, "apiVersion"))
	kind, alsoOK := textOf(child(n, "kind"))
	if !ok || !alsoOK {
		return object{}, false
	}
	o := object{kind: kind}
	if group, _, found := strings.Cut(apiVersion, "/"); found {
		o.group = group
	}
	metadata := child(n, "metadata")
	o.namespace, _ = textOf(child(metadata, "namespace"))
	o.name, _ = textOf(child(metadata, "name"))
	return o, true
}

// child is the value of a key, nil when there is none.
func child(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// textOf is the value of a string, false for everything else.
func textOf(n *yaml.Node) (string, bool) {
	if n == nil || n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" {
		return "", false
	}
	return n.Value, true
}

// podPaths are where the kinds that run containers have their pod.
func podPath(o object) ([]string, bool) {
	switch o.group + "/" + o.kind {
	case "/Pod":
		return []string{"spec"}, true
	case "/PodTemplate":
		return []string{"template", "spec"}, true
	case "/ReplicationController",
		"apps/Deployment", "apps/StatefulSet", "apps/DaemonSet", "apps/ReplicaSet",
		"extensions/Deployment", "extensions/DaemonSet", "extensions/ReplicaSet",
		"batch/Job", argoGroup + "/Rollout":
		return []string{"spec", "template", "spec"}, true
	case "batch/CronJob":
		return []string{"spec", "jobTemplate", "spec", "template", "spec"}, true
	default:
		return nil, false
	}
}
