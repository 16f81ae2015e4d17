package merkle

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Entries reads the entries of a record; every history.Reader does.
type Entries interface {
	Entries(ctx context.Context, from uint64, limit int) ([]history.Entry, error)
}

// ErrContradicts says that the record is not the one of which a checkpoint was signed.
var ErrContradicts = errors.New("the record contradicts a checkpoint that was signed of it")

// The files of a record's tree, beside the record.
const (
	cacheName = "record.tree"
	stateName = "record.checkpoint"
)

// readPage is how many entries are read at a time.
const readPage = 512

// Options make a Notary.
type Options struct {
	Entries Entries
	Signer  Signer
	// Folder holds the last checkpoint that was signed, record.checkpoint, and the
	// cache of hashes, record.tree. The latter may be deleted; the former belongs to
	// the record as the record itself does.
	Folder string
	// Observe leaves the files as they are, for use beside the process that serves.
	Observe bool
	Logger  *slog.Logger
}

// Notary signs checkpoints of a record. It is safe for concurrent use.
type Notary struct {
	options Options

	mu    sync.Mutex
	cache *cacheFile // nil when there is none
	tree  Tree
	// head is the digest of the last entry in the tree.
	head history.Digest
	last Signed
}

// OpenNotary reads the last checkpoint and brings the tree up to date. When the cache of
// hashes is missing or does not fit, every entry is read. A record that is not the one of
// the last checkpoint fails with ErrContradicts: it was cut off, written anew or replaced,
// and nothing is signed of it.
func OpenNotary(ctx context.Context, o Options) (*Notary, error) {
	n := &Notary{options: o}
	if err := n.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open the record's tree: %w", err), n.Close())
	}
	return n, nil
}

// Close releases the files.
func (n *Notary) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cache == nil {
		return nil
	}
	err := n.cache.close()
	n.cache = nil
	return err
}

func (n *Notary) path(name string) string { return filepath.Join(n.options.Folder, name) }

func (n *Notary) open(ctx context.Context) error {
	text, err := readLimited(n.path(stateName), MaxCheckpoint)
	switch {
	case missing(err):
	case err != nil:
		return fmt.Errorf("read the last checkpoint: %w", err)
	default:
		if n.last, err = n.options.Signer.Verifier().Open(text); err != nil {
			return fmt.Errorf("the last checkpoint, %s: %w; if the key was replaced, keep the file elsewhere and remove it here", n.path(stateName), err)
		}
	}
	n.cache, err = openCache(n.path(cacheName), !n.options.Observe)
	if err != nil && (!n.options.Observe || !missing(err)) {
		return err
	}
	if err := n.fromCache(ctx); err != nil {
		n.options.Logger.LogAttrs(ctx, slog.LevelInfo, "record_tree_rebuilt", slog.String("reason", err.Error()))
		n.tree, n.head = Tree{}, ""
	}
	return n.advance(ctx)
}

// fromCache takes the tree of the last checkpoint from the cache. Nothing newer is taken:
// nothing vouches for it.
func (n *Notary) fromCache(ctx context.Context) error {
	size := n.last.Size
	if size == 0 {
		return errors.New("there is no checkpoint yet")
	}
	if n.cache == nil || !n.cache.holds(size) {
		return errors.New("the cache of hashes has too few")
	}
	tree, err := restore(size, n.cache)
	if err != nil {
		return err
	}
	if tree.Root() != n.last.Root {
		return errors.New("the cache of hashes is not that of the last checkpoint")
	}
	leaf, err := n.cache.ReadHashes([]int64{tlog.StoredHashIndex(0, size-1)})
	if err != nil {
		return err
	}
	entries, err := n.options.Entries.Entries(ctx, uint64(size), 1) //nolint:gosec // above 0
	if err != nil {
		return err
	}
	// The entry names the one before it, and so on: it stands for all of them. With the
	// next entries the chain is followed from here.
	if len(entries) == 0 || entries[0].Sequence != uint64(size) || Leaf(entries[0]) != leaf[0] || !follows(entries[0], entries[0].Previous) { //nolint:gosec // as above
		return errors.New("the record's entry is not the one in the cache of hashes")
	}
	n.tree, n.head = tree, entries[0].Digest
	return nil
}

