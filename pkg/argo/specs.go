package argo

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Spec reads an Application anew, with the fields of its spec. An error wraps
// approval.ErrNotFound if there is no such Application.
func (r *Reader) Spec(ctx context.Context, namespace, name string) (approval.Application, []approval.SpecField, error) {
	object, err := r.Object(ctx, namespace, name)
	if err != nil {
		return approval.Application{}, nil, err
	}
	return r.parser.Application(object), Fields(object), nil
}

// Specs reads all Applications anew, page by page, and hands each with the fields of
// its spec to visit, in no order. It ends with the first error. Applications that appear
// or go meanwhile may be missed.
func (r *Reader) Specs(ctx context.Context, visit func(approval.Application, []approval.SpecField) error) error {
	return r.objects(ctx, func(object map[string]any) error { return visit(r.parser.Application(object), Fields(object)) })
}

// Sets reads all Applications anew, page by page, for the ApplicationSets that they
// deploy.
func (r *Reader) Sets(ctx context.Context) (*Sets, error) {
	sets := &Sets{}
	return sets, r.objects(ctx, func(object map[string]any) error {
		sets.Object(object)
		return nil
	})
}

func (r *Reader) objects(ctx context.Context, visit func(object map[string]any) error) error {
	options := metav1.ListOptions{Limit: pageSize}
	for {
		page, err := r.client.Resource(Applications()).List(ctx, options)
		if apierrors.IsResourceExpired(err) {
			return fmt.Errorf("list Applications: the list changed too much while it was read; try again: %w", err)
		}
		if err != nil {
			return fmt.Errorf("list Applications: %w", err)
		}
		for i := range page.Items {
			if err := visit(page.Items[i].Object); err != nil {
				return err
			}
		}
		if options.Continue = page.GetContinue(); options.Continue == "" {
			return nil
		}
	}
}
