// Package sbom lists what a build of Gatekeeper is made of, as a CycloneDX 1.6
// document: the Go modules that go build linked, the standard library, and the
// Debian packages of the image. The list comes from what was built and from the
// lock, never from what a manifest asks for.
//
// The same build gives the same document: its time is that of the commit, and its
// serial number is made from its content. Licences are not guessed: those of
// Debian's packages are in the image itself, under /usr/share/doc.
package sbom

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/CycloneDX/cyclonedx-go"
)

// MediaType is that of the document.
const MediaType = "application/vnd.cyclonedx+json"

// Subject is what the document is about.
type Subject struct {
	Version string
	Commit  string
	Created time.Time
	// Program is how it was built.
	Program *debug.BuildInfo
	// System is what the image has besides, nil for the program alone.
	System *System
}

// System is a Debian system.
type System struct {
	// Version is that of the release, for example "13", and Suite its name.
	Version  string
	Suite    string
	Packages []Package
}

// Package is a package of Debian.
type Package struct {
	Name, Version, Architecture string
	// Source and SourceVersion are what security notices name.
	Source, SourceVersion string
	// SHA256 is that of the package's file, in hexadecimal.
	SHA256 string
}

// Document writes the list. It fails when a build says nothing of its modules.
func Document(s Subject) ([]byte, error) {
	if s.Program == nil || s.Program.Main.Path == "" || len(s.Program.Deps) == 0 {
		return nil, errors.New("the program does not say which modules it is built from")
	}
	main := cyclonedx.Component{
		Type: cyclonedx.ComponentTypeApplication, Name: "gatekeeper", Version: s.Version,
		PackageURL: golang(s.Program.Main.Path, s.Version),
		ExternalReferences: &[]cyclonedx.ExternalReference{
			{Type: cyclonedx.ERTypeVCS, URL: "https://" + s.Program.Main.Path, Comment: "commit " + s.Commit},
		},
	}
	if s.System != nil {
		main.Type = cyclonedx.ComponentTypeContainer
	}
	main.BOMRef = main.PackageURL
	parts, err := s.components()
	if err != nil {
		return nil, err
	}
	refs := make([]string, 0, len(parts))
	for _, c := range parts {
		refs = append(refs, c.BOMRef)
	}
	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{Timestamp: s.Created.UTC().Format(time.RFC3339), Component: &main}
	bom.Components = &parts
	bom.Dependencies = &[]cyclonedx.Dependency{{Ref: main.BOMRef, Dependencies: &refs}}
	unnamed, err := json.Marshal(bom)
	if err != nil {
		return nil, fmt.Errorf("write the list: %w", err)
	}
	bom.SerialNumber = serial(unnamed)
	var out bytes.Buffer
	if err := cyclonedx.NewBOMEncoder(&out, cyclonedx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cyclonedx.SpecVersion1_6); err != nil {
		return nil, fmt.Errorf("write the list: %w", err)
	}
	return out.Bytes(), nil
}

func (s Subject) components() ([]cyclonedx.Component, error) {
	parts := []cyclonedx.Component{library("std", strings.TrimPrefix(s.Program.GoVersion, "go"), "pkg:golang/std@"+escape(strings.TrimPrefix(s.Program.GoVersion, "go")))}
	for _, m := range s.Program.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		if m.Version == "" {
			return nil, fmt.Errorf("module %s comes from a folder and has no version", m.Path)
		}
		parts = append(parts, library(m.Path, m.Version, golang(m.Path, m.Version)))
	}
	if s.System != nil {
		parts = append(parts, cyclonedx.Component{
			Type: cyclonedx.ComponentTypeOS, BOMRef: "os:debian@" + s.System.Version, Name: "debian", Version: s.System.Version,
		})
		for _, p := range s.System.Packages {
			c := library(p.Name, p.Version, debianURL(p, s.System.Suite))
			c.Hashes = &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: p.SHA256}}
			parts = append(parts, c)
		}
	}
	slices.SortFunc(parts, func(a, b cyclonedx.Component) int { return cmp.Compare(a.BOMRef, b.BOMRef) })
	for i := 1; i < len(parts); i++ {
		if parts[i].BOMRef == parts[i-1].BOMRef {
			return nil, fmt.Errorf("%s is listed twice", parts[i].BOMRef)
		}
	}
	return parts, nil
}

func library(name, version, address string) cyclonedx.Component {
	return cyclonedx.Component{Type: cyclonedx.ComponentTypeLibrary, BOMRef: address, Name: name, Version: version, PackageURL: address}
}

// golang is a module's package URL. Each part of the path is escaped by itself:
// https://github.com/package-url/purl-spec, "golang".
func golang(path, version string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		parts[i] = escape(p)
	}
	return "pkg:golang/" + strings.Join(parts, "/") + "@" + escape(version)
}

// debianURL is a package's package URL. Scanners match "upstream", the source
// package, with Debian's security notices.
func debianURL(p Package, suite string) string {
	upstream := p.Source
	if p.SourceVersion != p.Version {
		upstream += "@" + p.SourceVersion
	}
	return "pkg:deb/debian/" + escape(p.Name) + "@" + escape(p.Version) +
		"?arch=" + escape(p.Architecture) + "&distro=" + escape(suite) + "&upstream=" + escape(upstream)
}

// escape percent-encodes what a package URL does not take as it is.
func escape(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

// serial is a UUID of a document's content (RFC 9562, version 8).
func serial(content []byte) string {
	sum := sha256.Sum256(content)
	id := sum[:16]
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[0:4], id[4:6], id[6:8], id[8:10], id[10:16])
}
