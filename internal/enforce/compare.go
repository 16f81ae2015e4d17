package enforce

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Difference is one place where a live object is not what it should be.
type Difference struct {
	// Path is where, such as webhooks[0].failurePolicy.
	Path string `json:"path"`
	// Live and Want are shortened JSON; empty for what is not there.
	Live string `json:"live,omitempty"`
	Want string `json:"want,omitempty"`
}

// String says it in one line.
func (d Difference) String() string {
	or := func(s string) string {
		if s == "" {
			return "nothing"
		}
		return s
	}
	return d.Path + ": is " + or(d.Live) + ", should be " + or(d.Want)
}

// Compare finds where a live object differs from the wanted one. Nil means that it
// is not there at all. The content must be the same; of labels and annotations,
// those that are wanted.
func Compare(want, live *unstructured.Unstructured) ([]Difference, error) {
	if live == nil {
		return []Difference{{Path: want.GetKind(), Want: want.GetName()}}, nil
	}
	var out []Difference
	wanted, err := canonical(want.Object)
	if err != nil {
		return nil, err
	}
	found, err := canonical(live.Object)
	if err != nil {
		return nil, err
	}
	for _, key := range contentKeys(wanted, found) {
		out = compare(out, key, wanted[key], found[key])
	}
	for _, kind := range []string{"labels", "annotations"} {
		present, _, _ := unstructured.NestedMap(found, "metadata", kind)
		wanted, _, _ := unstructured.NestedMap(wanted, "metadata", kind)
		for _, key := range slices.Sorted(maps.Keys(wanted)) {
			out = compare(out, "metadata."+kind+"["+key+"]", wanted[key], present[key])
		}
	}
	return out, nil
}

// canonical makes numbers of whatever type comparable.
func canonical(object map[string]any) (map[string]any, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("encode an object: %w", err)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		return nil, fmt.Errorf("decode an object: %w", err)
	}
	return out, nil
}

// contentKeys are the top-level fields that say what an object does.
func contentKeys(objects ...map[string]any) []string {
	keys := map[string]bool{}
	for _, o := range objects {
		for key := range o {
			keys[key] = true
		}
	}
	for _, not := range []string{"apiVersion", "kind", "metadata", "status"} {
		delete(keys, not)
	}
	return slices.Sorted(maps.Keys(keys))
}

// maxDifferences bounds what is told of one object.
const maxDifferences = 20

func compare(out []Difference, path string, want, live any) []Difference {
	if len(out) >= maxDifferences || reflect.DeepEqual(want, live) {
		return out
	}
	switch w := want.(type) {
	case map[string]any:
		if l, ok := live.(map[string]any); ok {
			keys := slices.Concat(slices.Collect(maps.Keys(w)), slices.Collect(maps.Keys(l)))
			slices.Sort(keys)
			for _, key := range slices.Compact(keys) {
				out = compare(out, path+"."+key, w[key], l[key])
			}
			return out
		}
	case []any:
		if l, ok := live.([]any); ok {
			for i := range max(len(w), len(l)) {
				out = compare(out, path+"["+strconv.Itoa(i)+"]", item(w, i), item(l, i))
			}
			return out
		}
	}
	return append(out, Difference{Path: path, Want: show(want), Live: show(live)})
}

func item(list []any, i int) any {
	if i < len(list) {
		return list[i]
	}
	return nil
}

// maxShown bounds a value in a log line; longer ones are named by their digest.
const maxShown = 200

func show(v any) string {
	if v == nil {
		return ""
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%T", v)
	}
	if len(text) > maxShown {
		sum := sha256.Sum256(text)
		return strconv.Itoa(len(text)) + " bytes, sha256 " + hex.EncodeToString(sum[:6])
	}
	return string(text)
}

// bundleOf is the caBundle of a webhook configuration as PEM; nil when there is
// none, or when its webhooks differ.
func bundleOf(live *unstructured.Unstructured) []byte {
	if live == nil {
		return nil
	}
	webhooks, _, _ := unstructured.NestedSlice(live.Object, "webhooks")
	var bundle []byte
	for i, w := range webhooks {
		fields, _ := w.(map[string]any)
		text, _, _ := unstructured.NestedString(fields, "clientConfig", "caBundle")
		decoded := decodeBundle(text)
		if i > 0 && string(decoded) != string(bundle) {
			return nil
		}
		bundle = decoded
	}
	return bundle
}
