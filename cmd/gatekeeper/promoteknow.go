package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval/imagediff"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/promote"
	"github.com/argo-gatekeeper/gatekeeper/pkg/registry"
)

// maxAsked bounds the images that registries are asked about.
const maxAsked = 100

// knowledge is what is found out of the images of a promotion, for the people who
// approve it. What cannot be found out is a note; nothing is decided by any of it.
type knowledge struct {
	promotable
	registry *registry.Client // nil when no gate verifies images
	// patience bounds each round of questions to registries.
	patience time.Duration

	resolved []promote.Image // with digests that only the registry names
	labelled []promote.Image
	evidence []string
	notes    []note
}

// note is something to know. The text is for everybody who sees the pull request, the
// cause, which can have addresses and paths, for who runs the command.
type note struct {
	text  string
	cause error
}

// plan works the promotion out. Registries are asked for digests when one is wanted
// that the Application does not name: by the request, or by a place that is pinned.
func (k *knowledge) plan(ctx context.Context, plan func(promote.Request) (promote.Plan, error)) (promote.Plan, error) {
	r := k.request
	var failed []note
	if r.Pin {
		r.Images, failed = k.pin(ctx, r)
	}
	p, err := plan(r)
	if !r.Pin && errors.Is(err, imagediff.ErrPlace) {
		if r.Images, failed = k.pin(ctx, r); len(k.resolved) > 0 {
			p, err = plan(r)
		}
	}
	if err != nil {
		for _, n := range failed {
			err = fmt.Errorf("%w; %w", err, n.cause)
		}
		return promote.Plan{}, err
	}
	for _, c := range p.Changes() {
		for _, i := range k.resolved {
			if c.Repository == i.Repository && c.To.Digest == i.Version.Digest {
				k.notes = append(k.notes, note{text: fmt.Sprintf("%s:%s is %s in its registry now. %s names it by its tag alone, so it may run what the tag was before.",
					i.Repository, i.Version.Tag, i.Version.Digest, r.From)})
			}
		}
	}
	return p, nil
}

// pin adds the digests that tags have in the registry now. The images that cannot be
// resolved stay as they are.
func (k *knowledge) pin(ctx context.Context, r promote.Request) ([]promote.Image, []note) {
	images := slices.Clone(r.Images)
	var asked []int
	for n := range images {
		i := &images[n]
		name, ok := imagediff.NormaliseRepository(i.Repository)
		meant := len(r.Only) == 0 || slices.ContainsFunc(r.Only, func(s promote.Selection) bool {
			selected, ok := imagediff.NormaliseRepository(s.Repository)
			return ok && selected == name
		})
		if i.Repository = name; ok && meant && i.Version.Tag != "" && i.Version.Digest == "" && k.mayAsk(name) && len(asked) < maxAsked {
			asked = append(asked, n)
		}
	}
	errs := make([]error, len(images))
	k.each(ctx, len(asked), func(ctx context.Context, n int) {
		i := &images[asked[n]]
		found, err := k.registry.Resolve(ctx, reference(i.Repository, i.Version))
		i.Version.Digest, errs[asked[n]] = string(found.Digest), err
	})
	var failed []note
	for _, n := range asked {
		if err := errs[n]; err != nil {
			failed = append(failed, note{cause: fmt.Errorf("the digest of %s is not known: %w", reference(images[n].Repository, images[n].Version), err)})
			continue
		}
		k.resolved = append(k.resolved, images[n])
	}
	return images, failed
}

// mayAsk says whether the gate verifies the images of a repository, and so lists its
// registry.
func (k *knowledge) mayAsk(repository string) bool {
	if k.registry == nil || k.policy.Image == nil {
		return false
	}
	_, ok := k.policy.Image.KeysFor(approval.Image{Repository: repository})
	return ok
}

// each asks all questions at once; the client bounds how many are under way.
func (k *knowledge) each(ctx context.Context, n int, ask func(context.Context, int)) {
	ctx, cancel := context.WithTimeout(ctx, k.patience)
	defer cancel()
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { ask(ctx, i) })
	}
	all.Wait()
}

