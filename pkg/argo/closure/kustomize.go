package closure

import (
	"maps"
	"path"
	"slices"
	"strings"
)

// kustomizationNames are the files that kustomize looks for (kustomize
// api/konfig/general.go, RecognizedKustomizationFileNames).
var kustomizationNames = [...]string{"kustomization.yaml", "kustomization.yml", "Kustomization"}

// kustomizations follows the kustomization of a folder. Should there be several, which
// kustomize refuses, all are followed.
func (v *view) kustomizations(f folder) error {
	for _, file := range kustomizationNames {
		name := path.Join(f.name, file)
		content, found, err := v.text(name)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		fields, err := parse(content)
		if err != nil {
			v.widen("%s cannot be understood: %v", name, err)
			continue
		}
		if err := v.kustomization(f.name, name, fields); err != nil {
			return err
		}
	}
	return nil
}

// kustomization follows what one names. The fields are those of kustomize 5.7 and
// before (kustomize api/types/kustomization.go). kustomize takes a field in any case
// ("Resources"); such a key counts as unknown here.
func (v *view) kustomization(base, from string, fields map[string]any) error {
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		value := fields[key]
		if isEmpty(value) {
			continue
		}
		var err error
		switch key {
		case "resources", "bases", "components", "crds", "configurations":
			// A resource is tried as a file, then as a folder or a remote repository
			// (kustomize api/internal/target/kusttarget.go, accumulateResources).
			err = v.paths(base, from, key, value)
		case "patches", "patchesStrategicMerge", "patchesJson6902":
			err = v.items(base, from, key, value, v.patch)
		case "replacements":
			err = v.items(base, from, key, value, v.replacement)
		case "configMapGenerator", "secretGenerator":
			err = v.items(base, from, key, value, v.generator)
		case "openapi":
			err = v.item(base, from, key, value, v.openAPI)
		case "generators", "transformers", "validators":
			v.elsewhere("%s has %s, which are plug-ins that may read anything", from, key)
		case "helmCharts", "helmGlobals", "helmChartInflationGenerator":
			v.elsewhere("%s has %s: charts that are fetched from elsewhere", from, key)
		case "apiVersion", "kind", "metadata", "namePrefix", "nameSuffix", "namespace", "commonLabels", "labels",
			"commonAnnotations", "images", "imageTags", "replicas", "vars", "sortOptions", "generatorOptions", "buildMetadata":
		default:
			v.widen("%s has the key %s, which Gatekeeper does not know", from, key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// paths follows a list of paths.
func (v *view) paths(base, from, key string, value any) error {
	items, ok := list(value)
	if !ok {
		v.widen("%s: %s is not a list", from, key)
		return nil
	}
	for _, item := range items {
		name, ok := item.(string)
		if !ok {
			v.widen("%s: %s has an item that is not a string", from, key)
			continue
		}
		if err := v.named(base, name, from); err != nil {
			return err
		}
	}
	return nil
}

// items follows a list of objects, or, where do takes them, strings.
func (v *view) items(base, from, key string, value any, do func(base, from string, item any) (bool, error)) error {
	items, ok := list(value)
	if !ok {
		v.widen("%s: %s is not a list", from, key)
		return nil
	}
	for _, item := range items {
		if err := v.item(base, from, key, item, do); err != nil {
			return err
		}
	}
	return nil
}

func (v *view) item(base, from, key string, item any, do func(base, from string, item any) (bool, error)) error {
	ok, err := do(base, from, item)
	if !ok && err == nil {
		v.widen("%s: %s is not of a form that Gatekeeper knows", from, key)
	}
	return err
}

// pathOf reads the field path of an object that may have the other fields besides.
func (v *view) pathOf(base, from string, item any, others ...string) (bool, error) {
	fields, ok := item.(map[string]any)
	if !ok || !only(fields, append(others, "path")...) {
		return false, nil
	}
	name, ok := fields["path"].(string)
	if !ok {
		return isEmpty(fields["path"]), nil
	}
	return true, v.named(base, name, from)
}

// patch follows a patch. As a string it is a file, or, for legacy reasons, the patch
// itself (kustomize api/internal/builtins/PatchStrategicMergeTransformer.go,
// loadFromPaths). A path over several lines would be odd, and one without ".." leads to
// nothing that is not read with its folder.
func (v *view) patch(base, from string, item any) (bool, error) {
	text, ok := item.(string)
	if !ok {
		return v.pathOf(base, from, item, "patch", "target", "options")
	}
	if strings.Contains(strings.TrimSpace(text), "\n") {
		return !strings.Contains(text, "..") && !strings.HasPrefix(text, "/"), nil
	}
	return true, v.named(base, text, from)
}

func (v *view) replacement(base, from string, item any) (bool, error) {
	return v.pathOf(base, from, item, "source", "targets", "sourceValue")
}

func (v *view) openAPI(base, from string, item any) (bool, error) {
	return v.pathOf(base, from, item, "version")
}

// generator follows the files of a configMapGenerator or secretGenerator. An item of
// files is "path" or "key=path" (kustomize api/internal/generators/utils.go,
// ParseFileSource).
func (v *view) generator(base, from string, item any) (bool, error) {
	fields, ok := item.(map[string]any)
	if !ok || !only(fields, "files", "envs", "env", "literals", "name", "namespace", "behavior", "options", "type") {
		return false, nil
	}
	files, ok := list(fields["files"])
	if !ok {
		return false, nil
	}
	for _, file := range files {
		name, ok := file.(string)
		if !ok || strings.Count(name, "=") > 1 {
			return false, nil
		}
		if _, after, keyed := strings.Cut(name, "="); keyed {
			name = after
		}
		if err := v.named(base, name, from); err != nil {
			return true, err
		}
	}
	if err := v.paths(base, from, "envs", fields["envs"]); err != nil {
		return true, err
	}
	return true, v.paths(base, from, "env", []any{emptyAsText(fields["env"])})
}

func emptyAsText(value any) any {
	if value == nil {
		return ""
	}
	return value
}

// only says whether the object has no other keys.
func only(fields map[string]any, keys ...string) bool {
	for key := range fields {
		if !slices.Contains(keys, key) {
			return false
		}
	}
	return true
}
