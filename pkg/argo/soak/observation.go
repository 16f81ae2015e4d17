package soak

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// maxImages bounds the images of one Application.
const maxImages = 1000

// Observation is what an Application said of itself at one moment. The zero
// Observation counts for nothing.
type Observation struct {
	// At is when it was read, by our own clock.
	At time.Time
	// UID is that of the object. Empty if there was no such Application.
	UID string
	// ResourceVersion is that of the object.
	ResourceVersion string
	// Deleting is true once it has a deletion timestamp.
	Deleting bool
	// Images are those of its pods, in no order.
	Images []Image
	// Health, HealthSince and Sync are status.health.status and its
	// lastTransitionTime, and status.sync.status.
	Health      string
	HealthSince time.Time
	Sync        string
	// Revisions are those that it was last compared with.
	Revisions []string
	// Reconciled is status.reconciledAt.
	Reconciled time.Time
	// SpecChanged is true if the status is of another spec than the object's.
	SpecChanged bool
	// Operation is the one that was requested, runs, or was the last to end.
	Operation Operation
	// Problem says, in words, what could not be read.
	Problem string
}

// Operation is what is known of an operation.
type Operation struct {
	// Requested is true while ".operation" is on the object.
	Requested bool
	// Phase is Argo CD's. Empty if there was never an operation.
	Phase             string
	Started, Finished time.Time
	// Revisions are those that were deployed.
	Revisions []string
}

// id tells one completed operation from another. It is a digest, so that it stays
// short whatever is written into an Application.
func (o Operation) id() string {
	all := append([]string{o.Phase, o.Started.UTC().Format(time.RFC3339), o.Finished.UTC().Format(time.RFC3339)}, o.Revisions...)
	sum := sha256.Sum256([]byte(strings.Join(all, "\n")))
	return hex.EncodeToString(sum[:])
}

// Observe reads an Application as a dynamic client returns it. It never fails:
// what cannot be read makes the observation count for nothing. The object is not
// changed or kept.
func Observe(object map[string]any, at time.Time) Observation {
	r := &reading{}
	o := Observation{
		At:              at,
		UID:             r.text(object, "metadata", "uid"),
		ResourceVersion: r.text(object, "metadata", "resourceVersion"),
		Deleting:        r.text(object, "metadata", "deletionTimestamp") != "",
		Health:          r.text(object, "status", "health", "status"),
		HealthSince:     r.time(object, "status", "health", "lastTransitionTime"),
		Sync:            r.text(object, "status", "sync", "status"),
		Revisions:       r.revisions(object, "status", "sync"),
		Reconciled:      r.time(object, "status", "reconciledAt"),
		Operation: Operation{
			Requested: r.object(object, "operation") != nil,
			Phase:     r.text(object, "status", "operationState", "phase"),
			Started:   r.time(object, "status", "operationState", "startedAt"),
			Finished:  r.time(object, "status", "operationState", "finishedAt"),
			Revisions: r.revisions(object, "status", "operationState", "syncResult"),
		},
	}
	o.SpecChanged = !r.compared(object)
	o.Images = r.images(object)
	if o.UID == "" {
		r.failf("it has no UID")
	}
	o.Problem = r.problem
	return o
}

// reading keeps the first problem.
type reading struct{ problem string }

func (r *reading) failf(format string, args ...any) {
	if r.problem == "" {
		r.problem = fmt.Sprintf(format, args...)
	}
}

// value is the one at the path; nil if anything on the way is absent or null, as
// for Argo CD's own decoder. A parent that is no object is a problem.
func (r *reading) value(object map[string]any, path ...string) any {
	var value any = object
	for i, key := range path {
		if value == nil {
			return nil
		}
		fields, ok := value.(map[string]any)
		if !ok {
			r.failf("%s is not an object", strings.Join(path[:i], "."))
			return nil
		}
		value = fields[key]
	}
	return value
}

func (r *reading) text(object map[string]any, path ...string) string {
	value := r.value(object, path...)
	text, ok := value.(string)
	if !ok && value != nil {
		r.failf("%s is not a string", strings.Join(path, "."))
	}
	return text
}

