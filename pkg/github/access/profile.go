package access

import (
	"fmt"
	"slices"
	"strings"
)

// Profile is one of the two sets of permissions that an App is made with.
type Profile string

const (
	// Read reads contents, and writes checks and comments.
	Read Profile = "read"
	// Write also writes contents, for the branches of pull requests that Gatekeeper opens.
	Write Profile = "write"
)

// Profiles are all of them, the smaller one first.
func Profiles() []Profile { return []Profile{Read, Write} }

// Promotion is what the profile Write has besides.
func Promotion() Need {
	return Need{Name: "contents", Level: "write", For: "branches of pull requests that promote images or take a rollback back into Git"}
}

// Extras are the names of the optional permissions.
func Extras() []string {
	var out []string
	for _, n := range Permissions() {
		if n.Optional {
			out = append(out, n.Name)
		}
	}
	return out
}

// Needs are the permissions of a profile, and of the optional ones those that are named.
func (p Profile) Needs(extras ...string) ([]Need, error) {
	if !slices.Contains(Profiles(), p) {
		return nil, fmt.Errorf("%q is not a profile: read or write", string(p))
	}
	for _, name := range extras {
		if !slices.Contains(Extras(), name) {
			return nil, fmt.Errorf("%q is not an optional permission: %s", name, strings.Join(Extras(), ", "))
		}
	}
	var out []Need
	for _, n := range Permissions() {
		if n.Optional && !slices.Contains(extras, n.Name) {
			continue
		}
		if promotion := Promotion(); p == Write && n.Name == promotion.Name {
			n.Level, n.For = promotion.Level, n.For+"; "+promotion.For
		}
		out = append(out, n)
	}
	return out, nil
}

// Subscriptions are the events that go with permissions: an optional event is among
// them when its permission is.
func Subscriptions(needs []Need) []Subscription {
	var out []Subscription
	for _, s := range Events() {
		if s.Needs == "" || slices.ContainsFunc(needs, func(n Need) bool { return n.Name == s.Needs }) {
			out = append(out, s)
		}
	}
	return out
}
