package command

import (
	"slices"
	"strings"
)

// Verb is what a command asks for. The zero Verb is none.
type Verb string

// The verbs.
const (
	Help       Verb = "help"
	Status     Verb = "status"
	Why        Verb = "why"
	Diff       Verb = "diff"
	Request    Verb = "request"
	Cancel     Verb = "cancel"
	Approve    Verb = "approve"
	Sync       Verb = "sync"
	Hold       Verb = "hold"
	Release    Verb = "release"
	Rollback   Verb = "rollback"
	Promote    Verb = "promote"
	BreakGlass Verb = "break-glass"
	Adopt      Verb = "adopt"
	Retry      Verb = "retry"
)

// argument is something that may follow a verb.
type argument uint

const (
	application argument = 1 << iota // NAME or NAMESPACE/NAME
	gate                             // --gate NAME
	reason                           // --reason TEXT
	length                           // --for 2h
	revisions                        // --revision SHA, several
	back                             // --to SHA
	order                            // --id ID
	people                           // @login, @org/team
	digest                           // --spec DIGEST
	source                           // --from NAME
)

// Spec describes a verb. The help is made of it.
type Spec struct {
	Verb Verb
	// Arguments are what may follow, for people.
	Arguments string
	// Does says in half a sentence what it does.
	Does string

	takes, needs argument
}

// Usage is the verb with its arguments.
func (s Spec) Usage() string { return strings.TrimSpace("/gk " + string(s.Verb) + " " + s.Arguments) }

// Verbs describes all verbs, in the order of the help.
func Verbs() []Spec {
	return []Spec{
		{Verb: Help, Does: "shows what can be asked for here, and by whom"},
		{Verb: Status, Arguments: "[APPLICATION] [--gate GATE]", Does: "says where this pull request stands", takes: application | gate},
		{Verb: Why, Arguments: "[APPLICATION] [--gate GATE]", Does: "explains every requirement, and who counted or did not", takes: application | gate},
		{Verb: Diff, Arguments: "[APPLICATION]", Does: "shows what this pull request changes in the cluster, and what a sync would ship", takes: application | gate},
		{Verb: Request, Arguments: "@USER|@ORG/TEAM …", Does: "asks people for their review", takes: people, needs: people},
		{Verb: Approve, Does: "approves this head, for all gates that take comments"},
		{Verb: Cancel, Does: "takes back what you approved by comment here, and the review requests that Gatekeeper made"},
		{Verb: Sync, Arguments: "[APPLICATION]", Does: "has what is approved synced now, if nothing stops it", takes: application | gate},
		{Verb: Hold, Arguments: "[APPLICATION | --gate GATE] [--for 2h] --reason TEXT", Does: "stops syncs until they are released", takes: application | gate | length | reason, needs: reason},
		{Verb: Release, Arguments: "[APPLICATION | --gate GATE | --id HOLD] --reason TEXT", Does: "ends holds", takes: application | gate | order | reason, needs: reason},
		{Verb: Rollback, Arguments: "[APPLICATION] [--to NUMBER|SHA] --reason TEXT", Does: "makes an earlier deployment live again, and holds what is newer", takes: application | back | reason, needs: reason},
		{Verb: Promote, Arguments: "[APPLICATION] --from APPLICATION", Does: "opens a pull request that brings the images of one Application to another", takes: application | source, needs: source},
		{Verb: BreakGlass, Arguments: "[APPLICATION] --revision SHA [--for 30m] --reason TEXT", Does: "has one commit synced without its quorum; somebody else has to review that", takes: application | revisions | length | reason, needs: revisions | reason},
		{Verb: Adopt, Arguments: "[APPLICATION] [--spec DIGEST --reason TEXT]", Does: "shows the spec of an Application, and with its digest approves it", takes: application | digest | reason},
		{Verb: Retry, Arguments: "[APPLICATION]", Does: "reads everything again and decides anew", takes: application | gate},
	}
}

// Lookup finds the description of a verb.
func Lookup(v Verb) (Spec, bool) {
	all := Verbs()
	i := slices.IndexFunc(all, func(s Spec) bool { return s.Verb == v })
	if i < 0 {
		return Spec{}, false
	}
	return all[i], true
}

// The identifiers of the buttons of a check run (at most 20 characters, GitHub docs,
// "Create a check run"). Each does what the verb of its name does, and recheck what retry
// does, for the gate of the check run.
const (
	ButtonHold    = "hold"
	ButtonRelease = "release"
	ButtonRetry   = "recheck"
	ButtonSync    = "sync"
)

// OfButton is the verb of a button; false for one that is not ours.
func OfButton(identifier string) (Verb, bool) {
	switch identifier {
	case ButtonHold:
		return Hold, true
	case ButtonRelease:
		return Release, true
	case ButtonRetry:
		return Retry, true
	case ButtonSync:
		return Sync, true
	default:
		return "", false
	}
}

// ReplyPrefix begins everything that is written in answer to a command. A comment of our
// own App that begins so is no status comment.
const ReplyPrefix = "<!-- gatekeeper reply to "
