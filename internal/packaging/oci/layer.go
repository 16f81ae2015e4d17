package oci

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// File is a file of a layer.
type File struct {
	// Path has no leading slash.
	Path string
	Mode fs.FileMode
	// Link is where a symbolic link points.
	Link string
	Body []byte
	// Owner is the number of the user and the group.
	Owner int
}

// newLayer makes a layer of files, in their order, all of one time.
func newLayer(files []File, at time.Time) (v1.Layer, error) {
	var raw bytes.Buffer
	w := tar.NewWriter(&raw)
	for _, f := range files {
		h := &tar.Header{
			Name: f.Path, Mode: int64(f.Mode.Perm()), ModTime: at.UTC().Truncate(time.Second), Uid: f.Owner, Gid: f.Owner,
			Typeflag: tar.TypeReg, Size: int64(len(f.Body)), Format: tar.FormatPAX,
		}
		switch {
		case f.Mode.IsDir():
			h.Typeflag, h.Name = tar.TypeDir, f.Path+"/"
			if f.Mode&fs.ModeSticky != 0 {
				h.Mode |= 0o1000
			}
		case f.Mode&fs.ModeSymlink != 0:
			h.Typeflag, h.Linkname = tar.TypeSymlink, f.Link
		case !f.Mode.IsRegular():
			return nil, fmt.Errorf("write a layer: %s is of kind %s", f.Path, f.Mode.Type())
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("write a layer: %s: %w", f.Path, err)
		}
		if _, err := w.Write(f.Body); err != nil {
			return nil, fmt.Errorf("write a layer: %s: %w", f.Path, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("write a layer: %w", err)
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw.Bytes())), nil }
	layer, err := tarball.LayerFromOpener(open, tarball.WithCompressionLevel(gzip.BestCompression),
		tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
	if err != nil {
		return nil, fmt.Errorf("write a layer: %w", err)
	}
	return layer, nil
}
