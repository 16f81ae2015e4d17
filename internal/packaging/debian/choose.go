package debian

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// programs are the files that the image is about; the libraries come from what
// these name. git runs its own commands through /usr/bin/git, so that no other
// file of git-core is needed.
var programs = []string{"usr/bin/git", "usr/lib/git-core/git-remote-https"}

// roots are the packages from which Resolve starts.
var roots = []string{"base-files", "ca-certificates", "git"}

const (
	authorities = "usr/share/ca-certificates/mozilla/"
	bundle      = "etc/ssl/certs/ca-certificates.crt"
	osRelease   = "usr/lib/os-release"
	// NobodyRoot is the user and group of the image.
	NobodyRoot = 65532
)

// Chosen is what the image gets.
type Chosen struct {
	// Files are sorted by path and have every folder, parents first.
	Files []File
	// Packages are those that a file is from.
	Packages []Package
	// Version is that of the release, for example "13".
	Version string
}

// Choose takes what the image needs out of packages, whose files are in the same
// order. arch is Debian's name of the architecture.
func Choose(ctx context.Context, arch string, packages []Package, files []string) (Chosen, error) {
	triplet, err := tripletOf(arch)
	if err != nil {
		return Chosen{}, err
	}
	c := chooser{owner: map[string]int{}, chosen: map[string]File{}, used: map[int]bool{},
		// Where the loader looks when nothing tells it otherwise.
		libraries: []string{"usr/lib/" + triplet, "usr/lib"}}
	for i, p := range packages {
		u, err := open(ctx, p, files[i])
		if err != nil {
			return Chosen{}, fmt.Errorf("open %s %s: %w", p.Name, p.Version, err)
		}
		c.packages = append(c.packages, u)
		for name := range u.files {
			if other, ok := c.owner[name]; ok {
				return Chosen{}, fmt.Errorf("%s is in %s and in %s", name, packages[other].Name, p.Name)
			}
			c.owner[name] = i
		}
	}
	for _, program := range programs {
		if err := c.program(program); err != nil {
			return Chosen{}, fmt.Errorf("choose for %s: %w", program, err)
		}
	}
	if err := c.take(osRelease); err != nil {
		return Chosen{}, err
	}
	if err := c.bundle(); err != nil {
		return Chosen{}, err
	}
	if err := c.about(); err != nil {
		return Chosen{}, err
	}
	c.system()
	out := Chosen{Version: versionID(c.chosen[osRelease].Body)}
	if out.Version == "" {
		return Chosen{}, fmt.Errorf("%s does not say which version it is of", osRelease)
	}
	for i, u := range c.packages {
		if c.used[i] {
			out.Packages = append(out.Packages, u.Package)
		}
	}
	out.Files = withFolders(c.chosen)
	return out, nil
}

type chooser struct {
	packages  []unpacked
	owner     map[string]int
	chosen    map[string]File
	used      map[int]bool
	libraries []string
}

var errNoPackage = errors.New("no package has it")

// take adds one file, and what it is a link to.
func (c *chooser) take(name string) error {
	_, err := c.resolve(name)
	return err
}

// resolve adds one file and what it is a link to, and returns the last.
func (c *chooser) resolve(name string) (File, error) {
	for range 10 {
		i, ok := c.owner[name]
		if !ok {
			return File{}, fmt.Errorf("%s: %w", name, errNoPackage)
		}
		f := c.packages[i].files[name]
		c.chosen[name], c.used[i] = f, true
		if f.Mode&fs.ModeSymlink == 0 {
			return f, nil
		}
		next := f.Link
		if !path.IsAbs(next) {
			next = path.Join(path.Dir(name), next)
		}
		name = merged(next)
	}
	return File{}, fmt.Errorf("%s: too many links", name)
}

// program adds a program or a library with all it loads.
func (c *chooser) program(name string) error {
	if _, ok := c.chosen[name]; ok {
		return nil
	}
	f, err := c.resolve(name)
	if err != nil {
		return err
	}
	binary, err := elf.NewFile(bytes.NewReader(f.Body))
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if interpreter := interpreterOf(binary); interpreter != "" {
		if err := c.program(merged(interpreter)); err != nil {
			return fmt.Errorf("the interpreter of %s: %w", name, err)
		}
	}
	for _, tag := range []elf.DynTag{elf.DT_RPATH, elf.DT_RUNPATH} {
		paths, err := binary.DynString(tag)
		if err != nil {
			return fmt.Errorf("read the search path of %s: %w", name, err)
		}
		if len(paths) > 0 {
			return fmt.Errorf("%s has a search path of its own (%v), which is not followed", name, paths)
		}
	}
	needed, err := binary.ImportedLibraries()
	if err != nil {
		return fmt.Errorf("read the libraries of %s: %w", name, err)
	}
	for _, library := range needed {
		if err := c.library(library); err != nil {
			return fmt.Errorf("the library %s of %s: %w", library, name, err)
		}
	}
	return nil
}

func (c *chooser) library(name string) error {
	for _, dir := range c.libraries {
		if _, ok := c.owner[path.Join(dir, name)]; ok {
			return c.program(path.Join(dir, name))
		}
	}
	return errNoPackage
}

