package imagediff

import (
	"fmt"
	"slices"
)

const (
	// MaxFile is the size in bytes up to which a file is looked at.
	MaxFile = 1 << 20
	// maxTotal bounds the bytes of one Classify, both versions together.
	maxTotal = 64 << 20
	// maxMoves bounds the images that one file may move.
	maxMoves = 1_000
	// maxDepth bounds the nesting of a document, maxNodes its values and keys, and
	// maxDocuments the documents of a file.
	maxDepth, maxNodes, maxDocuments = 100, 200_000, 1_000
)

// Class says what kind of change something is. The zero Class is not valid; what
// is not known to be image must be taken for config.
type Class string

// The classes.
const (
	// ClassNone is that of no files.
	ClassNone Class = "none"
	// ClassImage moves image tags or digests and changes nothing else.
	ClassImage Class = "image"
	// ClassConfig is whatever is not provably an image change.
	ClassConfig Class = "config"
	// ClassMixed has files of both classes: it needs both quorums.
	ClassMixed Class = "mixed"
	// ClassRefused is config, with findings: it could be read in two ways, or breaks
	// a rule that an honest change does not break.
	ClassRefused Class = "refused"
)

// Modes are git's octal modes of a file before and after; empty where it is absent.
type Modes struct{ Before, After string }

// File is a changed file with both versions. A rename is two files: one that is
// gone, and one that is new.
type File struct {
	Path          string
	Before, After []byte
	Modes         Modes
}

// Rules are what a gate declares. The zero Rules have no paths of its own.
type Rules struct {
	// Paths are further places of images, for example in custom resources.
	Paths []Pattern
	// Values limit which files can be Helm values, as path patterns like those of a
	// gate's scope. Empty means every YAML or JSON file whose document has neither
	// apiVersion nor kind.
	Values []string
}

// Version is what an image is pinned to; either may be empty.
type Version struct{ Tag, Digest string }

// String is the version as in a reference: "1.4.3", "sha256:…" or "1.4.3@sha256:…".
func (v Version) String() string {
	if v.Tag != "" && v.Digest != "" {
		return v.Tag + "@" + v.Digest
	}
	return v.Tag + v.Digest
}

// Flag is something that a policy may want to treat apart.
type Flag string

// The flags.
const (
	// FlagDowngrade: the new version is lower. Versions that have no order, such as
	// commit hashes, are never flagged.
	FlagDowngrade Flag = "downgrade"
	// FlagMutable: the tag is one that is moved, such as "latest" or "main", and no
	// digest pins it; or the same tag got another digest.
	FlagMutable Flag = "mutable"
	// FlagUnpinned: there was a digest, and there is none any more.
	FlagUnpinned Flag = "unpinned"
)

// Edit is a value that changed. Offsets are in bytes.
type Edit struct {
	// Line and Column are where the value begins in the new version, from 1, in
	// characters.
	Line, Column int
	// Start and End enclose it in the new version, quotes included.
	Start, End int
	// Old is what was there, as it was written.
	Old string
	// Path is where it is in its document.
	Path string
}

// Move is an image that moves from one version to another.
type Move struct {
	File string
	// Document counts the documents of the file, from 0; what has only comments is
	// none.
	Document int
	// Line, Column and Path are those of the first edit.
	Line, Column int
	Path         string
	// Repository is normalised ("docker.io/library/app"); empty when the file does
	// not say it.
	Repository string
	From, To   Version
	Flags      []Flag
	// Edits are the changed values: one, or two when tag and digest stand apart.
	Edits []Edit
}

// Code is the stable name of a finding.
type Code string

// The findings.
const (
	CodeAmbiguous  Code = "image.ambiguous"
	CodeBytes      Code = "image.bytes"
	CodeGrammar    Code = "image.grammar"
	CodeLimit      Code = "image.limit"
	CodeMode       Code = "image.mode"
	CodeType       Code = "image.type"
	CodeUnreadable Code = "image.unreadable"
)

// Codes are all codes with what they mean, for people.
func Codes() []struct {
	Code Code
	Text string
} {
	return []struct {
		Code Code
		Text string
	}{
		{CodeAmbiguous, "programs read the file differently: anchors, merge keys, duplicate keys, tags"},
		{CodeBytes, "a file has bytes that text does not have"},
		{CodeGrammar, "the value of an image is neither a tag nor a digest nor a reference"},
		{CodeLimit, "a file is too large to be looked at"},
		{CodeMode, "a file became a link or a submodule"},
		{CodeType, "the value of an image is no string"},
		{CodeUnreadable, "a file became unreadable"},
	}
}

// Finding is why a file is refused: one line of printable text.
type Finding struct {
	Code Code
	File string
	Text string
}

// FileClass is the class of one file.
type FileClass struct {
	Path  string
	Class Class
	// Why says in one line why it is not image.
	Why string
}

// Result is what a change is. The zero Result has no valid class.
type Result struct {
	Class Class
	// Moves are those of the files that are image: of others nothing is proven.
	Moves    []Move
	Findings []Finding
	Files    []FileClass
}

// Classify says what a change is that has these files and no others. It never
// fails, is deterministic and safe for concurrent use. Time and memory are bounded
// by the size of the files.
func Classify(files []File, rules Rules) Result {
	r := Result{Class: ClassNone}
	total := 0
	for i := range files {
		f := &files[i]
		v := verdict{}
		if total += len(f.Before) + len(f.After); total > maxTotal {
			v.refuse(CodeLimit, fmt.Sprintf("the changed files have more than %d MiB", maxTotal>>20))
		} else {
			v = classifyFile(f, &rules)
		}
		r = Join(r, v.result(f.Path))
	}
	return r
}

// Join is the class of several changes that are looked at one by one, such as the
// commits of a rebased pull request: each of them can be deployed. What one does
// and the next one takes back is in it.
func Join(results ...Result) Result {
	j := Result{Class: ClassNone}
	for _, r := range results {
		j.Class = join(j.Class, r.Class)
		j.Moves = append(j.Moves, r.Moves...)
		j.Findings = append(j.Findings, r.Findings...)
		j.Files = append(j.Files, r.Files...)
	}
	return j
}

// join is commutative; a class that is not valid counts as refused.
func join(a, b Class) Class {
	known := []Class{ClassNone, ClassImage, ClassConfig, ClassMixed, ClassRefused}
	i, j := slices.Index(known, a), slices.Index(known, b)
	switch {
	case i < 0 || j < 0:
		return ClassRefused
	case i+j == 3 && i > 0 && j > 0:
		return ClassMixed
	default:
		return known[max(i, j)]
	}
}
