package appset

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"sigs.k8s.io/yaml"
)

// outside are the generators that ask something else than the manifest, with what.
func outside(generator string) string {
	return map[string]string{
		"clusters":                "Argo CD's clusters",
		"git":                     "a repository, at a revision that nothing pins",
		"scmProvider":             "a service for its repositories",
		"clusterDecisionResource": "objects of the cluster",
		"pullRequest":             "a service for its pull requests",
		"plugin":                  "a plugin",
	}[generator]
}

// parameters are those of one generator: one map for each Application.
func (s *set) parameters(item any, path string) ([]map[string]any, error) {
	kind, options, err := generatorOf(item, path)
	if err != nil {
		return nil, err
	}
	path += "." + kind
	switch kind {
	case "list":
		return s.list(options, path)
	case "matrix":
		return s.matrix(options, path)
	case "merge":
		return s.merge(options, path)
	default:
		return nil, fmt.Errorf("%s asks %s", path, outside(kind))
	}
}

// generatorOf says which generator an item is. Argo CD would take several in one item
// for several generators.
func generatorOf(item any, path string) (kind string, options map[string]any, err error) {
	generator, ok := item.(map[string]any)
	if !ok {
		return "", nil, fmt.Errorf("%s is not an object", path)
	}
	for _, key := range slices.Sorted(maps.Keys(generator)) {
		switch {
		case generator[key] == nil:
		case key == "selector":
			return "", nil, fmt.Errorf("%s.selector leaves some out", path)
		case key != "list" && key != "matrix" && key != "merge" && outside(key) == "":
			return "", nil, fmt.Errorf("%s.%s is not a generator that Gatekeeper knows", path, shorten(key))
		case kind != "":
			return "", nil, fmt.Errorf("%s is several generators at once", path)
		default:
			kind = key
		}
	}
	if kind == "" {
		return "", nil, fmt.Errorf("%s is no generator", path)
	}
	options, err = object(generator, kind, path+"."+kind)
	if err != nil {
		return "", nil, err
	}
	template, err := object(options, "template", path+"."+kind+".template")
	if err != nil {
		return "", nil, err
	}
	if len(template) > 0 {
		return "", nil, fmt.Errorf("%s.%s.template is merged with that of the ApplicationSet", path, kind)
	}
	return kind, options, nil
}

// list is the list generator (applicationset/generators/list.go).
func (s *set) list(options map[string]any, path string) ([]map[string]any, error) {
	if err := known(options, path, "elements", "elementsYaml", "template"); err != nil {
		return nil, err
	}
	elements, err := list(options, "elements", path+".elements")
	if err != nil {
		return nil, err
	}
	if len(elements) > maxApplications {
		return nil, fmt.Errorf("%s has more than %d elements", path, maxApplications)
	}
	var found []map[string]any
	for i, item := range elements {
		element, ok := plain(item).(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s.elements[%d] is not an object", path, i)
		}
		if !s.goTemplate {
			if element, err = flat(element); err != nil {
				return nil, fmt.Errorf("%s.elements[%d]: %w", path, i, err)
			}
		}
		found = append(found, element)
	}
	inText, err := text(options, "elementsYaml", path+".elementsYaml")
	if err != nil || inText == "" {
		return found, err
	}
	var more []map[string]any
	if len(inText) > maxText {
		return nil, fmt.Errorf("%s.elementsYaml is too long", path)
	}
	if err := yaml.Unmarshal([]byte(inText), &more); err != nil {
		return nil, fmt.Errorf("%s.elementsYaml is not a list of objects", path)
	}
	return slices.Concat(found, more), nil
}

// flat are the parameters of an element without Go templates, where values must be
// texts, and those below "values" have that word in their names.
func flat(element map[string]any) (map[string]any, error) {
	parameters := map[string]any{}
	put := func(name string, value any) error {
		v, ok := value.(string)
		if !ok {
			return fmt.Errorf("%s is not a text", shorten(name))
		}
		if _, twice := parameters[name]; twice {
			return fmt.Errorf("%s is there twice", shorten(name))
		}
		parameters[name] = v
		return nil
	}
	for key, value := range element {
		if key != "values" {
			if err := put(key, value); err != nil {
				return nil, err
			}
			continue
		}
		values, ok := value.(map[string]any)
		if !ok {
			return nil, errors.New("values is not an object")
		}
		for k, v := range values {
			if err := put("values."+k, v); err != nil {
				return nil, err
			}
		}
	}
	return parameters, nil
}

// plain decodes JSON anew as Argo CD does an element's: every number is a float.
func plain(value any) any {
	data, err := json.Marshal(value)
	if err != nil {
		return nil
	}
	var decoded any
	if err := json.Unmarshal(data, &decoded); err != nil {
		return nil
	}
	return decoded
}

