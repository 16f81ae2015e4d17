package argo

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Reader reads single Applications from the API server. It is safe for concurrent
// use.
type Reader struct {
	client dynamic.Interface
	parser *Parser
}

// NewReader returns a reader.
func NewReader(client dynamic.Interface, parser *Parser) *Reader {
	return &Reader{client: client, parser: parser}
}

// Get reads an Application anew; no cache is involved. An error wraps
// approval.ErrNotFound if there is no such Application.
func (r *Reader) Get(ctx context.Context, namespace, name string) (approval.Application, error) {
	object, err := r.Object(ctx, namespace, name)
	if err != nil {
		return approval.Application{}, err
	}
	return r.parser.Application(object), nil
}

// Object reads an Application anew, as it is stored. An error wraps
// approval.ErrNotFound if there is no such Application.
func (r *Reader) Object(ctx context.Context, namespace, name string) (map[string]any, error) {
	object, err := r.client.Resource(Applications()).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("read Application %s/%s: %w", namespace, name, approval.ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("read Application %s/%s: %w", namespace, name, err)
	}
	return object.Object, nil
}
