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

// maxFiles bounds the files of one landing that are read. The others count as
// touching images.
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
		key := classKey{gate, change.Path, change.Before, change.After}
		if known, ok := c.classified.Get(key); ok {
			change.Images = known.(*approval.ImageChange)
			continue
		}
		f := imagediff.File{Path: change.Path, Modes: imagediff.Modes{Before: change.Before.Mode, After: change.After.Mode}}
		if imagediff.Candidate(f.Path) {
			if read++; read > maxFiles {
				change.Images = &approval.ImageChange{Touches: true, Why: "more than " + strconv.Itoa(maxFiles) + " files changed"}
				continue
			}
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
				change.Images = &approval.ImageChange{Touches: true, Why: "it is larger than " + strconv.Itoa(imagediff.MaxFile) + " bytes"}
				c.classified.Add(key, change.Images)
				continue
			}
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

// imageChange is what a change of one file does to images.
func imageChange(f imagediff.File, rules imagediff.Rules) *approval.ImageChange {
	res := imagediff.Classify([]imagediff.File{f}, rules)
	if res.Class == imagediff.ClassImage && len(res.Moves) > 0 {
		out := &approval.ImageChange{Only: true}
		for _, m := range res.Moves {
			out.Moves = append(out.Moves, moveOf(m))
		}
		return out
	}
	out := &approval.ImageChange{Touches: res.Class == imagediff.ClassRefused || imagediff.Touches(f, rules)}
	if len(res.Files) > 0 {
		out.Why = res.Files[0].Why
	}
	return out
}

func moveOf(m imagediff.Move) approval.ImageMove {
	image := func(v imagediff.Version) approval.Image {
		return approval.Image{Repository: m.Repository, Tag: v.Tag, Digest: v.Digest}
	}
	return approval.ImageMove{
		Place: strconv.Itoa(m.Document) + " " + m.Path, From: image(m.From), To: image(m.To),
		Downgrade: slices.Contains(m.Flags, imagediff.FlagDowngrade), Mutable: slices.Contains(m.Flags, imagediff.FlagMutable),
	}
}
