package argo

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Running is an Application with what its status says of the live resources. The
// status is as old as ReconciledAt, and whoever may patch the Application can forge it.
type Running struct {
	Application approval.Application
	// Images are the references in the specs of all pods (status.summary.images), so
	// they have a digest only where a manifest names one. During a roll-out an image is
	// there with both versions.
	Images []string
	// Sync is Argo CD's sync status: Synced, OutOfSync, Unknown.
	Sync string
	// Revisions are those that were compared, one for each source.
	Revisions    []string
	ReconciledAt time.Time
}

// Running reads an Application and its status anew; no cache is involved. An error
// wraps approval.ErrNotFound if there is no such Application.
func (r *Reader) Running(ctx context.Context, namespace, name string) (Running, error) {
	object, err := r.client.Resource(Applications()).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return Running{}, fmt.Errorf("read Application %s/%s: %w", namespace, name, approval.ErrNotFound)
	case err != nil:
		return Running{}, fmt.Errorf("read Application %s/%s: %w", namespace, name, err)
	}
	found := &problems{}
	status := node{fields: object.Object, problems: found}.object("status")
	sync := status.object("sync")
	running := Running{
		Application: r.parser.Application(object.Object),
		Images:      status.object("summary").strings("images"),
		Sync:        sync.text("status"),
		Revisions:   revisions(sync), ReconciledAt: status.time("reconciledAt"),
	}
	if problems := found.list(); len(problems) > 0 {
		return Running{}, fmt.Errorf("read the status of Application %s/%s: %s", namespace, name, problems[0])
	}
	return running, nil
}
