package dora

import (
	"slices"
	"time"
)

// Application is everything that was observed of one Application. The order of its
// lists has no meaning.
type Application struct {
	// Name is "namespace/name".
	Name string
	// Gate is the gate that protects it.
	Gate string
	// Teams are those whose it is, by the configuration.
	Teams []string
	// Live is what was live before the first operation; nil when that is not known.
	// Then the first completed sync is taken for a deployment.
	Live *Target
	// Operations are all that Argo CD was seen to carry out.
	Operations []Operation
	// Health has each change of the health status, from the first observation on.
	// Before it, nothing is known. A status that Argo CD computed before an operation
	// ended says nothing about its result; whoever fills this in leaves it out.
	Health []Transition
	// Gaps are intervals in which the Application was not observed.
	Gaps []Interval
	// ArchivedUntil is when the newest operation was recorded that is archived and not among
	// these; zero for none.
	ArchivedUntil time.Time
	// Marks are what people and incident systems said about deployments.
	Marks []Mark
}

// Target is what a sync makes live.
type Target struct {
	// Revisions has one revision for each source, in the order of the spec.
	Revisions []string
	// Images are the digests, or the references, of the images that then run, in any
	// order; nil when they are not known, and then they are not compared.
	Images []string
}

// Same says whether both are one revision vector with the same images.
func (t Target) Same(o Target) bool {
	if !slices.Equal(t.Revisions, o.Revisions) {
		return false
	}
	return t.Images == nil || o.Images == nil ||
		slices.Equal(slices.Sorted(slices.Values(t.Images)), slices.Sorted(slices.Values(o.Images)))
}

// Phase is the phase of Argo CD's operation. The zero phase is one that was not seen
// to end.
type Phase string

// The phases in which an operation has ended, as Argo CD calls them (gitops-engine
// pkg/sync/common/types.go).
const (
	Succeeded Phase = "Succeeded"
	Failed    Phase = "Failed"
	Error     Phase = "Error"
)

// Applied says whether an operation applied at least one resource. The zero value says
// that it is not known.
type Applied string

// What is known of the resources of an operation.
const (
	AppliedSome Applied = "some"
	AppliedNone Applied = "none"
)

// Rework is why a deployment was made because of an earlier one. Ordinary pull requests
// have none.
type Rework string

// The reasons for rework.
const (
	Rollback   Rework = "rollback"
	Revert     Rework = "revert"
	Hotfix     Rework = "hotfix"
	BreakGlass Rework = "break-glass"
)

// Operation is one sync, as Argo CD's operation state told it at its end.
type Operation struct {
	// ID is unique among all operations of all Applications.
	ID         string
	StartedAt  time.Time
	FinishedAt time.Time
	// Phase is the last one, after Argo CD's own retries.
	Phase   Phase
	DryRun  bool
	Partial bool
	// Terminated: somebody stopped it.
	Terminated bool
	Applied    Applied
	Target     Target
	// Before is the health when the operation was asked for; empty for what the transitions
	// say of the moment at which it began.
	Before Health
	// Rework is why it was made, if because of an earlier deployment.
	Rework []Rework
	// Blames are the earlier deployments that a rollback, a revert or a hotfix names, by
	// the ID of their operation or of a change that they shipped. A rollback blames the
	// deployment before it besides.
	Blames []string
	// Changes are those that it ships.
	Changes []Change
}

// Basis says whose time the commit time of a change is.
type Basis string

// Where commit times are from.
const (
	// BasisCommit: the first commit of the change.
	BasisCommit Basis = "commit"
	// BasisLinked: the first commit of the source change that a bot's pull request or a
	// squash links to.
	BasisLinked Basis = "linked"
	// BasisImage: the commit that the image's revision label or provenance names.
	BasisImage Basis = "image"
	// BasisPull: the first commit of the pull request that moved an image of which
	// nothing more is known.
	BasisPull Basis = "pull-request"
)

// Change is one pull request, or one commit that was pushed directly. Times that are
// not known are zero.
type Change struct {
	// ID is the same wherever the change is shipped, for example "acme/env#12".
	ID        string
	Committed time.Time
	Basis     Basis
	// Opened is when the pull request was opened.
	Opened time.Time
	// Quorum is when the last approval that its quorum needed was given.
	Quorum time.Time
	Merged time.Time
}

// Health is a health status of Argo CD. The zero value, like Argo CD's own Unknown, is
// neither well nor ill.
type Health string

// The health statuses that have a meaning here (gitops-engine pkg/health/health.go).
const (
	Healthy     Health = "Healthy"
	Progressing Health = "Progressing"
	Degraded    Health = "Degraded"
	Suspended   Health = "Suspended"
	Missing     Health = "Missing"
	Unknown     Health = "Unknown"
)

// Transition is a change of the health status, which holds from then on.
type Transition struct {
	At     time.Time
	Status Health
}

// Interval is [From, To).
type Interval struct {
	From time.Time
	To   time.Time
}

// Mark is what somebody said about a deployment. The newest mark holds.
type Mark struct {
	// Operation is the ID of the deployment's operation.
	Operation string
	At        time.Time
	// By is who said so: a person or an incident system.
	By string
	// Failed: the deployment failed. False takes an earlier mark back; it does not
	// undo what was observed.
	Failed bool
}
