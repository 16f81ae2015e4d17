package config

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// fileLimit is far above any sensible configuration.
const fileLimit = 1 << 20

// Config is a configuration that was checked: defaults filled in, policies
// parsed, secrets read.
type Config struct {
	File     File
	Policies []approval.Policy
	Secrets  Secrets
	// Digest is "sha256:" and the SHA-256 of the file's bytes in hexadecimal.
	Digest string
	// Source is the file's path as it was given.
	Source string
	dir    string
}

// Path is the path of a file that the configuration names: a relative name is
// relative to the configuration file. The empty name stays empty.
func (c Config) Path(name string) string { return resolve(c.dir, name) }

func resolve(dir, name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

// Secrets are the values of the files that the configuration names.
type Secrets struct {
	PrivateKey     Secret
	WebhookSecrets []Secret
	ArgoCDToken    Secret
	// RecordDSN is empty unless the record is in PostgreSQL.
	RecordDSN Secret
	// CheckpointKey is empty when nothing is signed.
	CheckpointKey Secret
	// APITokens are those of api.tokens, in their order.
	APITokens []Secret
	// TracingHeaders are those for the collector of traces, by name.
	TracingHeaders map[string]Secret
}

// Load reads and checks a configuration file and the secrets it names. The
// error is an *Error when the file could be read but is refused.
func Load(path string) (Config, error) {
	data, err := readFile(path)
	if err != nil {
		return Config{}, err
	}
	file, root, err := Parse(path, data)
	if err != nil {
		return Config{}, err
	}
	c := &checker{file: path}
	cfg := Config{File: file, dir: filepath.Dir(path), Source: path, Digest: fmt.Sprintf("sha256:%x", sha256.Sum256(data))}
	cfg.Policies = c.check(&cfg.File, root)
	cfg.Secrets = c.secrets(cfg.File, root, cfg.dir, ReadSecret)
	if err := c.err(); err != nil {
		return Config{}, err
	}
	return cfg, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("open the configuration: %w", err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, fileLimit+1))
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return data, nil
}

// Parse decodes a configuration strictly and fills in the defaults. The node is
// the top of the document, for positions. The meaning is checked by Load.
func Parse(name string, data []byte) (File, *yaml.Node, error) {
	peek := &checker{file: name}
	if top, err := peek.top(data); err == nil {
		// Of a newer version nothing else would make sense.
		peek.versionOf(top, Version)
		if err := peek.err(); err != nil {
			return File{}, nil, err
		}
	}
	c := &checker{file: name}
	var file File
	root, err := c.decode(data, &file, "github, argocd, dataDirectory and gates")
	if err != nil {
		return File{}, nil, err
	}
	file.setDefaults()
	return file, root, nil
}

// firstContent is the top value of a document; the document itself has no line.
func firstContent(document *yaml.Node) *yaml.Node {
	if len(document.Content) == 0 {
		return document
	}
	return document.Content[0]
}

// lineOf finds the line in an error of the YAML library.
func lineOf(err error) int {
	var typed *yaml.LoadErrors
	if errors.As(err, &typed) && len(typed.Errors) > 0 {
		return typed.Errors[0].Mark.Line
	}
	return 0
}

func (f *File) setDefaults() {
	def := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	def(&f.GitHub.URL, "https://github.com")
	if f.GitHub.APIURL == "" {
		f.GitHub.APIURL = APIURL(f.GitHub.URL)
	}
	def(&f.Server.Listen, ":8080")
	f.Metrics.setDefaults()
	if f.Enforcement != nil {
		f.Enforcement.setDefaults()
	}
	if f.GitHub.IndexGrace == 0 {
		f.GitHub.IndexGrace = 30 * time.Second
	}
	if f.GitHub.MembershipTTL == 0 {
		f.GitHub.MembershipTTL = 5 * time.Minute
	}
}
