package payments

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
)

// OperationWatch tells when a service's Application is given an operation.
type OperationWatch struct {
	events watch.Interface
}

// WatchOperation begins to watch the production Application of a service.
func (w *World) WatchOperation(ctx context.Context, service string) (*OperationWatch, error) {
	name := w.Application("prod", service)
	app, err := w.apps().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read the application: %w", err)
	}
	events, err := w.apps().Watch(ctx, metav1.ListOptions{
		FieldSelector: "metadata.name=" + name, ResourceVersion: app.GetResourceVersion(),
	})
	if err != nil {
		return nil, fmt.Errorf("watch the application: %w", err)
	}
	return &OperationWatch{events: events}, nil
}

// Next waits for the operation, returns when it was seen, and ends the watch.
func (o *OperationWatch) Next(ctx context.Context) (time.Time, error) {
	defer o.events.Stop()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("await the operation: %w", ctx.Err())
		case e, ok := <-o.events.ResultChan():
			if !ok {
				return time.Time{}, fmt.Errorf("await the operation: the watch ended")
			}
			seen := time.Now()
			if app, isObject := e.Object.(*unstructured.Unstructured); isObject {
				if _, requested, _ := unstructured.NestedMap(app.Object, "operation"); requested {
					return seen, nil
				}
			}
		}
	}
}
