// Package examples checks the manifests under examples/ against the schemas of
// Argo CD's own custom resources, as the API server does.
package examples

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// TestManifests: each manifest is what Argo CD's resources allow, and has no field
// that the API server would drop silently.
func TestManifests(t *testing.T) {
	schemas := resources(t)
	files, err := filepath.Glob(filepath.Join("..", "..", "examples", "*", "argocd", "*.yaml"))
	require.NoError(t, err)
	require.Greater(t, len(files), 8)
	for _, file := range files {
		t.Run(filepath.ToSlash(strings.TrimPrefix(file, filepath.Join("..", "..", "examples")+string(filepath.Separator))), func(t *testing.T) {
			for _, object := range documents(t, file) {
				require.Equal(t, "argoproj.io/v1alpha1", object["apiVersion"])
				kind, ok := object["kind"].(string)
				require.True(t, ok)
				schema, ok := schemas[kind]
				require.True(t, ok, "%s is no resource of Argo CD", kind)
				require.NoError(t, schema.compiled.Validate(object))
				require.Empty(t, unknown(kind, object, schema.raw))
				metadata, ok := object["metadata"].(map[string]any)
				require.True(t, ok)
				require.NotEmpty(t, metadata["name"])
				require.Equal(t, "argocd", metadata["namespace"])
			}
		})
	}
}

// TestSchemasRefuse keeps the test above from passing with schemas that let
// everything through.
func TestSchemasRefuse(t *testing.T) {
	schemas := resources(t)
	application := documents(t, filepath.Join("..", "..", "examples", "single-team", "argocd", "application.yaml"))[0]
	spec, ok := application["spec"].(map[string]any)
	require.True(t, ok)
	require.NoError(t, schemas["Application"].compiled.Validate(application))
	spec["syncPolicies"] = map[string]any{}
	require.Equal(t, []string{"Application.spec.syncPolicies"}, unknown("Application", application, schemas["Application"].raw))
	spec["project"] = 7.0
	require.Error(t, schemas["Application"].compiled.Validate(application))
	delete(spec, "project")
	require.Error(t, schemas["Application"].compiled.Validate(application))
}

type resource struct {
	raw      map[string]any
	compiled *jsonschema.Schema
}

// resources are the schemas of the module's custom resource definitions, by kind.
func resources(t *testing.T) map[string]resource {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/argoproj/argo-cd/v2").Output()
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "manifests", "crds", "*-crd.yaml"))
	require.NoError(t, err)
	require.Len(t, files, 3)
	all := map[string]resource{}
	for _, file := range files {
		raw, err := json.Marshal(documents(t, file)[0])
		require.NoError(t, err)
		var crd struct {
			Spec struct {
				Names    struct{ Kind string }
				Versions []struct {
					Schema struct{ OpenAPIV3Schema map[string]any }
				}
			}
		}
		require.NoError(t, json.Unmarshal(raw, &crd))
		require.Len(t, crd.Spec.Versions, 1)
		schema := crd.Spec.Versions[0].Schema.OpenAPIV3Schema
		c := jsonschema.NewCompiler()
		c.DefaultDraft(jsonschema.Draft4)
		address := "https://crd.example/" + crd.Spec.Names.Kind
		require.NoError(t, c.AddResource(address, schema))
		compiled, err := c.Compile(address)
		require.NoError(t, err)
		all[crd.Spec.Names.Kind] = resource{raw: schema, compiled: compiled}
	}
	return all
}

// unknown are the fields that a structural schema does not have: the API server
// drops them.
func unknown(at string, value any, schema map[string]any) []string {
	if schema["x-kubernetes-preserve-unknown-fields"] == true {
		return nil
	}
	var out []string
	switch v := value.(type) {
	case map[string]any:
		properties, _ := schema["properties"].(map[string]any)
		rest, anything := schema["additionalProperties"].(map[string]any)
		if schema["type"] == "object" && properties == nil && !anything {
			return nil // metadata
		}
		for key, field := range v {
			child, known := properties[key].(map[string]any)
			switch {
			case known:
				out = append(out, unknown(at+"."+key, field, child)...)
			case anything:
				out = append(out, unknown(at+"."+key, field, rest)...)
			default:
				out = append(out, at+"."+key)
			}
		}
	case []any:
		items, _ := schema["items"].(map[string]any)
		for _, item := range v {
			out = append(out, unknown(at, item, items)...)
		}
	}
	slices.Sort(out)
	return out
}

// documents are the objects of a YAML file.
func documents(t *testing.T, file string) []map[string]any {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	var out []map[string]any
	for d := yaml.NewYAMLOrJSONDecoder(f, 4096); ; {
		var object map[string]any
		err := d.Decode(&object)
		if err == io.EOF { //nolint:errorlint // the decoder returns it bare
			require.NotEmpty(t, out)
			return out
		}
		require.NoError(t, err, file)
		if object != nil {
			out = append(out, object)
		}
	}
}
