package merkle

import (
	"fmt"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// Tree is the right edge of a Merkle tree: what it takes to add leaves and to know the
// root, 32 bytes for each doubling. It is not safe for concurrent use. The zero Tree is
// empty.
type Tree struct {
	size int64
	// edge holds the root of one full subtree for each bit that is set in size, the
	// largest first.
	edge []tlog.Hash
}

// Edge holds the root of one full subtree for each bit that is set in the size, the
// largest first. It is what it takes to go on with a tree.
func (t *Tree) Edge() []tlog.Hash { return slices.Clone(t.edge) }

// NewTree is the tree with that edge. Whether it is one of a record shows in its root.
func NewTree(size int64, edge []tlog.Hash) (Tree, error) {
	if size < 0 || bits.OnesCount64(uint64(size)) != len(edge) {
		return Tree{}, fmt.Errorf("a tree of %d leaves has no edge of %d hashes", size, len(edge))
	}
	return Tree{size: size, edge: slices.Clone(edge)}, nil
}

// Size is the number of leaves.
func (t *Tree) Size() int64 { return t.size }

// Add adds a leaf and appends to stored the hashes that came about, in the order of
// tlog.StoredHashIndex: the leaf's own, and one for each subtree that is full now.
func (t *Tree) Add(leaf tlog.Hash, stored []tlog.Hash) []tlog.Hash {
	stored = append(stored, leaf)
	for full := t.size; full&1 == 1; full >>= 1 {
		last := len(t.edge) - 1
		leaf = tlog.NodeHash(t.edge[last], leaf)
		t.edge = t.edge[:last]
		stored = append(stored, leaf)
	}
	t.edge = append(t.edge, leaf)
	t.size++
	return stored
}

// Root is the root hash. That of an empty tree is the SHA-256 of nothing.
func (t *Tree) Root() tlog.Hash {
	if t.size == 0 {
		return emptyRoot()
	}
	root := t.edge[len(t.edge)-1]
	for i := len(t.edge) - 2; i >= 0; i-- {
		root = tlog.NodeHash(t.edge[i], root)
	}
	return root
}

// edgeIndexes are where the edge of a tree of that size is among the stored hashes.
func edgeIndexes(size int64) []int64 {
	var indexes []int64
	for start := int64(0); start < size; {
		level := bits.Len64(uint64(size-start)) - 1 //nolint:gosec // start is less than size
		indexes = append(indexes, tlog.StoredHashIndex(level, start>>level))
		start += 1 << level
	}
	return indexes
}

// restore is the Tree of that size whose hashes are stored.
func restore(size int64, r tlog.HashReader) (Tree, error) {
	indexes := edgeIndexes(size)
	if len(indexes) == 0 {
		return Tree{}, nil
	}
	edge, err := r.ReadHashes(indexes)
	if err != nil {
		return Tree{}, err
	}
	return Tree{size: size, edge: edge}, nil
}

func emptyRoot() tlog.Hash {
	root, _ := tlog.TreeHash(0, nil) // which reads nothing
	return root
}
