package appset

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// maxApplications bounds what one ApplicationSet may generate.
const maxApplications = 1000

// Patch applies a templatePatch, as JSON, to an Application as JSON, as Argo CD does.
type Patch func(application, patch []byte) ([]byte, error)

// Expand returns the Applications that an ApplicationSet in a namespace generates, as
// objects with metadata and spec, in no order. Two may have one name; Argo CD takes one
// of them. An error says, for people, why they cannot be known from the manifest. The
// manifest is not changed. A nil patch is allowed; a templatePatch is an error then.
func Expand(manifest map[string]any, namespace string, patch Patch) ([]map[string]any, error) {
	spec, err := object(manifest, "spec", "spec")
	if err != nil {
		return nil, err
	}
	s, err := readSet(spec)
	if err != nil {
		return nil, err
	}
	generators, err := list(spec, "generators", "spec.generators")
	if err != nil {
		return nil, err
	}
	var applications []map[string]any
	for i, item := range generators {
		parameters, err := s.parameters(item, fmt.Sprintf("spec.generators[%d]", i))
		if err != nil {
			return nil, err
		}
		if len(applications)+len(parameters) > maxApplications {
			return nil, fmt.Errorf("it generates more than %d Applications", maxApplications)
		}
		for _, p := range parameters {
			application, err := s.application(p, namespace, patch)
			if err != nil {
				return nil, err
			}
			applications = append(applications, application)
		}
	}
	return applications, nil
}

// set is what all Applications of an ApplicationSet have in common.
type set struct {
	renderer
	template      map[string]any
	templatePatch string
}

func readSet(spec map[string]any) (*set, error) {
	// What is left of these says when Applications are written or deleted, or which of
	// their fields are left alone, and not what is generated.
	if err := known(spec, "spec", "generators", "template", "goTemplate", "goTemplateOptions", "templatePatch",
		"syncPolicy", "preservedFields", "ignoreApplicationDifferences", "applyNestedSelectors", "strategy"); err != nil {
		return nil, err
	}
	strategy, err := object(spec, "strategy", "spec.strategy")
	if err != nil {
		return nil, err
	}
	if strategy["rollingSync"] != nil || strategy["type"] == "RollingSync" {
		return nil, errors.New("with spec.strategy RollingSync it writes other specs than its template says")
	}
	template, err := object(spec, "template", "spec.template")
	if err != nil {
		return nil, err
	}
	if err := known(template, "spec.template", "metadata", "spec"); err != nil {
		return nil, err
	}
	metadata, err := object(template, "metadata", "spec.template.metadata")
	if err != nil {
		return nil, err
	}
	if err := known(metadata, "spec.template.metadata", "name", "namespace", "labels", "annotations", "finalizers"); err != nil {
		return nil, err
	}
	s := &set{template: template}
	if s.goTemplate, err = boolean(spec, "goTemplate", "spec.goTemplate"); err != nil {
		return nil, err
	}
	options, err := list(spec, "goTemplateOptions", "spec.goTemplateOptions")
	if err != nil {
		return nil, err
	}
	for _, o := range options {
		option, _ := o.(string)
		if !slices.Contains([]string{"missingkey=default", "missingkey=invalid", "missingkey=zero", "missingkey=error"}, option) {
			return nil, errors.New("spec.goTemplateOptions has one that is not known")
		}
		s.options = append(s.options, option)
	}
	s.templatePatch, err = text(spec, "templatePatch", "spec.templatePatch")
	return s, err
}

// application generates one. Argo CD leaves a template without parameters as it is
// (applicationset/utils/utils.go, RenderTemplateParams).
func (s *set) application(parameters map[string]any, namespace string, patch Patch) (map[string]any, error) {
	var generated any = s.template
	var err error
	if len(parameters) > 0 {
		if generated, err = s.value(s.template, parameters); err != nil {
			return nil, fmt.Errorf("spec.template: %w", err)
		}
	}
	application, _ := generated.(map[string]any)
	if s.templatePatch != "" {
		if application, err = s.patched(application, parameters, patch); err != nil {
			return nil, fmt.Errorf("spec.templatePatch: %w", err)
		}
	}
	metadata, err := object(application, "metadata", "metadata")
	if err != nil {
		return nil, err
	}
	if name, err := text(metadata, "name", "metadata.name"); err != nil || name == "" {
		return nil, errors.New("it generates an Application without a name")
	}
	if err := written(application); err != nil {
		return nil, err
	}
	// Whatever the template says (applicationset/controllers/template/template.go).
	metadata = maps.Clone(metadata)
	metadata["namespace"] = namespace
	return map[string]any{"metadata": metadata, "spec": application["spec"]}, nil
}

// written refuses what the controller does not write (argo-cd
// applicationset/controllers/applicationset_controller.go,
// validateGeneratedApplications): an empty project is none that exists, though elsewhere
// it means the default one.
func written(application map[string]any) error {
	spec, err := object(application, "spec", "spec")
	if err != nil {
		return err
	}
	if project, err := text(spec, "project", "spec.project"); err != nil || project == "" {
		return errors.New("it generates an Application without a project, which Argo CD does not write")
	}
	return nil
}
