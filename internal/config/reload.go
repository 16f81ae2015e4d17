package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
)

// reloaded are the keys that a running Gatekeeper takes over: the gates with what they
// refer to, and where the secrets are that it reads again. Everything else needs a
// restart: it is an address, a folder, a connection, or is built into other parts.
func reloaded() []string {
	return []string{
		"version", "groups", "gates", "registries",
		"github.privateKeyFile", "github.webhookSecretFiles", "argocd.tokenFile", "api.tokens",
	}
}

// Reload is the configuration with what a running Gatekeeper takes over of the next one:
// its gates, groups, registries and secrets, all of them. The keys of which the values
// differ and that wait for a restart are named, in the order of the manual.
func (c Config) Reload(next Config) (taken Config, waiting []string) {
	waiting = differing(reflect.ValueOf(c.File), reflect.ValueOf(next.File), "")
	if !slices.Equal(c.Secrets.CheckpointKey.value, next.Secrets.CheckpointKey.value) && !slices.Contains(waiting, "checkpoints.keyFile") {
		waiting = append(waiting, "checkpoints.keyFile")
	}
	taken = next
	taken.File = c.File
	taken.Secrets.CheckpointKey = c.Secrets.CheckpointKey
	if here, there := c.File.Record.Postgres, next.File.Record.Postgres; here == nil || there == nil || here.DSNFile != there.DSNFile {
		taken.Secrets.RecordDSN = c.Secrets.RecordDSN // it is that of a file which waits
	}
	from, to := next.File, &taken.File
	to.Version, to.Groups, to.Gates, to.Registries = from.Version, from.Groups, from.Gates, from.Registries
	to.GitHub.PrivateKeyFile, to.GitHub.WebhookSecretFiles, to.ArgoCD.TokenFile = from.GitHub.PrivateKeyFile, from.GitHub.WebhookSecretFiles, from.ArgoCD.TokenFile
	if to.API != nil {
		own := *to.API
		to.API, own.Tokens = &own, nil
		if from.API != nil {
			own.Tokens = from.API.Tokens
		} else {
			taken.Secrets.APITokens = nil // whoever takes the section out wants nobody to read
		}
	}
	return taken, waiting
}

// differing names the keys of which the values differ and that are not taken over.
func differing(a, b reflect.Value, path string) []string {
	if slices.Contains(reloaded(), path) || reflect.DeepEqual(a.Interface(), b.Interface()) {
		return nil
	}
	if a.Kind() == reflect.Pointer {
		if a.IsNil() || b.IsNil() || a.Elem().Kind() != reflect.Struct {
			return []string{path}
		}
		a, b = a.Elem(), b.Elem()
	}
	if a.Kind() != reflect.Struct {
		return []string{path}
	}
	var out []string
	for i := range a.NumField() {
		out = append(out, differing(a.Field(i), b.Field(i), join(path, a.Type().Field(i).Tag.Get("yaml")))...)
	}
	return out
}

// Files are the secrets and the public keys that are read with the configuration, as paths.
func (c Config) Files() []string {
	f := c.File
	names := append([]string{f.GitHub.PrivateKeyFile, f.ArgoCD.TokenFile, f.Checkpoints.KeyFile}, f.GitHub.WebhookSecretFiles...)
	if f.Record.Postgres != nil {
		names = append(names, f.Record.Postgres.DSNFile)
	}
	if f.API != nil {
		for _, t := range f.API.Tokens {
			names = append(names, t.File)
		}
	}
	for _, g := range f.Gates {
		names = append(names, keyFiles(g)...)
	}
	return c.paths(names)
}

func (c Config) paths(names []string) []string {
	var out []string
	for _, name := range names {
		if name != "" {
			out = append(out, c.Path(name))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// keyFiles are the files with the public keys that a gate trusts.
func keyFiles(g Gate) []string {
	if g.Image == nil {
		return nil
	}
	var names []string
	for _, s := range g.Image.Signers {
		names = slices.Concat(names, s.OpenPGP, s.SSH, s.AllowedSigners)
	}
	for _, k := range g.Image.Verify {
		names = append(names, k.Keys...)
	}
	return names
}

// keysLimit is far above any file of public keys.
const keysLimit = 16 << 20

// PublicKeys are the public keys that gates trust, as the files were when they were read,
// once each: what is verified by them is what the digests are of.
type PublicKeys struct {
	contents map[string][]byte
	digests  map[string]string
}

// PublicKeys reads those of all gates.
func (c Config) PublicKeys() (PublicKeys, error) { return c.PublicKeysOf(c.File.Gates...) }

// PublicKeysOf reads those of some gates.
func (c Config) PublicKeysOf(gates ...Gate) (PublicKeys, error) {
	out := PublicKeys{contents: map[string][]byte{}, digests: map[string]string{}}
	for _, g := range gates {
		names := keyFiles(g)
		if len(names) == 0 {
			continue
		}
		sum := sha256.New()
		for _, name := range names {
			path := c.Path(name)
			content, have := out.contents[path]
			if !have {
				var err error
				if content, err = readKeys(path); err != nil {
					return PublicKeys{}, fmt.Errorf("read a public key of gate %s: %w", g.Name, err)
				}
				out.contents[path] = content
			}
			_, _ = fmt.Fprintf(sum, "%q %x\n", name, sha256.Sum256(content)) // a hash does not fail
		}
		out.digests[g.Name] = fmt.Sprintf("sha256:%x", sum.Sum(nil))
	}
	return out, nil
}

// Digests tell the keys of gates from others, by the gates' names: they are of the names of
// the files and of what is in them. A gate that trusts none has no digest.
func (k PublicKeys) Digests() map[string]string { return maps.Clone(k.digests) }

// Of is what is in a file, by its path, see Config.Path.
func (k PublicKeys) Of(path string) ([]byte, error) {
	content, have := k.contents[path]
	if !have {
		return nil, fmt.Errorf("%s is not among the public keys that were read", path)
	}
	return content, nil
}

func readKeys(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, keysLimit+1))
	switch {
	case err != nil:
		return nil, err
	case len(content) > keysLimit:
		return nil, fmt.Errorf("%s is larger than %d bytes", path, keysLimit)
	}
	return content, nil
}

func fileDigest(path string) (string, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	sum := sha256.New()
	n, err := io.Copy(sum, io.LimitReader(f, keysLimit+1))
	switch {
	case err != nil:
		return "", err
	case n > keysLimit:
		return "", fmt.Errorf("%s is larger than %d bytes", path, keysLimit)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// Fingerprint changes when the file or one of the others does, by what is in them. What
// cannot be read is a part of it. It is kept in memory alone: a digest of a short secret
// could be guessed.
func Fingerprint(path string, others []string) string {
	var b strings.Builder
	for _, file := range append([]string{path}, others...) {
		digest, err := fileDigest(file)
		if err != nil {
			digest = "unreadable"
		}
		b.WriteString(file + "\x00" + digest + "\x00")
	}
	return b.String()
}
