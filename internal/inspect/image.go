package inspect

import (
	"context"
	"fmt"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval/imagediff"
)

const (
	// maxRead bounds the size of a file that is read. The classification refuses what
	// is larger than its own, smaller bound, and says so.
	maxRead = 4 * imagediff.MaxFile
	// maxImageFiles bounds the files of a landing that are read.
	maxImageFiles = 2_000
	// maxClassified bounds the moves and the findings of a landing.
	maxClassified = 1_000
)

// ImageClassifier tells image changes from configuration by reading both versions
// of the changed files.
type ImageClassifier struct {
	Rules imagediff.Rules
}

// Classify implements Classifier. A file that cannot be read is config, with a
// finding: the clone may lack it.
func (c ImageClassifier) Classify(ctx context.Context, files Files, scope approval.ProtectedRepository, changes []approval.Change) (Classification, error) {
	r := imagediff.Join()
	var unread []Finding
	read := 0
	for _, change := range changes {
		if !scope.CoversChange(change) {
			continue
		}
		f := imagediff.File{Path: change.Path, Modes: imagediff.Modes{Before: change.Before.Mode, After: change.After.Mode}}
		if f.Modes.Before == f.Modes.After && imagediff.Candidate(f.Path) {
			read++
			var err error
			if read <= maxImageFiles {
				err = c.read(ctx, files, change, &f)
			}
			switch {
			case ctx.Err() != nil:
				return Classification{}, context.Cause(ctx)
			case read > maxImageFiles, err != nil:
				if len(unread) == 0 {
					unread = append(unread, Finding{CodeUnread, unreadText(f.Path, read, err)})
				}
				f.Before, f.After = nil, nil
			}
		}
		// Without content a file is config: nothing shows that it is not.
		r = imagediff.Join(r, imagediff.Classify([]imagediff.File{f}, c.Rules))
	}
	out := Classification{Class: Class(r.Class), Findings: unread}
	for _, f := range r.Findings[:min(len(r.Findings), maxClassified)] {
		out.Findings = append(out.Findings, Finding{Code(f.Code), f.Text})
	}
	for _, m := range r.Moves[:min(len(r.Moves), maxClassified)] {
		out.Moves = append(out.Moves, moveOf(m))
	}
	if len(r.Moves) > maxClassified || len(r.Findings) > maxClassified {
		out.Findings = append(out.Findings, Finding{CodeCut, fmt.Sprintf("%d images move, and %d files are refused; the first %d are listed", len(r.Moves), len(r.Findings), maxClassified)})
	}
	return out, nil
}

// read reads both versions of an ordinary file.
func (ImageClassifier) read(ctx context.Context, files Files, change approval.Change, f *imagediff.File) (err error) {
	if f.Modes.Before != "100644" && f.Modes.Before != "100755" {
		return nil
	}
	if f.Before, err = files.Blob(ctx, change.Before.SHA, maxRead); err != nil {
		return err
	}
	f.After, err = files.Blob(ctx, change.After.SHA, maxRead)
	return err
}

func unreadText(path string, read int, err error) string {
	if read > maxImageFiles {
		return fmt.Sprintf("more than %d files changed; the others count as config", maxImageFiles)
	}
	return fmt.Sprintf("%s cannot be read and counts as config: %s", pathText(path), err)
}

func moveOf(m imagediff.Move) Move {
	out := Move{File: m.File, Path: m.Path, Repository: m.Repository, From: m.From.String(), To: m.To.String(), Flags: []string{}}
	for _, f := range m.Flags {
		out.Flags = append(out.Flags, string(f))
	}
	return out
}
