package config

import (
	"path/filepath"

	"go.yaml.in/yaml/v4"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// LoadGates reads the gates of a configuration file and nothing else that it says:
// no secret is read, and what only matters to a running Gatekeeper may be missing,
// so the result is good for its gates and their policies alone. The file must still
// have the right shape, with every key known. The error is an *Error, with file and
// line, when the file could be read but is refused.
func LoadGates(path string) (Config, error) {
	data, err := readFile(path)
	if err != nil {
		return Config{}, err
	}
	file, root, err := Parse(path, data)
	if err != nil {
		return Config{}, err
	}
	c := &checker{file: path}
	cfg := Config{File: file, dir: filepath.Dir(path)}
	cfg.Policies = c.gates(&cfg.File, root)
	if err := c.err(); err != nil {
		return Config{}, err
	}
	return cfg, nil
}

// gates checks the gates of a file.
func (c *checker) gates(f *File, root *yaml.Node) []approval.Policy {
	if len(f.Gates) == 0 {
		c.add(at(root, "gates"), "there is no gate, so nothing would be protected; write at least one under gates")
	}
	c.groups(f.Groups, root)
	var policies []approval.Policy
	names := map[string]bool{}
	for i, g := range f.Gates {
		node := at(root, "gates", i)
		if names[g.Name] {
			c.add(at(node, "name"), "gate %q exists twice; give each gate a name of its own", g.Name)
		}
		names[g.Name] = true
		policies = append(policies, c.gate(g, node))
	}
	c.environments(f.Gates, root)
	return policies
}
