package argolink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
)

// Annotation is that of the link.
const Annotation = "link.argocd.argoproj.io/gatekeeper"

const fieldManager = "gatekeeper"

// ErrBusy says that an operation is requested or running, so nothing was written.
var ErrBusy = errors.New("an operation is in progress")

// ErrSetUnread says that nothing was written because the ApplicationSet that owns the
// Application may not be read, so it is not known what it preserves.
var ErrSetUnread = errors.New("the ApplicationSet may not be read")

// Shown is what is put on an Application. What is nil stays what it is.
type Shown struct {
	Link   *Link
	Notice *Notice
}

// Writer writes links and notices. It is safe for concurrent use.
type Writer struct{ client dynamic.Interface }

// New returns a writer.
func New(client dynamic.Interface) *Writer { return &Writer{client} }

// Write puts something on the Application, if it is there with that UID and does not have it;
// written says whether it did. A notice that somebody else wrote stays, and so does ours once
// somebody changed it. The error wraps ErrBusy or approval.ErrStale when it is to be tried
// again.
func (w *Writer) Write(ctx context.Context, namespace, name, uid string, s Shown) (written bool, err error) {
	resource := w.client.Resource(argo.Applications()).Namespace(namespace)
	object, err := resource.Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read Application %s/%s: %w", namespace, name, err)
	case string(object.GetUID()) != uid, object.GetDeletionTimestamp() != nil:
		return false, nil
	}
	annotations := s.changes(object.GetAnnotations())
	if len(annotations) == 0 {
		return false, nil
	}
	if set := owner(object); set != "" {
		if err := w.survive(ctx, namespace, set, annotations); err != nil || len(annotations) == 0 {
			return false, err
		}
	}
	if busy(object) {
		return false, fmt.Errorf("annotate Application %s/%s: %w", namespace, name, ErrBusy)
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"resourceVersion": object.GetResourceVersion(), "annotations": annotations,
	}})
	if err != nil {
		return false, fmt.Errorf("encode the patch: %w", err)
	}
	_, err = resource.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
	switch {
	case apierrors.IsConflict(err):
		return false, fmt.Errorf("annotate Application %s/%s: %w", namespace, name, approval.ErrStale)
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("annotate Application %s/%s: %w", namespace, name, err)
	}
	return true, nil
}

// changes are the annotations that are to be written or, when nil, taken away.
func (s Shown) changes(have map[string]string) map[string]any {
	out := map[string]any{}
	if s.Link != nil && have[Annotation] != s.Link.text() {
		out[Annotation] = s.Link.text()
	}
	if s.Notice != nil {
		now, ours := noticeIn(have)
		if now != *s.Notice && (ours || now.Content == "") {
			maps.Copy(out, s.Notice.values())
			maps.DeleteFunc(out, func(key string, value any) bool { // what is not there is not taken away
				_, there := have[key]
				return value == nil && !there
			})
		}
	}
	return out
}

// survive leaves out what an ApplicationSet would take off its Applications again: an
// annotation that spec.preservedFields.annotations does not name. A notice is written whole
// or not at all.
func (w *Writer) survive(ctx context.Context, namespace, name string, annotations map[string]any) error {
	set, err := w.client.Resource(applicationSets()).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	var preserved []string
	switch {
	case apierrors.IsNotFound(err):
	case apierrors.IsForbidden(err):
		return fmt.Errorf("read ApplicationSet %s/%s: %w: %w", namespace, name, ErrSetUnread, err)
	case err != nil:
		return fmt.Errorf("read ApplicationSet %s/%s: %w", namespace, name, err)
	default:
		preserved, _, err = unstructured.NestedStringSlice(set.Object, "spec", "preservedFields", "annotations")
		if err != nil {
			return fmt.Errorf("read what ApplicationSet %s/%s preserves: %w", namespace, name, err)
		}
	}
	notice := []string{NoticeContent, NoticeSeverity, NoticeURL, NoticeMark}
	whole := !slices.ContainsFunc(notice, func(key string) bool { return !slices.Contains(preserved, key) })
	maps.DeleteFunc(annotations, func(key string, _ any) bool {
		if slices.Contains(notice, key) {
			return !whole
		}
		return !slices.Contains(preserved, key)
	})
	return nil
}

func applicationSets() schema.GroupVersionResource {
	return argo.Applications().GroupVersion().WithResource("applicationsets")
}

// owner is the name of the ApplicationSet that writes the Application; empty for none.
func owner(object *unstructured.Unstructured) string {
	for _, o := range object.GetOwnerReferences() {
		if o.Kind == "ApplicationSet" {
			return o.Name
		}
	}
	return ""
}

// busy says whether an operation is requested or has not ended.
func busy(object *unstructured.Unstructured) bool {
	if object.Object["operation"] != nil {
		return true
	}
	phase, _, _ := unstructured.NestedString(object.Object, "status", "operationState", "phase")
	return phase == "Running" || phase == "Terminating"
}
