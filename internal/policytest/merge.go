package policytest

import (
	"reflect"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
)

// level is a change as one place of the table says it.
type level struct {
	change Change
	at     config.At
}

// merged is a change with the place of each key that was said.
type merged struct {
	Change
	at map[string]config.At
	// own is what the first level says itself.
	own Change
}

// where is the place of a key.
func (m *merged) where(key string, steps ...any) config.At { return m.at[key].Down(steps...) }

// merge takes each key from the first level that says it.
func merge(levels ...level) *merged {
	m := &merged{at: map[string]config.At{}, own: levels[0].change}
	for _, l := range levels {
		if m.saysPaths() {
			l.change = l.change.withoutPaths()
		}
		into, from := reflect.ValueOf(&m.Change).Elem(), reflect.ValueOf(l.change)
		for i := range into.NumField() {
			key := into.Type().Field(i).Tag.Get("yaml")
			if into.Field(i).IsZero() {
				m.at[key] = l.at.Down(key)
				into.Field(i).Set(from.Field(i))
			}
		}
	}
	return m
}

func (c *Change) saysPaths() bool {
	return c.Changed != nil || c.Added != nil || c.Deleted != nil || c.Linked != nil || c.Images != nil || c.Touched != nil || c.Outside != nil
}

func (c Change) withoutPaths() Change {
	c.Changed, c.Added, c.Deleted, c.Linked, c.Images, c.Touched, c.Outside = nil, nil, nil, nil, nil, nil, nil
	return c
}

// overlay takes each field of an Application from the test if it says it.
func overlay(test, defaults Application) Application {
	into, from := reflect.ValueOf(&test).Elem(), reflect.ValueOf(defaults)
	for i := range into.NumField() {
		if into.Field(i).IsZero() {
			into.Field(i).Set(from.Field(i))
		}
	}
	return test
}
