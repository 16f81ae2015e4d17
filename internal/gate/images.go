package gate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Images completes facts by what a policy with an image quorum has to know.
type Images interface {
	Complete(ctx context.Context, p approval.Policy, facts *approval.Facts) error
	CompletePull(ctx context.Context, p approval.Policy, r approval.ProtectedRepository, a approval.PullAnswer) (approval.PullAnswer, []approval.ImageEvidence, error)
	// Notes are about lines at the head of the pull request, of which the answer is that
	// of CompletePull.
	Notes(ctx context.Context, p approval.Policy, r approval.ProtectedRepository, a approval.PullAnswer) ([]approval.Note, error)
}

var errNoImages = errors.New("nothing is set up to look at images")

// collectImages adds what is known of images to facts that are otherwise complete.
func (g *Gate) collectImages(ctx context.Context, p approval.Policy, facts *approval.Facts) error {
	if p.Image == nil {
		return nil
	}
	err := errNoImages
	if images := g.rules().Images; images != nil {
		err = images.Complete(ctx, p, facts)
	}
	if err != nil {
		facts.Missing = append(facts.Missing, approval.Missing{What: "what the changes do to images", Why: strings.ToValidUTF8(err.Error(), "\uFFFD")})
	}
	return err
}

// judgedPull is what one gate has to say of a pull request.
type judgedPull struct {
	class  approval.ChangeClass
	quorum approval.QuorumResult
	notes  []approval.Note
	// again is when to look at its images again, 0 for never.
	again time.Duration
}

// judgePull counts the reviews of a pull request for one gate.
func (g *Gate) judgePull(ctx context.Context, p approval.Policy, r approval.ProtectedRepository, a approval.PullAnswer) (judgedPull, error) {
	var evidence []approval.ImageEvidence
	var notes []approval.Note
	if p.Image != nil {
		err := errNoImages
		images := g.rules().Images
		if images != nil {
			a, evidence, err = images.CompletePull(ctx, p, r, a)
		}
		if err != nil {
			return judgedPull{}, fmt.Errorf("look at the images: %w", err)
		}
		if notes, err = images.Notes(ctx, p, r, a); err != nil {
			return judgedPull{}, fmt.Errorf("look at the lines: %w", err)
		}
	}
	return judgedPull{
		class: p.Classify(r, a.Changes), quorum: approval.JudgeQuorum(p, r, a.Pull, a.Changes, a.Directory, evidence),
		notes: notes, again: pullAgain(p, a.Open, evidence),
	}, nil
}

// againImages is how soon images are looked at again of which something is not
// known, for example because a registry does not answer.
const againImages = 30 * time.Second

// againUnsigned is how soon an open pull request is looked at again whose image is
// not signed: the signature may come after the pull request, and looking costs calls
// to GitHub.
const againUnsigned = 5 * time.Minute

// pullAgain is when what is known of the images of an open pull request changes by
// itself, 0 for never. What landed is looked at with the Applications.
func pullAgain(p approval.Policy, open bool, evidence []approval.ImageEvidence) time.Duration {
	again := time.Duration(0)
	if p.Image == nil || !open {
		return 0
	}
	for _, e := range evidence {
		_, verified := p.Image.KeysFor(e.Image)
		switch {
		case !verified || e.Signed == approval.ImageSignedYes:
		case e.Signed == approval.ImageSignedNo:
			again = sooner(again, againUnsigned)
		default:
			again = sooner(again, againImages)
		}
	}
	return again
}

// imagesAgain is when what is known of images changes by itself, 0 for never.
func imagesAgain(p approval.Policy, facts approval.Facts) time.Duration {
	again := time.Duration(0)
	if p.Image == nil {
		return 0
	}
	for _, e := range facts.Images {
		if _, verified := p.Image.KeysFor(e.Image); verified && e.Signed != approval.ImageSignedYes {
			again = sooner(again, againImages) // it may be signed in a moment, too
		}
		if p.Image.ProvenIn == nil || e.Soak == nil {
			continue
		}
		switch e.Soak.State {
		case approval.SoakRunning:
			again = sooner(again, max(p.Image.ProvenIn.Soak-e.Soak.Ran, 0)+time.Second)
		case approval.SoakProven:
		default:
			again = sooner(again, againImages)
		}
	}
	return again
}