// advance adds the entries that the tree lacks.
func (n *Notary) advance(ctx context.Context) error {
	var out *bufio.Writer
	var sealed []byte
	var stored []tlog.Hash
	tree := n.tree
	tree.edge = append([]tlog.Hash(nil), n.tree.edge...)
	head := n.head
	for {
		entries, err := n.options.Entries.Entries(ctx, uint64(tree.size)+1, readPage) //nolint:gosec // never negative
		if err != nil {
			return fmt.Errorf("read the record from entry %d on: %w", tree.size+1, err)
		}
		if len(entries) == 0 {
			break
		}
		if out == nil && n.cache != nil && !n.options.Observe {
			if out, err = n.cache.writer(tree.size); err != nil {
				return err
			}
		}
		for _, e := range entries {
			if asSize(e.Sequence) != tree.size+1 || !follows(e, head) || e.Archived() && n.last.Note != "" && asSize(e.Sequence) > n.last.Size {
				return fmt.Errorf("entry %d is not what follows entry %d; gatekeeper ledger verify says more: %w", e.Sequence, tree.size, ErrContradicts)
			}
			sealed = e.AppendSealed(sealed[:0])
			stored = tree.Add(leafOf(e, sealed), stored[:0])
			head = e.Digest
			if out != nil {
				for _, hash := range stored {
					_, _ = out.Write(hash[:]) // Flush tells
				}
			}
			if tree.size == n.last.Size && tree.Root() != n.last.Root {
				return n.contradiction()
			}
		}
	}
	if tree.size < n.last.Size {
		return n.contradiction()
	}
	if out != nil {
		if err := out.Flush(); err != nil {
			return fmt.Errorf("write the cache of hashes: %w", err)
		}
	}
	n.tree, n.head = tree, head
	return nil
}

// follows says whether an entry comes after that digest. Of an archived one the tree alone
// says whether it is what it was: it is in the tree of a checkpoint that was signed before
// its payload was removed.
func follows(e history.Entry, head history.Digest) bool {
	return e.Previous == head && (e.Archived() || e.Sealed())
}

func (n *Notary) contradiction() error {
	return fmt.Errorf("%w: %s is of %d entries with the root %s; if the record was restored from a backup, restore what came after it as well; gatekeeper ledger verify says more",
		ErrContradicts, n.path(stateName), n.last.Size, n.last.Root)
}

// Checkpoint signs the record as it is now, and keeps the checkpoint before it returns
// it. The same record gives the same checkpoint again.
func (n *Notary) Checkpoint(ctx context.Context) (Signed, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.advance(ctx); err != nil {
		return Signed{}, fmt.Errorf("checkpoint: %w", err)
	}
	if n.last.Note != "" && n.last.Size == n.tree.size {
		return n.last, nil
	}
	signed, err := n.options.Signer.Sign(Checkpoint{Size: n.tree.size, Root: n.tree.Root()})
	if err != nil {
		return Signed{}, fmt.Errorf("checkpoint: %w", err)
	}
	if !n.options.Observe {
		if err := replaceFile(n.path(stateName), signed.Note); err != nil {
			return Signed{}, fmt.Errorf("keep the checkpoint: %w", err)
		}
	}
	n.last = signed
	return signed, nil
}

// Last is the last checkpoint that a Notary kept in the folder; the zero Signed when
// there is none.
func Last(folder string, key Verifier) (Signed, error) {
	text, err := readLimited(filepath.Join(folder, stateName), MaxCheckpoint)
	if missing(err) {
		return Signed{}, nil
	}
	if err != nil {
		return Signed{}, fmt.Errorf("read the last checkpoint: %w", err)
	}
	signed, err := key.Open(text)
	if err != nil {
		return Signed{}, fmt.Errorf("the last checkpoint, %s: %w", filepath.Join(folder, stateName), err)
	}
	return signed, nil
}
