package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/argo-gatekeeper/gatekeeper/pkg/github/registration"
)

// Names of the files, and of the keys of a Secret. Those of the chart's values are the
// same by default.
const (
	AppIDFile         = "app-id"
	PrivateKeyFile    = "private-key.pem"
	WebhookSecretFile = "webhook-secret"
)

// maxSecret is far above any key.
const maxSecret = 64 << 10

// Files keeps credentials in a folder, readable by its owner alone.
type Files struct{ dir string }

// NewFiles names the folder. It is made when it is not there.
func NewFiles(dir string) *Files { return &Files{dir: dir} }

func (f *Files) String() string { return f.dir }

// Path of one of the files.
func (f *Files) Path(name string) string { return filepath.Join(f.dir, name) }

func names() []string { return []string{PrivateKeyFile, WebhookSecretFile, AppIDFile} }

// Load finds what was stored. The App's number is written last, so a folder that lacks
// nothing but that is one in which storing was interrupted.
func (f *Files) Load(context.Context) (Credentials, bool, error) {
	found := map[string][]byte{}
	for _, name := range names() {
		content, err := f.read(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return Credentials{}, false, fmt.Errorf("read %s: %w", f.Path(name), err)
		default:
			found[name] = content
		}
	}
	if len(found) == 0 {
		return Credentials{}, false, nil
	}
	return decode(found, f.dir)
}

// decode reads the credentials of a place that has some of them.
func decode(found map[string][]byte, place string) (Credentials, bool, error) {
	for _, name := range names() {
		if len(bytes.TrimSpace(found[name])) == 0 {
			return Credentials{}, false, fmt.Errorf("%s lacks %s, so it is not a whole App; name another place, or remove what is there if it is of no use", place, name)
		}
	}
	id, err := strconv.ParseInt(string(bytes.TrimSpace(found[AppIDFile])), 10, 64)
	if err != nil || id <= 0 {
		return Credentials{}, false, fmt.Errorf("%s: %s is not the number of an App", place, AppIDFile)
	}
	return Credentials{
		AppID:         id,
		PrivateKey:    registration.NewSecret(found[PrivateKeyFile]),
		WebhookSecret: registration.NewSecret(bytes.TrimSpace(found[WebhookSecretFile])),
	}, true, nil
}

func (f *Files) read(name string) ([]byte, error) {
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	file, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	if err == nil && len(content) > maxSecret {
		err = fmt.Errorf("it is larger than %d bytes", maxSecret)
	}
	return content, err
}

// Check makes the folder and a file in it, and refuses a folder in which others may
// replace what is in it.
func (f *Files) Check(context.Context) error {
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return fmt.Errorf("make the folder for the credentials: %w", err)
	}
	info, err := os.Stat(f.dir)
	if err != nil {
		return fmt.Errorf("look at the folder for the credentials: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return fmt.Errorf("others may write into %s (%s), so they could exchange the key; chmod go-w %s, or name another folder", f.dir, mode, f.dir)
	}
	const probe = ".gatekeeper-setup"
	if err := f.write(probe, []byte("probe\n")); err != nil {
		return err
	}
	if err := os.Remove(f.Path(probe)); err != nil {
		return fmt.Errorf("remove what was written as a test: %w", err)
	}
	return nil
}

// Save writes the files, the App's number last.
func (f *Files) Save(_ context.Context, c Credentials) error {
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return fmt.Errorf("make the folder for the credentials: %w", err)
	}
	values := encode(c)
	for _, name := range names() {
		if err := f.write(name, values[name]); err != nil {
			return err
		}
	}
	return nil
}

func encode(c Credentials) map[string][]byte {
	return map[string][]byte{
		PrivateKeyFile:    c.PrivateKey.Reveal(),
		WebhookSecretFile: append(bytes.Clone(c.WebhookSecret.Reveal()), '\n'),
		AppIDFile:         []byte(strconv.FormatInt(c.AppID, 10) + "\n"),
	}
}

// AddNew writes one more file; false when it is there already, which is left alone.
func (f *Files) AddNew(name string, content []byte) (bool, error) {
	if _, err := os.Lstat(f.Path(name)); err == nil {
		return false, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("look for %s: %w", f.Path(name), err)
	}
	return true, f.write(name, content)
}

// write makes a file that is whole or not there, and is on the disk afterwards. It never
// replaces one, and follows no link out of the folder.
func (f *Files) write(name string, content []byte) (err error) {
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return fmt.Errorf("open the folder for the credentials: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	part := name + ".part"
	if err := root.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove what an interrupted run left: %w", err)
	}
	file, err := root.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("make a file for the credentials: %w", err)
	}
	_, err = file.Write(content)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", f.Path(name), err)
	}
	// A link fails where a rename would replace.
	if err := errors.Join(root.Link(part, name), root.Remove(part)); err != nil {
		return fmt.Errorf("write %s: %w", f.Path(name), err)
	}
	return f.sync(root)
}

// sync brings the folder's own entries to the disk.
func (f *Files) sync(root *os.Root) error {
	dir, err := root.Open(".")
	if err == nil {
		err = errors.Join(dir.Sync(), dir.Close())
	}
	if err != nil {
		return fmt.Errorf("write %s to the disk: %w", f.dir, err)
	}
	return nil
}
