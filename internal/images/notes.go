package images

import (
	"context"
	"fmt"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval/imagediff"
)

// maxNotes is how many annotations GitHub takes in one request ("Create a check run",
// GitHub docs).
const maxNotes = 50

// Notes are about the lines that make an open pull request a config change although its
// title claims that it only brings another version; none for others. The answer is that
// of CompletePull. Only files that are at the head as they would land are looked at:
// elsewhere the lines would be others.
func (c *Collector) Notes(ctx context.Context, p approval.Policy, r approval.ProtectedRepository, a approval.PullAnswer) ([]approval.Note, error) {
	g, ok, err := c.gate(&p)
	if !ok || err != nil || !a.Open || !imagediff.ClaimsBump(a.Pull.Title) {
		return nil, err
	}
	switch p.Classify(r, a.Changes) {
	case approval.ClassConfig, approval.ClassMixed:
	default:
		return nil, nil
	}
	var notes []approval.Note
	var m Mirror
	for i := range a.Changes {
		change := &a.Changes[i]
		if len(notes) >= maxNotes || i > maxFiles {
			break
		}
		if !r.CoversChange(*change) || change.After.Mode == "" {
			continue
		}
		if m == nil {
			if m, err = c.mirrors(ctx, r.Name); err != nil {
				return nil, err
			}
		}
		if at, found, err := m.Entry(ctx, a.Pull.Head, change.Path); err != nil {
			return nil, fmt.Errorf("look for %s at the head of #%d: %w", change.Path, a.Pull.Number, err)
		} else if !found || at.SHA != change.After.SHA {
			continue
		}
		f := imagediff.File{Path: change.Path, Modes: imagediff.Modes{Before: change.Before.Mode, After: change.After.Mode}}
		large, err := load(ctx, m, change, &f)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", change.Path, err)
		}
		if large {
			continue
		}
		notes = append(notes, notesOf(&p, f, g.Rules)...)
	}
	return notes[:min(len(notes), maxNotes)], nil
}

// notesOf are about the lines of one file: those that are more than the version of an
// image, and versions that need the config quorum as well.
func notesOf(p *approval.Policy, f imagediff.File, rules imagediff.Rules) []approval.Note {
	var out []approval.Note
	for _, b := range imagediff.Blame(f, rules) {
		out = append(out, approval.Note{
			Path: f.Path, First: b.First, Last: b.Last, Title: "This makes it a config change",
			Text: "The title claims a new version of an image, but " + b.Why + ". So the approvals for configuration are needed as well.",
		})
	}
	if len(out) > 0 {
		return out
	}
	for _, move := range imagediff.Classify([]imagediff.File{f}, rules).Moves {
		why := ""
		for _, flag := range move.Flags {
			switch {
			case flag == imagediff.FlagDowngrade && p.Image.Downgrade != approval.HandleAllow:
				why = "it goes back from " + move.From.String() + " to " + move.To.String()
			case flag == imagediff.FlagMutable && p.Image.MutableTag != approval.HandleAllow:
				why = move.To.String() + " may be another image tomorrow"
			}
		}
		if why != "" {
			out = append(out, approval.Note{
				Path: f.Path, First: move.Line, Last: move.Line, Title: "This needs the config quorum as well",
				Text: "A version moves, but " + why + ". So the gate wants the approvals for configuration as well.",
			})
		}
	}
	return out
}