// inner are the two or more generators of a combination, which must be lists: deeper
// combinations are not followed.
func inner(options map[string]any, path string) ([]map[string]any, error) {
	items, err := list(options, "generators", path+".generators")
	if err != nil {
		return nil, err
	}
	var lists []map[string]any
	for i, item := range items {
		at := fmt.Sprintf("%s.generators[%d]", path, i)
		kind, inside, err := generatorOf(item, at)
		switch {
		case err != nil:
			return nil, err
		case outside(kind) != "":
			return nil, fmt.Errorf("%s.%s asks %s", at, kind, outside(kind))
		case kind != "list":
			return nil, fmt.Errorf("%s.%s is a combination in another one", at, kind)
		}
		lists = append(lists, inside)
	}
	if len(lists) < 2 {
		return nil, fmt.Errorf("%s has less than two generators", path)
	}
	return lists, nil
}

// matrix is the matrix generator (applicationset/generators/matrix.go). What the first
// list gives is filled into the second one.
func (s *set) matrix(options map[string]any, path string) ([]map[string]any, error) {
	if err := known(options, path, "generators", "template"); err != nil {
		return nil, err
	}
	lists, err := inner(options, path)
	if err != nil {
		return nil, err
	}
	if len(lists) > 2 {
		return nil, fmt.Errorf("%s has more than two generators", path)
	}
	first, err := s.list(lists[0], path+".generators[0].list")
	if err != nil {
		return nil, err
	}
	var found []map[string]any
	for _, a := range first {
		filled := lists[1]
		if len(a) > 0 {
			value, err := s.value(filled, a)
			if err != nil {
				return nil, fmt.Errorf("%s.generators[1].list: %w", path, err)
			}
			filled, _ = value.(map[string]any)
		}
		second, err := s.list(filled, path+".generators[1].list")
		if err != nil {
			return nil, err
		}
		for _, b := range second {
			both, err := s.both(a, b)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			found = append(found, both)
		}
		if len(found) > maxApplications {
			return nil, fmt.Errorf("it generates more than %d Applications", maxApplications)
		}
	}
	return found, nil
}

// both joins the parameters of a matrix. With Go templates Argo CD merges what both
// have, deeply and with rules of its own for empty values, which is not followed.
func (s *set) both(a, b map[string]any) (map[string]any, error) {
	joined := map[string]any{}
	for _, parameters := range []map[string]any{a, b} {
		for key, value := range parameters {
			if !s.goTemplate {
				value = fmt.Sprintf("%v", value)
			}
			if before, twice := joined[key]; twice && (s.goTemplate || before != value) {
				return nil, fmt.Errorf("both generators give %s", shorten(key))
			}
			joined[key] = value
		}
	}
	return joined, nil
}

// merge is the merge generator (applicationset/generators/merge.go): later lists add to
// the parameters of the first one that have the same merge keys, and replace them.
func (s *set) merge(options map[string]any, path string) ([]map[string]any, error) {
	if err := known(options, path, "generators", "mergeKeys", "template"); err != nil {
		return nil, err
	}
	keys, err := list(options, "mergeKeys", path+".mergeKeys")
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s has no mergeKeys", path)
	}
	lists, err := inner(options, path)
	if err != nil {
		return nil, err
	}
	var base map[string]map[string]any
	for i, item := range lists {
		at := fmt.Sprintf("%s.generators[%d].list", path, i)
		found, err := s.list(item, at)
		if err != nil {
			return nil, err
		}
		byKey, err := mergeable(found, keys)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", at, err)
		}
		if i == 0 {
			base = byKey
			continue
		}
		for key, parameters := range byKey {
			if to, ok := base[key]; ok {
				maps.Copy(to, parameters)
			}
		}
	}
	return slices.Collect(maps.Values(base)), nil
}

// mergeable are parameters by their merge keys. Only texts are merged, and empty ones
// not: Argo CD has rules of its own for all others.
func mergeable(found []map[string]any, keys []any) (map[string]map[string]any, error) {
	byKey := map[string]map[string]any{}
	for _, parameters := range found {
		for name, value := range parameters {
			if v, ok := value.(string); !ok || v == "" {
				return nil, fmt.Errorf("%s is not a text, or empty, and cannot be merged", shorten(name))
			}
		}
		by := map[string]any{}
		for _, k := range keys {
			name, ok := k.(string)
			if !ok {
				return nil, errors.New("one of mergeKeys is not a text")
			}
			by[name] = parameters[name]
		}
		key, err := json.Marshal(by)
		if err != nil {
			return nil, fmt.Errorf("encode the merge keys: %w", err)
		}
		if byKey[string(key)] != nil {
			return nil, errors.New("two elements have the same merge keys")
		}
		byKey[string(key)] = parameters
	}
	return byKey, nil
}
