// Package chart renders the Helm chart in charts/gatekeeper with Helm's own library, for
// the tests here and for those that install it into a real API server.
package chart

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// Options say what is rendered.
type Options struct {
	// Dir is the chart.
	Dir string
	// ValuesFile is one of the chart's ci folder; empty for none.
	ValuesFile string
	// Values are laid over those of the file.
	Values map[string]any
	// Release is the release's name. Default gatekeeper.
	Release string
	// Upgrade renders what an upgrade has.
	Upgrade bool
	// Change changes the chart before it is rendered.
	Change func(*chart.Chart)
}

// Rendered is a chart as it would be installed into the namespace gatekeeper.
type Rendered struct {
	// Files are the rendered templates by their path in the chart, NOTES.txt included.
	Files map[string]string
}

// Render validates the values and renders the chart, as "helm template" does.
func Render(o Options) (Rendered, error) {
	loaded, err := loader.Load(o.Dir)
	if err != nil {
		return Rendered{}, fmt.Errorf("load the chart: %w", err)
	}
	if o.Change != nil {
		o.Change(loaded)
	}
	values := map[string]any{}
	if o.ValuesFile != "" {
		if values, err = chartutil.ReadValuesFile(o.ValuesFile); err != nil {
			return Rendered{}, fmt.Errorf("read the values: %w", err)
		}
	}
	values = chartutil.CoalesceTables(maps.Clone(o.Values), values)
	if o.Release == "" {
		o.Release = "gatekeeper"
	}
	capabilities := chartutil.DefaultCapabilities.Copy()
	capabilities.KubeVersion = chartutil.KubeVersion{Version: "v1.34.0", Major: "1", Minor: "34"}
	all, err := chartutil.ToRenderValues(loaded, values, chartutil.ReleaseOptions{
		Name: o.Release, Namespace: "gatekeeper", Revision: 1, IsInstall: !o.Upgrade, IsUpgrade: o.Upgrade,
	}, capabilities)
	if err != nil {
		return Rendered{}, fmt.Errorf("validate the values: %w", err)
	}
	files, err := engine.Render(loaded, all)
	if err != nil {
		return Rendered{}, fmt.Errorf("render the chart: %w", err)
	}
	out := Rendered{Files: map[string]string{}}
	for path, text := range files {
		path = strings.TrimPrefix(path, loaded.Name()+"/templates/")
		if strings.TrimSpace(text) != "" && !strings.HasPrefix(path, "_") {
			out.Files[path] = text
		}
	}
	return out, nil
}

// Text is all files, one after the other.
func (r Rendered) Text() string {
	var b strings.Builder
	for _, path := range slices.Sorted(maps.Keys(r.Files)) {
		fmt.Fprintf(&b, "--- # %s\n%s\n", path, strings.TrimSpace(r.Files[path]))
	}
	return b.String()
}

// Objects are those of all files, in the order of the files' names.
func (r Rendered) Objects() ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	for _, path := range slices.Sorted(maps.Keys(r.Files)) {
		if !strings.HasSuffix(path, ".yaml") {
			continue
		}
		reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader([]byte(r.Files[path]))))
		for {
			document, err := reader.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("split %s: %w", path, err)
			}
			object := &unstructured.Unstructured{}
			if err := yaml.Unmarshal(document, &object.Object); err != nil {
				return nil, fmt.Errorf("decode %s: %w", path, err)
			}
			if len(object.Object) > 0 {
				out = append(out, object)
			}
		}
	}
	return out, nil
}

// Find returns the only object of a kind and name.
func (r Rendered) Find(kind, name string) (*unstructured.Unstructured, error) {
	objects, err := r.Objects()
	if err != nil {
		return nil, err
	}
	var found *unstructured.Unstructured
	for _, o := range objects {
		if o.GetKind() != kind || o.GetName() != name {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("several objects are %s %s", kind, name)
		}
		found = o
	}
	if found == nil {
		return nil, fmt.Errorf("no object is %s %s", kind, name)
	}
	return found, nil
}
