package policytest

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval/imagediff"
)

// place is where an image is: a repository, a path in it, and what the image is
// called, since a test does not say more of a file.
type place struct{ repository, path, image string }

// imageChanges says of each change what it does to images, for a gate that asks.
func (h *history) imageChanges(r approval.ProtectedRepository, m *merged, changes, undone []approval.Change) {
	if h.policy.Image == nil {
		for i := range m.Images {
			h.noQuorum(m, "images", i)
		}
		for i := range m.Touched {
			h.noQuorum(m, "touched", i)
		}
		return
	}
	for i := range changes {
		c := &changes[i]
		c.Images = &approval.ImageChange{Why: "it changes configuration"}
		if slices.Contains(m.Touched, c.Path) || slices.Contains(m.Linked, c.Path) {
			c.Images.Touches, c.Images.Why = true, "it changes an image and something else"
		}
		if k := slices.IndexFunc(undone, func(o approval.Change) bool { return o.Path == c.Path }); k >= 0 {
			c.Images = h.undoneImages(r, undone[k])
		}
		for k, move := range m.Images {
			if move.Path == c.Path {
				h.move(r, c.Images, move, m.where("images", k))
			}
		}
		for _, move := range c.Images.Moves {
			h.running[place{string(r.Name), c.Path, move.To.Repository}] = move.To
		}
	}
}

func (h *history) noQuorum(m *merged, key string, i int) {
	h.doc.Mistake(m.where(key, i), "gate %s has no image quorum (gates.image), so this is a change like any other; write the path under changed", h.policy.Gate)
}

// move adds an image of a path to what its change does.
func (h *history) move(r approval.ProtectedRepository, into *approval.ImageChange, said Image, at config.At) {
	to, ok := parseImage(said.To)
	if !ok {
		h.doc.Mistake(at.Down("to"), "%q is no image such as ghcr.io/acme/web:1.4.3 or ghcr.io/acme/web:1.4.3@sha256:12ab (digests can be cut short here)", said.To)
		return
	}
	from, known := h.running[place{string(r.Name), said.Path, to.Repository}]
	if !known {
		from = approval.Image{Repository: to.Repository}
	}
	if said.From != "" {
		if from, ok = parseImage(said.From); !ok {
			h.doc.Mistake(at.Down("from"), "%q is no image such as ghcr.io/acme/web:1.4.2, or :1.4.2 alone", said.From)
			return
		}
		if from.Repository == "" {
			from.Repository = to.Repository
		}
	}
	move, ok := moveOf(from, to)
	switch {
	case from.Repository != to.Repository:
		h.doc.Mistake(at.Down("from"), "an image that moves keeps its repository, and this one changes from %s to %s; write the path under touched", from.Repository, to.Repository)
	case !ok:
		h.doc.Mistake(at.Down("to"), "the image would not move; %s holds %s already", said.Path, from.Short())
	case slices.ContainsFunc(into.Moves, func(o approval.ImageMove) bool { return o.Place == move.Place }):
		h.doc.Mistake(at, "%s moves %s twice in this change; keep one of them", said.Path, to.Repository)
	default:
		into.Only, into.Why = true, ""
		into.Moves, into.Takes = append(into.Moves, move), append(into.Takes, move.From)
		h.evidence(said, to, at)
	}
}

// undoneImages is what the restoring of a path does to the images that the landing
// which is undone moved.
func (h *history) undoneImages(r approval.ProtectedRepository, undone approval.Change) *approval.ImageChange {
	if undone.Images == nil || !undone.Images.Only {
		return undone.Images
	}
	out := &approval.ImageChange{Only: true}
	for _, m := range undone.Images.Moves {
		from, known := h.running[place{string(r.Name), undone.Path, m.To.Repository}]
		if !known {
			from = m.To
		}
		back, _ := moveOf(from, m.From)
		out.Moves, out.Takes = append(out.Moves, back), append(out.Takes, back.From)
		h.evidence(Image{}, m.From, nil)
	}
	return out
}

// evidence adds what is known of an image; all that a test does not say is well.
func (h *history) evidence(said Image, image approval.Image, at config.At) {
	p := h.policy.Image
	e := approval.ImageEvidence{Image: image, Digest: image.Digest}
	if e.Digest == "" {
		e.Digest = digest(image.Repository + ":" + image.Tag)
	}
	e.First = e.Digest
	_, keys := p.KeysFor(image)
	if said.Registry != "" && !keys {
		h.doc.Mistake(at.Down("registry"), "gate %s has no keys for images of %s (image.verify), so it asks no registry about it", h.policy.Gate, orQuestion(image.Repository))
	}
	switch said.Registry {
	case "", "signed":
		e.Signed = approval.ImageSignedYes
	case "unsigned":
		e.Signed = approval.ImageSignedNo
	case "moved":
		e.Digest, e.Signed = digest(e.Digest+" moved"), approval.ImageSignedYes
		if image.Digest != "" {
			h.doc.Mistake(at.Down("registry"), "%s has a digest, so the registry can have no other image there; leave the digest out", image.Short())
		}
	case "unknown":
		e.Digest, e.First, e.Why = "", "", "the registry did not answer"
	default:
		h.one(at.Down("registry"), "what the registry says", said.Registry, "signed", "unsigned", "moved", "unknown")
	}
	if p.ProvenIn != nil {
		e.Soak = h.soak(said.Ran, at)
	} else if said.Ran != "" {
		h.doc.Mistake(at.Down("ran"), "gate %s does not ask where images ran before (image.provenIn), so this would not matter", h.policy.Gate)
	}
	i := slices.IndexFunc(h.images, func(o approval.ImageEvidence) bool { return o.Image == image })
	switch {
	case i < 0:
		h.images, h.said = append(h.images, e), append(h.said, said)
	case said.Registry == "" && said.Ran == "":
	case h.said[i].Registry == "" && h.said[i].Ran == "":
		h.images[i], h.said[i] = e, said
	case h.said[i].Registry != said.Registry || h.said[i].Ran != said.Ran:
		h.doc.Mistake(at, "this test says two things of %s; what is known of an image is the same in all its landings", image.Short())
	}
}

