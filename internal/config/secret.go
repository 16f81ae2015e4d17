package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
)

// Secret is a value that never shows itself: not in a log, not in an error, not
// in a debugger's %+v.
type Secret struct{ value []byte }

// Reveal returns the value, for the one place that needs it.
func (s Secret) Reveal() []byte { return s.value }

const redacted = "[redacted]"

// String hides the value.
func (Secret) String() string { return redacted }

// GoString hides the value.
func (Secret) GoString() string { return redacted }

// LogValue hides the value.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText hides the value.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// secretLimit is far above any key or token.
const secretLimit = 64 << 10

// ReadSecret reads a secret from a file and trims the line end that editors
// leave.
func ReadSecret(path string) (Secret, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return Secret{}, fmt.Errorf("open secret file: %w", err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, secretLimit+1))
	if err != nil {
		return Secret{}, fmt.Errorf("read secret file: %w", err)
	}
	if len(b) > secretLimit {
		return Secret{}, fmt.Errorf("secret file %s is larger than %d bytes", path, secretLimit)
	}
	b = bytes.TrimRight(b, "\r\n")
	if len(bytes.TrimSpace(b)) == 0 {
		return Secret{}, errors.New("secret file " + path + " is empty")
	}
	return Secret{value: b}, nil
}
