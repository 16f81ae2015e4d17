package registry

import (
	"context"
	"net/http"
	"strings"
)

// Image is what a reference names at the moment.
type Image struct {
	// Repository is the repository in full, for example "docker.io/library/nginx".
	Repository string
	// Tag is the tag of the reference; empty if it has only a digest. With both, the
	// digest decided and the tag was not looked at.
	Tag string
	// Digest is that of the index or the manifest, whichever the reference names.
	Digest Digest
	// MediaType is one of the four of OCI and Docker images and indexes.
	MediaType string
}

// Index tells whether the image is a list of images for several platforms.
func (i Image) Index() bool { return isIndex(i.MediaType) }

// Resolve asks the registry what a reference names. A tag is asked for each time.
// The bytes of the manifest are hashed and their media type is checked; what is
// found is remembered for the digest, so that asking again for the same image costs
// one HEAD, which registries do not count as a pull. Every error is an *Error.
func (c *Client) Resolve(ctx context.Context, ref string) (Image, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	image, err := c.resolve(ctx, ref)
	if err != nil {
		return Image{}, asError(err)
	}
	return image, nil
}

func (c *Client) resolve(ctx context.Context, s string) (Image, error) {
	ref, l, err := c.locate(s)
	if err != nil {
		return Image{}, err
	}
	image := Image{Repository: ref.String(), Tag: ref.tag}
	name := ref.name()
	a, err := c.ask(ctx, l, ref.repository, question{
		method: http.MethodHead, path: "manifests/" + name, accept: strings.Join(imageTypes, ", "),
	}, http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotImplemented) // no HEAD there: GET tells
	if err != nil {
		return Image{}, err
	}
	if d, err := ParseDigest(a.header.Get("Docker-Content-Digest")); err == nil && a.status == http.StatusOK {
		if ref.digest != "" && d != ref.digest {
			return Image{}, &Error{Reason: ReasonMalformed, Text: "registry " + l.Host + " answered for another digest than it was asked for; this is tried again"}
		}
		if t, known := c.types.get(imageKey{ref.repository, d}); known {
			image.Digest, image.MediaType = d, t
			return image, nil
		}
		name = string(d) // so that a tag that moves just now cannot mix two images
	}
	m, err := c.manifest(ctx, l, ref.repository, name, imageTypes)
	if err != nil {
		return Image{}, err
	}
	c.types.put(imageKey{ref.repository, m.digest}, m.mediaType)
	image.Digest, image.MediaType = m.digest, m.mediaType
	return image, nil
}

// locate reads a reference and finds the registry that may be asked for it.
func (c *Client) locate(s string) (reference, *listing, error) {
	ref, err := parseReference(s)
	if err != nil {
		return reference{}, nil, &Error{Reason: ReasonReference, Text: "correct the image's name", Err: err}
	}
	l, err := c.listed(ref.repository)
	return ref, l, err
}
