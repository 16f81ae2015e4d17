package bypass

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// nudgeEvery is how long an Application may wait for Argo CD before it is touched.
const nudgeEvery = 3 * time.Second

// nudge touches Applications that wait for Argo CD and that nobody writes, until the
// context ends. Argo CD 3.2.11 forgets an operation for as long: it puts the answer to
// its own status patch into its informer's store, where a newer object may be already
// (PatchAppWithWriteBack in controller/appcontroller.go; seen on 2026-11-21, an
// operation of the command line at the end of a comparison waited for minutes). Any
// write of the object, or the resync that the sandbox does without here, ends it.
func (w *World) nudge(ctx context.Context) {
	tick := time.NewTicker(nudgeEvery)
	defer tick.Stop()
	seen := map[types.UID]string{} // resource version of those that waited at the last look
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		list, err := w.admin.Resource(applications()).List(ctx, metav1.ListOptions{})
		if err != nil {
			continue // the attacks will say so
		}
		waiting := map[types.UID]string{}
		for i := range list.Items {
			app := &list.Items[i]
			if !waits(app) {
				continue
			}
			waiting[app.GetUID()] = app.GetResourceVersion()
			if seen[app.GetUID()] == app.GetResourceVersion() {
				_, _ = w.admin.Resource(applications()).Namespace(app.GetNamespace()).Patch(ctx, app.GetName(), types.MergePatchType,
					[]byte(`{"metadata": {"annotations": {"bypass.example.com/nudged": "`+app.GetResourceVersion()+`"}}}`), metav1.PatchOptions{})
			}
		}
		seen = waiting
	}
}

// waits says whether Argo CD has something to begin.
func waits(app *unstructured.Unstructured) bool {
	annotations := app.GetAnnotations()
	if annotations["argocd.argoproj.io/skip-reconcile"] != "" {
		return false
	}
	return app.Object["operation"] != nil && text(app, "status", "operationState", "phase") == "" || annotations["argocd.argoproj.io/refresh"] != ""
}
