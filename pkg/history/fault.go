package history

import (
	"fmt"
)

// FaultKind says what was done to a record.
type FaultKind string

// The kinds of faults.
const (
	// FaultChanged: an entry is not the one that was written.
	FaultChanged FaultKind = "changed"
	// FaultDropped: an entry is missing, and later ones are there.
	FaultDropped FaultKind = "dropped"
	// FaultInserted: an entry was put between others.
	FaultInserted FaultKind = "inserted"
	// FaultReordered: an entry stands at another's place.
	FaultReordered FaultKind = "reordered"
	// FaultTruncated: the record ends before a head that it had.
	FaultTruncated FaultKind = "truncated"
	// FaultIndex: the entries are intact, but the store's list of open intents
	// is not what they say, or the store is not as it was made and would not find
	// all of them, see Examined and Filed.
	FaultIndex FaultKind = "index"
	// FaultCheckpoint: the entries are intact, but what stands where their signed
	// checkpoint should be is not one.
	FaultCheckpoint FaultKind = "checkpoint"
)

// Fault is the first place where a record is not what was written.
type Fault struct {
	// Sequence is the number of the first entry concerned.
	Sequence uint64    `json:"sequence"`
	Kind     FaultKind `json:"kind"`
	// Text says what was found, in one line for people.
	Text string `json:"text"`
}

// Report is the result of Verify.
type Report struct {
	// Head is the last entry up to which the record is intact.
	Head Head `json:"head"`
	// Open counts the open intents of an intact record.
	Open int `json:"open"`
	// Fault is nil when the record is intact.
	Fault    *Fault `json:"fault,omitempty"`
	complete bool
}

// Intact is true when the whole record was read and nothing is wrong with it.
// It is false for the zero Report.
func (r Report) Intact() bool { return r.complete && r.Fault == nil }

func fault(sequence uint64, kind FaultKind, format string, args ...any) *Fault {
	return &Fault{Sequence: sequence, Kind: kind, Text: fmt.Sprintf(format, args...)}
}
