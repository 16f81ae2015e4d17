package merkle

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Comparison compares a record, entry by entry, with checkpoints that were kept where its
// writer cannot change them. It is not safe for concurrent use.
type Comparison struct {
	tree   Tree
	known  []Checkpoint
	stored []tlog.Hash
	head   history.Head
	// matched is the last entry up to which a checkpoint fits, next that of the next one.
	matched history.Head
	next    int
	fault   *history.Fault
}

// CompareFrom begins a comparison of what comes after the entries of a tree. What is known
// of fewer entries is not compared.
func CompareFrom(t Tree, known ...Checkpoint) *Comparison {
	known = slices.DeleteFunc(slices.Clone(known), func(k Checkpoint) bool { return k.Size < t.size })
	c := Compare()
	c.tree, c.known, c.matched, c.head = t, nil, history.Head{Sequence: uint64(t.size)}, history.Head{Sequence: uint64(t.size)} //nolint:gosec // never negative
	slices.SortStableFunc(known, func(a, b Checkpoint) int { return cmp.Compare(a.Size, b.Size) })
	c.known = known
	c.look(c.head)
	return c
}

// Compare begins a comparison.
func Compare(known ...Checkpoint) *Comparison {
	known = slices.Clone(known)
	slices.SortStableFunc(known, func(a, b Checkpoint) int { return cmp.Compare(a.Size, b.Size) })
	c := &Comparison{known: known}
	c.look(history.Head{})
	return c
}

// Add adds the next entry; sealed are the bytes that its digest is of.
func (c *Comparison) Add(e history.Entry, sealed []byte) {
	c.stored = c.tree.Add(leafOf(e, sealed), c.stored[:0])
	c.head = e.Head()
	c.look(c.head)
}

// Also compares what was added with one more checkpoint, of as many entries.
func (c *Comparison) Also(known Checkpoint) {
	c.known = append(c.known[:c.next:c.next], known)
	c.look(c.head)
}

// look compares the tree with the checkpoints of its size.
func (c *Comparison) look(head history.Head) {
	for c.fault == nil && c.next < len(c.known) && c.known[c.next].Size <= c.tree.size {
		if c.known[c.next].Root == c.tree.Root() {
			c.matched = head
			c.next++
			continue
		}
		c.fault = &history.Fault{Sequence: c.matched.Sequence + 1, Kind: history.FaultChanged, Text: c.text()}
	}
}

func (c *Comparison) text() string {
	first, last := c.matched.Sequence+1, c.tree.size
	switch {
	case last == 0:
		return "a checkpoint of no entries has a root that no record has"
	case asSize(first) > last:
		return fmt.Sprintf("two checkpoints of %d entries contradict each other", last)
	case asSize(first) == last:
		return fmt.Sprintf("entry %d is not the one of the checkpoint of %d entries: it was written anew", last, last)
	}
	return fmt.Sprintf("the record is not the one of the checkpoint of %d entries: it was written anew from one of the entries %d to %d on", last, first, last)
}

// Tree is what was added.
func (c *Comparison) Tree() Checkpoint { return Checkpoint{Size: c.tree.size, Root: c.tree.Root()} }

// Finish completes a report on the entries that were added: a fault that the checkpoints
// show counts if it comes first.
func (c *Comparison) Finish(report history.Report) history.Report {
	fault := c.fault
	if fault == nil && report.Fault == nil && c.next < len(c.known) {
		size := c.known[len(c.known)-1].Size
		report.Fault = &history.Fault{
			Sequence: uint64(c.tree.size) + 1, Kind: history.FaultTruncated, //nolint:gosec // never negative
			Text: fmt.Sprintf("the record ends with entry %d; there is a checkpoint of %d entries", c.tree.size, size),
		}
	}
	if fault != nil && (report.Fault == nil || fault.Sequence <= report.Fault.Sequence) {
		report.Fault, report.Head = fault, c.matched
	}
	return report
}

// Verify verifies a record, and that it has every one of the checkpoints. See
// history.Verify.
func Verify(ctx context.Context, r history.Reader, known ...Checkpoint) (history.Report, Checkpoint, error) {
	archives, err := history.Archives(ctx, r)
	if err == nil { // else VerifyEach says what is wrong
		for _, a := range archives {
			if root, err := parseHash(a.Root); err == nil {
				known = append(slices.Clip(known), Checkpoint{Size: asSize(a.To), Root: root})
			}
		}
	}
	c := Compare(known...)
	report, err := history.VerifyEach(ctx, r, c.Add)
	if err != nil {
		return history.Report{}, Checkpoint{}, err
	}
	return c.Finish(report), c.Tree(), nil
}
