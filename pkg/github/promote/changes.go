package promote

import (
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval/imagediff"
)

// Change is an image that gets another version, however many places name it.
type Change struct {
	// Repository is normalised; empty when neither the files nor the request say it.
	Repository string
	From, To   imagediff.Version
	// Was and Is are what the images say of themselves, as far as the request has it.
	Was, Is Labels
	// Link leads to the commits between the two, else to the commit that the new one was
	// built from; empty when the labels do not lead to GitHub.
	Link string
}

// Changes are the images that get another version, in the order of the files.
func (p Plan) Changes() []Change {
	var list []Change
	for _, i := range p.images() {
		c := Change{Repository: i.repository, From: i.from, To: i.to}
		c.Was, c.Is = p.Request.labels(i.repository, i.from), p.Request.labels(i.repository, i.to)
		c.Link, _ = p.link(c.Was, c.Is)
		list = append(list, c)
	}
	return list
}

// Telling is the plan with more to tell people: labels of images, what speaks for the
// versions, and what to know besides. The edit stays what it is.
func (p Plan) Telling(images []Image, evidence, notes []string) Plan {
	r := &p.Request
	r.Running = slices.Concat(r.Running, images)
	r.Evidence, r.Notes = slices.Concat(r.Evidence, evidence), slices.Concat(r.Notes, notes)
	if !p.Nothing() {
		p.write([]approval.User{r.Asker})
	}
	return p
}

// image is an image that moves, with all places where it does.
type image struct {
	repository string // normalised; may be unknown
	from, to   imagediff.Version
	moves      []imagediff.Move
}

// images are the moves, put together where image and versions are the same.
func (p Plan) images() []image {
	var list []image
	for _, m := range p.Setting.Moves {
		repository := p.repository(m)
		i := slices.IndexFunc(list, func(x image) bool { return x.repository == repository && x.from == m.From && x.to == m.To })
		if i < 0 {
			i = len(list)
			list = append(list, image{repository: repository, from: m.From, to: m.To})
		}
		list[i].moves = append(list[i].moves, m)
	}
	return list
}

// repository is that of a move: what a file does not say, the request does.
func (p Plan) repository(m imagediff.Move) string {
	if m.Repository != "" {
		return m.Repository
	}
	for _, s := range p.Request.Only {
		name, ok := imagediff.NormaliseRepository(s.Repository)
		if ok && s.Path != "" && (s.File == "" || s.File == m.File) && at(m, s.Path) {
			return name
		}
	}
	return ""
}

// at says whether a path names the image that moves: that of a value, or of the mapping
// that has it.
func at(m imagediff.Move, path string) bool {
	return m.Path == path || strings.HasPrefix(m.Path, path+".") ||
		slices.ContainsFunc(m.Edits, func(e imagediff.Edit) bool { return e.Path == path })
}

// name is that of an image for people.
func (i image) name() string {
	if i.repository == "" {
		return "image"
	}
	return i.repository
}

// labels are those of a version of an image.
func (r Request) labels(repository string, v imagediff.Version) Labels {
	if repository == "" || v == (imagediff.Version{}) {
		return Labels{}
	}
	for _, i := range slices.Concat(r.Images, r.Running) {
		name, ok := imagediff.NormaliseRepository(i.Repository)
		if !ok || name != repository || i.Labels == (Labels{}) {
			continue
		}
		// A file may name less than what runs: the tag without the digest.
		if (v.Tag == "" || i.Version.Tag == v.Tag) && (v.Digest == "" || i.Version.Digest == v.Digest) {
			return i.Labels
		}
	}
	return Labels{}
}
