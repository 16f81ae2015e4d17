package report

import (
	"slices"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// namesLimit bounds, in characters, how much of a title is names of Applications.
const namesLimit = 100

// checkTitle says in one line how far a gate is, for example "config 1 of 2 · image
// approved · payments, ledger · waiting for 1 more of acme/sre".
func checkTitle(g approval.GateReport) string {
	s := stateOf(g)
	if s == unconcerned {
		return "nothing here concerns this gate"
	}
	parts := []string{progress(g), short(g.Affected)}
	if s == approved {
		parts = append(parts, stopsInShort(g))
	} else {
		parts = append(parts, reason(g))
	}
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), " · ")
}

// short names Applications without their namespaces, as many as there is room for.
func short(keys []string) string {
	var b strings.Builder
	for i, key := range keys {
		_, name, found := strings.Cut(key, "/")
		if !found {
			name = key
		}
		switch {
		case i == 0:
			name = clip(name, namesLimit)
		case b.Len()+len(name) > namesLimit:
			return b.String() + " and " + strconv.Itoa(len(keys)-i) + " more"
		default:
			b.WriteString(", ")
		}
		b.WriteString(name)
	}
	return b.String()
}

// progress is "config 1 of 2 · image approved": how far each quorum is that the change
// needs.
func progress(g approval.GateReport) string {
	part := func(name string, met, needed int) string {
		if s := stateOf(g); met >= needed && needed > 0 && (s == approved || s == waiting) {
			return name + " approved"
		}
		return name + " " + of(met, needed)
	}
	if g.Class != approval.ClassMixed {
		return part(string(g.Class), g.Met, g.Needed)
	}
	return part("config", g.Met-g.Images.Met, g.Needed-g.Images.Needed) + " · " + part("image", g.Images.Met, g.Images.Needed)
}

// stopsInShort names what keeps a whole gate from syncing.
func stopsInShort(g approval.GateReport) string {
	var out []string
	for _, f := range g.Stops {
		word := "stopped"
		switch f.Code {
		case approval.CodeHoldActive:
			word = "held"
		case approval.CodeWindowClosed:
			word = "window closed"
		default:
		}
		if !slices.Contains(out, word) {
			out = append(out, word)
		}
	}
	return strings.Join(out, ", ")
}
