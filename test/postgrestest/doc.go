// Package postgrestest starts PostgreSQL for tests: a cluster of its own in a
// temporary folder, from the binaries that the machine has, reached by a Unix
// socket. It is durable as in production (fsync is on), so that killing it
// means something.
//
// Without the binaries a test skips; with CI=true it fails instead.
package postgrestest
