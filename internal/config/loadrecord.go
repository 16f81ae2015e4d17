package config

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
)

// RecordSecrets says which of the record's secrets a command needs that looks at the
// record and asks nobody else.
type RecordSecrets struct {
	// Checkpoints is the key that signs checkpoints. The connection string of a record
	// in PostgreSQL is always needed.
	Checkpoints bool
}

// LoadForRecord is Load for commands that look at the record alone: everything is checked,
// that each secret's file is named included, but of the secrets only those of the record
// are read. So whoever audits a record needs no key of the GitHub App and no token.
func LoadForRecord(path string, need RecordSecrets) (Config, error) {
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
	wanted := map[string]bool{}
	if p := cfg.File.Record.Postgres; p != nil {
		wanted[cfg.Path(p.DSNFile)] = true
	}
	if need.Checkpoints {
		wanted[cfg.Path(cfg.File.Checkpoints.KeyFile)] = true
	}
	cfg.Secrets = c.secrets(cfg.File, root, cfg.dir, func(path string) (Secret, error) {
		if !wanted[path] {
			return Secret{}, nil
		}
		return ReadSecret(path)
	})
	if err := c.err(); err != nil {
		return Config{}, err
	}
	return cfg, nil
}
