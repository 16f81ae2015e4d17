package argolink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
)

// Annotation is the one that is written.
const Annotation = "link.argocd.argoproj.io/gatekeeper"

const fieldManager = "gatekeeper"

// ErrBusy says that an operation is requested or running, so nothing was written.
var ErrBusy = errors.New("an operation is in progress")

// Writer writes links. It is safe for concurrent use.
type Writer struct{ client dynamic.Interface }

// New returns a writer.
func New(client dynamic.Interface) *Writer { return &Writer{client} }

// Write puts a link on the Application, if it is there with that UID and does not have it;
// written says whether it did. The error wraps ErrBusy or approval.ErrStale when it is to be
// tried again.
func (w *Writer) Write(ctx context.Context, namespace, name, uid string, link Link) (written bool, err error) {
	resource := w.client.Resource(argo.Applications()).Namespace(namespace)
	object, err := resource.Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read Application %s/%s: %w", namespace, name, err)
	case string(object.GetUID()) != uid, object.GetDeletionTimestamp() != nil, owned(object),
		object.GetAnnotations()[Annotation] == link.text():
		return false, nil
	case busy(object):
		return false, fmt.Errorf("link Application %s/%s: %w", namespace, name, ErrBusy)
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"resourceVersion": object.GetResourceVersion(), "annotations": map[string]string{Annotation: link.text()},
	}})
	if err != nil {
		return false, fmt.Errorf("encode the patch: %w", err)
	}
	_, err = resource.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
	switch {
	case apierrors.IsConflict(err):
		return false, fmt.Errorf("link Application %s/%s: %w", namespace, name, approval.ErrStale)
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("link Application %s/%s: %w", namespace, name, err)
	}
	return true, nil
}

// owned says whether an ApplicationSet writes the Application.
func owned(object *unstructured.Unstructured) bool {
	return slices.ContainsFunc(object.GetOwnerReferences(), func(o metav1.OwnerReference) bool { return o.Kind == "ApplicationSet" })
}

// busy says whether an operation is requested or has not ended.
func busy(object *unstructured.Unstructured) bool {
	if object.Object["operation"] != nil {
		return true
	}
	phase, _, _ := unstructured.NestedString(object.Object, "status", "operationState", "phase")
	return phase == "Running" || phase == "Terminating"
}
