package oci

import (
	"fmt"
	"maps"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Attached is a document about an image, found through the image's digest.
type Attached struct {
	// Type is the document's media type.
	Type string
	Body []byte
}

// Platform is one image of the index.
type Platform struct {
	// Architecture is Go's name, as Debian's are the same for those we build for.
	Architecture string
	// Layers come in their order; each has its folders before what is in them.
	Layers   [][]File
	Attached []Attached
}

// Spec is all that an image is made of.
type Spec struct {
	// Tag names the image in the layout.
	Tag string
	// Created is the time of everything in it.
	Created time.Time
	// Labels are annotations of the index as well.
	Labels     map[string]string
	User       string
	Entrypoint []string
	Command    []string
	Path       string
	Platforms  []Platform
}

// Built is an index with what is attached to its images.
type Built struct {
	Index v1.ImageIndex
	// Attached are manifests whose subject is one of the index's images.
	Attached []v1.Image
	tag      string
}

// Digest is the digest by which the image is deployed.
func (b Built) Digest() (string, error) {
	d, err := b.Index.Digest()
	if err != nil {
		return "", fmt.Errorf("digest of the index: %w", err)
	}
	return d.String(), nil
}

// Build makes the index.
func Build(s Spec) (Built, error) {
	out := Built{tag: s.Tag}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range s.Platforms {
		image, err := s.image(p)
		if err != nil {
			return Built{}, fmt.Errorf("build the image for %s: %w", p.Architecture, err)
		}
		described, err := describe(image)
		if err != nil {
			return Built{}, err
		}
		described.Platform = &v1.Platform{OS: "linux", Architecture: p.Architecture}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: described})
		for _, a := range p.Attached {
			described.Platform = nil
			attached, err := attach(described, a, s.Created)
			if err != nil {
				return Built{}, fmt.Errorf("attach %s: %w", a.Type, err)
			}
			out.Attached = append(out.Attached, attached)
		}
	}
	annotated, ok := mutate.Annotations(index, s.Labels).(v1.ImageIndex)
	if !ok {
		return Built{}, fmt.Errorf("annotate the index: it is of no known kind")
	}
	out.Index = annotated
	return out, nil
}

func (s Spec) image(p Platform) (v1.Image, error) {
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	created := v1.Time{Time: s.Created.UTC().Truncate(time.Second)}
	image, err := mutate.ConfigFile(image, &v1.ConfigFile{
		OS: "linux", Architecture: p.Architecture, Created: created,
		RootFS: v1.RootFS{Type: "layers"},
		Config: v1.Config{
			User: s.User, Entrypoint: s.Entrypoint, Cmd: s.Command, WorkingDir: "/",
			Env: []string{"PATH=" + s.Path}, Labels: maps.Clone(s.Labels),
		},
	})
	if err != nil {
		return nil, fmt.Errorf("write its configuration: %w", err)
	}
	for _, files := range p.Layers {
		layer, err := newLayer(files, s.Created)
		if err != nil {
			return nil, err
		}
		image, err = mutate.Append(image, mutate.Addendum{Layer: layer, History: v1.History{Created: created, CreatedBy: "make image"}})
		if err != nil {
			return nil, fmt.Errorf("append a layer: %w", err)
		}
	}
	annotated, ok := mutate.Annotations(image, s.Labels).(v1.Image)
	if !ok {
		return nil, fmt.Errorf("annotate it: it is of no known kind")
	}
	return annotated, nil
}

func describe(image v1.Image) (v1.Descriptor, error) {
	digest, err := image.Digest()
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("digest of an image: %w", err)
	}
	size, err := image.Size()
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("size of an image: %w", err)
	}
	media, err := image.MediaType()
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("media type of an image: %w", err)
	}
	return v1.Descriptor{MediaType: media, Digest: digest, Size: size}, nil
}
