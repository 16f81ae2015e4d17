package images

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval/imagediff"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/mirror"
)

// maxFiles bounds the files in scope of one landing that are looked at. The others
// count as bringing an image that cannot be told.
const maxFiles = 2_000

type classKey struct {
	gate, path    string
	before, after approval.Entry
}

// classify says of each change in scope what it does to images. The result is a new
// slice.
func (c *Collector) classify(ctx context.Context, g Gate, gate string, r approval.ProtectedRepository, changes []approval.Change) ([]approval.Change, error) {
	changes = slices.Clone(changes)
	var m Mirror
	read := 0
	for i := range changes {
		change := &changes[i]
		if !r.CoversChange(*change) {
			continue
		}
		if read++; read > maxFiles {
			// Counted before what is remembered, so that the answer is always the same.
			change.Images = unseen("more than " + strconv.Itoa(maxFiles) + " files changed")
			continue
		}
		key := classKey{gate, change.Path, change.Before, change.After}
		if known, ok := c.classified.Get(key); ok {
			change.Images = known.(*approval.ImageChange)
			continue
		}
		f := imagediff.File{Path: change.Path, Modes: imagediff.Modes{Before: change.Before.Mode, After: change.After.Mode}}
		if m == nil {
			var err error
			if m, err = c.mirrors(ctx, r.Name); err != nil {
				return nil, err
			}
		}
		large, err := load(ctx, m, change, &f)
		if err != nil {
			return nil, err
		}
		if large {
			change.Images = unseen("it is larger than " + strconv.Itoa(imagediff.MaxFile) + " bytes")
			c.classified.Add(key, change.Images)
			continue
		}
		change.Images, _ = imagediff.Fact(f, g.Rules)
		c.classified.Add(key, change.Images)
	}
	return changes, nil
}

// load reads both versions of a file, as far as they are files.
func load(ctx context.Context, m Mirror, change *approval.Change, f *imagediff.File) (large bool, err error) {
	for _, side := range []struct {
		entry approval.Entry
		into  *[]byte
	}{{change.Before, &f.Before}, {change.After, &f.After}} {
		if side.entry.Mode != "100644" && side.entry.Mode != "100755" {
			continue
		}
		data, err := m.Blob(ctx, side.entry.SHA, imagediff.MaxFile)
		if errors.Is(err, mirror.ErrTooLarge) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		*side.into = data
	}
	return false, nil
}

// unseen is what a change does of which nothing can be told.
func unseen(why string) *approval.ImageChange {
	return &approval.ImageChange{Touches: true, Moves: []approval.ImageMove{{}}, Why: why}
}
