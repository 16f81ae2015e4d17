package admission

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// values decodes JSON. What is the same before and after a write, which is most, is
// decoded once; nothing changes a value, so both may have it.
type values struct {
	known   []knownValue
	scratch input
}

type knownValue struct {
	raw     []byte
	decoded any
}

// next is the value that is next in the input.
func (v *values) next(in *input) (any, error) {
	raw, err := in.raw()
	if err != nil {
		return nil, err
	}
	for _, known := range v.known {
		if bytes.Equal(known.raw, raw) {
			return known.decoded, nil
		}
	}
	v.scratch.begin(raw)
	decoded, err := v.scratch.value()
	if err != nil {
		return nil, err
	}
	v.known = append(v.known, knownValue{raw, decoded})
	return decoded, nil
}

// The members of an Application that the rules and the facts look at; the rest of it, which can be
// most of it, is not decoded.
var (
	storedFields   = []string{"apiVersion", "kind", "spec", "operation"}
	metadataFields = []string{"name", "namespace", "uid", "resourceVersion", "deletionTimestamp", "annotations"}
	statusFields   = []string{"health", "operationState", "sync", "history"}
)

// some reads the given fields of an object into fields, and an object of its own for each of the
// nested ones.
func (v *values) some(in *input, into map[string]any, fields []string, nested map[string][]string) error {
	return in.members(func(name string) error {
		if inner, ok := nested[name]; ok {
			object := map[string]any{}
			if in.d.PeekKind() != 'n' {
				into[name] = object
			}
			return v.some(in, object, inner, nil)
		}
		if !slices.Contains(fields, name) {
			return nil
		}
		// A null is as good as absent: the API server stores none of these.
		value, err := v.next(in)
		if value != nil {
			into[name] = value
		}
		return err
	})
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

// decodeObject is the Application as a dynamic client would return it, without what is not
// looked at.
func decodeObject(raw runtime.RawExtension, shared *values) (map[string]any, error) {
	in := read(raw.Raw)
	object := map[string]any{"metadata": map[string]any{}}
	err := shared.some(in, object, storedFields, map[string][]string{"metadata": metadataFields, "status": statusFields})
	if err == nil {
		err = in.end()
	}
	if err != nil {
		return nil, fmt.Errorf("decode it: %w", err)
	}
	return object, nil
}
