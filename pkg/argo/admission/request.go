package admission

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// stored is what the rules and the facts look at of an Application; the rest of it,
// which can be most of it, is not decoded.
type stored struct {
	APIVersion any `json:"apiVersion"`
	Kind       any `json:"kind"`
	Metadata   struct {
		Name              any             `json:"name"`
		Namespace         any             `json:"namespace"`
		UID               any             `json:"uid"`
		ResourceVersion   any             `json:"resourceVersion"`
		DeletionTimestamp any             `json:"deletionTimestamp"`
		Annotations       json.RawMessage `json:"annotations"`
	} `json:"metadata"`
	Spec      json.RawMessage `json:"spec"`
	Operation json.RawMessage `json:"operation"`
	Status    *struct {
		Health         json.RawMessage `json:"health"`
		OperationState json.RawMessage `json:"operationState"`
		Sync           json.RawMessage `json:"sync"`
		History        json.RawMessage `json:"history"`
	} `json:"status"`
}

// object is the Application as a dynamic client would return it, without what stored
// leaves out.
func (s *stored) object(values *values) (map[string]any, error) {
	metadata := present(map[string]any{
		"name": s.Metadata.Name, "namespace": s.Metadata.Namespace, "uid": s.Metadata.UID, "resourceVersion": s.Metadata.ResourceVersion,
		"deletionTimestamp": s.Metadata.DeletionTimestamp, "annotations": values.of(s.Metadata.Annotations),
	})
	object := map[string]any{
		"apiVersion": s.APIVersion, "kind": s.Kind, "metadata": metadata, "spec": values.of(s.Spec), "operation": values.of(s.Operation),
	}
	if s.Status != nil {
		object["status"] = present(map[string]any{
			"health": values.of(s.Status.Health), "operationState": values.of(s.Status.OperationState),
			"sync": values.of(s.Status.Sync), "history": values.of(s.Status.History),
		})
	}
	return present(object), values.err
}

// values decodes JSON. What is the same before and after a write, which is most, is
// decoded once; nothing changes a value, so both may have it.
type values struct {
	known []knownValue
	err   error
}

type knownValue struct {
	raw     json.RawMessage
	decoded any
}

func (v *values) of(raw json.RawMessage) any {
	if len(raw) == 0 {
		return nil
	}
	for _, known := range v.known {
		if bytes.Equal(known.raw, raw) {
			return known.decoded
		}
	}
	// Whole numbers stay whole, as in an object from a client.
	var decoded any
	if err := utiljson.Unmarshal(raw, &decoded); err != nil && v.err == nil {
		v.err = err
	}
	v.known = append(v.known, knownValue{raw, decoded})
	return decoded
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
	shared := &values{}
	for _, side := range []struct {
		when string
		raw  runtime.RawExtension
		into *map[string]any
	}{{"before", request.OldObject, &r.old}, {"after", request.Object, &r.new}} {
		if absent(side.raw) {
			continue
		}
		object, err := decodeObject(side.raw, shared)
		if err != nil {
			return nil, fmt.Errorf("read the Application %s the write: %w", side.when, err)
		}
		*side.into = object
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

func absent(raw runtime.RawExtension) bool { return len(raw.Raw) == 0 || string(raw.Raw) == "null" }

func decodeObject(raw runtime.RawExtension, shared *values) (map[string]any, error) {
	var s stored
	if err := utiljson.Unmarshal(raw.Raw, &s); err != nil {
		return nil, fmt.Errorf("decode it: %w", err)
	}
	object, err := s.object(shared)
	if err != nil {
		return nil, fmt.Errorf("decode it: %w", err)
	}
	return object, nil
}
