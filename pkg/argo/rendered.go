package argo

import (
	"errors"
	"fmt"
	"strings"

	"github.com/argoproj/argo-cd/v2/pkg/apis/application"
	"k8s.io/apimachinery/pkg/util/json"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/appset"
)

// Bounds of what a parent may be rendered to, and of what that may generate.
const (
	maxManifests = 20000
	maxGenerated = 5000
)

// RenderedSpecs finds the Applications among manifests that Argo CD rendered, and those
// that the ApplicationSets among them generate. One that names no namespace gets the
// given one, as in Argo CD. An ApplicationSet that cannot be followed is one entry that
// says why. A manifest that is no JSON object is an error. A nil patch is allowed;
// ApplicationSets with a templatePatch are not followed then.
func RenderedSpecs(manifests []string, namespace string, patch appset.Patch) ([]approval.RenderedSpec, error) {
	if len(manifests) > maxManifests {
		return nil, fmt.Errorf("%d manifests, more than %d", len(manifests), maxManifests)
	}
	var found []approval.RenderedSpec
	generated := 0
	for _, manifest := range manifests {
		var object map[string]any
		if err := json.Unmarshal([]byte(manifest), &object); err != nil {
			return nil, fmt.Errorf("decode a manifest: %w", err)
		}
		if object == nil {
			return nil, errors.New("decode a manifest: it is null")
		}
		root := node{fields: object, problems: &problems{}}
		if root.text("apiVersion") != application.Group+"/"+version {
			continue
		}
		metadata := root.object("metadata")
		in := metadata.text("namespace")
		if in == "" {
			in = namespace
		}
		key := in + "/" + metadata.text("name")
		switch root.text("kind") {
		case application.ApplicationKind:
			found = append(found, approval.RenderedSpec{Application: key, Digest: digest(root)})
		case application.ApplicationSetKind:
			specs := generatedSpecs(object, in, key, patch)
			if generated += len(specs); generated > maxGenerated {
				specs = []approval.RenderedSpec{{Set: key, Unfollowed: fmt.Sprintf("with others it generates more than %d Applications", maxGenerated)}}
			}
			found = append(found, specs...)
		}
	}
	return found, nil
}

// generatedSpecs expands one ApplicationSet. The first entry stands for the set itself.
func generatedSpecs(object map[string]any, namespace, set string, patch appset.Patch) []approval.RenderedSpec {
	applications, err := appset.Expand(object, namespace, patch)
	if err != nil {
		return []approval.RenderedSpec{{Set: set, Unfollowed: reasonOf(err)}}
	}
	specs := []approval.RenderedSpec{{Set: set}}
	for _, fields := range applications {
		root := node{fields: fields, problems: &problems{}}
		specs = append(specs, approval.RenderedSpec{
			Application: namespace + "/" + root.object("metadata").text("name"), Digest: digest(root), Set: set,
		})
	}
	return specs
}

// maxReason bounds why a set is not followed, which may name what somebody chose.
const maxReason = 300

func reasonOf(err error) string {
	reason := err.Error()
	if len(reason) > maxReason {
		reason = reason[:maxReason] + "…"
	}
	return strings.ToValidUTF8(reason, "\uFFFD")
}
