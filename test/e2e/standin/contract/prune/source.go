package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxFile bounds each file read from a package; the largest, the description of the REST API, has 13 MB.
const maxFile = 64 << 20

// source is one published package.
type source struct {
	Package string `json:"package"`
	Version string `json:"version"`
	SHA256  string `json:"sha256"` // of the package file
	Licence string `json:"licence"`

	doc     map[string]any
	licence string
}

func readPackage(path, name string) (*source, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read package: %w", err)
	}
	files, err := unpack(raw, "package/package.json", "package/LICENSE", "package/generated/api.github.com.json")
	if err != nil {
		return nil, fmt.Errorf("read package %s: %w", path, err)
	}
	sum := sha256.Sum256(raw)
	s := &source{SHA256: hex.EncodeToString(sum[:]), licence: string(files["package/LICENSE"]), Licence: "MIT, see LICENSE.octokit"}
	var about struct{ Name, Version, License string }
	if err := json.Unmarshal(files["package/package.json"], &about); err != nil {
		return nil, fmt.Errorf("read package.json of %s: %w", path, err)
	}
	if about.Name != name || about.License != "MIT" {
		return nil, fmt.Errorf("%s is %s under %q, not %s under MIT", path, about.Name, about.License, name)
	}
	s.Package, s.Version = about.Name, about.Version
	d := json.NewDecoder(bytes.NewReader(files["package/generated/api.github.com.json"]))
	d.UseNumber() // numbers are written as they were read
	if err := d.Decode(&s.doc); err != nil {
		return nil, fmt.Errorf("read description in %s: %w", path, err)
	}
	return s, nil
}

// unpack reads the named files out of a package file; each must be there.
func unpack(raw []byte, names ...string) (map[string][]byte, error) {
	zipped, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	found := map[string][]byte{}
	for archive := tar.NewReader(zipped); len(found) < len(names); {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("of %v only %d are there", names, len(found))
		}
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if head.Name != name {
				continue
			}
			if found[name], err = io.ReadAll(io.LimitReader(archive, maxFile+1)); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if len(found[name]) > maxFile {
				return nil, fmt.Errorf("%s has more than %d bytes", name, maxFile)
			}
		}
	}
	return found, nil
}
