package images

import (
	"context"
	"fmt"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// maxImages bounds the images that are looked at for one decision. Of the others
// nothing is known.
const maxImages = 200

// look gathers evidence of images, each once.
type look struct {
	c           *Collector
	gate        Gate
	policy      *approval.ImagePolicy
	application *approval.Application // nil when the report is about no one
	seen        map[approval.Image]int
	found       []approval.ImageEvidence
}

func (c *Collector) newLook(g Gate, p *approval.Policy, a *approval.Application) *look {
	return &look{c: c, gate: g, policy: p.Image, application: a, seen: map[approval.Image]int{}}
}

// wish is a landing whose images are to be looked at.
type wish struct {
	repository approval.ProtectedRepository
	pull       *approval.PullRequest
	changes    []approval.Change
}

// landing looks at all images that the changes in scope move to.
func (l *look) landing(ctx context.Context, r approval.ProtectedRepository, pr *approval.PullRequest, changes []approval.Change) error {
	if len(l.policy.Verify) == 0 && l.policy.ProvenIn == nil {
		return nil
	}
	for _, change := range changes {
		if change.Images == nil || !r.CoversChange(change) {
			continue
		}
		for _, m := range change.Images.Moves {
			if err := l.image(ctx, m.To, pr); err != nil {
				return err
			}
		}
	}
	return nil
}

// image looks at one image. When several pull requests move to one tag, the digest
// that it had for the first of them counts, so that nobody's approval is of another
// image than they could see.
func (l *look) image(ctx context.Context, i approval.Image, pr *approval.PullRequest) error {
	if i.Repository == "" || i.Tag == "" && i.Digest == "" {
		return nil // which is found to be not known
	}
	n, seen := l.seen[i]
	if !seen {
		if len(l.found) == maxImages {
			return nil
		}
		n = len(l.found)
		l.seen[i] = n
		l.found = append(l.found, l.evidence(ctx, i))
	}
	e := &l.found[n]
	if i.Digest != "" || e.Digest == "" || pr == nil {
		return nil
	}
	heads := []approval.SHA{pr.Head}
	for _, k := range pr.Kept {
		heads = append(heads, k.Commit) // whose approvals count, and what they saw
	}
	for _, head := range heads {
		first, err := l.c.firsts.FirstDigest(ctx, pr.BaseRepositoryID, pr.Number, head, i, e.Digest)
		if err != nil {
			return fmt.Errorf("remember the digest of %s: %w", i, err)
		}
		if e.First == "" || first != e.Digest {
			e.First = first
		}
	}
	return nil
}

func (l *look) evidence(ctx context.Context, i approval.Image) approval.ImageEvidence {
	e := approval.ImageEvidence{Image: i}
	if keys, ok := l.policy.KeysFor(i); ok && l.gate.Registry != nil {
		e = l.gate.Registry.Look(ctx, i, keys)
		e.Image, e.First = i, ""
	}
	if l.policy.ProvenIn != nil && l.gate.Soaks != nil && l.application != nil {
		s := l.gate.Soaks.Soak(ctx, *l.application, i)
		e.Soak = &s
	}
	return e
}
