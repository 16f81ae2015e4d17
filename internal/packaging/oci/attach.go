package oci

import (
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// attach makes a manifest with one document, whose subject is an image. Its
// configuration has the document's media type, which is the type of the artifact
// where a manifest names none (image-spec, "Guidelines for Artifact Usage").
func attach(subject v1.Descriptor, a Attached, at time.Time) (v1.Image, error) {
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.MediaType(a.Type))
	image, err := mutate.AppendLayers(image, static.NewLayer(a.Body, types.MediaType(a.Type)))
	if err != nil {
		return nil, fmt.Errorf("write the document: %w", err)
	}
	annotated, ok := mutate.Annotations(image, map[string]string{"org.opencontainers.image.created": at.UTC().Format(time.RFC3339)}).(v1.Image)
	if !ok {
		return nil, fmt.Errorf("annotate it: it is of no known kind")
	}
	out, ok := mutate.Subject(annotated, subject).(v1.Image)
	if !ok {
		return nil, fmt.Errorf("name its subject: it is of no known kind")
	}
	return out, nil
}

func checkImage(image v1.Image) error {
	if err := validate.Image(image); err != nil {
		return fmt.Errorf("read its parts: %w", err)
	}
	return nil
}
