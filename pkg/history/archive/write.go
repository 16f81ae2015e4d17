package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/export"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/merkle"
)

// Write writes the archive of a plan to a new file, makes it durable, reads it again and
// verifies it. It leaves nothing at the path when it fails.
func Write(ctx context.Context, r history.Reader, p Plan, signer merkle.Signer, path string) (f *File, under merkle.Signed, err error) {
	root, err := treeAt(ctx, r, p.To)
	if err != nil {
		return nil, merkle.Signed{}, err
	}
	if under, err = signer.Sign(root); err != nil {
		return nil, merkle.Signed{}, fmt.Errorf("sign the archive: %w", err)
	}
	if _, err := os.Lstat(path); err == nil {
		return nil, merkle.Signed{}, fmt.Errorf("write the archive: %s: %w", path, os.ErrExist)
	}
	draft := path + ".new"
	if err := os.Remove(draft); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, merkle.Signed{}, fmt.Errorf("write the archive: %w", err)
	}
	defer func() { _ = os.Remove(draft) }() // what is linked stays
	if err := writeDurably(draft, func(w io.Writer) error { return export.WriteArchive(ctx, w, r, p.From, under) }); err != nil {
		return nil, merkle.Signed{}, fmt.Errorf("write the archive: %w", err)
	}
	// Unlike a renaming, a link never replaces a file that came meanwhile.
	if err := os.Link(draft, path); err != nil {
		return nil, merkle.Signed{}, fmt.Errorf("write the archive: %w", err)
	}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return nil, merkle.Signed{}, errors.Join(err, os.Remove(path))
	}
	if f, err = OpenFile(ctx, path, signer.Verifier(), under.Checkpoint); err == nil && (f.From != p.From || f.To != p.To) {
		err = errors.Join(fmt.Errorf("%w: it has the entries %d to %d", ErrFile, f.From, f.To), f.Close())
	}
	if err != nil {
		return nil, merkle.Signed{}, errors.Join(err, os.Remove(path))
	}
	return f, under, nil
}

// treeAt is what the tree was when the record had that many entries.
func treeAt(ctx context.Context, r history.Reader, size uint64) (merkle.Checkpoint, error) {
	c := merkle.Compare()
	var sealed []byte
	for next := uint64(1); next <= size; {
		entries, err := r.Entries(ctx, next, int(min(page, size-next+1)))
		if err != nil {
			return merkle.Checkpoint{}, fmt.Errorf("read the record: %w", err)
		}
		if len(entries) == 0 {
			return merkle.Checkpoint{}, fmt.Errorf("entry %d is missing: %w", next, merkle.ErrContradicts)
		}
		for _, e := range entries {
			sealed = e.AppendSealed(sealed[:0])
			c.Add(e, sealed)
			next = e.Sequence + 1
		}
	}
	return c.Tree(), nil
}

func writeDurably(path string, write func(io.Writer) error) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // the operator names the file
	if err != nil {
		return err
	}
	if err = write(file); err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

func syncFolder(path string) error {
	folder, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return fmt.Errorf("sync the folder: %w", err)
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return fmt.Errorf("sync the folder: %w", err)
	}
	return nil
}