func interpreterOf(f *elf.File) string {
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP || p.Filesz > 4096 {
			continue
		}
		raw := make([]byte, p.Filesz)
		if _, err := p.ReadAt(raw, 0); err == nil {
			return string(bytes.TrimRight(raw, "\x00"))
		}
	}
	return ""
}

// bundle is the file of all certificate authorities, which ca-certificates makes
// when it is installed.
func (c *chooser) bundle() error {
	var out bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(c.owner)) {
		if !strings.HasPrefix(name, authorities) || !strings.HasSuffix(name, ".crt") {
			continue
		}
		i := c.owner[name]
		c.used[i] = true
		body := c.packages[i].files[name].Body
		out.Write(bytes.TrimRight(body, "\n"))
		out.WriteByte('\n')
	}
	if n := bytes.Count(out.Bytes(), []byte("-----BEGIN CERTIFICATE-----")); n < 50 {
		return fmt.Errorf("only %d certificate authorities were found under %s", n, authorities)
	}
	c.chosen[bundle] = File{Path: bundle, Mode: 0o644, Body: out.Bytes()}
	return nil
}

// versionID is the version that os-release(5) names.
func versionID(raw []byte) string {
	for line := range strings.Lines(string(raw)) {
		if value, ok := strings.CutPrefix(line, "VERSION_ID="); ok {
			return strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return ""
}

// about adds the licences of all that is in the image, and the entries by which
// scanners know what is installed.
func (c *chooser) about() error {
	for i, u := range c.packages {
		if !c.used[i] {
			continue
		}
		licence := "usr/share/doc/" + u.Name + "/copyright"
		f, err := c.licence(u, licence)
		if err != nil {
			return err
		}
		c.chosen[licence] = f
		entry := "var/lib/dpkg/status.d/" + u.Name
		c.chosen[entry] = File{Path: entry, Mode: 0o644, Body: []byte(strings.TrimRight(u.control, "\n") + "\n")}
		if u.md5sums != nil {
			c.chosen[entry+".md5sums"] = File{Path: entry + ".md5sums", Mode: 0o644, Body: u.md5sums}
		}
	}
	return nil
}

// licence is the text of a package's licences. Packages of one source may share
// one folder: the text is copied then, so that no package is needed for it alone.
func (c *chooser) licence(u unpacked, name string) (File, error) {
	for range 5 {
		i, ok := c.owner[name]
		if !ok {
			// The folder itself may be a link to that of another package.
			j, ok := c.owner[path.Dir(name)]
			if !ok {
				return File{}, fmt.Errorf("%s %s has no licence at %s", u.Name, u.Version, name)
			}
			name = path.Join(path.Dir(path.Dir(name)), c.packages[j].files[path.Dir(name)].Link, "copyright")
			continue
		}
		f := c.packages[i].files[name]
		if f.Mode&fs.ModeSymlink == 0 {
			return File{Path: "usr/share/doc/" + u.Name + "/copyright", Mode: 0o644, Body: f.Body}, nil
		}
		name = path.Join(path.Dir(name), f.Link)
	}
	return File{}, fmt.Errorf("%s %s: its licence is behind too many links", u.Name, u.Version)
}

// system adds what no package has: the links of a merged /usr, users, and the
// folders that are written to.
func (c *chooser) system() {
	add := func(f File) { c.chosen[f.Path] = f }
	for _, top := range topLinks {
		add(File{Path: top, Mode: fs.ModeSymlink | 0o777, Link: "usr/" + top})
		add(File{Path: "usr/" + top, Mode: fs.ModeDir | 0o755})
	}
	add(File{Path: "etc/os-release", Mode: fs.ModeSymlink | 0o777, Link: "../" + osRelease})
	add(File{Path: "etc/passwd", Mode: 0o644, Body: []byte("root:x:0:0:root:/:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\ngatekeeper:x:65532:65532:gatekeeper:/nonexistent:/usr/sbin/nologin\n")})
	add(File{Path: "etc/group", Mode: 0o644, Body: []byte("root:x:0:\nnogroup:x:65534:\ngatekeeper:x:65532:\n")})
	add(File{Path: "etc/nsswitch.conf", Mode: 0o644, Body: []byte("passwd: files\ngroup: files\nhosts: files dns\n")})
	// git says something about it when it is missing.
	add(File{Path: "usr/share/git-core/templates", Mode: fs.ModeDir | 0o755})
	add(File{Path: "tmp", Mode: fs.ModeDir | fs.ModeSticky | 0o777})
	add(File{Path: "var/lib/gatekeeper", Mode: fs.ModeDir | 0o750, UID: NobodyRoot})
}

// withFolders lists files with the folders they are in, parents first.
func withFolders(files map[string]File) []File {
	all := maps.Clone(files)
	for name := range files {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if _, ok := all[dir]; !ok {
				all[dir] = File{Path: dir, Mode: fs.ModeDir | 0o755}
			}
		}
	}
	out := make([]File, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		f := all[name]
		f.Path = name
		out = append(out, f)
	}
	return out
}
