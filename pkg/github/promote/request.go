package promote

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval/imagediff"
)

// Request is a promotion that somebody asks for. Every field is checked by Plan.
type Request struct {
	// Asker is who asks: a person, who then cannot approve it.
	Asker approval.User
	// From and To are the Applications, as namespace/name.
	From, To string
	// Repository is where To is configured, with its protected branch. Only files in
	// its scope are looked at.
	Repository approval.ProtectedRepository
	// Reads are what To is rendered from, and Shared what From is. Files that both
	// have are left alone: an edit would change From as well.
	Reads, Shared []approval.Read
	// Images are what From runs, with their labels, and Running what To runs, of which
	// only the labels are used.
	Images, Running []Image
	// Only are the images that are meant. Empty means all of Images that To's files
	// name.
	Only []Selection
	// Pin adds digests to references that have only a tag.
	Pin bool
	// Signed says that the gate wants the commit signed by one of its signers.
	Signed bool
	// Rules are those of the gate.
	Rules imagediff.Rules
	// Evidence says in sentences, of plain text, what speaks for the versions, and Notes
	// what to know besides, like what could not be found out.
	Evidence, Notes []string
}

// Image is a version of an image.
type Image struct {
	// Repository as in a reference, "ghcr.io/acme/shop".
	Repository string
	Version    imagediff.Version
	Labels     Labels
}

// ParseImage reads a reference. The labels stay empty.
func ParseImage(reference string) (Image, bool) {
	repository, v, ok := imagediff.ParseReference(reference)
	return Image{Repository: repository, Version: v}, ok
}

// Labels are what an image says of itself: org.opencontainers.image.version, .revision
// and .source. Whoever builds it chooses them.
type Labels struct{ Version, Revision, Source string }

// Selection names an image, and where it is meant.
type Selection struct {
	Repository string
	// File and Path limit it to a place (see imagediff.Want).
	File, Path string
	// All means all places, also when they differ now.
	All bool
}

// ParseSelection reads "REPOSITORY", "REPOSITORY=PATH" or "REPOSITORY=FILE:PATH", where
// PATH may be "*" for all places.
func ParseSelection(s string) (Selection, error) {
	repository, where, limited := strings.Cut(s, "=")
	if _, ok := imagediff.NormaliseRepository(repository); !ok {
		return Selection{}, fmt.Errorf("%q is no repository of images; a tag does not belong to it", repository)
	}
	sel := Selection{Repository: repository}
	if !limited {
		return sel, nil
	}
	if file, path, ok := strings.Cut(where, ":"); ok {
		sel.File, where = file, path
		if file == "" {
			return Selection{}, fmt.Errorf("in %q no file is named before \":\"", s)
		}
	}
	if sel.Path = where; where == "*" {
		sel.Path, sel.All = "", true
	}
	if where == "" {
		return Selection{}, fmt.Errorf("in %q no path is named; write for example %s=image.tag", s, repository)
	}
	return sel, nil
}

// The reasons for which there is nothing to promote.
var (
	// ErrRequest: the request itself is wrong.
	ErrRequest = errors.New("the promotion is not possible as asked")
	// ErrNoPlace: no file that To alone is rendered from names an image of From.
	ErrNoPlace = errors.New("no file names the images")
)

var (
	applicationName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?/[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)
	// loginName is of people alone; "_" is in those of Enterprise Managed Users.
	loginName = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,98}[A-Za-z0-9_])?$`)
)

func (r Request) check() error {
	switch {
	case r.Asker.ID <= 0 || r.Asker.Type != approval.UserTypePerson || !loginName.MatchString(r.Asker.Login):
		return fmt.Errorf("%w: who asks has to be a person's account", ErrRequest)
	case !applicationName.MatchString(r.From) || !applicationName.MatchString(r.To):
		return fmt.Errorf("%w: Applications are named as namespace/name", ErrRequest)
	case r.From == r.To:
		return fmt.Errorf("%w: %s cannot be promoted to itself", ErrRequest, r.To)
	case r.Repository.Branch == "":
		return fmt.Errorf("%w: the protected branch of %s is not known", ErrRequest, r.Repository.Name)
	}
	if _, err := approval.ParseRepositoryName(string(r.Repository.Name)); err != nil {
		return fmt.Errorf("%w: %w", ErrRequest, err)
	}
	return nil
}

// wants are the versions that are to be set.
func (r Request) wants() ([]imagediff.Want, error) {
	images, err := r.images()
	if err != nil {
		return nil, err
	}
	var wants []imagediff.Want
	if len(r.Only) == 0 {
		for _, i := range images {
			if i.Version != (imagediff.Version{}) {
				wants = append(wants, imagediff.Want{Repository: i.Repository, To: i.Version, Pin: r.Pin})
			}
		}
		if len(wants) == 0 {
			return nil, fmt.Errorf("%w: %s runs no image that has a version", ErrRequest, r.From)
		}
		return wants, nil
	}
	for _, s := range r.Only {
		name, ok := imagediff.NormaliseRepository(s.Repository)
		if !ok {
			return nil, fmt.Errorf("%w: %q is no repository of images", ErrRequest, s.Repository)
		}
		i := slices.IndexFunc(images, func(i Image) bool { return i.Repository == name })
		switch {
		case i < 0:
			return nil, fmt.Errorf("%w: %s does not run %s; it runs %s", ErrRequest, r.From, s.Repository, names(images))
		case images[i].Version == imagediff.Version{}:
			return nil, fmt.Errorf("%w: %s runs %s without a version", ErrRequest, r.From, s.Repository)
		}
		wants = append(wants, imagediff.Want{Repository: name, To: images[i].Version, File: s.File, Path: s.Path, All: s.All, Pin: r.Pin})
	}
	return wants, nil
}

// images are those of From with normalised names, each once. While a roll-out is under
// way an Application runs two versions of one image, and neither is the one.
func (r Request) images() ([]Image, error) {
	var out []Image
	for _, i := range r.Images {
		name, ok := imagediff.NormaliseRepository(i.Repository)
		if !ok {
			return nil, fmt.Errorf("%w: %q, which %s runs, is no repository of images", ErrRequest, i.Repository, r.From)
		}
		i.Repository = name
		at := slices.IndexFunc(out, func(o Image) bool { return o.Repository == name })
		switch {
		case at < 0:
			out = append(out, i)
		case out[at].Version != i.Version && (len(r.Only) == 0 || slices.ContainsFunc(r.Only, func(s Selection) bool {
			selected, ok := imagediff.NormaliseRepository(s.Repository)
			return ok && selected == name
		})):
			return nil, fmt.Errorf("%w: %s runs %s in two versions, %s and %s; wait until it runs one, or name the images that are meant",
				ErrRequest, r.From, name, out[at].Version, i.Version)
		}
	}
	return out, nil
}

func names(images []Image) string {
	var list []string
	for _, i := range images {
		list = append(list, i.Repository)
	}
	if len(list) == 0 {
		return "none that is known"
	}
	return strings.Join(list, ", ")
}
