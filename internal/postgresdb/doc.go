// Package postgresdb connects to the PostgreSQL schema in which Gatekeeper keeps the
// record and the inbox, in one careful way for both.
//
//	Configure ──► a pool or a connection: private, with bounds of time, to a server
//	              that keeps what it confirms
//	AsOwner ────► migrations, and the rights of the role that works with the tables
//	Open ───────► database/sql, for what shares its statements with SQLite
//	Listen ─────► wakes when another process wrote something
//
// # Failing closed
//
// A server with fsync off, a standby, another encoding than UTF8 and a connection over
// the network without verified TLS are refused. The connection string is a secret: it is
// in no error.
package postgresdb
