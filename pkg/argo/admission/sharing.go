package admission

import (
	"reflect"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// sharing makes values for expressions of which the very same is equal to itself without being
// looked through. What a write leaves alone is in memory once, see values.
type sharing struct{}

// NativeToValue implements types.Adapter.
func (s sharing) NativeToValue(value any) ref.Val {
	switch v := value.(type) {
	case map[string]any:
		return &sharedMap{types.NewStringInterfaceMap(s, v), v}
	case []any:
		return &sharedList{types.NewDynamicList(s, v), v}
	}
	return types.DefaultTypeAdapter.NativeToValue(value)
}

// sharedMap is a pointer, as CEL's own maps and lists are: "x in [...]" takes it for a key.
type sharedMap struct {
	traits.Mapper
	native map[string]any
}

// Equal implements ref.Val.
func (m *sharedMap) Equal(other ref.Val) ref.Val {
	if o, ok := other.(*sharedMap); ok && reflect.ValueOf(o.native).UnsafePointer() == reflect.ValueOf(m.native).UnsafePointer() {
		return types.True
	}
	return m.Mapper.Equal(other)
}

type sharedList struct {
	traits.Lister
	native []any
}

// Equal implements ref.Val.
func (l *sharedList) Equal(other ref.Val) ref.Val {
	if o, ok := other.(*sharedList); ok && len(o.native) == len(l.native) && (len(l.native) == 0 || &o.native[0] == &l.native[0]) {
		return types.True
	}
	return l.Lister.Equal(other)
}
