package main

import (
	"fmt"
	"slices"
	"strings"
)

// namesShown is how many names of Applications an error lists at most.
const namesShown = 8

// recordedNames is what an error about an Application that is not on record adds: those
// that are, first the ones that may have been meant. It begins with a semicolon.
func recordedNames(asked string, known []string) string {
	if len(known) == 0 {
		return "; it has none on any Application"
	}
	_, name, _ := strings.Cut(asked, "/")
	known = slices.Sorted(slices.Values(known))
	slices.SortStableFunc(known, func(a, b string) int { return alike(b, name) - alike(a, name) })
	more := ""
	if left := len(known) - namesShown; left > 0 {
		known, more = known[:namesShown], fmt.Sprintf(" and %d more", left)
	}
	return "; it has some on " + visible(strings.Join(known, ", ")) + more
}

// alike is 1 when an Application "namespace/name" has that name, or one has the other's in it.
func alike(application, name string) int {
	_, has, _ := strings.Cut(application, "/")
	if name != "" && (strings.Contains(has, name) || strings.Contains(name, has)) {
		return 1
	}
	return 0
}