// labels asks what the images say of themselves, those that come and those that go.
func (k *knowledge) labels(ctx context.Context, changes []promote.Change) {
	var images []promote.Image
	for _, c := range changes {
		if !k.mayAsk(c.Repository) || len(images) >= 2*maxAsked {
			continue
		}
		for _, v := range []imagediff.Version{c.To, c.From} {
			if i := (promote.Image{Repository: c.Repository, Version: v}); v != (imagediff.Version{}) && !slices.Contains(images, i) {
				images = append(images, i)
			}
		}
	}
	errs := make([]error, len(images))
	k.each(ctx, len(images), func(ctx context.Context, n int) {
		i := &images[n]
		found, err := k.registry.Labels(ctx, reference(i.Repository, k.running(i.Repository, i.Version)))
		errs[n] = err
		i.Labels = promote.Labels{
			Version: found["org.opencontainers.image.version"], Revision: found["org.opencontainers.image.revision"],
			Source: found["org.opencontainers.image.source"],
		}
	})
	for n, i := range images {
		if errs[n] != nil {
			k.notes = append(k.notes, note{
				text:  fmt.Sprintf("What %s says of itself is not known: %s.", reference(i.Repository, i.Version), said(errs[n])),
				cause: errors.Unwrap(errs[n]),
			})
			continue
		}
		k.labelled = append(k.labelled, i)
	}
}

// running is the version with the digest that the target runs it by, if it says one: a
// tag may have moved since.
func (k *knowledge) running(repository string, v imagediff.Version) imagediff.Version {
	for _, text := range k.to.Images {
		i, ok := promote.ParseImage(text)
		if name, named := imagediff.NormaliseRepository(i.Repository); ok && named && name == repository && v.Digest == "" && i.Version.Tag == v.Tag {
			return i.Version
		}
	}
	return v
}

// said is the part of an error that everybody may see.
func said(err error) string {
	if e, ok := errors.AsType[*registry.Error](err); ok {
		return strings.ReplaceAll(e.Text, "; this is tried again", "")
	}
	return "its registry gave no answer"
}

func reference(repository string, v imagediff.Version) string {
	return approval.Image{Repository: repository, Tag: v.Tag, Digest: v.Digest}.String()
}

// soaks finds out how the images fared where the gate wants them proven. What
// Gatekeeper remembers of that is read and not written.
func (k *knowledge) soaks(ctx context.Context, cfg config.Config, reader *argo.Reader, changes []promote.Change, log *slog.Logger) {
	if k.policy.Image == nil || k.policy.Image.ProvenIn == nil {
		return
	}
	unknown := func(err error) {
		k.notes = append(k.notes, note{
			text:  "The gate wants images proven elsewhere. For how long these ran there is not known, since what Gatekeeper remembers could not be read where this was asked for.",
			cause: err,
		})
	}
	witness, err := inspectInbox(ctx, cfg)
	if err != nil {
		unknown(err)
		return
	}
	defer func() { _ = witness.Close() }() // it was read alone
	all, err := newProvings(ctx, cfg, witness, reader, func(string) {}, log)
	if err != nil {
		unknown(err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, k.patience)
	defer cancel()
	for _, c := range changes[:min(len(changes), maxAsked)] {
		image := approval.Image{Repository: c.Repository, Tag: c.To.Tag, Digest: c.To.Digest}
		s := (*all.gates.Load())[k.policy.Gate].Soak(ctx, k.to.Application, image)
		// Reasons name the Application as its neighbours do.
		_, name, _ := strings.Cut(s.Application, "/")
		why := strings.Replace(s.Why, " in "+name, " in "+s.Application, 1)
		if s.State == approval.SoakProven {
			k.evidence = append(k.evidence, fmt.Sprintf("%s %s.", image.Short(), why))
			continue
		}
		k.notes = append(k.notes, note{text: fmt.Sprintf("The gate wants images proven elsewhere before they are deployed: %s %s.", image.Short(), why)})
	}
}

// tell puts all of it into the texts.
func (k *knowledge) tell(p promote.Plan) promote.Plan {
	var notes []string
	for _, n := range k.notes {
		notes = append(notes, n.text)
	}
	return p.Telling(k.labelled, k.evidence, notes)
}

// warn tells who runs the command what could not be found out.
func (k *knowledge) warn(w io.Writer) error {
	for _, n := range k.notes {
		text := n.text
		if n.cause != nil {
			text = strings.TrimSuffix(text, ".") + ": " + n.cause.Error()
		}
		if _, err := fmt.Fprintln(w, "gatekeeper: "+printable(text)); err != nil {
			return fmt.Errorf("print a note: %w", err)
		}
	}
	return nil
}
