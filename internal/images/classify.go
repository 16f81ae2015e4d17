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
		change.Images = imageChange(f, g.Rules)
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

// imageChange is what a change of one file does to images.
func imageChange(f imagediff.File, rules imagediff.Rules) *approval.ImageChange {
	res, effect := imagediff.Classify([]imagediff.File{f}, rules), imagediff.Look(f, rules)
	out := &approval.ImageChange{Whole: effect.Whole}
	for _, i := range effect.Takes {
		out.Takes = append(out.Takes, imageOf(i))
	}
	if res.Class == imagediff.ClassImage && len(res.Moves) > 0 {
		out.Only = true
		for _, m := range res.Moves {
			image := func(v imagediff.Version) approval.Image {
				return imageOf(imagediff.Image{Repository: m.Repository, Version: v})
			}
			out.Moves = append(out.Moves, moveOf(strconv.Itoa(m.Document)+" "+m.Path, image(m.From), image(m.To), m.Flags))
		}
		return out
	}
	out.Touches = res.Class == imagediff.ClassRefused || effect.Touches
	for _, a := range effect.Brings {
		out.Moves = append(out.Moves, moveOf(a.Path, imageOf(a.From), imageOf(a.To), a.Flags))
	}
	if len(res.Files) > 0 {
		out.Why = res.Files[0].Why
	}
	return out
}

func imageOf(i imagediff.Image) approval.Image {
	return approval.Image{Repository: i.Repository, Tag: i.Tag, Digest: i.Digest}
}

func moveOf(place string, from, to approval.Image, flags []imagediff.Flag) approval.ImageMove {
	return approval.ImageMove{
		Place: place, From: from, To: to,
		Downgrade: slices.Contains(flags, imagediff.FlagDowngrade), Mutable: slices.Contains(flags, imagediff.FlagMutable),
	}
}
