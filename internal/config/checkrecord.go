package config

import (
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

// recordSchema is what a schema can be called without quotes.
var recordSchema = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// record checks where the record is kept, and fills in the defaults.
func (c *checker) record(r *Record, n *yaml.Node) {
	p := r.Postgres
	if p == nil {
		return
	}
	n = at(n, "postgres")
	if p.Schema == "" {
		p.Schema = defaultSchema
	}
	if p.Connections == 0 {
		p.Connections = defaultConnections
	}
	if p.Timeout == 0 {
		p.Timeout = defaultRecordTimeout
	}
	if !recordSchema.MatchString(p.Schema) || strings.HasPrefix(p.Schema, "pg_") || p.Schema == "public" || p.Schema == "information_schema" {
		c.add(at(n, "schema"), "record.postgres.schema must be a schema of the record's own, named with lower-case letters, digits and underscores, for example gatekeeper")
	}
	if p.Connections < 1 || p.Connections > maxConnections {
		c.add(at(n, "connections"), "record.postgres.connections must be between 1 and %d", maxConnections)
	}
	if p.Timeout < shortestRecordTimeout || p.Timeout > longestRecordTimeout {
		c.add(at(n, "timeout"), "record.postgres.timeout must be between %s and %s", shortestRecordTimeout, longestRecordTimeout)
	}
}