func (r *reading) object(object map[string]any, path ...string) map[string]any {
	value := r.value(object, path...)
	fields, ok := value.(map[string]any)
	if !ok && value != nil {
		r.failf("%s is not an object", strings.Join(path, "."))
	}
	return fields
}

func (r *reading) texts(object map[string]any, path ...string) []string {
	value := r.value(object, path...)
	if value == nil {
		return nil
	}
	items, ok := value.([]any)
	if !ok {
		r.failf("%s is not a list", strings.Join(path, "."))
		return nil
	}
	texts := make([]string, 0, len(items))
	for _, item := range items {
		text, ok := item.(string)
		if !ok {
			r.failf("%s has an item that is not a string", strings.Join(path, "."))
			return nil
		}
		texts = append(texts, text)
	}
	return texts
}

func (r *reading) time(object map[string]any, path ...string) time.Time {
	text := r.text(object, path...)
	if text == "" {
		return time.Time{}
	}
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		r.failf("%s is not a time", strings.Join(path, "."))
	}
	return parsed.UTC()
}

// revisions are in the plural field of an Application with several sources, else
// in the singular one.
func (r *reading) revisions(object map[string]any, path ...string) []string {
	if many := r.texts(object, append(slices.Clip(path), "revisions")...); len(many) > 0 {
		return many
	}
	if one := r.text(object, append(slices.Clip(path), "revision")...); one != "" {
		return []string{one}
	}
	return nil
}

// images are those of all pods, containers of their initialisation included
// (controller/cache/info.go, populatePodInfo), as the pods' specs name them.
func (r *reading) images(object map[string]any) []Image {
	texts := r.texts(object, "status", "summary", "images")
	if len(texts) > maxImages {
		r.failf("status.summary.images has more than %d items", maxImages)
		return nil
	}
	var images []Image
	for _, text := range texts {
		image, err := ParseImage(text)
		if err != nil {
			r.failf("status.summary.images has an item that is not an image")
			return nil
		}
		if !slices.Contains(images, image) {
			images = append(images, image)
		}
	}
	return images
}

// compared says whether the status was written for this spec. The controller copies
// destination and sources into status.sync.comparedTo and compares by them whether
// it has to look again (needRefreshAppStatus and currentSourceEqualsSyncedSource in
// controller/appcontroller.go).
func (r *reading) compared(object map[string]any) bool {
	spec, to := r.object(object, "spec"), r.object(object, "status", "sync", "comparedTo")
	if spec == nil || to == nil || !alike(spec["destination"], to["destination"]) {
		return false
	}
	if hydrator := r.object(spec, "sourceHydrator"); hydrator != nil {
		for _, pair := range [][2]string{
			{r.text(hydrator, "drySource", "repoURL"), r.text(to, "source", "repoURL")},
			{r.text(hydrator, "syncSource", "targetBranch"), r.text(to, "source", "targetRevision")},
			{r.text(hydrator, "syncSource", "path"), r.text(to, "source", "path")},
		} {
			if pair[0] != pair[1] {
				return false
			}
		}
		return true
	}
	if !empty(spec["sources"]) {
		return alike(spec["sources"], to["sources"])
	}
	return !empty(spec["source"]) && alike(spec["source"], to["source"]) && empty(to["sources"])
}

// chartValues are the values of a Helm chart as an object, which Argo CD keeps as
// they are: there, false is not nothing.
const chartValues = "valuesObject"

// alike compares two values of JSON as they are after a way through Argo CD's
// types, which drop what is empty.
func alike(a, b any) bool {
	if empty(a) || empty(b) {
		return empty(a) && empty(b)
	}
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok {
			return false
		}
		for key := range x {
			same := alike
			if key == chartValues {
				same = reflect.DeepEqual
			}
			if !same(x[key], y[key]) {
				return false
			}
		}
		for key := range y {
			if _, both := x[key]; !both && !empty(y[key]) {
				return false
			}
		}
		return true
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, alike)
	case string, bool, int64, float64:
		return a == b
	default:
		return false // no value of JSON
	}
}

func empty(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case int64:
		return v == 0
	case float64:
		return v == 0
	case []any:
		return len(v) == 0
	case map[string]any:
		for key, item := range v {
			if !empty(item) || key == chartValues && item != nil {
				return false
			}
		}
		return true
	default:
		return false
	}
}
