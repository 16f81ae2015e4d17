package admission

import (
	"errors"
	"fmt"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json"
)

// stored is what the rules and the facts look at of an Application; the rest of it,
// which can be most of it, is not decoded. Values keep what they are in JSON.
type stored struct {
	APIVersion any `json:"apiVersion"`
	Kind       any `json:"kind"`
	Metadata   struct {
		Name              any `json:"name"`
		Namespace         any `json:"namespace"`
		UID               any `json:"uid"`
		ResourceVersion   any `json:"resourceVersion"`
		DeletionTimestamp any `json:"deletionTimestamp"`
		Annotations       any `json:"annotations"`
	} `json:"metadata"`
	Spec      any `json:"spec"`
	Operation any `json:"operation"`
	Status    *struct {
		Health         any `json:"health"`
		OperationState any `json:"operationState"`
		Sync           any `json:"sync"`
		History        any `json:"history"`
	} `json:"status"`
}

// object is the Application as a dynamic client would return it, without what stored
// leaves out.
func (s *stored) object() map[string]any {
	metadata := present(map[string]any{
		"name": s.Metadata.Name, "namespace": s.Metadata.Namespace, "uid": s.Metadata.UID, "resourceVersion": s.Metadata.ResourceVersion,
		"deletionTimestamp": s.Metadata.DeletionTimestamp, "annotations": s.Metadata.Annotations,
	})
	object := map[string]any{"apiVersion": s.APIVersion, "kind": s.Kind, "metadata": metadata, "spec": s.Spec, "operation": s.Operation}
	if s.Status != nil {
		object["status"] = present(map[string]any{
			"health": s.Status.Health, "operationState": s.Status.OperationState, "sync": s.Status.Sync, "history": s.Status.History,
		})
	}
	return present(object)
}

// present drops what is absent. A null is, too: the API server stores none of these.
func present(fields map[string]any) map[string]any {
	for key, value := range fields {
		if value == nil {
			delete(fields, key)
		}
	}
	return fields
}

// review is a decoded request.
type review struct {
	request  *admissionv1.AdmissionRequest
	old, new map[string]any // nil when absent
}

func decode(request *admissionv1.AdmissionRequest) (*review, error) {
	if request == nil {
		return nil, errors.New("read an admission request: there is none")
	}
	r := &review{request: request}
	var err error
	if r.old, err = decodeObject(request.OldObject); err != nil {
		return nil, fmt.Errorf("read the Application before the write: %w", err)
	}
	if r.new, err = decodeObject(request.Object); err != nil {
		return nil, fmt.Errorf("read the Application after the write: %w", err)
	}
	complete := false
	switch request.Operation {
	case admissionv1.Create:
		complete = r.old == nil && r.new != nil
	case admissionv1.Update:
		complete = r.old != nil && r.new != nil
	case admissionv1.Delete:
		complete = r.old != nil && r.new == nil
	case admissionv1.Connect:
	}
	if !complete {
		return nil, fmt.Errorf("read an admission request: its objects are not those of a %q", request.Operation)
	}
	return r, nil
}

func decodeObject(raw runtime.RawExtension) (map[string]any, error) {
	if len(raw.Raw) == 0 || string(raw.Raw) == "null" {
		return nil, nil
	}
	var s stored
	if err := json.Unmarshal(raw.Raw, &s); err != nil {
		return nil, fmt.Errorf("decode it: %w", err)
	}
	return s.object(), nil
}
