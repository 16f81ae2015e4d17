package config

import "time"

// Record is where the record is kept. Default: in a SQLite file in the data directory,
// which one process at a time writes.
type Record struct {
	// Postgres keeps the record in a PostgreSQL database instead, and the inbox beside it.
	// The data directory is needed all the same, for the git mirrors.
	Postgres *Postgres `yaml:"postgres"`
}

// Postgres is a PostgreSQL database, of version 12 or newer. The record itself is made by
// "gatekeeper ledger init".
type Postgres struct {
	// DSNFile holds the connection string, which is a secret: a URL such as
	// postgres://gatekeeper:PASSWORD@HOST/DATABASE?sslmode=verify-full or key=value
	// pairs. Over a network only verified TLS is accepted. Required.
	DSNFile string `yaml:"dsnFile"`
	// Schema holds the record, and nothing else. Default gatekeeper.
	Schema string `yaml:"schema"`
	// Connections is how many are open at once at most. Default 8, at most 64.
	Connections int `yaml:"connections"`
	// Timeout is how long one read or one append may take, waiting for others
	// included, from 100ms to 5m. Default 10s.
	Timeout time.Duration `yaml:"timeout"`
}

const (
	defaultSchema         = "gatekeeper"
	defaultConnections    = 8
	maxConnections        = 64
	defaultRecordTimeout  = 10 * time.Second
	shortestRecordTimeout = 100 * time.Millisecond
	longestRecordTimeout  = 5 * time.Minute
)
