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
	// Policy is that of the gate that is judged by. The class is then the one that it
	// decides on, of which refused is a part that has a finding. Without a policy,
	// what is not provably an image change is config.
	Policy *approval.Policy
}

// Classify implements Classifier. A file that cannot be read is no image change, with
// a finding: the clone may lack it.
func (c ImageClassifier) Classify(ctx context.Context, files Files, scope approval.ProtectedRepository, changes []approval.Change) (Classification, error) {
	r := imagediff.Join()
	var judged []approval.Change
	var unread []Finding
	var touched touchedFiles
	read := 0
	for _, change := range changes {
		if !scope.CoversChange(change) {
			continue
		}
		f := imagediff.File{Path: change.Path, Modes: imagediff.Modes{Before: change.Before.Mode, After: change.After.Mode}}
		var lost bool
		// What is told to read a file may read one of any name.
		read++
		var err error
		if read <= maxImageFiles {
			err = c.read(ctx, files, change, &f)
		}
		if ctx.Err() != nil {
			return Classification{}, context.Cause(ctx)
		}
		if lost = read > maxImageFiles || err != nil; lost {
			if len(unread) == 0 {
				unread = append(unread, Finding{CodeUnread, unreadText(f.Path, read, err)})
			}
			f.Before, f.After = nil, nil
		}
		// Without content a file is config: nothing shows that it is not.
		var one imagediff.Result
		change.Images, one = imagediff.Fact(f, c.Rules)
		change.Images.Touches = change.Images.Touches || lost
		r = imagediff.Join(r, one)
		// Without a gate's paths, source code that speaks of images is no news.
		telling := c.Policy != nil || imagediff.Candidate(f.Path) || change.After.Mode != "100644" && change.After.Mode != "100755"
		if change.Images.Touches && telling && !lost && one.Class != imagediff.ClassRefused {
			touched.add(f.Path, change.Images.Why)
		}
		judged = append(judged, change)
	}
	out := Classification{Class: Class(r.Class), Findings: unread}
	if c.Policy != nil && r.Class != imagediff.ClassRefused {
		out.Class = Class(c.Policy.Classify(scope, judged))
	}
	if touched.n > 0 && (c.Policy == nil || c.Policy.Image != nil) {
		out.Findings = append(out.Findings, Finding{CodeTouched, touched.text()})
	}
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

// touchedFiles are files in which an image may change and something else.
type touchedFiles struct {
	n     int
	first string
}

func (t *touchedFiles) add(path, why string) {
	if t.n++; t.n == 1 {
		t.first = "an image may change in " + pathText(path) + ", and something else: " + why
	}
}

func (t *touchedFiles) text() string {
	if t.n == 1 {
		return t.first
	}
	return t.first + "; and " + plural(t.n-1, "more file")
}

// read reads both versions of a file, as far as they are ordinary files.
func (ImageClassifier) read(ctx context.Context, files Files, change approval.Change, f *imagediff.File) (err error) {
	for _, side := range []struct {
		entry approval.Entry
		into  *[]byte
	}{{change.Before, &f.Before}, {change.After, &f.After}} {
		if side.entry.Mode != "100644" && side.entry.Mode != "100755" {
			continue
		}
		if *side.into, err = files.Blob(ctx, side.entry.SHA, maxRead); err != nil {
			return err
		}
	}
	return nil
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
