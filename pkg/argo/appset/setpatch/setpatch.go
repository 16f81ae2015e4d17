// Package setpatch applies the templatePatch of an ApplicationSet with Argo CD's own
// types. It is apart from package appset, because those types are many packages.
package setpatch

import (
	"encoding/json"
	"fmt"

	"github.com/argoproj/argo-cd/v2/pkg/apis/application/v1alpha1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

// Apply is a strategic merge of two JSON objects (argo-cd
// applicationset/controllers/template/patch.go). Fields of the Application that the
// types do not have are kept; a patch of one is an error.
func Apply(application, patch []byte) ([]byte, error) {
	if err := json.Unmarshal(patch, &v1alpha1.Application{}); err != nil {
		return nil, fmt.Errorf("decode the patch: %w", err)
	}
	patched, err := strategicpatch.StrategicMergePatch(application, patch, v1alpha1.Application{})
	if err != nil {
		return nil, fmt.Errorf("merge the patch: %w", err)
	}
	return patched, nil
}
