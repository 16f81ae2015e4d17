package debian

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"path"
	"strings"
)

// File is a file of the image.
type File struct {
	// Path has no leading slash.
	Path string
	// Mode has the kind of the file and its permissions. Everything belongs to
	// root unless UID is set.
	Mode fs.FileMode
	// Link is where a symbolic link points.
	Link string
	Body []byte
	UID  int
}

// maxUnpacked bounds the files of one package, in bytes.
const maxUnpacked = 512 << 20

// unpacked is what one package has.
type unpacked struct {
	Package
	// files by path, folders left out.
	files map[string]File
	// control is the package's entry as dpkg keeps it.
	control string
	md5sums []byte
}

// open reads a package file.
func open(ctx context.Context, p Package, file string) (unpacked, error) {
	u := unpacked{Package: p, files: map[string]File{}}
	err := eachOfTar(ctx, "--fsys-tarfile", file, func(h *tar.Header, r io.Reader) error {
		f := File{Path: merged(h.Name), Mode: fs.FileMode(h.Mode & 0o777)}
		switch h.Typeflag {
		case tar.TypeDir:
			return nil
		case tar.TypeSymlink:
			f.Mode, f.Link = fs.ModeSymlink|0o777, h.Linkname
		case tar.TypeReg:
			body, err := io.ReadAll(r)
			if err != nil {
				return fmt.Errorf("read %s: %w", h.Name, err)
			}
			f.Body = body
		case tar.TypeLink:
			first, ok := u.files[merged(h.Linkname)]
			if !ok {
				return fmt.Errorf("%s links to %s, which did not come before it", h.Name, h.Linkname)
			}
			f.Mode, f.Body, f.Link = first.Mode, first.Body, first.Link
		default:
			return fmt.Errorf("%s is of kind %q, which the image has no use for", h.Name, h.Typeflag)
		}
		u.files[f.Path] = f
		return nil
	})
	if err != nil {
		return unpacked{}, err
	}
	err = eachOfTar(ctx, "--ctrl-tarfile", file, func(h *tar.Header, r io.Reader) error {
		name := path.Clean(h.Name)
		if name != "control" && name != "md5sums" {
			return nil
		}
		body, err := io.ReadAll(r)
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if name == "control" {
			u.control = string(body)
		} else {
			u.md5sums = body
		}
		return nil
	})
	if err != nil {
		return unpacked{}, err
	}
	for field, want := range map[string]string{"Package": p.Name, "Version": p.Version, "Architecture": p.Architecture} {
		if got := controlField(u.control, field); got != want {
			return unpacked{}, fmt.Errorf("its %s is %q, and not %q as the lock says", field, got, want)
		}
	}
	return u, nil
}

// eachOfTar calls visit for each entry of one of the two archives of a package.
func eachOfTar(ctx context.Context, which, file string, visit func(*tar.Header, io.Reader) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, "dpkg-deb", which, file) //nolint:gosec // the file's content was checked
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("dpkg-deb: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start dpkg-deb: %w", err)
	}
	limited := &io.LimitedReader{R: bufio.NewReader(out), N: maxUnpacked}
	visitErr := func() error {
		for r := tar.NewReader(limited); ; {
			h, err := r.Next()
			if errors.Is(err, io.EOF) && limited.N > 0 {
				// What pads the archive is read as well, so that dpkg-deb can end.
				_, err = io.Copy(io.Discard, limited)
				return err
			}
			if err != nil {
				return fmt.Errorf("read the archive: %w", err)
			}
			if err := visit(h, r); err != nil {
				return err
			}
		}
	}()
	if visitErr != nil {
		cancel()
	}
	waitErr := cmd.Wait()
	if visitErr != nil {
		return visitErr
	}
	if waitErr != nil {
		return fmt.Errorf("dpkg-deb %s: %w: %s", which, waitErr, lastLines([]byte(stderr.String())))
	}
	return nil
}

// merged is a path in a system whose /bin, /sbin and /lib are links into /usr, as
// Debian's are since version 12.
func merged(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	for _, top := range topLinks {
		if strings.HasPrefix(name, top+"/") {
			return "usr/" + name
		}
	}
	return name
}

var topLinks = []string{"bin", "lib", "lib64", "sbin"}

// controlField is a field of a package's entry that has one line.
func controlField(control, field string) string {
	for line := range strings.Lines(control) {
		if value, ok := strings.CutPrefix(line, field+": "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
