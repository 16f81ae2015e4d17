package argo

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/util/json"
)

// testHosts are the hosts of the fixtures.
var testHosts = []string{"github.com", "127.0.0.1:1234"}

func newTestParser(t testing.TB) *Parser {
	t.Helper()
	parser, err := NewParser(testHosts)
	require.NoError(t, err)
	return parser
}

// fixture reads an Application of testdata and applies merge patches (RFC 7386).
func fixture(t testing.TB, name string, patches ...string) map[string]any {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "applications", name+".json"))
	require.NoError(t, err)
	object := decode(t, string(data))
	for _, patch := range patches {
		merge(object, decode(t, patch))
	}
	return object
}

func decode(t testing.TB, text string) map[string]any {
	t.Helper()
	var object map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &object), text)
	return object
}

// merge applies a merge patch, but keeps nulls inside new objects and lists, so that a
// test can put them there.
func merge(object, patch map[string]any) {
	for key, value := range patch {
		into, isObject := object[key].(map[string]any)
		from, patchesObject := value.(map[string]any)
		switch {
		case value == nil:
			delete(object, key)
		case isObject && patchesObject:
			merge(into, from)
		default:
			object[key] = value
		}
	}
}

// testLogger writes to the test's output.
func testLogger(t *testing.T) *slog.Logger {
	t.Helper()
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}
