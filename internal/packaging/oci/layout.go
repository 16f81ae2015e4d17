package oci

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// tagAnnotation is how a layout says what an image is called:
// https://specs.opencontainers.org/image-spec/image-layout/#indexjson-file
const tagAnnotation = "org.opencontainers.image.ref.name"

// WriteLayout writes an image layout into a folder, which must not be there yet.
func WriteLayout(dir string, b Built) error {
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write the layout: %s is there already", dir)
	}
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return fmt.Errorf("write the layout: %w", err)
	}
	if err := path.AppendIndex(b.Index, layout.WithAnnotations(map[string]string{tagAnnotation: b.tag})); err != nil {
		return fmt.Errorf("write the index: %w", err)
	}
	for _, a := range b.Attached {
		if err := path.AppendImage(a); err != nil {
			return fmt.Errorf("write what is attached: %w", err)
		}
	}
	return nil
}

// ReadLayout reads what WriteLayout wrote, and checks every byte of it.
func ReadLayout(dir string) (Built, error) {
	path, err := layout.FromPath(dir)
	if err != nil {
		return Built{}, fmt.Errorf("read the layout: %w", err)
	}
	top, err := path.ImageIndex()
	if err != nil {
		return Built{}, fmt.Errorf("read the layout: %w", err)
	}
	manifest, err := top.IndexManifest()
	if err != nil {
		return Built{}, fmt.Errorf("read the layout: %w", err)
	}
	var out Built
	for _, d := range manifest.Manifests {
		if d.MediaType.IsImage() {
			image, err := top.Image(d.Digest)
			if err != nil {
				return Built{}, fmt.Errorf("read %s: %w", d.Digest, err)
			}
			out.Attached = append(out.Attached, image)
			continue
		}
		if out.Index != nil {
			return Built{}, errors.New("read the layout: it has more than one index")
		}
		out.tag = d.Annotations[tagAnnotation]
		if out.Index, err = top.ImageIndex(d.Digest); err != nil {
			return Built{}, fmt.Errorf("read %s: %w", d.Digest, err)
		}
	}
	if out.Index == nil {
		return Built{}, errors.New("read the layout: it has no index")
	}
	return out, checkIndex(out.Index)
}

// checkIndex reads every blob of an index against its digest.
func checkIndex(index v1.ImageIndex) error {
	manifest, err := index.IndexManifest()
	if err != nil {
		return fmt.Errorf("read the index: %w", err)
	}
	for _, d := range manifest.Manifests {
		image, err := index.Image(d.Digest)
		if err != nil {
			return fmt.Errorf("read %s: %w", d.Digest, err)
		}
		if err := checkImage(image); err != nil {
			return fmt.Errorf("check %s: %w", d.Digest, err)
		}
	}
	return nil
}
