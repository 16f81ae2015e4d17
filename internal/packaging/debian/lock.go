package debian

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Lock pins the packages of an image for every architecture.
type Lock struct {
	// Suite is Debian's name of the release, for example "trixie".
	Suite string `json:"suite"`
	// Snapshot is when the lock was made. Debian's snapshot archive of that time
	// has every package of it.
	Snapshot time.Time `json:"snapshot"`
	// Packages are sorted by name, by Debian's name of the architecture.
	Packages map[string][]Package `json:"packages"`
}

// Package is one binary package of Debian.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// Source is the source package and its version, which security notices name.
	Source        string `json:"source"`
	SourceVersion string `json:"sourceVersion"`
	// Architecture is "all" where a package has nothing of a machine.
	Architecture string `json:"architecture"`
	// Archive is "debian" or "debian-security".
	Archive string `json:"archive"`
	// Path is the file's place in the archive.
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// maxPackage bounds one package, in bytes. The largest of git's is about 9 MB.
const maxPackage = 64 << 20

var (
	namePattern    = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)
	versionPattern = regexp.MustCompile(`^[0-9][A-Za-z0-9.+:~-]*$`)
	pathPattern    = regexp.MustCompile(`^pool/([A-Za-z0-9+~._-]+/)+[A-Za-z0-9+~._%-]+\.deb$`)
	sha256Pattern  = regexp.MustCompile(`^[0-9a-f]{64}$`)
	suitePattern   = regexp.MustCompile(`^[a-z]{2,20}$`)
)

// ReadLock reads and checks a lock file. What it does not know is an error.
func ReadLock(file string) (Lock, error) {
	raw, err := os.ReadFile(file) //nolint:gosec // the file is named by whoever builds the image
	if err != nil {
		return Lock{}, fmt.Errorf("read the lock: %w", err)
	}
	l, err := ParseLock(raw)
	if err != nil {
		return Lock{}, fmt.Errorf("read the lock %s: %w", file, err)
	}
	return l, nil
}

// ParseLock reads and checks the text of a lock file.
func ParseLock(raw []byte) (Lock, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	var l Lock
	if err := d.Decode(&l); err != nil {
		return Lock{}, fmt.Errorf("parse: %w", err)
	}
	if d.More() {
		return Lock{}, errors.New("parse: more than one document")
	}
	if err := l.check(); err != nil {
		return Lock{}, err
	}
	return l, nil
}

func (l Lock) check() error {
	if !suitePattern.MatchString(l.Suite) {
		return fmt.Errorf("suite %q is not a name", l.Suite)
	}
	if l.Snapshot.IsZero() {
		return errors.New("snapshot is missing")
	}
	if len(l.Packages) == 0 {
		return errors.New("it has no packages")
	}
	for arch, list := range l.Packages {
		if _, err := tripletOf(arch); err != nil {
			return err
		}
		if !slices.IsSortedFunc(list, func(a, b Package) int { return strings.Compare(a.Name, b.Name) }) {
			return fmt.Errorf("packages of %s are not sorted by name", arch)
		}
		for i, p := range list {
			if i > 0 && list[i-1].Name == p.Name {
				return fmt.Errorf("%s: %s is listed twice", arch, p.Name)
			}
			if err := p.check(arch); err != nil {
				return fmt.Errorf("%s: package %q: %w", arch, p.Name, err)
			}
		}
	}
	return nil
}

func (p Package) check(arch string) error {
	switch {
	case !namePattern.MatchString(p.Name):
		return errors.New("that is not a name")
	case !versionPattern.MatchString(p.Version):
		return fmt.Errorf("version %q is not one", p.Version)
	case !namePattern.MatchString(p.Source), !versionPattern.MatchString(p.SourceVersion):
		return fmt.Errorf("source %q %q is not a package and its version", p.Source, p.SourceVersion)
	case p.Architecture != arch && p.Architecture != "all":
		return fmt.Errorf("architecture %q is not %s or all", p.Architecture, arch)
	case p.Archive != archiveMain && p.Archive != archiveSecurity:
		return fmt.Errorf("archive %q is not %s or %s", p.Archive, archiveMain, archiveSecurity)
	case !pathPattern.MatchString(p.Path) || strings.Contains(p.Path, "/../"):
		return fmt.Errorf("path %q is none of an archive", p.Path)
	case p.Size <= 0 || p.Size > maxPackage:
		return fmt.Errorf("size %d is not between 1 and %d", p.Size, maxPackage)
	case !sha256Pattern.MatchString(p.SHA256):
		return fmt.Errorf("sha256 %q is not one", p.SHA256)
	}
	return nil
}

// Marshal writes the lock as it is kept in the repository.
func (l Lock) Marshal() ([]byte, error) {
	if err := l.check(); err != nil {
		return nil, fmt.Errorf("write the lock: %w", err)
	}
	raw, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the lock: %w", err)
	}
	return append(raw, '\n'), nil
}

// tripletOf is the folder that Debian has the libraries of an architecture in.
func tripletOf(arch string) (string, error) {
	switch arch {
	case "amd64":
		return "x86_64-linux-gnu", nil
	case "arm64":
		return "aarch64-linux-gnu", nil
	}
	return "", fmt.Errorf("architecture %q is not amd64 or arm64", arch)
}
