package sbom

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

func subject() Subject {
	return Subject{
		Version: "v1.2.3", Commit: "0123456789abcdef0123456789abcdef01234567", Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Program: &debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Path: "github.com/argo-gatekeeper/gatekeeper", Version: "(devel)"}, Deps: []*debug.Module{
			{Path: "github.com/docker/cli", Version: "v27.1.1+incompatible"},
			{Path: "example.com/old", Version: "v1.0.0", Replace: &debug.Module{Path: "example.com/new", Version: "v2.0.0"}},
		}},
		System: &System{Version: "13", Suite: "trixie", Packages: []Package{
			{Name: "libpsl5t64", Version: "0.21.2-1.1+b1", Architecture: "amd64", Source: "libpsl", SourceVersion: "0.21.2-1.1", SHA256: strings.Repeat("ab", 32)},
			{Name: "git", Version: "1:2.47.3-0+deb13u1", Architecture: "amd64", Source: "git", SourceVersion: "1:2.47.3-0+deb13u1", SHA256: strings.Repeat("cd", 32)},
		}},
	}
}

func TestDocument(t *testing.T) {
	raw, err := Document(subject())
	require.NoError(t, err)
	again, err := Document(subject())
	require.NoError(t, err)
	require.Equal(t, string(raw), string(again), "the same build has the same list")
	require.NoError(t, schema(t).Validate(parsed(t, raw)))

	var doc struct {
		SerialNumber string
		Metadata     struct{ Timestamp string }
		Components   []struct{ Type, Name, Version, PURL string }
	}
	require.NoError(t, json.Unmarshal(raw, &doc))
	require.Equal(t, "2026-01-02T03:04:05Z", doc.Metadata.Timestamp)
	var urls []string
	for _, c := range doc.Components {
		urls = append(urls, c.PURL)
	}
	require.Equal(t, []string{
		"", // the system
		"pkg:deb/debian/git@1%3A2.47.3-0%2Bdeb13u1?arch=amd64&distro=trixie&upstream=git",
		"pkg:deb/debian/libpsl5t64@0.21.2-1.1%2Bb1?arch=amd64&distro=trixie&upstream=libpsl%400.21.2-1.1",
		"pkg:golang/example.com/new@v2.0.0",
		"pkg:golang/github.com/docker/cli@v27.1.1%2Bincompatible",
		"pkg:golang/std@1.26.8",
	}, urls)

	other := subject()
	other.System.Packages[0].SHA256 = strings.Repeat("ef", 32)
	changed, err := Document(other)
	require.NoError(t, err)
	require.NotContains(t, string(changed), doc.SerialNumber, "another build has another serial number")
}

// TestSchemaRefuses keeps the test above from passing with a schema that lets
// everything through.
func TestSchemaRefuses(t *testing.T) {
	raw, err := Document(subject())
	require.NoError(t, err)
	for old, wrong := range map[string]string{
		`"type": "library"`:      `"type": "book"`,
		`"urn:uuid:`:             `"urn:`,
		strings.Repeat("ab", 32): "short",
	} {
		require.Contains(t, string(raw), old)
		require.Error(t, schema(t).Validate(parsed(t, []byte(strings.ReplaceAll(string(raw), old, wrong)))), wrong)
	}
}

func TestNothingIsGuessed(t *testing.T) {
	for name, change := range map[string]func(*Subject){
		"no build information":       func(s *Subject) { s.Program = nil },
		"no modules":                 func(s *Subject) { s.Program.Deps = nil },
		"a module without a version": func(s *Subject) { s.Program.Deps[0].Version = "" },
		"the same package twice":     func(s *Subject) { s.System.Packages[1] = s.System.Packages[0] },
	} {
		t.Run(name, func(t *testing.T) {
			s := subject()
			change(&s)
			_, err := Document(s)
			require.Error(t, err)
		})
	}
}

func parsed(t *testing.T, raw []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
	require.NoError(t, err)
	return v
}

// schema is CycloneDX's own, as its library publishes it.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	require.NoError(t, err)
	dir := filepath.Join(strings.TrimSpace(string(out)), "schema")
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	// They refer to each other by address.
	for name, file := range map[string]string{
		"bom-1.6.schema.json": "bom-1.6.schema.json", "spdx.schema.json": "spdx.schema.json", "jsf-0.82.schema.json": "jsf-0.82.schemax.json",
	} {
		raw, err := os.ReadFile(filepath.Join(dir, file))
		if file == "jsf-0.82.schemax.json" && os.IsNotExist(err) {
			raw, err = os.ReadFile(filepath.Join(dir, name))
		}
		require.NoError(t, err)
		require.NoError(t, c.AddResource("http://cyclonedx.org/schema/"+name, parsed(t, raw)))
	}
	s, err := c.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json")
	require.NoError(t, err)
	return s
}
