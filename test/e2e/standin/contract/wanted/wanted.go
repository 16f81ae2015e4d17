// Package wanted is the list of the endpoints and events whose descriptions are kept. The command that
// cuts GitHub's descriptions down reads it, and so do the tests that compare the result with it.
package wanted

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

//go:embed wanted.txt
var text string

// Operation is an endpoint in the words of GitHub's description: method in capitals, path with its
// parameters in braces.
type Operation struct{ Method, Path string }

// Event is a webhook event; Action is empty for the events that have none.
type Event struct{ Name, Action string }

// List is everything that is wanted, in the order of the file.
type List struct {
	Operations []Operation
	Events     []Event
}

// Read reads the list. A line that is neither form, or that repeats another one, is an error.
func Read() (List, error) { return parse(text) }

func parse(text string) (List, error) {
	var l List
	n := 0
	for line := range strings.Lines(text) {
		n++
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		if len(words) < 2 {
			return List{}, fmt.Errorf("line %d: %q is neither an endpoint nor an event", n, strings.TrimSpace(line))
		}
		if words[0] == "event" {
			if len(words) == 2 {
				words = append(words, "")
			}
			for _, action := range words[2:] {
				e := Event{Name: words[1], Action: action}
				if slices.Contains(l.Events, e) {
					return List{}, fmt.Errorf("line %d: event %s %s is there twice", n, e.Name, e.Action)
				}
				l.Events = append(l.Events, e)
			}
			continue
		}
		if len(words) != 2 || !strings.HasPrefix(words[1], "/") {
			return List{}, fmt.Errorf("line %d: %q is neither an endpoint nor an event", n, strings.TrimSpace(line))
		}
		for method := range strings.SplitSeq(words[0], ",") {
			o := Operation{Method: method, Path: words[1]}
			if !slices.Contains([]string{"GET", "POST", "PUT", "PATCH", "DELETE"}, method) {
				return List{}, fmt.Errorf("line %d: %q is no method", n, method)
			}
			if slices.Contains(l.Operations, o) {
				return List{}, fmt.Errorf("line %d: %s %s is there twice", n, o.Method, o.Path)
			}
			l.Operations = append(l.Operations, o)
		}
	}
	return l, nil
}
