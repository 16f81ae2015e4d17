package argo

import (
	"maps"
	"slices"
	"sync"

	"github.com/argoproj/argo-cd/v2/pkg/apis/application"
)

// Sets knows which Applications deploy which ApplicationSets: those among whose
// resources Argo CD lists the set (status.resources). Whoever can write a status can
// forge that, which leads nobody anywhere: what the Application is rendered to decides.
// Reading it takes no right on ApplicationSets. The zero value is ready for use, and
// safe for concurrent use.
type Sets struct {
	mu sync.Mutex
	// byApplication holds the sets, sorted, of each Application that deploys any.
	byApplication map[string][]string
}

// maxSets bounds how many sets of one Application are kept.
const maxSets = 1000

// Object takes an Application as it is read, names it, "namespace/name", and says whether
// it deploys other sets than before. It does not change or keep the object.
func (s *Sets) Object(object map[string]any) (app string, changed bool) {
	root := node{fields: object, problems: &problems{}}
	metadata := root.object("metadata")
	sets := deploys(root)
	if metadata.exists() && metadata.fields["deletionTimestamp"] != nil {
		sets = nil
	}
	app = metadata.text("namespace") + "/" + metadata.text("name")
	return app, s.put(app, sets)
}

// Forget drops an Application, "namespace/name", that is gone.
func (s *Sets) Forget(app string) { s.put(app, nil) }

func (s *Sets) put(app string, sets []string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Equal(s.byApplication[app], sets) {
		return false
	}
	if len(sets) == 0 {
		delete(s.byApplication, app)
		return true
	}
	if s.byApplication == nil {
		s.byApplication = map[string][]string{}
	}
	s.byApplication[app] = sets
	return true
}

// Deployers are the Applications, "namespace/name" and sorted, that deploy a set.
func (s *Sets) Deployers(set string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []string
	for _, app := range slices.Sorted(maps.Keys(s.byApplication)) {
		if slices.Contains(s.byApplication[app], set) {
			found = append(found, app)
		}
	}
	return found
}

// deploys are the ApplicationSets among the resources of an Application.
func deploys(root node) []string {
	var sets []string
	for _, item := range root.object("status").list("resources") {
		fields, _ := item.(map[string]any)
		if fields["kind"] != application.ApplicationSetKind || fields["group"] != application.Group {
			continue
		}
		resource := node{fields: fields, problems: &problems{}}
		if set := resource.text("namespace") + "/" + resource.text("name"); len(sets) < maxSets && !slices.Contains(sets, set) {
			sets = append(sets, set)
		}
	}
	slices.Sort(sets)
	return sets
}
