package main

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/argo-gatekeeper/gatekeeper/internal/doctor"
)

// lacking asks the API server which of the rights the client's identity does not have.
// The question is posted like an object, but nothing is stored.
func lacking(ctx context.Context, client dynamic.Interface, need []doctor.Right) ([]doctor.Right, error) {
	reviews := client.Resource(schema.GroupVersionResource{Group: "authorization.k8s.io", Version: "v1", Resource: "selfsubjectaccessreviews"})
	var out []doctor.Right
	for _, r := range need {
		question := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
			"spec": map[string]any{"resourceAttributes": map[string]any{"verb": r.Verb, "group": r.Group, "resource": r.Resource}},
		}}
		answer, err := reviews.Create(ctx, question, metav1.CreateOptions{})
		if err != nil {
			return nil, fmt.Errorf("ask whether Gatekeeper may %s %s: %w", r.Verb, r.Resource, err)
		}
		if allowed, _, err := unstructured.NestedBool(answer.Object, "status", "allowed"); err != nil || !allowed {
			out = append(out, r)
		}
	}
	return out, nil
}
