package inspect

import (
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval/imagediff"
)

// Landing is one step on the first-parent line. Its JSON form is an interface:
// fields are added, never changed.
type Landing struct {
	SHA approval.SHA `json:"sha"`
	// Parent is the commit of the line before it; null when the line begins here.
	Parent *approval.SHA `json:"parent"`
	Kind   Kind          `json:"kind"`
	// Pull is the number of the pull request as the commit claims it, or as the
	// heads of pull requests in the clone show it; null without one.
	Pull *int `json:"pr"`
	// Class is what the change is for the gates: the strongest of them all.
	Class Class `json:"class"`
	// Paths are all changed paths, each once, a renamed file under both names. A
	// path that is not valid UTF-8 is quoted as git quotes it.
	Paths []string `json:"paths"`
	// Moves are the images that move to another version.
	Moves []Move `json:"moves"`
	// Signatures are those of the pull request's commits, as far as the clone has
	// them, oldest first, and of the landed commits, the last of which is SHA.
	Signatures []Signature `json:"signatures"`
	Findings   []Finding   `json:"findings"`

	Proof Proof `json:"proof"`
	// Title is the first line of the commit message.
	Title string `json:"title"`
	// Commits is how many commits of the line the landing is: 1 for all but a
	// rebased run.
	Commits int `json:"commits"`
	// Gates are the classes by gate, when there is a configuration.
	Gates map[string]Class `json:"gates,omitempty"`

	// heading is the title, or that of the pull request where the message has it.
	heading string
	// folders are where it changed something in scope, for the summary.
	folders []string
	// sides is how many of the signatures are of the pull request's commits.
	sides int
	paths int
}

// Kind says how a change landed, as far as that can be told offline.
type Kind string

// The kinds of landings.
const (
	KindMerge  Kind = "merge"
	KindSquash Kind = "squash"
	KindRebase Kind = "rebase"
	KindQueue  Kind = "queue"
	// KindDirect names no pull request: a push to the branch, or a commit of a
	// rebased pull request of which the clone has no head.
	KindDirect Kind = "direct"
	// KindUnknown has a shape that GitHub does not make.
	KindUnknown Kind = "unknown"
)

// Proof says what is known about what landed.
type Proof string

// The results of proofs.
const (
	// ProofProven: computed again from the head, and the same.
	ProofProven Proof = "proven"
	// ProofClaimed: a pull request is named, and nothing can be computed again.
	ProofClaimed Proof = "claimed"
	// ProofMismatch: computed again from the head, and different.
	ProofMismatch Proof = "mismatch"
	// ProofNone: there is nothing that it could be computed from.
	ProofNone Proof = "none"
)

// Class says what kind of change something is for a gate.
type Class string

// The classes. Image, mixed and refused need a Classifier that reads files. For a
// gate they say which quorums a change needs.
const (
	// ClassNone touches nothing in scope.
	ClassNone Class = "none"
	// ClassImage moves image tags or digests and changes nothing else. For a gate: the
	// image quorum alone.
	ClassImage Class = "image"
	// ClassConfig is whatever is not provably an image change. For a gate: the config
	// quorum alone.
	ClassConfig Class = "config"
	// ClassMixed does both. For a gate: both quorums.
	ClassMixed Class = "mixed"
	// ClassRefused could be read in two ways, and is judged as mixed.
	ClassRefused Class = "refused"
)

// strongest joins the classes of one landing for two gates.
func strongest(a, b Class) Class {
	rank := func(c Class) int {
		switch c {
		case ClassNone:
			return 0
		case ClassImage:
			return 1
		case ClassConfig:
			return 2
		case ClassMixed:
			return 3
		default:
			return 4
		}
	}
	switch {
	case a == ClassImage && b == ClassConfig, a == ClassConfig && b == ClassImage:
		return ClassMixed
	case rank(b) > rank(a):
		return b
	default:
		return a
	}
}

// Move is an image that moves from one version to another in a file.
type Move struct {
	File string `json:"file"`
	// Path is where in the file, for example "image.tag".
	Path       string `json:"path"`
	Repository string `json:"repository"`
	From       string `json:"from"`
	To         string `json:"to"`
	// Flags are for example "downgrade" and "mutable".
	Flags []string `json:"flags"`
}

// Code is the stable name of a finding: scripts rely on it, so none is ever given
// another meaning.
type Code string

// The findings of an inspection. Those of the classification have their own codes,
// see imagediff.Codes.
const (
	CodeClaim     Code = "inspect.claim"
	CodeDirect    Code = "inspect.direct"
	CodeNoPull    Code = "inspect.no_pull"
	CodeMismatch  Code = "inspect.mismatch"
	CodeHead      Code = "inspect.head"
	CodeFound     Code = "inspect.found"
	CodeMarked    Code = "inspect.marked_merged"
	CodeShape     Code = "inspect.shape"
	CodeRoot      Code = "inspect.root"
	CodeUnproven  Code = "inspect.unproven"
	CodeUnsigned  Code = "inspect.unsigned"
	CodeMalformed Code = "inspect.signature_malformed"
	CodePath      Code = "inspect.path"
	CodeReplaced  Code = "inspect.replaced"
	CodeCut       Code = "inspect.cut"
	CodeBehind    Code = "inspect.commits_cut"
	CodeUnread    Code = "inspect.unread"
	// CodeTouched is beside those of the classification, which is about single files
	// and knows no second quorum.
	CodeTouched Code = "image.touched"
)

// CodeInfo says what a code means and whether it is shown with each landing.
type CodeInfo struct {
	Code Code
	// Text is what it means, for people.
	Text string
	// Common findings are shown by the landing's mark and in the summary alone.
	Common bool
}

// Codes are all codes, in the order of the summary.
func Codes() []CodeInfo {
	list := []CodeInfo{
		{CodeMismatch, "the landed content is not what the head gives", false},
		{CodeHead, "the head in the clone is another one than what was merged", false},
		{CodeMarked, "the head itself was pushed to the branch", false},
		{CodeShape, "a shape that GitHub does not make", false},
		{CodeUnproven, "the proof could not be computed", false},
		{CodeReplaced, "the repository shows another object in its place; the original was read", false},
		{CodeUnread, "a file cannot be read and counts as config", false},
		{CodePath, "a path is not valid UTF-8, so no scope can be checked; it counts as in scope", false},
		{CodeMalformed, "a signature cannot be read", false},
		{CodeCut, "a list was cut", false},
		{CodeBehind, "there are too many commits behind it to list", false},
		{CodeDirect, "no pull request is named: a push, or a rebase whose head the clone lacks", true},
		{CodeNoPull, "a merge that names no pull request", true},
		{CodeClaim, "a pull request is named, and the clone lacks its head: a claim, no proof", true},
		{CodeFound, "no pull request is named; a head in the clone gives exactly this", true},
		{CodeRoot, "the history begins here", true},
		{CodeUnsigned, "commits without a signature", true},
	}
	list = append(list, CodeInfo{CodeTouched, "an image may change, and something else: that needs both quorums of a gate for images", false})
	for _, c := range imagediff.Codes() {
		list = append(list, CodeInfo{Code: Code(c.Code), Text: c.Text})
	}
	return list
}

// Finding is something to know about a landing.
type Finding struct {
	Code Code   `json:"code"`
	Text string `json:"text"`
}
