package appset

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	apijson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// patched applies the templatePatch (applicationset/controllers/template/patch.go). It
// is filled with the parameters even where there are none, and cannot change the
// project.
func (s *set) patched(application, parameters map[string]any, patch Patch) (map[string]any, error) {
	if patch == nil {
		return nil, errors.New("it is not followed")
	}
	filled, err := s.text(s.templatePatch, parameters)
	if err != nil {
		return nil, err
	}
	change := []byte(filled)
	if !strings.HasPrefix(strings.TrimSpace(filled), "{") {
		if len(change) > maxText {
			return nil, errTooMuch
		}
		if change, err = yaml.YAMLToJSON(change); err != nil {
			return nil, errors.New("it is not YAML")
		}
	}
	before, err := json.Marshal(application)
	if err != nil {
		return nil, fmt.Errorf("encode the Application: %w", err)
	}
	after, err := patch(before, change)
	if err != nil {
		return nil, errors.New("Argo CD cannot apply it: " + shorten(err.Error()))
	}
	var result map[string]any
	if err := apijson.Unmarshal(after, &result); err != nil {
		return nil, fmt.Errorf("decode the Application: %w", err)
	}
	return keepProject(application, result)
}

func keepProject(application, result map[string]any) (map[string]any, error) {
	before, err := object(application, "spec", "spec")
	if err != nil {
		return nil, err
	}
	after, err := object(result, "spec", "spec")
	if err != nil {
		return nil, err
	}
	after = maps.Clone(after)
	if after == nil {
		after = map[string]any{}
	}
	if delete(after, "project"); before["project"] != nil {
		after["project"] = before["project"]
	}
	result["spec"] = after
	return result, nil
}
