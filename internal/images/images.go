package images

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"k8s.io/utils/lru"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval/imagediff"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/mirror"
)

// Mirror is a git mirror that has been fetched. See mirror.Mirror.
type Mirror interface {
	Blob(ctx context.Context, sha approval.SHA, limit int64) ([]byte, error)
	CommitObject(ctx context.Context, sha approval.SHA) ([]byte, error)
	Commits(ctx context.Context, include approval.SHA, exclude ...approval.SHA) ([]mirror.Commit, error)
	NeutralMerge(ctx context.Context, c mirror.Commit) (bool, error)
	Entry(ctx context.Context, commit approval.SHA, path string) (mirror.TreeEntry, bool, error)
}

// Mirrors finds the mirror of a repository.
type Mirrors func(ctx context.Context, name approval.RepositoryName) (Mirror, error)

// Verifier verifies the signature of one commit, given as git stores it. The time is
// when the commit arrived at GitHub. It does no I/O.
type Verifier interface {
	Verify(commit approval.SHA, object []byte, at time.Time) approval.CommitSignature
}

// Witness asks GitHub about the commits of a pull request, for signers whose
// signatures are taken on its word. What it returns judges by the answer.
type Witness interface {
	Ask(ctx context.Context, repository approval.RepositoryName, pull int) (Verifier, error)
}

// Registry says what is known of an image. Its answers cannot fail: what is not
// known is part of them.
type Registry interface {
	Look(ctx context.Context, image approval.Image, keys approval.ImageKeys) approval.ImageEvidence
}

// Soaks says how an image fared in the Application that has to prove it for another
// one.
type Soaks interface {
	Soak(ctx context.Context, application approval.Application, image approval.Image) approval.Soak
}

// Firsts remembers for ever which digest an image had when it was first seen for a
// head of a pull request.
type Firsts interface {
	FirstDigest(ctx context.Context, repository int64, pull int, head approval.SHA, image approval.Image, digest string) (string, error)
}

// Gate is what one gate looks for.
type Gate struct {
	Rules    imagediff.Rules
	Verifier Verifier
	// Witness is nil when no signer is trusted on GitHub's word.
	Witness Witness
	// Registry is nil when the gate verifies no images.
	Registry Registry
	// Soaks is nil when no image has to be proven.
	Soaks Soaks
}

// Options are what a Collector is made of.
type Options struct {
	// Gates by name. A gate with an image quorum that is missing is an error.
	Gates   map[string]Gate
	Mirrors Mirrors
	Firsts  Firsts
	Logger  *slog.Logger
}

// Collector completes facts. Safe for concurrent use.
type Collector struct {
	gates      map[string]Gate
	mirrors    Mirrors
	firsts     Firsts
	log        *slog.Logger
	classified *lru.Cache // of classKey to approval.ImageChange
	signed     *lru.Cache // of signedKey to []approval.CommitSignature
}

// How many answers that cannot change are kept.
const (
	keptClasses    = 20_000
	keptSignatures = 2_000
)

// New makes a Collector.
func New(o Options) (*Collector, error) {
	if o.Mirrors == nil || o.Firsts == nil || o.Logger == nil {
		return nil, errors.New("images need mirrors, first digests and a logger")
	}
	return &Collector{gates: o.Gates, mirrors: o.Mirrors, firsts: o.Firsts, log: o.Logger, classified: lru.New(keptClasses), signed: lru.New(keptSignatures)}, nil
}

// gate is what a policy looks for; false when it has no image quorum.
func (c *Collector) gate(p *approval.Policy) (Gate, bool, error) {
	if p.Image == nil {
		return Gate{}, false, nil
	}
	g, ok := c.gates[p.Gate]
	if !ok || g.Verifier == nil {
		return Gate{}, false, fmt.Errorf("gate %s has an image quorum, but nothing is known of its signers", p.Gate)
	}
	return g, true, nil
}

// Complete adds to the facts of a decision what its policy has to know of images. It
// replaces what is shared with other facts instead of changing it.
func (c *Collector) Complete(ctx context.Context, p approval.Policy, facts *approval.Facts) error {
	g, ok, err := c.gate(&p)
	if !ok || err != nil {
		return err
	}
	facts.Lines = slices.Clone(facts.Lines)
	look := c.newLook(g, &p, &facts.Application)
	var wanted []wish
	for i := range facts.Lines {
		line := &facts.Lines[i]
		protected, ok := p.Repository(line.Repository)
		if !ok {
			continue
		}
		line.Landings = slices.Clone(line.Landings)
		for n := range line.Landings {
			landing := &line.Landings[n]
			if landing.Changes, err = c.classify(ctx, g, p.Gate, protected, landing.Changes); err != nil {
				return fmt.Errorf("read what %s does to images: %w", landing.Commit.Short(), err)
			}
			if !moves(&p, protected, landing.Changes) {
				continue
			}
			if landing.Pull != nil {
				pr := *landing.Pull
				if pr.Signatures, err = c.signatures(ctx, g, p.Gate, protected.Name, &pr, landing.Parent); err != nil {
					return fmt.Errorf("verify the signatures of #%d: %w", pr.Number, err)
				}
				landing.Pull = &pr
			}
			wanted = append(wanted, wish{protected, landing.Pull, landing.Changes})
		}
	}
	// The newest first: what old landings brought may have moved on, and must not use
	// up what can be looked at.
	for _, w := range slices.Backward(wanted) {
		if err := look.landing(ctx, w.repository, w.pull, w.changes); err != nil {
			return err
		}
	}
	facts.Images = look.found
	return nil
}

// CompletePull is Complete for a report on a pull request. It returns the changes and
// the pull request as the gate sees them, and what is known of the images.
func (c *Collector) CompletePull(ctx context.Context, p approval.Policy, r approval.ProtectedRepository, a approval.PullAnswer) (approval.PullAnswer, []approval.ImageEvidence, error) {
	g, ok, err := c.gate(&p)
	if !ok || err != nil {
		return a, nil, err
	}
	if a.Changes, err = c.classify(ctx, g, p.Gate, r, a.Changes); err != nil {
		return a, nil, fmt.Errorf("read what #%d does to images: %w", a.Pull.Number, err)
	}
	if !moves(&p, r, a.Changes) {
		return a, nil, nil
	}
	if a.Pull.Signatures, err = c.signatures(ctx, g, p.Gate, r.Name, &a.Pull, a.BaseHead); err != nil {
		return a, nil, fmt.Errorf("verify the signatures of #%d: %w", a.Pull.Number, err)
	}
	look := c.newLook(g, &p, nil)
	err = look.landing(ctx, r, &a.Pull, a.Changes)
	return a, look.found, err
}

// moves says whether a change needs the image quorum.
func moves(p *approval.Policy, r approval.ProtectedRepository, changes []approval.Change) bool {
	switch p.Classify(r, changes) {
	case approval.ClassImage, approval.ClassMixed:
		return true
	default:
		return false
	}
}
