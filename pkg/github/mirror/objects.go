package mirror

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

const (
	// maxCommit bounds a commit object. GitHub's own limit is not documented; a
	// message of this length is no message.
	maxCommit = 4 << 20

	emptyTree = approval.SHA("4b825dc642cb6eb9a060e54bf8d69288fbee4904")
)

// object is what git cat-file says about an object.
type object struct {
	sha  approval.SHA
	kind string
	size int64
}

// stat looks an object or one of the mirror's own refs up; false when it does
// not exist.
func (m *Mirror) stat(ctx context.Context, name string) (o object, ok bool, err error) {
	err = m.objects.ask(ctx, "info "+name+"\n", func(r *bufio.Reader) (err error) {
		o, ok, err = readInfo(r, name)
		return err
	})
	return o, ok, err
}

// readInfo parses the line "SHA type size" or "NAME missing".
func readInfo(r *bufio.Reader, name string) (object, bool, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return object{}, false, fmt.Errorf("read what %s is: %w", name, err)
	}
	fields := strings.Split(string(line[:len(line)-1]), " ")
	if len(fields) == 2 && fields[0] == name && fields[1] == "missing" {
		return object{}, false, nil
	}
	if len(fields) != 3 {
		return object{}, false, fmt.Errorf("read what %s is: unexpected answer %q", name, clip(string(line), 200))
	}
	sha, err := approval.ParseSHA(fields[0])
	if err != nil {
		return object{}, false, fmt.Errorf("read what %s is: %w", name, err)
	}
	size, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil || size < 0 {
		return object{}, false, fmt.Errorf("read what %s is: unexpected size %q", name, clip(fields[2], 30))
	}
	return object{sha: sha, kind: fields[1], size: size}, true, nil
}

// ErrTooLarge is returned for an object that is larger than the caller's limit or
// the mirror's own.
var ErrTooLarge = errors.New("it is too large")

// content reads an object of the wanted kind and of at most limit bytes.
func (m *Mirror) content(ctx context.Context, sha approval.SHA, kind string, limit int64) ([]byte, error) {
	if _, err := approval.ParseSHA(string(sha)); err != nil {
		return nil, err
	}
	// Asked first, so that an object that is too large is not sent at all.
	o, ok, err := m.stat(ctx, string(sha))
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, fmt.Errorf("object %s is not in the mirror: %w", sha, approval.ErrNotFound)
	case o.kind != kind:
		return nil, fmt.Errorf("object %s is a %s, not a %s", sha, o.kind, kind)
	case o.size > limit:
		return nil, fmt.Errorf("%s %s has %d bytes, more than %d: %w", kind, sha, o.size, limit, ErrTooLarge)
	}
	var data []byte
	err = m.objects.ask(ctx, "contents "+string(sha)+"\n", func(r *bufio.Reader) error {
		got, ok, err := readInfo(r, string(sha))
		if err != nil {
			return err
		}
		if !ok || got != o {
			return fmt.Errorf("object %s changed while it was read", sha)
		}
		data = make([]byte, o.size+1)
		if _, err := io.ReadFull(r, data); err != nil {
			return fmt.Errorf("read %s %s: %w", kind, sha, err)
		}
		if data[o.size] != '\n' {
			return fmt.Errorf("read %s %s: it is longer than announced", kind, sha)
		}
		data = data[:o.size:o.size]
		return nil
	})
	return data, err
}

// CommitObject returns the raw commit object, for example to verify its
// signature. It is approval.ErrNotFound when the mirror does not have it.
func (m *Mirror) CommitObject(ctx context.Context, sha approval.SHA) ([]byte, error) {
	return m.content(ctx, sha, "commit", maxCommit)
}

// Blob returns the content of a file of at most limit bytes; a longer one is an
// error. It is approval.ErrNotFound when the mirror does not have it.
func (m *Mirror) Blob(ctx context.Context, sha approval.SHA, limit int64) ([]byte, error) {
	return m.content(ctx, sha, "blob", min(limit, maxOutput))
}

// Commit reads a commit. It is approval.ErrNotFound when the mirror does not have
// it.
func (m *Mirror) Commit(ctx context.Context, sha approval.SHA) (Commit, error) {
	return m.commit(ctx, sha)
}

// commit reads and parses a commit.
func (m *Mirror) commit(ctx context.Context, sha approval.SHA) (Commit, error) {
	if c, ok := m.commits.get(sha); ok {
		return c, nil
	}
	data, err := m.CommitObject(ctx, sha)
	if err != nil {
		return Commit{}, err
	}
	c, err := parseCommit(sha, data)
	if err != nil {
		return Commit{}, fmt.Errorf("read commit %s: %w", sha, err)
	}
	m.commits.put(sha, c)
	return c, nil
}

// isCommit says whether the mirror has a commit of that name.
func (m *Mirror) isCommit(ctx context.Context, sha approval.SHA) (bool, error) {
	if _, ok := m.commits.get(sha); ok {
		return true, nil
	}
	if _, err := approval.ParseSHA(string(sha)); err != nil {
		return false, err
	}
	o, ok, err := m.stat(ctx, string(sha))
	return ok && o.kind == "commit", err
}

// shas reads a list of object names, one per line.
func shas(out []byte) ([]approval.SHA, error) {
	list := make([]approval.SHA, 0, len(out)/41)
	for line := range bytes.Lines(out) {
		sha, err := approval.ParseSHA(strings.TrimSuffix(string(line), "\n"))
		if err != nil {
			return nil, err
		}
		list = append(list, sha)
	}
	return list, nil
}