// soak is how an image fared where it has to prove itself.
func (h *history) soak(ran string, at config.At) *approval.Soak {
	p := h.policy.Image.ProvenIn
	s := &approval.Soak{Application: p.Application, State: approval.SoakProven, Ran: p.Soak}
	switch ran {
	case "":
	case "not-running":
		s.State, s.Ran = approval.SoakNot, 0
	case "unknown":
		return nil
	default:
		d, err := time.ParseDuration(ran)
		if err != nil || d < 0 {
			h.doc.Mistake(at.Down("ran"), "%q is no time such as 12m, not-running or unknown", ran)
		}
		if s.Ran = d; d < p.Soak {
			s.State = approval.SoakRunning
		}
	}
	return s
}

// signatures are those of the commits of a pull request: of its head, and, when
// the head only brings an older one up to date, of that one too.
func (h *history) signatures(m *merged, heads []pushedHead, at config.At) []approval.CommitSignature {
	signed := approval.CommitSignature{}
	switch m.Signed {
	case "unsigned":
		signed.State = approval.SignatureMissing
	case "stranger":
		signed.State, signed.Detail = approval.SignatureStranger, "no signer has the key"
	case "broken":
		signed.State, signed.Detail = approval.SignatureInvalid, "it does not fit the commit"
	case "unverified":
		signed.Detail = "the test says so"
	default:
		signed.State = approval.SignatureTrusted
		signed.Signer, signed.User = h.signer(m, at)
	}
	var out []approval.CommitSignature
	for i, head := range slices.Backward(heads) {
		s := signed
		if head.update {
			s = approval.CommitSignature{State: approval.SignatureNeutral}
		}
		s.Commit = head.commit
		if out = append(out, s); !heads[i].update {
			break
		}
	}
	return out
}

// signer finds the signer that a change names, by default the gate's first.
func (h *history) signer(m *merged, at config.At) (string, *approval.User) {
	list := h.policy.Image.Signers
	i := 0
	if m.Signed != "" {
		at = m.where("signed")
		names := make([]string, len(list))
		for k, s := range list {
			names[k] = s.Name
		}
		if !h.one(at, "the signer of gate "+h.policy.Gate, m.Signed, append(names, "unsigned", "stranger", "broken", "unverified")...) {
			return "", nil
		}
		i = slices.Index(names, m.Signed)
	}
	if !list[i].GitHubTrusted {
		return list[i].Name, nil
	}
	for _, login := range list[i].Users {
		if u, ok := h.users[strings.ToLower(login)]; ok {
			return list[i].Name, &u
		}
	}
	h.doc.Mistake(at, "all users of signer %s are gone, so nobody can have signed for it; write signed with another signer, or stranger", list[i].Name)
	return "", nil
}

// parseImage reads "repository:tag@digest", of which all but one can be left out.
// A digest can be cut short, and is filled up with zeros.
func parseImage(text string) (approval.Image, bool) {
	name, tag, sum := text, "", ""
	if before, after, ok := strings.Cut(name, "@"); ok {
		hex, ok := strings.CutPrefix(after, "sha256:")
		if !ok || hex == "" || len(hex) > 64 {
			return approval.Image{}, false
		}
		name, sum = before, "sha256:"+hex+strings.Repeat("0", 64-len(hex))
	}
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		if name, tag = name[:i], name[i+1:]; tag == "" {
			return approval.Image{}, false
		}
	}
	i := approval.Image{Repository: name, Tag: tag, Digest: sum}
	m, ok := moveOf(approval.Image{Repository: name}, i)
	if !ok || tag == "" && sum == "" {
		return approval.Image{}, false
	}
	return m.To, true
}

// moveOf is a move as the classification of files sees it, with its flags and a
// normalised repository. It is false for what is none, for example to what was there
// already. An image without a version is one of which the test does not say it.
func moveOf(from, to approval.Image) (approval.ImageMove, bool) {
	write := func(i approval.Image) []byte {
		if i.Repository == "" {
			i.Repository = "localhost/unnamed"
		}
		if i.Tag == "" && i.Digest == "" {
			i.Tag = "_" // no version that is lower or higher
		}
		return []byte("image: " + strconv.Quote(i.String()) + "\n")
	}
	r := imagediff.Classify([]imagediff.File{{
		Path: "values.yaml", Before: write(from), After: write(to), Modes: imagediff.Modes{Before: "100644", After: "100644"},
	}}, imagediff.Rules{})
	if r.Class != imagediff.ClassImage || len(r.Moves) != 1 {
		return approval.ImageMove{Place: placeOf(to), From: from, To: to}, false
	}
	m := r.Moves[0]
	if to.Repository != "" {
		from.Repository, to.Repository = m.Repository, m.Repository
	}
	return approval.ImageMove{
		Place: placeOf(to), From: from, To: to,
		Downgrade: slices.Contains(m.Flags, imagediff.FlagDowngrade), Mutable: slices.Contains(m.Flags, imagediff.FlagMutable),
	}, true
}

func placeOf(i approval.Image) string { return "0 " + orQuestion(i.Repository) }

func orQuestion(repository string) string {
	if repository == "" {
		return "?"
	}
	return repository
}

// digest is a digest that a test does not say.
func digest(of string) string {
	e := blob("", of, 0)
	return "sha256:" + string(e.SHA) + strings.Repeat("0", 64-len(e.SHA))
}
