package soak

import (
	"errors"
	"fmt"
	"strings"

	"github.com/distribution/reference"
)

// maxImage bounds a reference: 255 for the name by the grammar, 128 for a tag, and
// what a digest takes.
const maxImage = 512

// Image is a reference to an image in its full form. The zero Image is none.
type Image struct {
	// Repository has its registry, in lower case and without the port 443, and
	// "library/" for the images of Docker Hub that have no owner.
	Repository string
	// Tag is empty if the reference has a digest, since nothing that pulls an image
	// looks at the tag beside one.
	Tag string
	// Digest is with its algorithm.
	Digest string
}

// ParseImage reads a reference as a pod may have it: "nginx", "ghcr.io/acme/pay:1.0",
// "ghcr.io/acme/pay:1.0@sha256:…". Without tag and digest the tag is "latest".
func ParseImage(text string) (Image, error) {
	if len(text) > maxImage {
		return Image{}, fmt.Errorf("parse an image: it is longer than %d bytes", maxImage)
	}
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return Image{}, fmt.Errorf("parse the image %q: %w", text, err)
	}
	image := Image{Repository: strings.TrimSuffix(strings.ToLower(reference.Domain(named)), ":443") + "/" + reference.Path(named)}
	switch full := reference.TagNameOnly(named).(type) {
	case reference.Digested:
		image.Digest = full.Digest().String()
	case reference.Tagged:
		image.Tag = full.Tag()
	default:
		return Image{}, errors.New("parse an image: it has neither tag nor digest")
	}
	return image, nil
}

// String is the reference; images are the same if it is. Empty for the zero Image.
func (i Image) String() string {
	switch {
	case i.Repository == "":
		return ""
	case i.Digest != "":
		return i.Repository + "@" + i.Digest
	default:
		return i.Repository + ":" + i.Tag
	}
}

// short is for people: a digest's first hexadecimal digits are enough to tell
// those apart that one Application runs.
func (i Image) short() string {
	const most = len("sha256:") + 12
	if len(i.Digest) > most {
		i.Digest = i.Digest[:most]
	}
	return i.String()
}

// valid refuses what ParseImage would not have returned.
func (i Image) valid() bool {
	again, err := ParseImage(i.String())
	return err == nil && again == i
}
